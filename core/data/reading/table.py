"""Rows of a file, the file itself, and what its person should know of how it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from core.errors import Level, Problem, UserError

PIECE = 1 << 20
"""Bytes that are read at once; about what a batch of rows holds."""
LONGEST_ROW = 16 << 20
"""Letters of a row: five thousand pages. A longer one is a file that was not understood."""
MOST_COLUMNS = 1000

MISSING = frozenset(("nan", "NaN", "<NA>", "NaT"))
"""Cells that pandas writes for what is missing, and nobody for something else."""
NONE = "None"
"""Python's word for what is missing, unless the column holds a few words again and again: there it is one of them."""
DOUBTFUL = frozenset(("null", "NULL", "NA", "N/A", "n/a", "#N/A"))
"""Cells that may be meant as missing or as a word: they are kept, and counted. Libraries that took "null" or "NA" for
missing lost the answers of people who meant them (huggingface/datasets#4467, googledatalab/pydatalab#398).
"""
MARKED = MISSING | DOUBTFUL | {NONE}
_LONGEST_MARK = max(map(len, MARKED))


@dataclass(frozen=True)
class Table:
    """Some rows of a file as dicts, in the order of the file. A row lacks the columns that it does not name."""

    rows: list[dict[str, Any]]
    numbers: list[int]
    """1-based number of each row as a person counts it: the line (JSONL, text), the record (CSV) or element (JSON)."""


class Reading:
    """What becomes known while a file is read. Nothing that a reader does to values is kept to itself."""

    def __init__(self, counting: bool = True) -> None:
        """`counting`: False where the file was read before, and its marked cells are counted."""
        self._counting = counting
        self.encoding = ""
        """Of the text, as Python calls it."""
        self.bytes = 0
        """Read so far, unpacked."""
        self._notices: dict[str, Problem] = {}
        self._cells: dict[tuple[str, str, bool], list[int]] = {}
        self._twice: dict[str, list[int]] = {}
        self._unused: dict[str, list[int]] = {}

    def tell(self, level: Level, what: str, fix: str = "") -> None:
        """Something about the whole file. Told once, however often it is read."""
        self._notices.setdefault(what, Problem(level, what, fix))

    def count(self, cell: str, column: str, row: int, missing: bool) -> None:
        """A cell that may stand for a missing value: was it taken for one, or kept as text?"""
        self._cells.setdefault((cell, column, missing), [0, row])[0] += 1

    def count_marked(self, rows: list[dict[str, Any]], numbers: list[int]) -> None:
        """Texts that say that nothing is there, where a file has a way of its own to say so: they are kept as text."""
        if not self._counting:
            return
        values = chain.from_iterable(map(dict.values, rows))
        # Long texts are not hashed, and lists and objects are looked into.
        short = [v for v in values if type(v) is not str or len(v) <= _LONGEST_MARK]
        if all(type(v) not in (list, dict) for v in short) and MARKED.isdisjoint(short):
            return
        for row, number in zip(rows, numbers, strict=True):
            for column, value in row.items():
                if isinstance(value, str):
                    if value in MARKED:
                        self.count(value, column, number, missing=False)
                elif isinstance(value, list | dict):
                    for text in _texts(value):
                        if text in MARKED:
                            self.count(text, "", number, missing=False)

    def count_twice(self, key: str, row: int) -> None:
        """An object that gives a key two different values, of which only one can be kept."""
        self._twice.setdefault(key, [0, row])[0] += 1

    def count_unused(self, why: str, row: int) -> None:
        """A record that is no row, e.g. because it was `why`: rejected in Prodigy."""
        self._unused.setdefault(why, [0, row])[0] += 1

    @property
    def notices(self) -> list[Problem]:
        """All of it, cells counted by what they hold and where."""
        unused = (_of_unused(why, *seen) for why, seen in self._unused.items())
        twice = (self._of_twice(key, *seen) for key, seen in self._twice.items())
        cells = (self._of_cells(*key, *seen) for key, seen in self._cells.items())
        return [*self._notices.values(), *unused, *twice, *cells]

    def _of_twice(self, key: str, count: int, first: int) -> Problem:
        objects = "1 object holds" if count == 1 else f"{count:,} objects hold"
        what = f"{objects} the key “{shortened(key)}” twice, with different values, the first in row {first:,}."
        return Problem("warning", what, "The last of them was taken. Give each value a name of its own.", column=key)

    def _of_cells(self, cell: str, column: str, missing: bool, count: int, first: int) -> Problem:
        cells = f"1 value “{cell}”" if count == 1 else f"{count:,} values “{cell}”"
        of = f"of the column “{column}”" if column else "inside lists and objects"
        were = "was" if count == 1 else "were"
        if missing:
            what, fix = "taken for missing", f"If “{cell}” is meant as text, write it another way."
        else:
            what, fix = "kept as text", "If nothing is meant, leave such cells empty."
        what = f"{cells} {of} {were} {what}, the first in row {first:,}."
        return Problem("note", what, fix, column=column or None)


def _of_unused(why: str, count: int, first: int) -> Problem:
    records = "1 record is" if count == 1 else f"{count:,} records are"
    what = f"{records} not used: {why}. The first is record {first:,}."
    return Problem("warning", what, "Where they are meant, change that in the tool, and export again.")


@dataclass(frozen=True)
class How:
    """What a person said of how a file is read."""

    encoding: str = ""
    sheet: str = ""


@dataclass(frozen=True)
class Source:
    """A file to be read, or a folder of files."""

    path: Path
    name: str
    """What it is called in messages."""
    tick: Callable[[float], None] = lambda share: None
    """Told the share that is read, again and again. What it raises ends the reading."""
    encoding: str = ""
    """Of the text, where a person chose it; else it is recognised."""
    reading: Reading = field(default_factory=Reading)
    sheet: str = ""
    """Of a workbook, where a person chose it."""

    def quietly(self) -> Source:
        """The same, for a look at its beginning that tells nobody."""
        return Source(self.path, self.name, encoding=self.encoding, sheet=self.sheet)


class NotRead(UserError):
    """A file that is of another kind than those that are read, or that has nothing to read."""


def require_few_columns(columns: int, name: str, row: int | None = None) -> None:
    """Raises UserError for more columns than a person can choose from."""
    if columns > MOST_COLUMNS:
        where = f" up to row {row}" if row is not None else ""
        raise UserError(
            f"“{name}” has {columns:,} columns{where}; the limit is {MOST_COLUMNS:,}. Columns are the names of values: "
            "keep those that are trained, and put others together into one."
        )


def _texts(value: Any) -> Iterator[str]:
    """All texts in a list or an object, however deep."""
    inner = [value]
    while inner:
        one = inner.pop()
        for child in one.values() if isinstance(one, dict) else one:
            if isinstance(child, str):
                yield child
            elif isinstance(child, list | dict):
                inner.append(child)


def kind_of(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def shortened(text: str, most: int = 40) -> str:
    """The beginning of a value, on one line, for a sentence."""
    line = " ".join(text[: 2 * most].split())
    return line if len(line) <= most and len(text) <= 2 * most else f"{line[:most]}…"
