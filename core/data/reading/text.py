"""Plain text: texts parted by two or more empty lines, or by one where that gives fewer than three (a split needs
three).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from core.data.reading import passages, table
from core.data.reading.decoding import text_pieces, too_long
from core.data.reading.table import Source, Table

_TWO = re.compile(r"\n(?:[^\S\n]*\n){2,}")
_ONE = re.compile(r"\n(?:[^\S\n]*\n)+")


def batches(source: Source) -> Iterator[Table]:
    passages.tell(source.reading)
    first_three = list(islice(_texts(source.quietly(), _TWO), 3))
    gap = _TWO if len(first_three) == 3 else _ONE
    rows, numbers, size = [], [], 0
    for number, text in _texts(source, gap):
        rows.append({"text": text})
        numbers.append(number)
        size += len(text)
        if size >= table.PIECE:
            yield Table(rows, numbers)
            rows, numbers, size = [], [], 0
    yield Table(rows, numbers)


def _texts(source: Source, gap: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """(number of its first line, text) of each text between gaps."""
    waiting, line = "", 1
    for piece in text_pieces(source):
        start, seen = 0, len(waiting.rstrip())
        waiting += piece.replace("\r\n", "\n").replace("\r", "\n")
        full = len(waiting.rstrip())
        # White space at the end may be the beginning of a gap that goes on in the next piece.
        for empty in gap.finditer(waiting, seen):
            if empty.end() > full:
                break
            yield from _numbered(waiting[start : empty.start()], line)
            line += waiting.count("\n", start, empty.end())
            start = empty.end()
        waiting = waiting[start:]
        if len(waiting) > table.LONGEST_ROW:
            raise too_long(source.name, line)
    start = 0
    for empty in gap.finditer(waiting):
        yield from _numbered(waiting[start : empty.start()], line)
        line += waiting.count("\n", start, empty.end())
        start = empty.end()
    yield from _numbered(waiting[start:], line)


def _numbered(part: str, line: int) -> Iterator[tuple[int, str]]:
    if part.strip():
        yield line + part[: len(part) - len(part.lstrip())].count("\n"), part.strip("\n")
