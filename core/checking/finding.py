"""The nouns of this room: what a check finds, and what a check is.

A check is a pure function of one row (`look`), so that a row that did not change is not looked at again, or of all
rows at once (core/checking/between.py). `settle` decides with all candidates in sight which of them are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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
    """Which text, as core/data/row_texts.py names it."""
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


def around(text: str, start: int, end: int) -> str:
    """Evidence: what stands at a place, on one line, not too long."""
    return " ".join(text[start : min(end, start + EVIDENCE)].split())
