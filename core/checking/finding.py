"""The nouns of this room: what a check finds, what a check is, and the texts of a row by their places.

A check is a pure function of one row (`look`), so that a row that did not change is not looked at again, or of all
rows at once (core/checking/between.py). `settle` decides with all candidates in sight which of them are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from core.errors import Level
from core.types import Example

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.checking.seen import Seen

EVIDENCE = 80
"""Characters of evidence that are kept."""


class Finding(NamedTuple):
    """Something in one text of a row."""

    where: str
    """Which text, as `texts` names it."""
    start: int
    end: int
    """Characters [start, end) of that text."""
    evidence: str


class Pair(NamedTuple):
    """Something about a row that only the others show."""

    place: int
    """Of the row: 0, 1, 2 … in its version."""
    evidence: str


@dataclass(frozen=True)
class Check:
    name: str
    version: int
    """Goes up when the check finds something else: rows are looked at again."""
    title: str
    """What the rows are, as a heading over them."""
    why: str
    """Why it matters, in a sentence."""
    look: Callable[[Example], Iterable[Finding]] | None = None
    """Of one row. None for a check of all rows: see `between`."""
    between: Callable[[Seen], Iterable[Pair]] | None = None
    settle: Callable[[pa.Table, int], np.ndarray] | None = None
    """(candidates with their place, where and evidence, rows of the version) → which of them are shown."""
    note: Callable[[pa.Table, int], str] | None = None
    """(the same) → what was not looked at, in a sentence; empty where all of it was."""
    compared: Callable[[Seen], str] | None = None
    """The same of a check of all rows."""
    fix: str = ""
    """What `mend` or `correct` does, as on a button; empty where rows can only be left out."""
    mend: Callable[[str], str] | None = None
    """A text → the same without what is wrong with it. Only texts with a finding are given."""
    correct: Callable[[str], str] | None = None
    """Instead: the evidence of a finding → what is to stand in its place; empty where that is not sure."""
    leave: str = "Leave these rows out"
    level: Level = "warning"
    folded: bool = False
    """It cries wolf on more than 2 % of clean rows, and is not shown by default."""


def texts(example: Example) -> Iterator[tuple[str, str]]:
    """(where, text) of all that a row says: messages, answers, what was thought, what tools were given."""
    for i, message in enumerate(example.messages, 1):
        yield f"{message['role']} {i}", message["content"]
        yield from _further(f"{message['role']} {i}", message)
    yield "answer", example.target
    yield from _further("answer", example.answer)
    if example.rejected:
        yield "rejected", example.rejected
    yield from ((f"reference {i}", text) for i, text in enumerate(example.references, 1))


def all_texts(example: Example) -> Iterator[tuple[str, str]]:
    """`texts`, and what no model is shown: the columns kept beside the row; and the tools' descriptions."""
    yield from texts(example)
    yield from (("tools", text) for text in _strings(list(example.tools)))
    yield from ((f"{COLUMN}{name}", text) for name, text in example.meta.items() if not _is_label(example, name))


def _is_label(example: Example, column: str) -> bool:
    """Does the column hold the answer once more? Labelled rows have it so, see core/data/columns/rows.py."""
    return column == "label" and example.meta[column] == example.target


COLUMN = "column "
"""Before the name of a column kept beside the row, where a place is named."""


def with_texts(example: Example, change: Callable[[str, str], str]) -> Example:
    """The row with each of its texts, those of `all_texts` included, as `change(where, text)` gives it."""
    messages = []
    for i, message in enumerate(example.messages, 1):
        where = f"{message['role']} {i}"
        messages.append({**_changed(where, message, change), "content": change(where, message["content"])})
    return replace(
        example,
        messages=tuple(messages),
        target=(target := change("answer", example.target) if example.target else ""),
        answer=_changed("answer", example.answer, change),
        rejected=change("rejected", example.rejected) if example.rejected else "",
        references=tuple(change(f"reference {i}", text) for i, text in enumerate(example.references, 1)),
        tools=tuple(_mapped(tool, partial(change, "tools")) for tool in example.tools),
        meta={
            name: target if _is_label(example, name) else change(f"{COLUMN}{name}", text)
            for name, text in example.meta.items()
        },
    )


# What a message is besides its texts, and what holds a call and its result together.
_NAMES = ("role", "content", "train", "tool_call_id", "name", "id", "type")


def _further(where: str, message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in message.items():
        if name not in _NAMES:
            yield from ((f"{where} {name}", text) for text in _strings(value))


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


def _changed(where: str, message: dict[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    return {
        name: value if name in _NAMES else _mapped(value, partial(change, f"{where} {name}"))
        for name, value in message.items()
    }


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {name: item if name in _NAMES else _mapped(item, change) for name, item in value.items()}
    return value


def around(text: str, start: int, end: int) -> str:
    """Evidence: what stands at a place, on one line, not too long."""
    return " ".join(text[start : min(end, start + EVIDENCE)].split())
