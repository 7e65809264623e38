"""What of a row a template did not write: found by looking for each part in the text that came out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core import reasoning
from core.types import Message

PARTS = {
    "system": "the system prompt",
    "text": "the text of a message",
    "earlier reasoning": "the reasoning of an earlier answer",
    "reasoning": "the reasoning of the answer",
    "name": "the name of a speaker",
    "setting": "reasoning, as the setting “Thinking” says",
    "tools": "the tools",
    "tool calls": "a tool call",
    "call names": "the name of the tool that is called",
    "tool results": "the result of a tool",
}
"""Kind of part → how it is called."""
OF_TOOLS = ("tools", "tool calls", "call names", "tool results")
"""Without these a row teaches the model to call what it never saw."""


def dropped(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], text: str) -> tuple[str, ...]:
    """The kind of each part of the row that is not in the rendered text, in order."""
    kinds = ["tools" for tool in tools if not _in(_name(tool), text)]
    last = len(messages) - 1
    for i, message in enumerate(messages):
        role, content = message["role"], message.get("content") or ""
        thought, answer = reasoning.split(content) if role == "assistant" else ("", content)
        thoughts = (message.get("reasoning_content") or "", thought)
        kinds += ["reasoning" if i == last else "earlier reasoning" for t in thoughts if not _in(t, text)]
        if not _in(answer, text):
            kinds.append({"system": "system", "tool": "tool results"}.get(role, "text"))
        kinds += ["tool calls" for call in message.get("tool_calls") or () if not _has_call(call, text)]
        if role != "tool" and not _in(message.get("name") or "", text):
            kinds.append("name")
    return tuple(kinds)


def _in(part: str, text: str) -> bool:
    part = part.strip()
    return part in text or json.dumps(part, ensure_ascii=False)[1:-1] in text or json.dumps(part)[1:-1] in text


def _name(tool: Mapping[str, Any]) -> str:
    return str((tool.get("function") or tool).get("name") or "")


def _has_call(call: Mapping[str, Any], text: str) -> bool:
    """Is the call there, with its arguments as they are: not as the text of a text, nor as Python prints them?"""
    arguments = (call.get("function") or call).get("arguments")
    if not _in(_name(call), text):
        return False
    if isinstance(arguments, str):
        return arguments.strip() in text and json.dumps(arguments, ensure_ascii=False) not in text
    printed = str(arguments)
    if printed in text and printed != json.dumps(arguments, ensure_ascii=False):
        return False
    return all(_in(leaf, text) for leaf in texts_in(arguments))


def texts_in(value: Any) -> Iterator[str]:
    """All texts in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from texts_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_in(part)
