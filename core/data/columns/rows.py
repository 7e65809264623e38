"""A row of a file → an example, whatever its values are: the one definition, row by row.

core/data/columns/batches.py does the same for many plain rows at once, and asks here for all others. What a row holds
and does not train is noted as a Part beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from core.data.columns import templates
from core.data.columns.answers import Answer, answer_of, history_of
from core.data.columns.choice import MARKS, Columns, as_text, cell, is_missing
from core.data.columns.named_parts import part_of
from core.data.columns.names import MEDIA, normal
from core.data.columns.tools import LeaveOut, calls_in, tools_of
from core.data.columns.turns import bare_turns, conversation, raw_turns, split_last, text_of, tools_in, turns_of
from core.data.columns.unused import Part, Tally
from core.data.reading.table import Table
from core.errors import Problem, UserError
from core.types import Example, Message, Split

_PLACE = re.compile(r"<\|?(image|img|audio|video|vision_start|image_pad)\d*\|?>|\[(IMG|image)\]")
"""Where a row for models that see or hear puts what they see or hear."""
LABEL_SPACE = "white space around a label"
REFERENCES = "further right answers, which count in evaluation only"


def to_examples(
    table: Table,
    columns: Columns,
    labels: Mapping[str, str] | None = None,
    tally: Tally | None = None,
    unanswered: list[str] | None = None,
) -> tuple[list[Example], list[Problem]]:
    """Every usable row as an Example, a Problem for each row that is left out.

    `labels`: of a label task, each as it is written → the label that it counts as. `tally` counts what is not trained
    of the usable rows; to `unanswered` go the prompts of rows that are left out because their answer is empty.
    """
    examples: list[Example] = []
    problems: list[Problem] = []
    tally = Tally() if tally is None else tally
    for row, number in zip(table.rows, table.numbers, strict=True):
        left: list[Part] = []
        try:
            example = to_example(row, number, columns, labels or {}, left)
        except _Unusable as e:
            problems.append(Problem("warning", str(e), "The row was left out.", number, e.column))
            if e.asked and unanswered is not None:
                unanswered.append(e.asked)
        except UserError as e:
            raise UserError(f"Row {number}: {e}") from e
        else:
            under = _under_system_prompt(example, columns.system_prompt)
            tally.given_system += under is not example
            examples.append(under)
            tally.add(number, left)
    return examples, problems


def _under_system_prompt(example: Example, system: str) -> Example:
    """Under the project's system prompt where the row brings none; text alone has no place for one."""
    if not system.strip() or not example.messages:
        return example
    first, *others = example.messages
    if first["role"] != "system":
        others = [first, *others]
    elif first["content"].strip():
        return example
    return replace(example, messages=({"role": "system", "content": system}, *others))


class _Unusable(LeaveOut):
    """Why a row is left out, and which of its columns is the reason. `asked`: the prompt that has no answer."""

    def __init__(self, what: str, column: str | None, asked: str = "") -> None:
        super().__init__(what)
        self.column, self.asked = column, asked


def to_example(
    row: dict[str, Any], number: int, columns: Columns, labels: Mapping[str, str], left: list[Part]
) -> Example:
    """One row; what is not trained of it is added to `left`. Raises LeaveOut with the reason."""
    reason = columns.text or columns.messages or columns.answer
    try:
        if columns.text:
            example = _from_text(row, number, columns)
        elif columns.messages:
            example = _from_chat(row, number, columns, left)
        else:
            example = _from_columns(row, number, columns, labels, left)
        if columns.mark:
            example = _marked(example, row, columns)
    except _Unusable:
        raise
    except LeaveOut as e:
        raise _Unusable(str(e), reason) from e
    if columns.part:
        example = replace(example, split=_part(row, columns.part))
    _require_text_alone(example)
    left += [Part("column", column, value) for column, value in example.meta.items()]
    return replace(example, meta={**example.meta, "label": example.target}) if labels else example


def _part(row: dict[str, Any], column: str) -> Split:
    name = as_text(cell(row, column))
    part = part_of(name)
    if part is None:
        raise _Unusable(f"The part is “{name[:40]}”; understood are train, validation and test.", column)
    return part


def _require_text_alone(example: Example) -> None:
    """Raises LeaveOut for a row whose text points at an image, a sound or a film beside it."""
    media = next((column for column in example.meta if normal(column) in MEDIA), None)
    if media is None:
        return
    texts = (example.target, *(m["content"] for m in example.messages))
    if any(_PLACE.search(text) for text in texts):
        raise _Unusable(f"The text points at what stands in “{media}”; only text can be trained.", media)


