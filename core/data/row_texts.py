"""The texts of a row by their names: what people change by hand, what checks read, and what both put in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from core.types import Example

COLUMN = "column "
"""Before the name of a column kept beside the row."""
REASONING = "reasoning_content"
# What a message is besides its texts, and what holds a call and its result together.
_NAMES = ("role", "content", "train", "tool_call_id", "name", "id", "type")


def texts(example: Example) -> dict[str, str]:
    """Which text → the text, of all that can be changed by hand: what is said, thought and referred to."""
    shown: dict[str, str] = {}
    for where, content, message in _messages(example):
        shown |= _spoken(where, content, message)
    return shown | dict(_beside(example))


def said(example: Example) -> Iterator[tuple[str, str]]:
    """(which text, the text) of all that a row says: as `texts`, and what tools were given."""
    for where, content, message in _messages(example):
        yield from _spoken(where, content, message).items()
        for name, value in message.items():
            if name not in (*_NAMES, REASONING):
                yield from ((f"{where} {name}", text) for text in _strings(value))
    yield from _beside(example)


def every(example: Example) -> Iterator[tuple[str, str]]:
    """`said`, and what no model is shown: the columns kept beside the row; and the tools' descriptions."""
    yield from said(example)
    yield from (("tools", text) for text in _strings(list(example.tools)))
    yield from ((f"{COLUMN}{name}", text) for name, text in example.meta.items() if not _is_label(example, name))


def fixed(example: Example) -> list[str]:
    """What of a row cannot be changed by hand, in words."""
    calls = any(m.get("tool_calls") for m in (*example.messages, example.answer))
    return ["calls of tools"] * calls + ["the tools themselves"] * bool(example.tools)


def with_texts(example: Example, new: Mapping[str, str]) -> Example:
    """The row with other texts, by the names of `texts`. A label that stands beside the answer follows it."""
    return mapped(example, lambda where, text: new.get(where, text))


def mapped(example: Example, change: Callable[[str, str], str]) -> Example:
    """The row with each of its texts, those of `every` included, as `change(where, text)` gives it."""
    messages = []
    for i, message in enumerate(example.messages, 1):
        where = f"{message['role']} {i}"
        messages.append({**_changed(where, message, change), "content": change(where, message["content"])})
    return replace(
        example,
        messages=tuple(messages),
        target=(target := change("answer", example.target)),
        answer=_changed("answer", example.answer, change),
        rejected=change("rejected answer", example.rejected) if example.rejected else "",
        references=tuple(change(f"also right {i}", text) for i, text in enumerate(example.references, 1)),
        tools=tuple(_in(tool, partial(change, "tools")) for tool in example.tools),
        meta={
            name: target if _is_label(example, name) else change(f"{COLUMN}{name}", text)
            for name, text in example.meta.items()
        },
    )


def _messages(example: Example) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(where, what it says, the message) of each message and of the answer."""
    for i, message in enumerate(example.messages, 1):
        yield f"{message['role']} {i}", message["content"], message
    yield "answer", example.target, example.answer


def _spoken(where: str, content: str, message: Mapping[str, Any]) -> dict[str, str]:
    thought = message.get(REASONING)
    return ({f"{where}, reasoning": thought} if thought else {}) | {where: content}


def _beside(example: Example) -> Iterator[tuple[str, str]]:
    if example.rejected:
        yield "rejected answer", example.rejected
    yield from ((f"also right {i}", text) for i, text in enumerate(example.references, 1))


def _is_label(example: Example, column: str) -> bool:
    """Does the column hold the answer once more? Labelled rows have it so, see core/data/columns/rows.py."""
    return column == "label" and example.meta[column] == example.target


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name not in _NAMES:
                yield from _strings(item)


def _changed(where: str, message: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    named = lambda name: f"{where}, reasoning" if name == REASONING else f"{where} {name}"  # noqa: E731
    return {
        name: value if name in _NAMES else _in(value, partial(change, named(name))) for name, value in message.items()
    }


def _in(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_in(item, change) for item in value]
    if isinstance(value, dict):
        return {name: item if name in _NAMES else _in(item, change) for name, item in value.items()}
    return value
