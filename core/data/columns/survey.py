"""What is in the columns of a file: looked at once, in batches, before anybody says how its rows are to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from core.data.columns.choice import as_text, cell, is_missing
from core.data.columns.unused import shortened
from core.data.reading.table import MOST_COLUMNS, Table, require_few_columns
from core.errors import UserError

MOST_VALUES = 200
"""Different values of a column that are remembered."""
LONGEST_VALUE = 200
"""Characters of a value that may be a label or a mark."""
FIRST = 20
"""Rows that are kept to look at."""
MOST_PARTS = 20
"""Values of an object that are columns of their own, such as the languages of `translation`."""


@dataclass
class Survey:
    """What a file holds."""

    columns: tuple[str, ...] = ()
    """In the order in which they first occur; of an object of texts each part: `translation.en`."""
    rows: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)
    """The first rows."""
    values: dict[str, Counter[str] | None] = field(default_factory=dict)
    """Of each column its texts, trimmed, with how often each occurs; None where they are too many or too long."""

    def cells(self, column: str) -> list[Any]:
        """What the first rows hold in a column, without what is missing or blank."""
        cells = (cell(row, column) for row in self.first)
        return [v for v in cells if not is_missing(v) and not (isinstance(v, str) and not v.strip())]

    def examples(self, column: str, most: int = 2) -> list[str]:
        """How the first values of a column look, shortened."""
        return [shortened(as_text(value)) for value in self.cells(column)[:most]]


class Surveying:
    """Takes what is in a file, table by table, in the order of the file; `finished` says what it holds."""

    def __init__(self, name: str, labels: str | None = None) -> None:
        """`labels`: a column whose values are kept however long they are."""
        self._name, self._labels = name, labels
        self._columns: dict[str, None] = {}
        self._survey = Survey()

    def take(self, table: Table) -> None:
        """Raises UserError for too many columns."""
        seen, columns = self._survey, self._columns
        if not columns.keys() >= set(chain.from_iterable(table.rows)):
            _take_in(columns, table, self._name)
        seen.rows += len(table.rows)
        seen.first += table.rows[: FIRST - len(seen.first)]
        for column in columns:
            _remember(seen, column, table, None if column == self._labels else LONGEST_VALUE)

    def finished(self) -> Survey:
        """Of what was taken so far. Raises UserError for rows without any column."""
        if not self._columns:
            raise UserError(
                f"“{self._name}” has rows, but none has a column. Each row needs named values, such as prompt, answer."
            )
        seen = replace(self._survey, columns=tuple(self._columns))
        return replace(seen, columns=tuple(part for column in seen.columns for part in _parts(seen, column)))


def survey(tables: Iterable[Table], name: str, labels: str | None = None) -> Survey:
    """Go through a file once. `labels`: a column whose values are kept however long they are.

    Raises UserError for rows without any column, and for too many columns.
    """
    surveying = Surveying(name, labels)
    for table in tables:
        surveying.take(table)
    return surveying.finished()


def _take_in(columns: dict[str, None], table: Table, name: str) -> None:
    for row, number in zip(table.rows, table.numbers, strict=True):
        for column in row:
            columns.setdefault(column)
            if len(columns) > MOST_COLUMNS:
                require_few_columns(max(len(row), len(columns)), name, number)


def _remember(survey: Survey, column: str, table: Table, longest: int | None) -> None:
    known = survey.values.setdefault(column, Counter())
    if known is None:
        return
    values = [row.get(column) for row in table.rows]
    if any(isinstance(value, list | dict) for value in values):
        survey.values[column] = None
        return
    texts = [v.strip() if type(v) is str and v.isascii() else as_text(v).strip() for v in values]
    known.update(texts)
    if len(known) > MOST_VALUES or (longest is not None and max(map(len, texts), default=0) > longest):
        survey.values[column] = None


def _parts(survey: Survey, column: str) -> list[str]:
    """The column; or its parts, where it holds objects with the same few texts."""
    cells = survey.cells(column)
    if not cells or not all(isinstance(value, dict) and value for value in cells):
        return [column]
    names = list(dict.fromkeys(name for value in cells for name in value))
    texts = all((v is None or isinstance(v, str)) for value in cells for v in value.values())
    if not texts or len(names) > MOST_PARTS or {"role", "from", "type"} & set(names):
        return [column]
    return [f"{column}.{name}" for name in names]
