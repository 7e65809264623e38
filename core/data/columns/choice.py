"""Which column is the prompt, which the answer: what a person chooses, and a cell's text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.data.columns import templates
from core.errors import UserError

MARKS = {
    **dict.fromkeys(("true", "1", "1.0", "good", "yes", "up", "+1", "thumbs up", "thumbs_up", "👍", "like"), True),
    **dict.fromkeys(("false", "0", "0.0", "bad", "no", "down", "-1", "thumbs down", "thumbs_down", "👎"), False),
    **{"liked": True, "desirable": True, "dislike": False, "disliked": False, "undesirable": False},
}


WRITTEN = ("template", "system_prompt")
"""Fields of Columns that are texts of a person, not names of columns."""


@dataclass(frozen=True)
class Columns:
    """How rows become examples. One of `text`, `messages`, or `prompt` and `answer`.

    A column is named as the file names it; a value within objects as `translation.en`.
    """

    prompt: str | None = None
    answer: str | None = None
    """The answer. Where a cell holds a list, the first is trained and all count as right."""
    context: str | None = None
    """Further text of the prompt, set below it."""
    system: str | None = None
    messages: str | None = None
    """A column that holds whole conversations."""
    label_task: bool = False
    """The answer is one of a few labels: they are named at the end of each prompt."""
    rejected: str | None = None
    """A worse answer to the same prompt."""
    mark: str | None = None
    """Whether the answer is good or bad: see MARKS for what is understood."""
    text: str | None = None
    """Text alone, all of which is trained."""
    history: str | None = None
    """Earlier turns, which stand before the prompt: pairs of question and answer, or messages."""
    tools: str | None = None
    """The tools that the assistant may call, as JSON schemas."""
    reasoning: str | None = None
    """What the assistant thought before it answered."""
    part: str | None = None
    """Which part a row belongs to, as the file says: train, validation or test. None: guessed; empty: drawn."""
    one_label: bool = False
    """Labels that differ only in how they are written (Spam, spam, SPAM) count as one: the most frequent of them."""
    template: str = ""
    """The prompt as a text with columns in braces, in place of one column: “Translate {text} into {language}.”"""
    system_prompt: str = ""
    """A system message for rows that bring none: the project's own, not a column."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def taken(self) -> dict[str, str]:
        """What each chosen column is taken for: prompt, answer …"""
        chosen = ((name, value) for name, value in self.to_dict().items() if name not in WRITTEN)
        return {name: column for name, column in chosen if isinstance(column, str) and column}

    def named(self) -> list[str]:
        """The columns that are chosen, those within the template too."""
        return [*self.taken().values(), *templates.columns_in(self.template)]

    def flags(self) -> str:
        """The choice as the command line takes it."""
        flags = [f"--{name} {_quoted(column)}" for name, column in self.taken().items()]
        flags += [f"--template {_quoted(self.template)}"] if self.template else []
        return " ".join([*flags, "--labels"] if flags and self.label_task else flags)


def _quoted(text: str) -> str:
    return text if text.replace("_", "").replace("-", "").replace(".", "").isalnum() else f'"{text}"'


def check(there: Sequence[str], columns: Columns) -> None:
    """Raises UserError where columns are chosen that a file with the columns `there` cannot serve."""
    missing = [c for c in columns.taken().values() if c not in there]
    have = listed(there)
    if missing:
        raise UserError(f"There is no column “{missing[0]}”. The file has: {have}.")
    if columns.text or columns.messages:
        return
    if columns.template:
        templates.check(columns.template, there)
        if columns.prompt:
            raise UserError(
                f"The prompt is both the column “{columns.prompt}” and a template. Choose no column for it, or empty "
                "the template."
            )
    # Where an answer is a whole conversation, as it may be beside a rejected one, the prompt is in it.
    asked = columns.prompt or columns.template
    if not columns.answer or not (asked or columns.rejected):
        what = "answer (what it should say)" if asked else "prompt (what the model is asked)"
        raise UserError(f"No column for the {what} is chosen. The file has: {have}. Choose one under “Columns”.")
    if columns.prompt == columns.answer:
        raise UserError(f"The column “{columns.prompt}” is both prompt and answer. Choose two different columns.")
    for other, name in ((columns.rejected, "rejected answer"), (columns.mark, "mark")):
        if other and other in (columns.prompt, columns.answer):
            what = "prompt" if other == columns.prompt else "answer"
            raise UserError(f"The column “{other}” is both {what} and {name}. Choose two different columns.")


def listed(columns: Sequence[str], most: int = 30) -> str:
    more = f" and {len(columns) - most:,} more" if len(columns) > most else ""
    return ", ".join(f"“{c}”" for c in columns[:most]) + more


def cell(row: dict[str, Any], column: str | None) -> Any:
    """The value of a column, or within an object (`translation.en`); None where it is missing, as NaN is, too."""
    if column is None:
        return None
    value = row.get(column)
    if value is None and "." in column and column not in row:
        outer, _, inner = column.partition(".")
        value = row[outer].get(inner) if isinstance(row.get(outer), dict) else None
    return None if is_missing(value) else value


def is_missing(value: Any) -> bool:
    """Null, a list or an object without anything in it, or NaN, as pandas writes a cell without a value."""
    return value is None or (type(value) is float and value != value) or (not value and isinstance(value, list | dict))


def as_text(value: Any) -> str:
    """A cell as text: what is missing is empty, numbers and lists as JSON writes them.

    Lone surrogates become U+FFFD. Raises UserError for what is nested too deeply.
    """
    if type(value) is str and value.isascii():
        return value
    if is_missing(value):
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError as e:
        raise UserError("A value is nested too deeply to be text. Remove it from the file and import it again.") from e
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def parsed(value: Any) -> Any:
    """A list or an object that stands in a cell as JSON text, as in CSV; else the value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