def _from_text(row: dict[str, Any], number: int, columns: Columns) -> Example:
    text = as_text(cell(row, columns.text))
    if not text.strip():
        raise LeaveOut("The text is empty.")
    return Example((), text, number, meta=_meta(row, columns, ("text", "mark")))


def _from_columns(
    row: dict[str, Any], number: int, columns: Columns, labels: Mapping[str, str], left: list[Part]
) -> Example:
    head = _prompt(row, columns, labels, left)
    answer = answer_of(cell(row, columns.answer), left)
    messages = _joined(head, answer.earlier, columns, left)
    if not any(m["role"] in ("user", "tool") and m["content"].strip() for m in messages):
        raise _Unusable("The prompt is empty.", columns.prompt or columns.answer)
    if labels:
        answer = replace(answer, text=_label(answer.text, labels, left))
    if not (answer.text.strip() or answer.more.get("tool_calls")):
        turns = [m["content"] for m in messages if m["role"] != "system"]
        asked = turns[0] if len(turns) == 1 and not labels else ""
        raise _Unusable("The answer is empty.", columns.answer, asked)
    rejected = _rejected(row, columns, head, messages, answer, left) if columns.rejected else ""
    if answer.others:
        left.append(Part("answer", REFERENCES, answer.others[0]))
    tools = tools_of(cell(row, columns.tools)) or _tools_of_prompt(cell(row, columns.prompt), left)
    if tools and not answer.more and (calls := calls_in(answer.text)):
        answer = replace(answer, text="", more={"tool_calls": calls})
    more = _with_reasoning(answer.more, row, columns)
    taken = ("prompt", "answer", "context", "system", "rejected", "mark", "history", "tools", "reasoning")
    meta = _meta(row, columns, taken)
    return Example(messages, answer.text, number, "train", meta, rejected, None, more, tools, answer.others)


def _tools_of_prompt(value: Any, left: list[Part]) -> tuple[dict[str, Any], ...]:
    """The tools of OpenAI's {"messages": […], "tools": […]}; what else stands in such an object is not trained."""
    if not (isinstance(value, dict) and isinstance(value.get("messages"), list)):
        return ()
    rest = {key: v for key, v in value.items() if key not in ("messages", "tools") and not is_missing(v)}
    left += [Part("key", f"the key “{key}” of the prompt", as_text(v)) for key, v in rest.items()]
    return tools_of(value.get("tools"))


def _prompt(row: dict[str, Any], columns: Columns, labels: Mapping[str, str], left: list[Part]) -> tuple[Message, ...]:
    """The messages before the answer, from the columns; empty where the prompt is."""
    context = as_text(cell(row, columns.context)) if columns.context else ""
    turns = turns_of(cell(row, columns.prompt), left) if columns.prompt else []
    if columns.template:
        text = templates.filled(columns.template, lambda column: as_text(cell(row, column)))
        turns = [{"role": "user", "content": text}] if text else []
    if turns is None:
        texts = (as_text(cell(row, columns.prompt)), context)
        content = "\n\n".join(text for text in texts if text.strip())
        turns = [{"role": "user", "content": content}] if content else []
    elif context.strip() and turns and turns[-1]["role"] == "user":
        turns[-1]["content"] += f"\n\n{context}"
    elif context.strip():
        turns = [*turns, {"role": "user", "content": context}]
    if labels and turns:
        turns[-1]["content"] += f"\n\nLabel, one of {', '.join(sorted(set(labels.values())))}:"
    if columns.history:
        turns = [*history_of(cell(row, columns.history), left), *turns]
    return _under_system(row, columns, turns, left)


def _under_system(row: dict[str, Any], columns: Columns, turns: list[Message], left: list[Part]) -> tuple[Message, ...]:
    """The turns under the system message of their own column; one of the conversation itself goes first."""
    system = text_of(cell(row, columns.system)) if columns.system else ""
    if not system.strip():
        return tuple(turns)
    if turns and turns[0]["role"] == "system":
        if turns[0]["content"].strip():
            if turns[0]["content"].strip() != system.strip():
                what = f"a system message in “{columns.system}”, where the conversation has one of its own"
                left.append(Part("other", what, system))
            return tuple(turns)
        turns = turns[1:]
    return ({"role": "system", "content": system}, *turns)


def _label(text: str, labels: Mapping[str, str], left: list[Part]) -> str:
    label = text.strip()
    if label != text and label:
        left.append(Part("space", LABEL_SPACE, ends_shown(text)))
    return labels.get(label, label)


def ends_shown(text: str) -> str:
    """White space at the ends as a mark that can be seen."""
    inner = text.strip()
    start = text.index(inner)
    return "␣" * start + inner + "␣" * (len(text) - start - len(inner))


