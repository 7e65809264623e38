"""Two versions compared row by row: which rows came, which went, which say something else or stand in another part.

Rows of one file are matched by their number, which a row keeps through whatever is done to it; rows of different files
by what they say, else by what they ask where that is told apart. All of it is linear in the rows, and a few numbers a
row; texts are read of the rows that are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.data.row_texts import texts
from core.errors import UserError
from core.store.datasets import opened
from core.store.keys import distinct, left
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.types import DatasetVersion, Example

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("changed", "added", "removed", "moved", "beside")
WORDS = {
    "changed": "with other texts",
    "added": "added",
    "removed": "removed",
    "moved": "moved to another part",
    "beside": "with other columns beside them",
}
NONE = -1


@dataclass(frozen=True)
class Difference:
    """Of each row that differs where it stands in either version."""

    before: DatasetVersion
    after: DatasetVersion
    old: np.ndarray
    """Places in `before`; NONE for a row that was added."""
    new: np.ndarray
    """Places in `after`; NONE for a row that was removed."""
    kinds: np.ndarray
    """Of each the index of its kind in KINDS. A row that changed and moved counts as changed."""
    same: int
    """Rows that are the same in both."""
    by_number: bool
    """Were rows matched by their numbers? Else by what they say and ask."""

    @property
    def counts(self) -> dict[str, int]:
        found = np.bincount(self.kinds, minlength=len(KINDS))
        return {name: int(found[i]) for i, name in enumerate(KINDS)}

    @property
    def sentence(self) -> str:
        told = [f"{n:,} {WORDS[name]}" for name, n in self.counts.items() if n]
        rows = f"{self.same:,} rows are the same" if self.same != 1 else "1 row is the same"
        return f"{', '.join(told)}; {rows}." if told else f"No row differs: {rows}."


@dataclass(frozen=True)
class Pair:
    """One row that differs."""

    kind: str
    before: Example | None
    after: Example | None

    @property
    def texts(self) -> list[tuple[str, str, str]]:
        """(which text, before, after) of those that differ."""
        old = texts(self.before) if self.before else {}
        new = texts(self.after) if self.after else {}
        names = list(dict.fromkeys([*old, *new]))
        told = [(name, old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name)]
        if self.before and self.after:
            told += _others(self.before, self.after)
        return told


def _others(old: Example, new: Example) -> list[tuple[str, str, str]]:
    """What differs besides the texts."""
    pairs = [("mark", _mark(old), _mark(new))]
    names = dict.fromkeys([*old.meta, *new.meta])
    pairs += [(f"“{name}”", old.meta.get(name, ""), new.meta.get(name, "")) for name in names]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _mark(example: Example) -> str:
    return "" if example.good is None else "good" if example.good else "bad"


def compare(workspace: Workspace, before_id: str, after_id: str) -> Difference:
    """Two versions of one project of this owner. Raises UserError for two of different projects."""
    before, after = workspace.version(before_id), workspace.version(after_id)
    if before.project_id != after.project_id:
        raise UserError("These versions belong to different projects. Choose two of one project.")
    related = _root(workspace, before) == _root(workspace, after)
    old, new, kinds, same, by_number = _compared(workspace.rows_file(before.id), workspace.rows_file(after.id), related)
    return Difference(before, after, old, new, kinds, same, by_number)


def _root(workspace: Workspace, version: DatasetVersion) -> str:
    """Id of the version that was imported."""
    of = {v.id: v.parent_id for v in workspace.versions(version.project_id)}
    id_ = version.id
    while parent := of.get(id_):
        id_ = parent
    return id_


@lru_cache(maxsize=4)  # versions never change
def _compared(before: Path, after: Path, related: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, bool]:
    old, new = Rows(before), Rows(after)
    by_number = related and all(len(distinct(r.numbers("row"))) == len(r) for r in (old, new))
    if by_number:
        a, b = _matched(old.numbers("row"), new.numbers("row"))
    else:
        a, b = _matched(old.numbers("id"), new.numbers("id"))
        more_a, more_b = _by_question(old, new, a, b)
        a, b = np.concatenate([a, more_a]), np.concatenate([b, more_b])
    changed = old.numbers("id")[a] != new.numbers("id")[b]
    moved = old.splits[a] != new.splits[b]
    beside = _beside(before)[a] != _beside(after)[b]
    kind = np.full(len(a), NONE, np.int8)
    for name, mask in (("beside", beside), ("moved", moved), ("changed", changed)):
        kind[mask] = KINDS.index(name)
    differ = kind != NONE
    removed, added = left(len(old), a), left(len(new), b)
    olds = np.concatenate([a[differ], removed, np.full(len(added), NONE)])
    news = np.concatenate([b[differ], np.full(len(removed), NONE), added])
    kinds = np.concatenate(
        [
            kind[differ],
            np.full(len(removed), KINDS.index("removed"), np.int8),
            np.full(len(added), KINDS.index("added"), np.int8),
        ]
    )
    # By kind, and in the order of the file.
    order = np.lexsort((np.where(olds == NONE, news, olds), kinds))
    return olds[order], news[order], kinds[order], int((~differ).sum()), by_number


def _matched(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of the same keys in both; of keys that occur several times the first with the first, and so on."""
    a, b = _numbered(old), _numbered(new)
    _, in_old, in_new = np.intersect1d(a, b, return_indices=True)
    return in_old, in_new


