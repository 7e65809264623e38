"""JSON: objects one a line, one after the other, or in a list, each read as it comes; or one object that holds all.

Whatever the file is called. Commas behind lines, empty lines and objects over several lines make no difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Literal

from core.data.reading import table
from core.data.reading.decoding import TooLong, decoded_pieces, text_pieces, too_long
from core.data.reading.json_shapes import as_row, is_message, rows_of
from core.data.reading.json_values import Decoder, bad_number, broken_json, json_lines, too_deep, whole_value
from core.data.reading.table import Source, Table
from core.errors import UserError

MOST_WHOLE = 500_000_000
"""Letters of an object that is read whole: in memory it takes some five times as much."""
_SPACE = re.compile(r"[ \t\n\r\x1e]*")  # U+001E begins each text of a JSON text sequence (RFC 7464)


def batches(source: Source) -> Iterator[Table]:
    shape = _shape(source)
    if shape == "one object":
        return _of_one(source)
    if shape == "lines":
        return _of_lines(source)
    return _values(_Window(source, decoded_pieces(source)), _State(), to_end=True)


def _shape(source: Source) -> Literal["one object", "lines", "values"]:
    """What is behind the first value: nothing, other lines, or anything. What is too long for a row is one object."""
    quiet = source.quietly()
    window = _Window(quiet, decoded_pieces(quiet))
    if window.skip_space() not in ("{", '"'):
        return "values"
    try:
        on_line = window.value_on_line()
        _, window.at = on_line or window.value()
    except TooLong:
        return "one object"
    except UserError:
        return "values"  # who reads it says where it is broken
    if not window.skip_space():
        return "one object"
    return "lines" if on_line else "values"


def _of_lines(source: Source) -> Iterator[Table]:
    pieces, line = text_pieces(source), 1
    state = _State()
    for piece in pieces:
        rows = json_lines(piece)
        lines = piece.count("\n") + (not piece.endswith("\n"))
        if rows is not None and len(rows) == lines:
            yield Table(rows, list(range(line, line + lines)))
            line += lines
            state.objects = state.behind_value = True
        else:
            # To the end of this piece, and as far into the next ones as a value or list goes on.
            window = _Window(source, chain([piece], pieces), line)
            yield from _values(window, state)
            line = window.line + window.text.count("\n")


def _of_one(source: Source) -> Iterator[Table]:
    parts, length = [], 0
    size = source.path.stat().st_size
    for text in decoded_pieces(source) if size <= MOST_WHOLE else ():
        parts.append(text)
        length += len(text)
        if length > MOST_WHOLE:
            break
    if max(size, length) > MOST_WHOLE:
        raise UserError(
            f"“{source.name}” is one JSON object of {max(size, length) / 1e6:,.0f} MB; an object is read up to "
            f"{MOST_WHOLE / 1e6:,.0f} MB. Save the rows as a list ([{{…}}, {{…}}]) or as .jsonl."
        )
    decoder = Decoder(source.reading)
    rows = rows_of(whole_value("".join(parts), source.name, decoder), source)
    for start in range(0, len(rows), 1000):
        numbers = list(range(start + 1, min(start + 1000, len(rows)) + 1))
        some = [as_row(row, n, "row", source) for row, n in zip(rows[start : start + 1000], numbers, strict=True)]
        yield Table([decoder.cleaned(row, n) for row, n in zip(some, numbers, strict=True)], numbers)


class _State:
    """What goes on from window to window."""

    elements = 0
    """Of lists, which are counted on where one list follows another."""
    objects = False
    """Were there objects that stand in no list?"""
    behind_value = False
    """A comma may come."""


class _Window:
    """The part of the text that is being read, and where it stands in the file."""

    def __init__(self, source: Source, pieces: Iterator[str], line: int = 1) -> None:
        self.source = source
        self.decoder = Decoder(source.reading)
        self._pieces = pieces
        self.text, self.at = next(pieces, ""), 0
        self.line, self.column = line, 1
        """Of the first letter of `text` in the file."""
        self._counted, self._here = 0, line
        """Lines are counted up to the letter `_counted`."""

    def more(self) -> bool:
        """Put the next pieces behind, as much as waits to be read, and let go of what was; False at the file's end."""
        wanted, new = len(self.text) - self.at, []
        while wanted >= 0 and (piece := next(self._pieces, None)) is not None:
            new.append(piece)
            wanted -= len(piece) or 1
        if not new:
            return False
        self.line = self.here()
        gone = self.text[: self.at]
        self.column = len(gone) - gone.rfind("\n") if "\n" in gone else self.column + len(gone)
        self.text, self.at, self._counted = self.text[self.at :] + "".join(new), 0, 0
        return True

    def here(self) -> int:
        """The line of the next letter."""
        self._here += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        return self._here

    def skip_space(self, further: bool = True) -> str:
        """The next letter that is no white space; empty at the end of the file, or of the text unless `further`."""
        while True:
            space = _SPACE.match(self.text, self.at)
            assert space is not None  # no space at all is a match, too
            self.at = space.end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not further or not self.more():
                return ""

    def value(self, ends_with_line: bool = False) -> tuple[Any, int]:
        """(the value that begins here, where it ends). Raises UserError where none does."""
        name = self.source.name
        while True:
            try:
                value, end = self.decoder.value(self.text, self.at)
            except RecursionError as e:
                raise too_deep(name, f", line {self.here():,}") from e
            except json.JSONDecodeError as e:
                # Broken, or not all there yet?
                cut = e.msg.startswith("Unterminated string") or e.pos > len(self.text) - 12
                if cut and len(self.text) - self.at > table.LONGEST_ROW:
                    raise too_long(name, self.here()) from e
                if cut and self.more():
                    continue
                raise (ends_with_line and self._broken_line()) or self.broken(e.msg, e.pos) from e
            except ValueError as e:
                raise bad_number(name, e, f", line {self.here():,}") from e
            if end < len(self.text) or isinstance(value, dict | list | str) or not self.more():
                return value, end
            # A number may go on.

    def value_on_line(self) -> tuple[Any, int] | None:
        """The same, where it ends with its line, three times as fast; None where it does not."""
        import orjson

        end = self.text.find("\n", self.at)
        while end < 0 and self.more():
            end = self.text.find("\n", self.at)
            if end < 0 and len(self.text) > table.LONGEST_ROW:
                raise too_long(self.source.name, self.here())
        end = end if end >= 0 else len(self.text)
        try:
            return orjson.loads(self.text[self.at : end]), end
        except ValueError:
            return None

    def broken(self, what: str, at: int) -> UserError:
        error = json.JSONDecodeError(what, self.text, at)
        column = error.colno + (self.column - 1 if error.lineno == 1 else 0)
        return broken_json(self.source.name, self.line + error.lineno - 1, column, error)

    def _broken_line(self) -> UserError | None:
        """What is wrong in this line alone; None where nothing is."""
        end = self.text.find("\n", self.at)
        try:
            self.decoder.value(self.text[: end if end >= 0 else len(self.text)], self.at)
        except json.JSONDecodeError as e:
            return self.broken(e.msg, e.pos)
        except (ValueError, RecursionError):
            pass
        return None