def _with_reasoning(more: Message, row: dict[str, Any], columns: Columns) -> Message:
    """The answer's further keys, with what the column of the reasoning says; the message's own goes first."""
    reasoning = as_text(cell(row, columns.reasoning)) if columns.reasoning else ""
    return {"reasoning_content": reasoning, **more} if reasoning.strip() else more


def _joined(
    head: tuple[Message, ...], earlier: tuple[Message, ...], columns: Columns, left: list[Part]
) -> tuple[Message, ...]:
    """The prompt of a row whose answer brings messages of its own.

    They stand in the prompt's place, under its system message; behind it where they go on with it.
    """
    if not earlier:
        return head
    if earlier[0]["role"] in ("assistant", "tool") and head:
        return (*head, *earlier)
    system = head[:1] if head and head[0]["role"] == "system" and earlier[0]["role"] != "system" else ()
    texts = "\0".join(m["content"] for m in earlier)
    for message in head[len(system) :]:
        if message["content"].strip() not in texts:
            what = "a prompt in a column of its own, where the answer brings the messages before it"
            left.append(Part("turn", what, message["content"]))
    return (*system, *earlier)


def _rejected(
    row: dict[str, Any],
    columns: Columns,
    head: tuple[Message, ...],
    messages: tuple[Message, ...],
    answer: Answer,
    left: list[Part],
) -> str:
    """The text of the worse answer to the same messages; what else that answer holds is not trained.

    `head`: the prompt without the messages that the better answer brings.
    """
    bad = lambda what: _Unusable(what, columns.rejected)  # noqa: E731
    worse = answer_of(cell(row, columns.rejected), [])
    if not worse.text.strip():
        raise bad(
            "The rejected answer calls tools and says nothing; only its text can be trained."
            if worse.more.get("tool_calls")
            else "The rejected answer is empty."
        )
    if worse.earlier and _texts(_joined(head, worse.earlier, columns, [])) != _texts(messages):
        raise bad("Chosen and rejected answer belong to different prompts.")
    if worse.text == answer.text:
        raise bad("Chosen and rejected answer are the same.")
    words = {"reasoning_content": "the reasoning", "tool_calls": "calls of tools"}
    for key, value in worse.more.items():
        left.append(Part("answer", f"{words.get(key, f'the key “{key}”')} of a rejected answer", as_text(value)))
    if worse.others:
        left.append(Part("answer", "further rejected answers", worse.others[0]))
    return worse.text


def _texts(messages: tuple[Message, ...]) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in messages]


def _marked(example: Example, row: dict[str, Any], columns: Columns) -> Example:
    value = as_text(cell(row, columns.mark)).strip()
    if value.lower() not in MARKS:
        what = f"The mark is “{value[:40]}”; understood are true and false, 1 and 0, good and bad, 👍 and 👎."
        raise _Unusable(what, columns.mark)
    return replace(example, good=MARKS[value.lower()])


def _meta(row: dict[str, Any], columns: Columns, taken: tuple[str, ...]) -> dict[str, str]:
    """Further columns of a row, as text."""
    used = {columns.part, *(getattr(columns, name) for name in taken), *templates.columns_in(columns.template)}
    return dict(further(row, used))


def further(row: dict[str, Any], used: set[str | None]) -> Iterator[tuple[str, str]]:
    """The columns of a row that are not used and not blank, with their texts; objects of which a part is, in parts."""
    parted = {column.partition(".")[0] for column in used if column and "." in column and column not in row}
    for column, value in row.items():
        if column in parted and isinstance(value, dict):
            inner = ((f"{column}.{key}", as_text(v)) for key, v in value.items() if f"{column}.{key}" not in used)
            yield from ((name, text) for name, text in inner if text.strip())
        elif column not in used and (text := as_text(value)).strip():
            yield column, text


def _from_chat(row: dict[str, Any], number: int, columns: Columns, left: list[Part]) -> Example:
    value = cell(row, columns.messages)
    raw = raw_turns(value) or bare_turns(value, columns.messages or "")
    if raw is None:
        raise LeaveOut("The conversation is not a list of messages.")
    messages, last = split_last(conversation(raw, left), left)
    earlier = _under_system(row, columns, messages, left)
    if not any(m["content"].strip() for m in earlier):
        raise LeaveOut("The conversation holds no answer of the assistant to a message before it.")
    more = {key: value for key, value in last.items() if key not in ("role", "content")}
    more = _with_reasoning(more, row, columns)
    tools = tools_of(cell(row, columns.tools)) or tools_in(raw)
    meta = _meta(row, columns, ("messages", "system", "tools", "reasoning", "mark"))
    return Example(earlier, last["content"], number, "train", meta, "", None, more, tools)
