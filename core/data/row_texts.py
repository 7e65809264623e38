"""The texts of a row by their names, as people change them by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.types import Example, Message


def texts(example: Example) -> dict[str, str]:
    """Which text → the text, of all that can be changed by hand: what is said, thought and referred to."""
    shown: dict[str, str] = {}
    for i, message in enumerate(example.messages, 1):
        shown |= _said(f"{message['role']} {i}", message)
    if example.answered or example.messages:
        shown |= _said("answer", {"content": example.target, **example.answer})
    elif not example.messages:
        shown["answer"] = example.target
    if example.rejected:
        shown["rejected answer"] = example.rejected
    return shown | {f"also right {i}": text for i, text in enumerate(example.references, 1)}


def _said(where: str, message: Mapping[str, Any]) -> dict[str, str]:
    thought = message.get("reasoning_content")
    return ({f"{where}, reasoning": thought} if thought else {}) | {where: message["content"]}


def fixed(example: Example) -> list[str]:
    """What of a row cannot be changed by hand, in words."""
    calls = any(m.get("tool_calls") for m in (*example.messages, example.answer))
    names = ["calls of tools"] * calls + ["the tools themselves"] * bool(example.tools)
    return [*names, *(["which turns there are"] if len(example.messages) > 1 else [])]


def with_texts(example: Example, new: Mapping[str, str]) -> Example:
    """The row with other texts, by the names of `texts`. A label that stands beside the answer follows it."""
    messages = tuple(_with_said(f"{m['role']} {i}", m, new) for i, m in enumerate(example.messages, 1))
    target = new.get("answer", example.target)
    answer = _with_said("answer", {"content": target, **example.answer}, new)
    labelled = example.meta.get("label") == example.target
    return replace(
        example,
        messages=messages,
        target=target,
        answer={name: value for name, value in answer.items() if name != "content"},
        rejected=new.get("rejected answer", example.rejected),
        references=tuple(new.get(f"also right {i}", text) for i, text in enumerate(example.references, 1)),
        meta={**example.meta, "label": target} if labelled else example.meta,
    )


def _with_said(where: str, message: Message, new: Mapping[str, str]) -> Message:
    changed = {**message, "content": new.get(where, message["content"])}
    if "reasoning_content" in message:
        changed["reasoning_content"] = new.get(f"{where}, reasoning", message["reasoning_content"])
    return changed
