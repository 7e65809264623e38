"""One JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.data.reading.table import Source, Table, json_lines, json_value, kind_of, text_pieces
from core.errors import UserError


def batches(source: Source) -> Iterator[Table]:
    first = 1
    for piece in text_pieces(source):
        lines = piece.count("\n") + (not piece.endswith("\n"))
        rows, numbers = json_lines(piece), list(range(first, first + lines))
        if rows is None or len(rows) != lines:
            rows, numbers = _one_by_one(piece, first, source.name)
        yield Table(rows, numbers)
        first += lines


def _one_by_one(piece: str, first: int, name: str) -> tuple[list[dict[str, Any]], list[int]]:
    rows, numbers = [], []
    # Only "\n" ends a line here: JSON text may hold other separators, such as U+2028.
    for number, line in enumerate(piece.split("\n"), start=first):
        if not line or line.isspace():
            continue
        row = json_value(line, name, number)
        if not isinstance(row, dict):
            raise UserError(
                f'“{name}”, line {number}: expected an object such as {{"prompt": …, "answer": …}}, found '
                f"{kind_of(row)}. Put one object on each line."
            )
        rows.append(row)
        numbers.append(number)
    return rows, numbers