def _numbered(keys: np.ndarray) -> np.ndarray:
    """Keys, as numbers that also say how many of the same stand before: all different."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.concatenate(([True], ordered[1:] != ordered[:-1])) if len(keys) else np.zeros(0, bool)
    starts = np.flatnonzero(begins)
    nth = np.empty(len(keys), np.int64)
    nth[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(starts, append=len(keys)))
    if not nth.any():
        return keys.astype(np.uint64)
    return keys.astype(np.uint64) ^ (nth.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _by_question(old: Rows, new: Rows, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the rows that are left those that ask the same, where one row of either version alone asks it."""
    left_old, left_new = left(len(old), a), left(len(new), b)
    asked_old, asked_new = old.numbers("asks")[left_old], new.numbers("asks")[left_new]
    only_old, only_new = _single(asked_old), _single(asked_new)
    _, at_old, at_new = np.intersect1d(asked_old[only_old], asked_new[only_new], return_indices=True)
    return left_old[only_old][at_old], left_new[only_new][at_new]


def _single(keys: np.ndarray) -> np.ndarray:
    """Places of the keys that occur once."""
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return np.sort(first[counts == 1])


@lru_cache(maxsize=4)
def _beside(path: Path) -> np.ndarray:
    """uint64, of each row a hash of its columns beside it."""
    with opened(path) as file:
        parts = [_hashes(file.read_row_group(g, ["meta"])["meta"]) for g in range(file.num_row_groups)]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def _hashes(column: pa.ChunkedArray) -> np.ndarray:
    import xxhash

    if column.null_count == len(column):
        return np.zeros(len(column), np.uint64)
    return np.array(
        [xxhash.xxh3_64_intdigest((text or "").encode()) if text else 0 for text in column.to_pylist()], np.uint64
    )


def pairs(workspace: Workspace, found: Difference, kind: str, at: int, most: int) -> list[Pair]:
    """At most `most` rows that differ, from the `at`-th on; of one kind, or of all where it is empty."""
    which = np.flatnonzero(found.kinds == KINDS.index(kind)) if kind else np.arange(len(found.kinds))
    which = which[at : at + most]
    old, new = found.old[which], found.new[which]
    olds = iter(workspace.rows(found.before.id).take(old[old != NONE]))
    news = iter(workspace.rows(found.after.id).take(new[new != NONE]))
    return [
        Pair(KINDS[k], next(olds) if a != NONE else None, next(news) if b != NONE else None)
        for k, a, b in zip(found.kinds[which].tolist(), old.tolist(), new.tolist(), strict=True)
    ]
