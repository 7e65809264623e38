"""A row of a file → an example, whatever its values are: the one definition, row by row.

core/data/columns/batches.py does the same for many plain rows at once, and asks here for all others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.data.columns.choice import MARKS, Columns, as_text
from core.data.reading.table import Table
from core.errors import Problem, UserError
from core.types import Example

_HH_TURN = re.compile(r"\n\n(Human|Assistant): ?")  # how Anthropic's HH-RLHF writes a conversation as one text

_ROLES = {
    **{"user": "user", "human": "user", "prompter": "user"},
    **{"assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant"},
    **{"system": "system", "developer": "system"},
}


def to_examples(table: Table, columns: Columns, labels: Sequence[str] = ()) -> tuple[list[Example], list[Problem]]:
    """Every usable row as an Example, a Problem for each row that is left out. `labels`: of a label task, in order."""
    examples: list[Example] = []
    problems: list[Problem] = []
    for row, number in zip(table.rows, table.numbers, strict=True):
        try:
            made = to_example(row, number, columns, labels)
        except UserError as e:
            raise UserError(f"Row {number}: {e}") from e
        if isinstance(made, Example):
            examples.append(made)
        else:
            problems.append(made)
    return examples, problems


def to_example(row: dict[str, Any], number: int, columns: Columns, labels: Sequence[str] = ()) -> Example | Problem:
    """One row, or why it is left out."""
    if columns.text:
        made = _from_text(row, number, columns)
    elif columns.messages:
        made = _from_chat(row, number, columns)
    else:
        made = _from_columns(row, number, columns, labels)
    return _marked(made, row, columns) if isinstance(made, Example) and columns.mark else made


def _cell(row: dict[str, Any], column: str | None) -> Any:
    return None if column is None else row.get(column)


def _from_text(row: dict[str, Any], number: int, columns: Columns) -> Example | Problem:
    text = as_text(_cell(row, columns.text))
    if not text.strip():
        return Problem("warning", "The text is empty.", "The row was left out.", number, columns.text)
    return Example((), text, number, meta=_meta(row, (columns.text,)))


def _from_columns(row: dict[str, Any], number: int, columns: Columns, labels: Sequence[str]) -> Example | Problem:
    bad = lambda what, column: Problem("warning", what, "The row was left out.", number, column)  # noqa: E731
    messages = _prompt(row, columns, labels)
    answer_before, answer = _answer(_cell(row, columns.answer))
    messages = _joined(messages, answer_before)
    if not any(m["role"] == "user" and m["content"].strip() for m in messages):
        return bad("The prompt is empty.", columns.prompt or columns.answer)
    if not answer:
        return bad("The answer is empty.", columns.answer)
    rejected = ""
    if columns.rejected:
        rejected_before, rejected = _answer(row.get(columns.rejected))
        if not rejected:
            return bad("The rejected answer is empty.", columns.rejected)
        if rejected_before and _joined(messages, rejected_before) != messages:
            return bad("Chosen and rejected answer belong to different prompts.", columns.rejected)
        if rejected == answer:
            return bad("Chosen and rejected answer are the same.", columns.rejected)
    used = (columns.prompt, columns.answer, columns.context, columns.system, columns.rejected, columns.mark)
    meta = _meta(row, used)
    if labels:
        meta["label"] = answer
    return Example(messages, answer, number, meta=meta, rejected=rejected)


def _prompt(row: dict[str, Any], columns: Columns, labels: Sequence[str]) -> tuple[dict[str, str], ...]:
    """The messages before the answer, from the columns; empty where the prompt is."""
    context = as_text(row.get(columns.context)).strip() if columns.context else ""
    system = as_text(row.get(columns.system)).strip() if columns.system else ""
    head = ({"role": "system", "content": system},) if system else ()
    turns = turns_of(row.get(columns.prompt)) if columns.prompt else []
    if turns is None:
        prompt = as_text(_cell(row, columns.prompt)).strip()
        content = "\n\n".join(part for part in (prompt, context) if part)
        turns = [{"role": "user", "content": content}] if content else []
    elif context and turns and turns[-1]["role"] == "user":
        turns[-1]["content"] += f"\n\n{context}"
    elif context:
        turns = [*turns, {"role": "user", "content": context}]
    if labels and turns:
        turns[-1]["content"] += f"\n\nLabel, one of {', '.join(labels)}:"
    return (*head, *turns)


def _answer(value: Any) -> tuple[tuple[dict[str, str], ...], str]:
    """An answer, and the messages before it where the value is a conversation."""
    turns = turns_of(value)
    if turns is None:
        return (), as_text(value).strip()
    if turns[-1]["role"] != "assistant":
        return tuple(turns), ""
    return tuple(turns[:-1]), turns[-1]["content"].strip()


def _joined(head: tuple[dict[str, str], ...], before: tuple[dict[str, str], ...]) -> tuple[dict[str, str], ...]:
    """The prompt of a row whose answer brings messages of its own: these, under the prompt's system message."""
    if not before:
        return head
    system = head[:1] if head and head[0]["role"] == "system" and before[0]["role"] != "system" else ()
    return (*system, *before)