def _values(window: _Window, state: _State, to_end: bool = False) -> Iterator[Table]:
    """Rows up to the end of the window's text, or further until a list is closed; or to the end of the file."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    size = 0
    while letter := window.skip_space(further=to_end):
        if letter == "," and state.behind_value:
            window.at += 1
            state.behind_value = False
            continue
        number = window.here()
        if letter == "[":
            if rows:
                yield Table(rows, numbers)
                rows, numbers, size = [], [], 0
            yield from _list(window, state, number)
        else:
            value, end = window.value(state.objects)
            rows.append(window.decoder.cleaned(as_row(value, number, "line", window.source), number))
            numbers.append(number)
            size += end - window.at
            window.at = end
            state.objects = True
        state.behind_value = True
        if size >= table.PIECE:
            yield Table(rows, numbers)
            rows, numbers, size = [], [], 0
    yield Table(rows, numbers)


def _list(window: _Window, state: _State, line: int) -> Iterator[Table]:
    """Its elements; or one row, where they are the messages of a conversation."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    size, first, conversation = 0, True, False
    window.at += 1  # the bracket that opens the list
    letter = window.skip_space()
    while letter != "]":
        value, end = window.value()
        conversation = is_message(value) if first else conversation
        if first and state.objects and not conversation:
            raise UserError(
                f'“{window.source.name}”, line {line:,}: expected an object such as {{"prompt": …, "answer": …}}, '
                "found a list. Put one object on each line."
            )
        state.elements += not conversation
        row = {"message": value} if conversation else as_row(value, state.elements, "row", window.source)
        number = line if conversation else state.elements
        rows.append(window.decoder.cleaned(row, number))
        numbers.append(number)
        size += end - window.at
        window.at, first = end, False
        if size >= table.PIECE and not conversation:
            yield Table(rows, numbers)
            rows, numbers, size = [], [], 0
        if size > table.LONGEST_ROW:
            raise too_long(window.source.name, line)
        letter = window.skip_space()
        if letter == ",":
            window.at += 1
            letter = window.skip_space()  # a list may be closed behind a comma
        elif letter != "]":
            raise window.broken("Expecting ',' delimiter", window.at)
    window.at += 1
    yield Table([{"messages": [row["message"] for row in rows]}], [line]) if conversation else Table(rows, numbers)
