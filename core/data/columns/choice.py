"""Which column is the prompt, which the answer: what a person chooses, and a cell's text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import UserError

MARKS = {
    **dict.fromkeys(("true", "1", "1.0", "good", "yes", "up", "+1", "thumbs up", "thumbs_up", "👍", "like"), True),
    **dict.fromkeys(("false", "0", "0.0", "bad", "no", "down", "-1", "thumbs down", "thumbs_down", "👎"), False),
    **{"liked": True, "desirable": True, "dislike": False, "disliked": False, "undesirable": False},
}


@dataclass(frozen=True)
class Columns:
    """How rows become examples. One of `text`, `messages`, or `prompt` and `answer`."""

    prompt: str | None = None
    answer: str | None = None
    context: str | None = None
    """Further text of the prompt, set below it."""
    system: str | None = None
    messages: str | None = None
    """A column that holds whole conversations; the last assistant message is the answer."""
    label_task: bool = False
    """The answer is one of a few labels: they are named at the end of each prompt."""
    rejected: str | None = None
    """A worse answer to the same prompt."""
    mark: str | None = None
    """Whether the answer is good or bad: see MARKS for what is understood."""
    text: str | None = None
    """Text alone, all of which is trained."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def named(self) -> list[str]:
        """The columns that are chosen."""
        return [c for name, c in self.to_dict().items() if c and name != "label_task"]


def check(there: Sequence[str], columns: Columns) -> None:
    """Raises UserError where columns are chosen that a file with the columns `there` cannot serve."""
    missing = [c for c in columns.named() if c not in there]
    have = listed(there)
    if missing:
        raise UserError(f"There is no column “{missing[0]}”. The file has: {have}.")
    if columns.text or columns.messages:
        return
    # Where an answer is a whole conversation, as it may be beside a rejected one, the prompt is in it.
    if not columns.answer or not (columns.prompt or columns.rejected):
        what = "answer (what it should say)" if columns.prompt else "prompt (what the model is asked)"
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


def as_text(value: Any) -> str:
    """A cell as text: null is empty, numbers and lists as JSON writes them. Lone surrogates become U+FFFD."""
    if value is None:
        return ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError as e:
        raise UserError("A value is nested too deeply to be text. Remove it from the file and import it again.") from e
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text
