"""Which column is the prompt, which the answer: guessed, shown, and changed by the person.

Understood are instruction / input / output (Alpaca), prompt / completion, question / answer, text / label, and chat
rows: `messages` (OpenAI) and `conversations` (ShareGPT). For preferences: prompt / chosen / rejected and prompt /
completion / label (TRL), where each may be text or messages, the prompt may be a part of both answers (UltraFeedback,
HH-RLHF), or stand in `conversations` (LLaMA-Factory). And plain text: one column `text`.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.data.reading import Table
from core.errors import Problem, UserError
from core.types import Example

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

MARKS = {
    **dict.fromkeys(("true", "1", "1.0", "good", "yes", "up", "+1", "thumbs up", "thumbs_up", "👍", "like"), True),
    **dict.fromkeys(("false", "0", "0.0", "bad", "no", "down", "-1", "thumbs down", "thumbs_down", "👎"), False),
    **{"liked": True, "desirable": True, "dislike": False, "disliked": False, "undesirable": False},
}
_HH_TURN = re.compile(r"\n\n(Human|Assistant): ?")  # how Anthropic's HH-RLHF writes a conversation as one text

_ROLES = {
    **{"user": "user", "human": "user", "prompter": "user"},
    **{"assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant"},
    **{"system": "system", "developer": "system"},
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


def guess(table: Table) -> Columns:
    """The most likely reading of the columns; fields that cannot be guessed stay None."""
    known = {c.lower().replace(" ", "_").replace("-", "_"): c for c in table.columns}
    first = lambda names, taken=(): next((known[n] for n in names if n in known and known[n] not in taken), None)  # noqa: E731
    messages, rejected = first(MESSAGES), first(REJECTED)
    if rejected:
        prompt = first(PROMPT) or messages or first(CONTEXT)
        answer = first(CHOSEN) or first(ANSWER, (prompt,))
        return Columns(prompt, answer, first(CONTEXT, (prompt, answer)), first(SYSTEM), rejected=rejected)
    mark = next((known[n] for n in MARK if n in known and _marks_both(table, known[n])), None)
    if messages and any(isinstance(_as_list(row[messages]), list) for row in table.rows[:20]):
        return Columns(messages=messages, mark=mark)
    prompt = first(PROMPT) or first(CONTEXT)
    answer = first(ANSWER, (prompt,))
    if mark == answer:
        # prompt, response, label: the marks are the answer only where there is no other.
        answer = first([n for n in ANSWER if n not in MARK], (prompt,)) or answer
    mark = mark if mark not in (prompt, answer) and answer else None
    if len(table.columns) == 2 and (prompt is None) != (answer is None):
        other = next(c for c in table.columns if c not in (prompt, answer))
        prompt, answer = prompt or other, answer or other
    if answer is None and (text := first(TEXT)):
        return Columns(text=text)
    context = first(CONTEXT, (prompt, answer))
    label_task = answer is not None and answer.lower() in LABELS and len(_labels(table, answer)) <= 50
    return Columns(prompt, answer, context, first(SYSTEM), None, label_task, mark=mark)


def to_examples(table: Table, columns: Columns) -> tuple[list[Example], list[Problem]]:
    """Every usable row as an Example, a Problem for each row that is left out. Raises UserError for wrong columns."""
    _check(table, columns)
    labels = _labels(table, columns.answer) if columns.label_task and columns.answer else []
    examples, problems = [], []
    for row, number in zip(table.rows, table.numbers, strict=True):
        if columns.text:
            made = _from_text(row, number, columns)
        elif columns.messages:
            made = _from_chat(row, number, columns)
        else:
            made = _from_columns(row, number, columns, labels)
        if isinstance(made, Example) and columns.mark:
            made = _marked(made, row, columns)
        (examples if isinstance(made, Example) else problems).append(made)
    return examples, problems


def _check(table: Table, columns: Columns) -> None:
    named = [c for name, c in columns.to_dict().items() if c and name != "label_task"]
    missing = [c for c in named if c not in table.columns]
    have = ", ".join(f"“{c}”" for c in table.columns)
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


def _from_text(row: dict[str, Any], number: int, columns: Columns) -> Example | Problem:
    text = as_text(row[columns.text])
    if not text.strip():
        return Problem("warning", "The text is empty.", "The row was left out.", number, columns.text)
    return Example((), text, number, meta=_meta(row, (columns.text,)))


def _from_columns(row: dict[str, Any], number: int, columns: Columns, labels: list[str]) -> Example | Problem:
    bad = lambda what, column: Problem("warning", what, "The row was left out.", number, column)  # noqa: E731
    messages = _prompt(row, columns, labels)
    answer_before, answer = _answer(row[columns.answer])
    messages = _joined(messages, answer_before)
    if not any(m["role"] == "user" and m["content"].strip() for m in messages):
        return bad("The prompt is empty.", columns.prompt or columns.answer)
    if not answer:
        return bad("The answer is empty.", columns.answer)
    rejected = ""
    if columns.rejected:
        rejected_before, rejected = _answer(row[columns.rejected])
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


def _prompt(row: dict[str, Any], columns: Columns, labels: list[str]) -> tuple[dict[str, str], ...]:
    """The messages before the answer, from the columns; empty where the prompt is."""
    context = as_text(row[columns.context]).strip() if columns.context else ""
    system = as_text(row[columns.system]).strip() if columns.system else ""
    head = ({"role": "system", "content": system},) if system else ()
    turns = _turns(row[columns.prompt]) if columns.prompt else []
    if turns is None:
        prompt = as_text(row[columns.prompt]).strip()
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
    turns = _turns(value)
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


def _turns(value: Any) -> list[dict[str, str]] | None:
    """A value as messages: a list of them, one of them, or HH-RLHF's text. None where it is something else."""
    if isinstance(value, str) and value.startswith("\n\nHuman:"):
        parts = _HH_TURN.split(value)[1:]
        return [{"role": _ROLES[r.lower()], "content": t.strip()} for r, t in zip(parts[::2], parts[1::2], strict=True)]
    value = _as_list(value)
    turns = [value] if isinstance(value, dict) else value
    if not isinstance(turns, list) or not turns or not all(isinstance(t, dict) for t in turns):
        return None
    made = [(t.get("role", t.get("from")), t.get("content", t.get("value"))) for t in turns]
    if any(not isinstance(role, str) or role not in _ROLES or content is None for role, content in made):
        return None
    return [{"role": _ROLES[role], "content": _content(content)} for role, content in made]


def _marked(example: Example, row: dict[str, Any], columns: Columns) -> Example | Problem:
    value = as_text(row[columns.mark]).strip()
    if value.lower() not in MARKS:
        what = f"The mark is “{value[:40]}”; understood are true and false, 1 and 0, good and bad, 👍 and 👎."
        return Problem("warning", what, "The row was left out.", example.row, columns.mark)
    meta = {k: v for k, v in example.meta.items() if k != columns.mark}
    return replace(example, good=MARKS[value.lower()], meta=meta)


def _marks_both(table: Table, column: str) -> bool:
    """Does a column hold marks only, and both kinds?"""
    values = {as_text(row[column]).strip().lower() for row in table.rows} - {""}
    return values <= set(MARKS) and {MARKS[v] for v in values} == {True, False}


def _meta(row: dict[str, Any], used: tuple[str | None, ...]) -> dict[str, str]:
    return {c: as_text(v) for c, v in row.items() if c not in used and as_text(v).strip()}


def _from_chat(row: dict[str, Any], number: int, columns: Columns) -> Example | Problem:
    bad = lambda what: Problem("warning", what, "The row was left out.", number, columns.messages)  # noqa: E731
    turns = _as_list(row[columns.messages])
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
