"""One JSON list of objects, read element by element; or an object, which is read whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from core.data.reading.table import (
    PIECE,
    Source,
    Table,
    broken_json,
    decoded_pieces,
    json_value,
    kind_of,
    text_pieces,
    too_deep,
)
from core.errors import UserError

MOST_WHOLE = 500_000_000
"""Bytes of an object that is read whole: in memory it takes some five times as much."""
LONGEST_ELEMENT = 64 * PIECE
_SPACE = re.compile(r"[ \t\n\r]*")


def batches(source: Source) -> Iterator[Table]:
    if _first_letter(source) == "[":
        yield from _elements(source)
        return
    size = source.path.stat().st_size
    if size > MOST_WHOLE:
        raise UserError(
            f"“{source.name}” is one JSON object of {size / 1e6:,.0f} MB; an object is read up to "
            f"{MOST_WHOLE / 1e6:,.0f} MB. Save the rows as a list ([{{…}}, {{…}}]) or as .jsonl."
        )
    value = json_value("".join(text_pieces(source)), source.name)
    if isinstance(value, dict):
        lists = [v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
        # {"data": [...]}: the one list of objects is meant
        value = [value] if len(lists) != 1 or "messages" in value else lists[0]
    if not isinstance(value, list):
        raise UserError(f"“{source.name}” holds {kind_of(value)}. Expected a list of objects: [{{…}}, {{…}}].")
    for start in range(0, len(value), 1000):
        rows = value[start : start + 1000]
        numbers = list(range(start + 1, start + len(rows) + 1))
        for row, number in zip(rows, numbers, strict=True):
            _require_object(row, number, source.name)
        yield Table(rows, numbers)


def _first_letter(source: Source) -> str:
    for piece in text_pieces(Source(source.path, source.name)):
        if piece.strip():
            return piece.lstrip()[0]
    return ""


def _require_object(row: Any, number: int, name: str) -> None:
    if not isinstance(row, dict):
        raise UserError(f"“{name}”, row {number}: expected an object with named values, found {kind_of(row)}.")


class _Window:
    """The part of the text that is being read, and where it stands in the file."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._pieces = decoded_pieces(source)
        self.text, self.at = "", 0
        self.line, self.column = 1, 1
        """Of the first letter of `text` in the file."""

    def more(self) -> bool:
        """Put the next piece behind, and let go of what was read; False at the end of the file."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        gone = self.text[: self.at]
        self.line += gone.count("\n")
        self.column = len(gone) - gone.rfind("\n") if "\n" in gone else self.column + len(gone)
        self.text, self.at = self.text[self.at :] + piece, 0
        return True

    def skip_space(self) -> str:
        """The next letter that is no white space; empty at the end of the file."""
        while True:
            space = _SPACE.match(self.text, self.at)
            assert space is not None  # no space at all is a match, too
            self.at = space.end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def broken(self, what: str, at: int) -> UserError:
        error = json.JSONDecodeError(what, self.text, at)
        column = error.colno + (self.column - 1 if error.lineno == 1 else 0)
        return broken_json(self.name, self.line + error.lineno - 1, column, error)


def _elements(source: Source) -> Iterator[Table]:
    window, decode = _Window(source), json.JSONDecoder().raw_decode
    window.skip_space()
    window.at += 1  # the bracket that opens the list
    rows, numbers, number, size = [], [], 0, 0
    letter = window.skip_space()
    while letter != "]" or number:
        try:
            row, end = decode(window.text, window.at)
        except RecursionError as e:
            raise too_deep(source.name) from e
        except json.JSONDecodeError as e:
            # Broken, or not all there yet?
            if len(window.text) - window.at < LONGEST_ELEMENT and window.more():
                continue
            raise window.broken(e.msg, e.pos) from e
        except ValueError as e:  # e.g. a number with thousands of digits
            raise UserError(f"“{source.name}”, row {number + 1}: {e}. Correct it and import it again.") from e
        if end == len(window.text) and not isinstance(row, dict | list | str) and window.more():
            continue  # a number may go on
        number += 1
        _require_object(row, number, source.name)
        rows.append(row)
        numbers.append(number)
        size += end - window.at
        window.at = end
        if size >= PIECE:
            yield Table(rows, numbers)
            rows, numbers, size = [], [], 0
        letter = window.skip_space()
        if letter == "]":
            break
        if letter != ",":
            raise window.broken("Expecting ',' delimiter", window.at)
        window.at += 1
        window.skip_space()
    window.at += 1
    if window.skip_space():
        raise window.broken("Extra data", window.at)
    yield Table(rows, numbers)
