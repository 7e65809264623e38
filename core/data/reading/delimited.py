"""CSV and TSV: a first line with the names of the columns, then one record a row."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from core.data.reading.table import PIECE, Source, Table, text_pieces
from core.errors import UserError

MOST_COLUMNS = 1000


def batches(source: Source) -> Iterator[Table]:
    pieces = text_pieces(source)
    first = next(pieces, "")
    reader = csv.reader(_lines(first, pieces), delimiter=_delimiter(first, source.name), strict=True)
    csv.field_size_limit(1 << 30)  # a cell may be as long as memory allows; the module's default is 128 kB
    rows, numbers, size = [], [], 0
    try:
        columns = _header(next(reader, []), source.name)
        for number, values in enumerate(reader, start=1):
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(columns):
                raise UserError(
                    f"“{source.name}”, row {number} (line {reader.line_num}): {len(values)} values, {len(columns)} "
                    "columns. Put text that holds the separator or line breaks into double quotes."
                )
            rows.append(dict(zip(columns, values, strict=True)))
            numbers.append(number)
            size += sum(map(len, values)) + len(values)
            if size >= PIECE:
                yield Table(rows, numbers)
                rows, numbers, size = [], [], 0
    except csv.Error as e:
        raise UserError(
            f"“{source.name}”, line {reader.line_num}: broken CSV ({e}). A double quote inside quoted text is written "
            "twice."
        ) from e
    yield Table(rows, numbers)


def _lines(first: str, others: Iterator[str]) -> Iterator[str]:
    """Lines with their ends, as the csv module wants them."""
    yield from io.StringIO(first, newline="")
    for piece in others:
        yield from io.StringIO(piece, newline="")


def _delimiter(text: str, name: str) -> str:
    if name.lower().endswith(".tsv"):
        return "\t"
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count) if any(c in header for c in ",;\t") else ","


def _header(header: list[str], name: str) -> list[str]:
    columns = [c.strip() for c in header]
    require_few_columns(len(columns), name)
    empty = [i for i, c in enumerate(columns, start=1) if not c]
    if not columns or empty:
        raise UserError(
            f"“{name}”: column {empty[0] if empty else 1} of the first line has no name. Name every column."
        )
    twice = sorted(c for c, n in Counter(columns).items() if n > 1)
    if twice:
        raise UserError(f"“{name}”: the column “{twice[0]}” occurs twice in the first line. Rename one.")
    return columns


def require_few_columns(columns: int, name: str, row: int | None = None) -> None:
    """Raises UserError for more columns than a person can choose from."""
    if columns > MOST_COLUMNS:
        where = f" up to row {row}" if row is not None else ""
        raise UserError(
            f"“{name}” has {columns:,} columns{where}; the limit is {MOST_COLUMNS:,}. Columns are the names of values: "
            "keep those that are trained, and put others together into one."
        )
