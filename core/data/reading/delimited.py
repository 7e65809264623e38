"""CSV and TSV: a first line with the names of the columns, then one record a row."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from core import cells
from core.data.reading import table
from core.data.reading.decoding import text_pieces
from core.data.reading.dialect import SAMPLE, Dialect, is_sep_line, sniff, trimmed
from core.data.reading.table import MARKED, MISSING, NONE, Source, Table, require_few_columns, shortened
from core.errors import UserError

_SENTENCE = re.compile(r"\w\s+\w.*[.?!…。？！]\s*$", re.S)
LONG_NAME = 60


def batches(source: Source) -> Iterator[Table]:
    pieces = text_pieces(source)
    first = _beginning(pieces)
    second = next(pieces, "")
    csv.field_size_limit(table.LONGEST_ROW)  # the module's default is 128 kB
    dialect = sniff(first, not second, "\t" if source.path.suffix.lower() == ".tsv" else ",")
    reader = csv.reader(_lines(chain((first, second), pieces)), delimiter=dialect.delimiter, **dialect.quoting)
    rows, numbers, size, began = [], [], 0, 1
    try:
        columns = header(_first_record(reader, dialect), source)
        words = _with_few_words(columns, dialect)
        _tell_of_a_row(columns, dialect, source)
        own = cells.is_own(columns)
        began = reader.line_num + 1
        for number, values in enumerate(reader, start=1):
            began, line = reader.line_num + 1, began
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(columns):
                values = _fitted(values, columns, number, line, source.name)
            if own:
                values = [cells.original(value) for value in values]
            row: dict[str, str | None] = dict(zip(columns, values, strict=True))
            row.pop(cells.OWN, None)  # the number of the row where it came from
            if not MARKED.isdisjoint(values):
                _take_marked(row, number, words, source)
            rows.append(row)
            numbers.append(number)
            size += sum(map(len, values)) + len(values)
            if size >= table.PIECE:
                yield Table(rows, numbers)
                rows, numbers, size = [], [], 0
    except csv.Error as e:
        raise _broken(e, source.name, began, reader.line_num) from e
    yield Table(rows, numbers)


def _beginning(pieces: Iterator[str]) -> str:
    """As much text as is looked at to tell the dialect, in however small pieces it comes."""
    parts, size = [], 0
    for piece in pieces:
        parts.append(piece)
        size += len(piece)
        if size > SAMPLE:
            break
    return "".join(parts)


def _lines(pieces: Iterator[str]) -> Iterator[str]:
    """Lines with their ends, as the csv module wants them."""
    for piece in pieces:
        yield from io.StringIO(piece, newline="")


def _first_record(reader: Iterator[list[str]], dialect: Dialect) -> list[str]:
    """The names of the columns: the first line that says anything, behind one that only names the separator."""
    for record in reader:
        if any(cell.strip() for cell in record) and not is_sep_line(record, dialect.delimiter):
            return record
    return []


def header(record: list[str], source: Source) -> list[str]:
    columns = [c.strip() for c in record]
    while len(columns) > 1 and not columns[-1]:
        columns.pop()
    require_few_columns(len(columns), source.name)
    if len(columns) > 1 and not columns[0] and "column 1" not in columns:
        columns[0] = "column 1"
        what = "The first column has no name, as where pandas writes the numbers of rows: it is called “column 1”."
        source.reading.tell("note", what)
    empty = [i for i, c in enumerate(columns, start=1) if not c]
    if not columns or empty:
        raise UserError(
            f"“{source.name}”: column {empty[0] if empty else 1} of the first line has no name. Name every column."
        )
    twice = sorted(c for c, n in Counter(columns).items() if n > 1)
    if twice:
        raise UserError(f"“{source.name}”: the column “{twice[0]}” occurs twice in the first line. Rename one.")
    return columns


def _fitted(values: list[str], columns: list[str], number: int, line: int, name: str) -> list[str]:
    """The values of a row with empty cells too many. Raises UserError for any other number of them."""
    values = trimmed(values, len(columns))
    if len(values) == len(columns):
        return values
    if len(values) < len(columns):
        what = f"it ends before “{columns[len(values)]}”: “{shortened(values[-1])}” is its last"
        fix = "Write the missing values, or leave them empty between separators."
    else:
        what = f"the first one too many is “{shortened(values[len(columns)])}”"
        fix = "Put text that holds the separator or line breaks into double quotes."
    raise UserError(
        f"“{name}”, row {number} (line {line}): {len(values)} values, {len(columns)} columns; {what}. {fix}"
    )


def _take_marked(row: dict[str, str | None], number: int, words: set[str], source: Source) -> None:
    """Cells that say that nothing is there: null, where that is sure; counted in any case."""
    for column, cell in row.items():
        if cell in MARKED:
            missing = cell in MISSING or (cell == NONE and column not in words)
            source.reading.count(cell, column, number, missing)
            if missing:
                row[column] = None


def _with_few_words(columns: list[str], dialect: Dialect) -> set[str]:
    """Columns that hold a few words again and again, as labels are: “None” may be one of them."""
    few = set()
    for i, column in enumerate(columns):
        cells = [row[i].strip() for row in dialect.rows[1:] if i < len(row)]
        words = [cell for cell in cells if cell and cell not in MARKED]
        if words and len(set(words)) <= 0.7 * len(words) and max(map(len, words)) <= LONG_NAME:
            few.add(column)
    return few


def _tell_of_a_row(columns: list[str], dialect: Dialect, source: Source) -> None:
    """Where the first line looks like a row rather than like names, its person should look."""
    for i, name in enumerate(columns):
        cells = [row[i].strip() for row in dialect.rows[1:] if i < len(row)]
        again = cells.count(name)
        numeric = _is_number(name) and bool(cells) and all(map(_is_number, cells))
        if numeric or 0 < again < len(cells) or len(name) > LONG_NAME or _SENTENCE.search(name):
            source.reading.tell(
                "warning",
                f"The first line was read as the names of the columns, but “{shortened(name)}” looks like a value.",
                "If it is a row, put a line with names above it, such as prompt,answer: it is not imported as it is.",
            )
            return


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+([.,]\d+)?", cell))


def _broken(error: csv.Error, name: str, began: int, line: int) -> UserError:
    if "field larger" in str(error) or "unexpected end of data" in str(error):
        return UserError(
            f"“{name}”: quoted text that begins in line {began:,} does not end"
            + (f" within {table.LONGEST_ROW / 1e6:,.0f} million letters" if "larger" in str(error) else "")
            + ". Close it with a double quote; one that belongs to the text is written twice."
        )
    return UserError(
        f"“{name}”, line {line}: broken CSV ({error}). A double quote inside quoted text is written twice."
    )
