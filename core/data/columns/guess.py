"""What is in the columns of a file: looked at once, in batches; and which of them are likely what.

Understood are instruction / input / output (Alpaca), prompt / completion, question / answer, text / label, and chat
rows: `messages` (OpenAI) and `conversations` (ShareGPT). For preferences: prompt / chosen / rejected and prompt /
completion / label (TRL), where each may be text or messages, the prompt may be a part of both answers (UltraFeedback,
HH-RLHF), or stand in `conversations` (LLaMA-Factory). And plain text: one column `text`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from core.data.columns.choice import MARKS, Columns, as_text
from core.data.columns.rows import as_list
from core.data.reading.delimited import MOST_COLUMNS, require_few_columns
from core.data.reading.table import Table
from core.errors import UserError

# In order of preference; compared in lower case, with spaces and dashes read as underscores.
PROMPT = ("instruction", "prompt", "question", "query", "user", "text", "source", "sentence", "request", "message")
ANSWER = ("output", "completion", "answer", "response", "target", "assistant", "label", "category", "class", "reply")
CONTEXT = ("input", "context", "passage", "document")
SYSTEM = ("system", "system_prompt")
MESSAGES = ("messages", "conversations", "conversation", "chat")
LABELS = ("label", "category", "class")
CHOSEN = ("chosen", "chosen_response", "chosen_answer", "preferred")
REJECTED = ("rejected", "rejected_response", "rejected_answer", "rejected_output", "dispreferred")
MARK = ("label", "mark", "rating", "feedback", "thumb", "thumbs", "good", "liked", "kto_tag")
TEXT = ("text", "content", "document", "passage", "article")

MOST_LABELS = 50
"""More different answers than this are not taken for labels."""
MOST_VALUES = 200
"""Different values of a column that are remembered."""


@dataclass
class Survey:
    """What a file holds, before anybody says how its rows are to be read."""

    columns: tuple[str, ...] = ()
    """In the order in which they first occur."""
    rows: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)
    """The first 20 rows."""
    values: dict[str, set[str] | None] = field(default_factory=dict)
    """Of columns that may hold labels or marks: their texts, trimmed; None where there are more than MOST_VALUES."""


def survey(tables: Iterable[Table], name: str, labels: str | None = None) -> Survey:
    """Go through a file once. `labels`: a column whose values are looked at whatever it is called.

    Raises UserError for rows without any column, and for too many columns.
    """
    made = Survey()
    columns: dict[str, None] = {}
    for table in tables:
        if not columns.keys() >= set(chain.from_iterable(table.rows)):
            _take_in(columns, table, name)
        made.rows += len(table.rows)
        made.first += table.rows[: 20 - len(made.first)]
        for column in columns:
            if column == labels or _normal(column) in MARK:
                _remember(made, column, table)
    if not columns:
        raise UserError(
            f"“{name}” has rows, but none has a column. Each row needs named values, such as prompt, answer."
        )
    made.columns = tuple(columns)
    return made


def _take_in(columns: dict[str, None], table: Table, name: str) -> None:
    for row, number in zip(table.rows, table.numbers, strict=True):
        for column in row:
            columns.setdefault(column)
            if len(columns) > MOST_COLUMNS:
                require_few_columns(max(len(row), len(columns)), name, number)


def _remember(made: Survey, column: str, table: Table) -> None:
    known = made.values.setdefault(column, set())
    if known is None:
        return
    for row in table.rows:
        value = row.get(column)
        known.add(value.strip() if type(value) is str and value.isascii() else as_text(value).strip())
        if len(known) > MOST_VALUES:
            made.values[column] = None
            return


def _normal(column: str) -> str:
    return column.lower().replace(" ", "_").replace("-", "_")


def labels_of(made: Survey, columns: Columns) -> list[str]:
    """The labels of a label task, in the order in which prompts name them; none of another task."""
    if not (columns.label_task and columns.answer):
        return []
    values = made.values.get(columns.answer)
    if values is None:
        raise UserError(
            f"The column “{columns.answer}” holds more than {MOST_VALUES:,} different answers: they cannot all be "
            "named in each prompt. Clear “The answer is one of a few labels”."
        )
    return sorted(values - {""})


def guess(made: Survey) -> Columns:
    """The most likely reading of the columns; fields that cannot be guessed stay None."""
    known = {_normal(c): c for c in made.columns}
    first = lambda names, taken=(): next((known[n] for n in names if n in known and known[n] not in taken), None)  # noqa: E731
    messages, rejected = first(MESSAGES), first(REJECTED)
    if rejected:
        prompt = first(PROMPT) or messages or first(CONTEXT)
        answer = first(CHOSEN) or first(ANSWER, (prompt,))
        return Columns(prompt, answer, first(CONTEXT, (prompt, answer)), first(SYSTEM), rejected=rejected)
    mark = next((known[n] for n in MARK if n in known and _marks_both(made, known[n])), None)
    if messages and any(isinstance(as_list(row.get(messages)), list) for row in made.first):
        return Columns(messages=messages, mark=mark)
    prompt = first(PROMPT) or first(CONTEXT)
    answer = first(ANSWER, (prompt,))
    if mark == answer:
        # prompt, response, label: the marks are the answer only where there is no other.
        answer = first([n for n in ANSWER if n not in MARK], (prompt,)) or answer
    mark = mark if mark not in (prompt, answer) and answer else None
    if len(made.columns) == 2 and (prompt is None) != (answer is None):
        other = next(c for c in made.columns if c not in (prompt, answer))
        prompt, answer = prompt or other, answer or other
    if answer is None and (text := first(TEXT)):
        return Columns(text=text)
    context = first(CONTEXT, (prompt, answer))
    label_task = answer is not None and answer.lower() in LABELS and _few_values(made, answer)
    return Columns(prompt, answer, context, first(SYSTEM), None, label_task, mark=mark)


def _few_values(made: Survey, column: str) -> bool:
    values = made.values.get(column)
    return values is not None and len(values - {""}) <= MOST_LABELS


def _marks_both(made: Survey, column: str) -> bool:
    """Does a column hold marks only, and both kinds?"""
    values = made.values.get(column)
    if values is None:
        return False
    values = {value.lower() for value in values} - {""}
    return values <= set(MARKS) and {MARKS[v] for v in values} == {True, False}
