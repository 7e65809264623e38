"""Turns of a conversation added and removed by hand, an exchange at a time: what the user says, and what answers it.

What tools were asked and gave stands between the two, and goes with them. What is trained stays so: an answer that was
the last is trained where it stands now, and one that is context only never becomes the last, which always is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from core.errors import UserError
from core.types import Example, Message

Act = tuple[Literal["add", "remove"], int]
"""What is done with the exchange of this number, 1, 2 …: another one is put behind it, or it is removed."""


def of(example: Example) -> list[range]:
    """The exchanges of a row: of each the places of its turns, the last answer being the turn behind all messages."""
    begins = [i for i, message in enumerate(example.messages) if message["role"] == "user"]
    ends = [*begins[1:], len(example.messages) + 1]
    return [range(begin, end) for begin, end in zip(begins, ends, strict=True)]


def changed(example: Example, acts: Sequence[Act]) -> Example:
    """The row after these acts, one after the other; what an added exchange says is empty. Raises UserError."""
    for act, number in acts:
        exchanges = of(example)
        if not 1 <= number <= len(exchanges):
            raise UserError(f"Row {example.row} has no exchange {number}. It has {len(exchanges)}.")
        here = exchanges[number - 1]
        turns: list[Message] = [*example.messages, {"role": "assistant", "content": example.target, **example.answer}]
        if act == "add":
            turns[here.stop : here.stop] = [{"role": "user", "content": ""}, {"role": "assistant", "content": ""}]
        else:
            if len(exchanges) == 1:
                raise UserError("A conversation needs one question with its answer. Delete the row instead.")
            del turns[here.start : here.stop]
        example = _row(example, turns, last=number == len(exchanges))
    return example


def require_said(example: Example) -> None:
    """Raises UserError where a turn of a conversation says nothing."""
    for i, message in enumerate(example.messages, 1):
        if (
            not message["content"].strip()
            and not message.get("tool_calls")
            and message["role"] in ("user", "assistant")
        ):
            raise UserError(f"“{message['role']} {i}” is empty. Write what is said there, or remove the exchange.")


def _row(example: Example, turns: list[Message], last: bool) -> Example:
    """The row with these turns. `last`: is its last answer another one now?"""
    if not last:
        return replace(example, messages=tuple(turns[:-1]))
    if example.rejected or example.good is not None:
        raise UserError(
            "The last answer of this row is judged: what people said of it holds of no other. Add or remove an "
            "earlier exchange, or add a new row."
        )
    if example.references:
        raise UserError(
            "Other right answers stand beside the last answer of this row, and would stand beside another one. Add or "
            "remove an earlier exchange, or add a new row."
        )
    *messages, answer = turns
    if answer["role"] != "assistant" or not answer.get("train", True):
        raise UserError(
            "The answer that would be the last is context only, and the last one is always trained. Remove it with "
            "the last, or keep both."
        )
    more = {name: value for name, value in answer.items() if name not in ("role", "content", "train")}
    target = answer["content"]
    labelled = example.meta.get("label") == example.target
    meta = {**example.meta, "label": target} if labelled else example.meta
    return replace(example, messages=tuple(messages), target=target, answer=more, meta=meta)
