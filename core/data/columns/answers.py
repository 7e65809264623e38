"""The cell of an answer: a text, several right answers, or a conversation that ends with one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.data.columns.choice import as_text, is_missing
from core.data.columns.tools import LeaveOut
from core.data.columns.turns import as_list, split_last, turns_of
from core.data.columns.unused import Part
from core.types import Message

_TEXTS = ("text", "texts", "value", "answer", "aliases")
"""Under which an object holds right answers: SQuAD's {"text": […]}, TriviaQA's {"value": …, "aliases": […]}."""


@dataclass(frozen=True)
class Answer:
    """What a row answers."""

    text: str
    more: Message = field(default_factory=dict)
    """Further keys of the message: reasoning_content, tool_calls …"""
    earlier: tuple[Message, ...] = ()
    """Messages before it, where the cell holds a conversation."""
    others: tuple[str, ...] = ()
    """Further texts of the cell: as right as the first."""


def answer_of(value: Any, left: list[Part]) -> Answer:
    """An answer as it stands, white space included; empty where there is none. Raises LeaveOut."""
    turns = turns_of(value, left)
    if turns is None:
        texts = _texts(value, left)
        texts = list(dict.fromkeys(text for text in texts if text.strip()))
        return Answer(texts[0] if texts else "", others=tuple(texts[1:]))
    if not any(turn["role"] == "assistant" for turn in turns):
        return Answer("", earlier=tuple(turns))
    earlier, last = split_last(turns, left)
    more = {key: v for key, v in last.items() if key not in ("role", "content")}
    return Answer(last["content"], more, tuple(earlier))


def _texts(value: Any, left: list[Part]) -> list[str]:
    if isinstance(value, dict):
        return _of_object(value, left)
    if isinstance(value, list):
        if all(_is_plain(v) for v in value):
            return [as_text(v) for v in value]
        if all(isinstance(v, dict) and any(key in v for key in _TEXTS) for v in value):
            return [text for v in value for text in _of_object(v, left)]
    return [as_text(value)]


def _of_object(value: dict[str, Any], left: list[Part]) -> list[str]:
    keys = [key for key in _TEXTS if key in value]
    parts = [value[key] if isinstance(value[key], list) else [value[key]] for key in keys]
    if not keys or not all(_is_plain(v) for part in parts for v in part):
        return [as_text(value)]
    rest = [key for key in value if key not in keys and not is_missing(value[key])]
    left += [Part("key", f"the key “{key}” of an answer", as_text(value[key])) for key in rest]
    return [as_text(v) for part in parts for v in part]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float)


def history_of(value: Any, left: list[Part]) -> list[Message]:
    """Earlier turns: pairs of question and answer (LLaMA-Factory), or messages. Raises LeaveOut for what is neither."""
    value = as_list(value)
    if is_missing(value) or (isinstance(value, str) and not value.strip()):
        return []
    turns = turns_of(value, left)
    if turns is not None:
        return turns
    pairs = value if isinstance(value, list) else []
    if not pairs or not all(isinstance(p, list | tuple) and len(p) == 2 and all(map(_is_plain, p)) for p in pairs):
        raise LeaveOut("The history is neither pairs of a question and an answer nor messages.")
    roles = ("user", "assistant")
    return [{"role": r, "content": as_text(text)} for pair in pairs for r, text in zip(roles, pair, strict=True)]