def turns_of(value: Any) -> list[dict[str, str]] | None:
    """A value as messages: a list of them, one of them, or HH-RLHF's text. None where it is something else."""
    if isinstance(value, str) and value.startswith("\n\nHuman:"):
        parts = _HH_TURN.split(value)[1:]
        return [{"role": _ROLES[r.lower()], "content": t.strip()} for r, t in zip(parts[::2], parts[1::2], strict=True)]
    value = as_list(value)
    turns = [value] if isinstance(value, dict) else value
    if not isinstance(turns, list) or not turns or not all(isinstance(t, dict) for t in turns):
        return None
    made = [(t.get("role", t.get("from")), t.get("content", t.get("value"))) for t in turns]
    if any(not isinstance(role, str) or role not in _ROLES or content is None for role, content in made):
        return None
    return [{"role": _ROLES[role], "content": _content(content)} for role, content in made]


def _marked(example: Example, row: dict[str, Any], columns: Columns) -> Example | Problem:
    value = as_text(_cell(row, columns.mark)).strip()
    if value.lower() not in MARKS:
        what = f"The mark is “{value[:40]}”; understood are true and false, 1 and 0, good and bad, 👍 and 👎."
        return Problem("warning", what, "The row was left out.", example.row, columns.mark)
    meta = {k: v for k, v in example.meta.items() if k != columns.mark}
    return replace(example, good=MARKS[value.lower()], meta=meta)


def _meta(row: dict[str, Any], used: tuple[str | None, ...]) -> dict[str, str]:
    return {c: as_text(v) for c, v in row.items() if c not in used and as_text(v).strip()}


def _from_chat(row: dict[str, Any], number: int, columns: Columns) -> Example | Problem:
    bad = lambda what: Problem("warning", what, "The row was left out.", number, columns.messages)  # noqa: E731
    turns = as_list(_cell(row, columns.messages))
    if not isinstance(turns, list) or not turns:
        return bad("The conversation is not a list of messages.")
    messages = []
    for turn in turns:
        role = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
        content = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        if not isinstance(role, str) or role not in _ROLES or content is None:
            return bad(
                f"A message has the role “{as_text(role)}”; understood are system, user and assistant, with text."
            )
        messages.append({"role": _ROLES[role], "content": _content(content)})
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()  # what comes after the last answer cannot be trained
    if len(messages) < 2 or not messages[-1]["content"].strip():
        return bad("The conversation holds no answer of the assistant to a message before it.")
    meta = _meta(row, (columns.messages,))
    return Example(tuple(messages[:-1]), messages[-1]["content"], number, meta=meta)


def _content(content: Any) -> str:
    if isinstance(content, list):  # OpenAI's content parts
        return "".join(as_text(part.get("text")) if isinstance(part, dict) else as_text(part) for part in content)
    return as_text(content)


def as_list(value: Any) -> Any:
    """Conversations in a CSV cell are JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
