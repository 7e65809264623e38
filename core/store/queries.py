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
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from core.questions import asks_hash
from core.store import beside, search
from core.store.datasets import KINDS, SPLITS, codes, current, ids_as_numbers, iterate, opened, to_examples
from core.store.keys import among
from core.types import Example, Split

if TYPE_CHECKING:
    import pyarrow as pa

BY_COLUMN = "column:"
"""Before the name of a column beside the rows by which they are sorted."""
MOST = 1_000
"""Rows with a text that are found; of more it is said that they are more. So a frequent text is found as fast as a rare
one: the first thousand stand near the beginning."""


@dataclass(frozen=True)
class Marks:
    """What another room says of the rows: a number a row. Two of one name are the same."""

    name: str
    """Says of what it is, and of which state of it."""
    numbers: np.ndarray = field(compare=False)
    """int, one for each row of the version."""


@dataclass(frozen=True)
class Query:
    """Which rows are wanted, and in which order. Empty fields want all."""

    part: Split | Literal[""] = ""
    text: str = ""
    """That a text of the row holds, whatever its case."""
    order: str = "file"
    """file, longest, shortest, part (what measures first), marked (by `marks`, most first), or BY_COLUMN and a name."""
    column: str = ""
    """A column beside the rows, and what its value holds."""
    value: str = ""
    among: Marks | None = None
    """Only rows with a number that is not 0."""
    marks: Marks | None = None
    """For the order `marked`."""

    @property
    def wants_all(self) -> bool:
        return not (self.part or self.text.strip() or self.among or (self.column and self.value.strip()))


@dataclass(frozen=True)
class Page:
    rows: list[Example]
    at: int
    """Of the first of `rows`, among those found, from 0 on."""
    total: int
    """Rows found."""
    more: bool
    """There are more than `total`; they were not counted."""
    places: list[int] = field(default_factory=list)
    """Of each of `rows`, where it stands in its version."""


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
        return np.flatnonzero(among(groups, groups[same])).tolist() if same else []

    def at_row(self, number: int) -> Example | None:
        """The row with this number in the file it came from; None where it was left out."""
        places = np.flatnonzero(self.numbers("row") == number)
        return self.take(places[:1])[0] if len(places) else None


def page(path: Path, query: Query, at: int, most: int) -> Page:
    """At most `most` of the rows that are wanted, from the `at`-th on; an `at` behind the end gives the last page."""
    places, more = matching(path, query)
    at = min(max(0, at), max(0, (len(places) - 1) // most * most))
    here = places[at : at + most]
    return Page(take(path, here), at, len(places), more, [int(place) for place in here])


@lru_cache(maxsize=4)  # turning pages asks the same again
def matching(path: Path, query: Query, all_of_them: bool = False) -> tuple[np.ndarray | range, bool]:
    """Places of the rows that are wanted, in their order, and whether there are more.

    In the file's order at most MOST of those with a text are found; to sort them, or where `all_of_them` are asked for,
    all of them must be.
    """
    rows, text, order = Rows(path), query.text.strip(), query.order
    if query.wants_all and order == "file":
        return range(len(rows)), False
    wanted = _wanted(rows, query)
    more = False
    if text:
        most = MOST + 1 if order == "file" and not all_of_them else None
        places = search.find(current(path), text, wanted, most)
        if most is not None and len(places) == most:
            places, more = places[:-1], True
    elif wanted is not None:
        places = np.flatnonzero(wanted)
    else:
        places = np.arange(len(rows))
    return _sorted(rows, places, query), more


def _wanted(rows: Rows, query: Query) -> np.ndarray | None:
    """Of each row whether it is wanted, whatever its text; None where all are."""
    masks = []
    if query.part:
        masks.append(rows.splits == SPLITS.index(query.part))
    if query.among:
        masks.append(query.among.numbers != 0)
    if query.column and query.value.strip():
        held = np.zeros(len(rows), bool)
        held[beside.holding(current(rows.path), query.column, query.value.strip())] = True
        masks.append(held)
    return np.logical_and.reduce(masks) if masks else None


def _sorted(rows: Rows, places: np.ndarray, query: Query) -> np.ndarray:
    """Places, which ascend, in the order that is wanted; rows that are alike in it keep the file's."""
    order = query.order
    if order == "file" or (order == "marked" and query.marks is None):
        return places
    if order == "marked" and query.marks:
        keys = -query.marks.numbers[places].astype(np.int64)
    elif order == "part":
        keys = -rows.splits[places].astype(np.int64)  # what measures first
    elif order in ("longest", "shortest"):
        lengths = rows.numbers("characters")[places]
        keys = lengths if order == "shortest" else -lengths
    else:
        rank = np.empty(len(rows), np.int64)
        rank[beside.order(current(rows.path), order.removeprefix(BY_COLUMN))] = np.arange(len(rows))
        keys = rank[places]
    return places[np.argsort(keys, kind="stable")]


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


def written_by_a_model(meta: pa.ChunkedArray) -> np.ndarray:
    """Of each row, by the JSON of its columns beside: is it synthetic? Only those with such a column are parsed."""
    import pyarrow.compute as pc

    marked = pc.fill_null(pc.match_substring(meta, '"synthetic"'), False).to_numpy(zero_copy_only=False).copy()
    for place in np.flatnonzero(marked).tolist():
        marked[place] = Example((), "", 0, meta=json.loads(meta[place].as_py())).synthetic
    return marked


@lru_cache(maxsize=10)
def _synthetic(path: Path) -> np.ndarray:
    with opened(path) as file:
        groups = range(file.num_row_groups)
        parts = [written_by_a_model(file.read_row_group(group, ["meta"])["meta"]) for group in groups]
    return np.concatenate(parts) if parts else np.zeros(0, bool)
