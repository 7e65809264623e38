"""Which column is the prompt, which the answer: guessed, shown, and changed by the person.

Understood are instruction / input / output (Alpaca), prompt / completion, question / answer, text / label, and chat
rows: `messages` (OpenAI) and `conversations` (ShareGPT).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from core.data.reading import Table
from core.types import Example, Problem, UserError

# In order of preference; compared in lower case, with spaces and dashes read as underscores.
PROMPT = ("instruction", "prompt", "question", "query", "user", "text", "source", "sentence", "request", "message")
ANSWER = ("output", "completion", "answer", "response", "target", "assistant", "label", "category", "class", "reply")
CONTEXT = ("input", "context", "passage", "document")
SYSTEM = ("system", "system_prompt")
MESSAGES = ("messages", "conversations", "conversation", "chat")
LABELS = ("label", "category", "class")

_ROLES = {
    **{"user": "user", "human": "user", "prompter": "user"},
    **{"assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant"},
    **{"system": "system", "developer": "system"},
}


@dataclass(frozen=True)
class Columns:
    """How rows become examples. Either `messages`, or `prompt` and `answer`."""

    prompt: str | None = None
    answer: str | None = None
    context: str | None = None
    """Further text of the prompt, set below it."""
    system: str | None = None
    messages: str | None = None
    """A column that holds whole conversations; the last assistant message is the answer."""
    label_task: bool = False
    """The answer is one of a few labels: they are named at the end of each prompt."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def guess(table: Table) -> Columns:
    """The most likely reading of the columns; fields that cannot be guessed stay None."""
    known = {c.lower().replace(" ", "_").replace("-", "_"): c for c in table.columns}
    first = lambda names, taken=(): next((known[n] for n in names if n in known and known[n] not in taken), None)  # noqa: E731
    messages = first(MESSAGES)
    if messages and any(isinstance(_as_list(row[messages]), list) for row in table.rows[:20]):
        return Columns(messages=messages)
    prompt = first(PROMPT) or first(CONTEXT)
    answer = first(ANSWER, (prompt,))
    if len(table.columns) == 2 and (prompt is None) != (answer is None):
        other = next(c for c in table.columns if c not in (prompt, answer))
        prompt, answer = prompt or other, answer or other
    context = first(CONTEXT, (prompt, answer))
    label_task = answer is not None and answer.lower() in LABELS and len(_labels(table, answer)) <= 50
    return Columns(prompt, answer, context, first(SYSTEM), None, label_task)


def to_examples(table: Table, columns: Columns) -> tuple[list[Example], list[Problem]]:
    """Every usable row as an Example, a Problem for each row that is left out. Raises UserError for wrong columns."""
    _check(table, columns)
    labels = _labels(table, columns.answer) if columns.label_task and columns.answer else []
    examples, problems = [], []
    for row, number in zip(table.rows, table.numbers, strict=True):
        made = _from_chat(row, number, columns) if columns.messages else _from_columns(row, number, columns, labels)
        (examples if isinstance(made, Example) else problems).append(made)
    return examples, problems


def _check(table: Table, columns: Columns) -> None:
    named = [c for c in (columns.prompt, columns.answer, columns.context, columns.system, columns.messages) if c]
    missing = [c for c in named if c not in table.columns]
    have = ", ".join(f"“{c}”" for c in table.columns)
    if missing:
        raise UserError(f"There is no column “{missing[0]}”. The file has: {have}.")
    if columns.messages:
        return
    if not columns.prompt or not columns.answer:
        what = "prompt (what the model is asked)" if not columns.prompt else "answer (what it should say)"
        raise UserError(f"No column for the {what} is chosen. The file has: {have}. Choose one under “Columns”.")
    if columns.prompt == columns.answer:
        raise UserError(f"The column “{columns.prompt}” is both prompt and answer. Choose two different columns.")


def _from_columns(row: dict[str, Any], number: int, columns: Columns, labels: list[str]) -> Example | Problem:
    prompt, answer = as_text(row[columns.prompt]).strip(), as_text(row[columns.answer]).strip()
    context = as_text(row[columns.context]).strip() if columns.context else ""
    if not prompt and not context:
        return Problem("warning", "The prompt is empty.", "The row was left out.", number, columns.prompt)
    if not answer:
        return Problem("warning", "The answer is empty.", "The row was left out.", number, columns.answer)
    content = "\n\n".join(part for part in (prompt, context) if part)
    if labels:
        content += f"\n\nLabel, one of {', '.join(labels)}:"
    system = as_text(row[columns.system]).strip() if columns.system else ""
    messages = ({"role": "system", "content": system},) if system else ()
    used = (columns.prompt, columns.answer, columns.context, columns.system)
    meta = {c: as_text(v) for c, v in row.items() if c not in used and as_text(v).strip()}
    if labels:
        meta["label"] = answer
    return Example((*messages, {"role": "user", "content": content}), answer, number, meta=meta)


def _from_chat(row: dict[str, Any], number: int, columns: Columns) -> Example | Problem:
    bad = lambda what: Problem("warning", what, "The row was left out.", number, columns.messages)  # noqa: E731
    turns = _as_list(row[columns.messages])
    if not isinstance(turns, list) or not turns:
        return bad("The conversation is not a list of messages.")
    messages = []
    for turn in turns:
        role = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
        content = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        if role not in _ROLES or content is None:
            return bad(
                f"A message has the role “{as_text(role)}”; understood are system, user and assistant, with text."
            )
        messages.append({"role": _ROLES[role], "content": _content(content)})
    while messages and messages[-1]["role"] != "assistant":
        messages.pop()  # what comes after the last answer cannot be trained
    if len(messages) < 2 or not messages[-1]["content"].strip():
        return bad("The conversation holds no answer of the assistant to a message before it.")
    meta = {c: as_text(v) for c, v in row.items() if c != columns.messages and as_text(v).strip()}
    return Example(tuple(messages[:-1]), messages[-1]["content"], number, meta=meta)


def _content(content: Any) -> str:
    if isinstance(content, list):  # OpenAI's content parts
        return "".join(as_text(part.get("text")) if isinstance(part, dict) else as_text(part) for part in content)
    return as_text(content)


def _as_list(value: Any) -> Any:
    """Conversations in a CSV cell are JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def as_text(value: Any) -> str:
    """A cell as text: null is empty, numbers and lists as JSON writes them. Lone surrogates become U+FFFD."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


def _labels(table: Table, answer: str) -> list[str]:
    return sorted({as_text(row[answer]).strip() for row in table.rows} - {""})
