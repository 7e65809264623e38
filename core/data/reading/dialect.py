"""How the cells of a CSV are parted and quoted: what fits its beginning best.

Each separator is tried with each way of quoting, and the rows are counted that have as many cells as the first line: as
DuckDB does it, with the csv module. Why not by a library: docs/experiments.md.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Any

from core.data.reading.table import MOST_COLUMNS

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
SAMPLE = 1 << 17
"""Letters that are looked at."""
_SEP_LINE = re.compile(r"\"?sep=([^\w\s\"']|\t)\"?[\r\n]")  # how Excel is told; it writes one itself


@dataclass(frozen=True)
class Dialect:
    delimiter: str
    quoting: dict[str, Any]
    """What csv.reader is told of quotes."""
    columns: int
    """Of the first line."""
    share: float
    """Of the rows looked at: have as many cells as the first."""
    rows: list[list[str]]
    """The beginning, read like this; empty lines left out."""


_DOUBLED: dict[str, Any] = {"strict": True}
_BACKSLASH: dict[str, Any] = {"strict": True, "escapechar": "\\", "doublequote": False}
_SINGLE: dict[str, Any] = {"strict": True, "quotechar": "'"}
_NO_QUOTES: dict[str, Any] = {"quoting": csv.QUOTE_NONE}


def sniff(text: str, whole: bool, first: str = ",") -> Dialect:
    """The dialect of a text that begins like this. `whole`: it is all; `first`: the separator that wins a tie."""
    sample = text[:SAMPLE]
    whole = whole and len(sample) == len(text)
    sep_line = _SEP_LINE.match(sample)
    separators = [sep_line.group(1)] if sep_line else list(dict.fromkeys((first, *SEPARATORS)))
    sample = sample[sep_line.end() :].lstrip("\r\n") if sep_line else sample
    tried = [_tried(sample, whole, s, quoting) for s in separators for quoting in _quotings(sample, s)]
    best = max((dialect for dialect in tried if dialect), key=_fits, default=None)
    if best is None or best.columns == 1:
        # Is there one column, or does the separator that parts the names fail further below? Then that is to be said.
        names = sample.split("\n", 1)[0]
        broken = [s for s in separators if s in names and not any(d and d.delimiter == s for d in tried)]
        if broken or best is None:
            return Dialect(max(broken or separators, key=names.count), _DOUBLED, 1, 0.0, [])
    return best


def is_sep_line(record: list[str], delimiter: str) -> bool:
    return delimiter.join(record).strip('"').startswith(f"sep={delimiter}") and not any(record[1:])


def _quotings(sample: str, separator: str) -> list[dict[str, Any]]:
    """Ways of quoting that the text may be meant in; doubled quotes unless something else is plainly there."""
    ways = [_DOUBLED]
    if '\\"' in sample:
        ways.append(_BACKSLASH)
    if f"'{separator}'" in sample and sample.lstrip()[:1] != '"':
        ways.append(_SINGLE)
    if separator == "\t" and '"' in sample and "\t" in sample.split("\n", 1)[0]:
        ways.append(_NO_QUOTES)
    if _spaced(sample, separator):
        ways = [{**way, "skipinitialspace": True} for way in ways]
    return ways


def _spaced(sample: str, separator: str) -> bool:
    """Does a space that means nothing follow each separator of the first line, as people write lists?"""
    names = sample.lstrip("\r\n").split("\n", 1)[0]
    return separator != "\t" and 0 < names.count(separator) == len(
        re.findall(f"{re.escape(separator)} +(?=\\S)", names)
    )


def _tried(sample: str, whole: bool, separator: str, quoting: dict[str, Any]) -> Dialect | None:
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator, **quoting):
            if any(cell.strip() for cell in row):
                rows.append(row)
            if rows and len(rows[0]) > MOST_COLUMNS:
                break
    except csv.Error as e:
        # Where the sample ends within quotes, the row is not all there.
        if whole or "unexpected end of data" not in str(e):
            return None
    if not whole and len(rows) > 1:
        rows.pop()
    if not rows:
        return None
    same = sum(len(trimmed(row, len(rows[0]))) == len(rows[0]) for row in rows)
    return Dialect(separator, quoting, len(rows[0]), same / len(rows), rows)


def trimmed(row: list[str], columns: int) -> list[str]:
    """Without the empty cells behind the last column, as a separator at the end of a line makes them."""
    while len(row) > columns and not row[-1].strip():
        row = row[:-1]
    return row


def _fits(dialect: Dialect) -> tuple[float, int]:
    several = dialect.columns > 1
    return dialect.share if several else 0.0, dialect.columns if several and dialect.share == 1 else 0
