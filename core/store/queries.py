"""What pages ask of a version's rows: a page of them, those that hold a text, one by its id, the longest first.

Answers come from single columns (a number a row: a few MB for a million rows) and from the rows that are shown, never
from a list of all rows. Arrow is in the page's process anyway, through Gradio. Measured with 1,000,000 rows (500 MB)
on 2 cores, other work going on: a page of 20 rows that lie apart takes DuckDB 77 ms and Arrow about as long, next to
each other 10 and 5 ms; a search takes DuckDB 0.4 to 0.9 s and core/store/search.py 0.06 s: so there is no second
engine. `python -m tests.performance.data` prints the figures of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, overload

import numpy as np

from core.questions import asks_hash
from core.store import search
from core.store.datasets import KINDS, SPLITS, codes, current, ids_as_numbers, iterate, opened, to_examples
from core.types import Example, Split

Order = Literal["file", "longest", "shortest"]
MOST = 1_000
"""Rows with a text that are found; of more it is said that they are more. So a frequent text is found as fast as a rare
one: the first thousand stand near the beginning."""


@dataclass(frozen=True)
class Page:
    rows: list[Example]
    at: int
    """Of the first of `rows`, among those found, from 0 on."""
    total: int
    """Rows found."""
    more: bool
    """There are more than `total`; they were not counted."""


class Rows(Sequence[Example]):
    """The rows of a version as a sequence that stays on disk. Going through them in order reads each once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        with opened(self.path) as file:
            return file.metadata.num_rows

    def __iter__(self) -> Iterator[Example]:
        return iterate(self.path)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> list[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | list[Example]:
        places = np.arange(len(self))
        return self.take(places[place]) if isinstance(place, slice) else self.take([int(places[place])])[0]

    def take(self, places: Iterable[int]) -> list[Example]:
        """The rows at these places (0, 1, 2 …), in this order."""
        return take(self.path, places)

    def numbers(self, column: str) -> np.ndarray:
        """A column of whole numbers (row, asks, characters; id as its 64 bits). Not to be changed."""
        return _column(current(self.path), column)

    def answer_characters(self) -> np.ndarray:
        """Of each row the length of its last answer."""
        import pyarrow.compute as pc

        with opened(self.path) as file:
            groups = (file.read_row_group(g, ["target"])["target"] for g in range(file.num_row_groups))
            parts = [pc.utf8_length(targets).to_numpy() for targets in groups]
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    @property
    def splits(self) -> np.ndarray:
        """Of each row the index of its split in SPLITS."""
        return _column(current(self.path), "split")

    @property
    def kinds(self) -> np.ndarray:
        """Of each row the index of its kind in KINDS."""
        return _column(current(self.path), "kind")

    @property
    def synthetic(self) -> np.ndarray:
        """Of each row: did a model write it? See `Example.synthetic`."""
        return _synthetic(current(self.path))

    def of_split(self, split: Split) -> np.ndarray:
        """Places of the rows of a split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))

    def with_id(self, example_id: str) -> Example | None:
        """The row of this id, None where there is none."""
        places = np.flatnonzero(self.numbers("id") == np.uint64(int(example_id, 16)))
        return self.take(places[:1])[0] if len(places) else None

    def asking(self, asks: tuple[str, ...]) -> list[int]:
        """Places of the rows that ask the same: see `Example.asks`."""
        places = np.flatnonzero(self.numbers("asks") == asks_hash(asks)).tolist()
        return [p for p, e in zip(places, self.take(places), strict=True) if e.asks == asks]

    def together(self, asks: tuple[str, ...]) -> list[int]:
        """Places of the rows that must stand in one part with those that ask this, themselves included."""
        same = self.asking(asks)
        groups = self.numbers("group")
        return np.flatnonzero(np.isin(groups, groups[same])).tolist() if same else []

    def at_row(self, number: int) -> Example | None:
        """The row with this number in the file it came from; None where it was left out."""
        places = np.flatnonzero(self.numbers("row") == number)
        return self.take(places[:1])[0] if len(places) else None


def page(path: Path, part: Split | Literal[""], text: str, order: Order, at: int, most: int) -> Page:
    """At most `most` rows, from the `at`-th on, of those of a part that hold a text, in an order.

    An `at` behind the end gives the last page.
    """
    places, more = matching(path, part, text, order)
    at = min(max(0, at), max(0, (len(places) - 1) // most * most))
    return Page(take(path, places[at : at + most]), at, len(places), more)


@lru_cache(maxsize=4)  # turning pages asks the same again
def matching(
    path: Path, part: Split | Literal[""], text: str, order: Order = "file"
) -> tuple[np.ndarray | range, bool]:
    """Places of the rows of a part that hold a text, whatever its case, and whether there are more.

    In the file's order at most MOST of those with a text are found; to sort by length all of them must be.
    """
    rows, text = Rows(path), text.strip()
    wanted = rows.splits == SPLITS.index(part) if part else None
    more = False
    if text:
        most = MOST + 1 if order == "file" else None
        places = search.find(current(path), text, wanted, most)
        if most is not None and len(places) == most:
            places, more = places[:-1], True
    elif wanted is not None:
        places = np.flatnonzero(wanted)
    elif order == "file":
        return range(len(rows)), False
    else:
        places = np.arange(len(rows))
    if order != "file":
        lengths = rows.numbers("characters")[places]
        places = places[np.argsort(lengths if order == "shortest" else -lengths, kind="stable")]
    return places, more


def take(path: Path, places: Iterable[int]) -> list[Example]:
    """The rows at these places (0, 1, 2 …), in this order. Reads the groups they stand in."""
    wanted = np.fromiter(places, dtype=np.int64)
    if not len(wanted):
        return []
    examples: dict[int, Example] = {}
    with opened(path) as file:
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        starts = np.concatenate(([0], np.cumsum(sizes)))
        groups = starts.searchsorted(wanted, "right") - 1
        for group in np.unique(groups).tolist():
            here = np.unique(wanted[groups == group])
            table = file.read_row_group(group, use_threads=True).take(here - starts[group])
            examples |= zip(here.tolist(), to_examples(table), strict=True)
    return [examples[place] for place in wanted.tolist()]


@lru_cache(maxsize=10)  # a million rows are 8 MB of numbers, or 1 MB of splits or kinds
def _column(path: Path, name: str) -> np.ndarray:
    with opened(path) as file:
        if name == "id":
            parts = [ids_as_numbers(file.read_row_group(g, ["id"])["id"]) for g in range(file.num_row_groups)]
            return np.concatenate(parts) if parts else np.zeros(0, np.uint64)
        column = file.read([name])[name]
    names = {"split": SPLITS, "kind": KINDS}.get(name)
    return column.to_numpy() if names is None else codes(column, names)


@lru_cache(maxsize=10)
def _synthetic(path: Path) -> np.ndarray:
    """Most rows have no such column, and of those that have it few different values: each is read once."""
    import pyarrow.compute as pc

    parts = []
    with opened(path) as file:
        for group in range(file.num_row_groups):
            meta = file.read_row_group(group, ["meta"])["meta"]
            marked = pc.fill_null(pc.match_substring(meta, '"synthetic"'), False).to_numpy().copy()
            for place in np.flatnonzero(marked).tolist():
                marked[place] = Example((), "", 0, meta=json.loads(meta[place].as_py())).synthetic
            parts.append(marked)
    return np.concatenate(parts) if parts else np.zeros(0, bool)
