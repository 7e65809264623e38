"""Which part each row of an import stands in: as its file names it, or drawn; and which rows stand in none.

A test row of an earlier version is never trained, and what a model wrote never measures, nor is it trained where it
asks what a row that measures asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.data import known as known_rows
from core.data import splitting
from core.data.checks import Checked, Checks
from core.data.columns.batches import Batch
from core.data.columns.choice import Columns
from core.data.known import Known
from core.data.reading.table import Reading
from core.data.similar import parts
from core.data.similar.groups import Groups
from core.data.splitting import TRAIN
from core.store import beside
from core.store.datasets import KINDS, SPLITS
from core.store.keys import among
from core.store.queries import written_by_a_model
from core.wording import count

NAMED = 5
"""Rows that a sentence names by their numbers."""


@dataclass(frozen=True)
class Shares:
    """How a split is drawn."""

    validation: float = 0.1
    """A share of the rows below 1, or a number of rows."""
    test: float = 0.1
    seed: int = 0
    group: str = ""
    """A column beside the rows; rows with the same value stand in one part."""


@dataclass(frozen=True)
class Drawn:
    """What came of it."""

    kept: np.ndarray
    """Of each row of the file that can be used: is it imported?"""
    parts: np.ndarray
    """int8, of each row that is imported the index of its part in SPLITS."""
    groups: np.ndarray
    """int64, of each of these the number of its group."""
    split: dict[str, Any]
    """For the manifest."""
    similar: dict[str, Any]


class Beside:
    """What is noted of the columns beside the rows while these pass by."""

    def __init__(self, columns: Columns, there: tuple[str, ...], group: str) -> None:
        self._group, self._by_model = group, "synthetic" in there and "synthetic" not in columns.named()
        self._values: list[np.ndarray] = []
        self._written: list[np.ndarray] = []

    def noting(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        at = 0
        for batch in batches:
            meta = batch.table["meta"]
            if self._by_model:
                self._written.append(written_by_a_model(meta))
            if self._group:
                self._values.append(beside.hashes_of(meta.to_pylist(), self._group, at))
            at += len(batch.table)
            yield batch

    def values(self, kept: np.ndarray) -> np.ndarray | None:
        """int64, of each row that is kept a hash of its value in the column that groups; None where none does."""
        return np.concatenate(self._values)[kept] if self._values else None

    def by_model(self, kept: np.ndarray) -> np.ndarray:
        """Of each row that is kept: did a model write it?"""
        written: np.ndarray = np.concatenate(self._written)[kept] if self._written else np.zeros(int(kept.sum()), bool)
        return written


def draw(
    checks: Checks,
    checked: Checked,
    groups: Groups,
    noted: Beside,
    earlier: Known,
    columns: Columns,
    asked: Shares,
    reading: Reading,
) -> Drawn:
    """The part of each row. `groups`: of those that are kept. What people should know of it is told to `reading`."""
    kept, of = checked.kept, lambda name: checks.column(name)[checked.kept]
    if (values := noted.values(kept)) is not None:
        groups = replace(groups, numbers=splitting.together(groups.numbers, values))
    by_model = noted.by_model(kept)
    known = np.where(by_model, np.int8(TRAIN), earlier.of(of("asks")))  # what a model wrote is only trained
    out = np.zeros(len(known), bool)
    if columns.part:
        named = of("split")
        shares = splitting.as_named(named, groups.numbers, asked.validation, asked.test, asked.seed)
        reading.tell("note", *_of_parts(columns.part, shares, named))
        out = known_rows.kept_out(shares, known)
        if out.any():
            reading.tell("warning", *known_rows.told_of_parts(int(out.sum()), columns.part))
    else:
        prompts = not bool((of("kind") == KINDS.index("text")).all())
        strata = of("target") if columns.label_task else None
        how = (asked.validation, asked.test, asked.seed, prompts, strata, known)
        shares = splitting.split(groups.numbers, *how)
    similar = parts.across(groups, shares, of("row"))
    similar["named"] = columns.part or ""
    measuring = groups.numbers[(shares != TRAIN) & ~by_model]
    twins = by_model & ((shares != TRAIN) | among(groups.numbers, measuring))
    if twins.any():
        reading.tell("warning", *_of_twins(of("row")[twins & ~out]))
        out |= twins
    all_kept = kept.copy()
    all_kept[np.flatnonzero(kept)[out]] = False
    split: dict[str, Any] = {"validation": asked.validation, "test": asked.test, "seed": asked.seed}
    split |= {"named": columns.part or "", "stratified": "answer" if columns.label_task and not columns.part else ""}
    split |= {"grouped": asked.group if not columns.part else "", "known": known_rows.counts(known[~out])}
    split |= {"kept_out": int((out & ~twins).sum()), "synthetic_out": int(twins.sum())}
    return Drawn(all_kept, shares[~out], groups.numbers[~out], split, similar)


def _of_twins(rows: np.ndarray) -> tuple[str, str]:
    """What is said of rows that a model wrote and that ask what a row asks that measures."""
    numbers = ", ".join(f"{row:,}" for row in rows[:NAMED].tolist())
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    asks = "asks" if len(rows) == 1 else "ask"
    what = f"{count(len(rows), 'synthetic row')} {asks} what a test or validation row asks: left out."
    return what, f"What a model wrote never measures, and no row that measures is trained. Row {numbers}{more}."


def _of_parts(column: str, shares: np.ndarray, named: np.ndarray) -> tuple[str, str]:
    """What is said of parts that a file names, and what to do."""
    counted = ", ".join(f"{int((shares == i).sum()):,} {name}" for i, name in enumerate(SPLITS))
    drawn = [f"the {name} rows were drawn" for i, name in enumerate(SPLITS) if (shares == i).any() > (named == i).any()]
    rest = f"; {' and '.join(drawn)}, since it names none" if drawn else ""
    what = f"The parts that the file names in “{column}” are kept: {counted}{rest}."
    return what, "Choose none as the column of parts (--part none) to have all of them drawn."
