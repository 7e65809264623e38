"""Rows of a file, and what every reader needs: text in pieces, JSON values, sentences for what is broken."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from core.errors import UserError

PIECE = 1 << 20
"""Bytes that are read at once; about what a batch of rows holds."""
_LONG_NUMBER = re.compile(r"\d{18}")
_PLAIN = frozenset((str, bool, type(None)))


@dataclass(frozen=True)
class Table:
    """Some rows of a file as dicts, in the order of the file. A row lacks the columns that it does not name."""

    rows: list[dict[str, Any]]
    numbers: list[int]
    """1-based number of each row as a person counts it: the line (JSONL, text), the record (CSV) or element (JSON)."""


@dataclass(frozen=True)
class Source:
    """A file to be read."""

    path: Path
    name: str
    """What it is called in messages."""
    tick: Callable[[float], None] = lambda share: None
    """Told the share that is read, again and again. What it raises ends the reading."""


def text_pieces(source: Source) -> Iterator[str]:
    """The text of a file, about PIECE bytes at a time and cut behind an end of line only: see `decoded_pieces`."""
    waiting: list[str] = []
    for text in decoded_pieces(source):
        end = text.rfind("\n") + 1
        if end:
            yield "".join((*waiting, text[:end]))
            waiting = [text[end:]]
        else:
            waiting.append(text)
    if rest := "".join(waiting):
        yield rest


def decoded_pieces(source: Source) -> Iterator[str]:
    """The text of a file, PIECE bytes at a time, cut anywhere. UTF-8, or UTF-16 with its mark.

    Raises UserError, naming the line, for bytes that are none, and for NUL.
    """
    size, done, lines = source.path.stat().st_size, 0, 0
    with open(source.path, "rb", buffering=0) as file:
        encoding = "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
        file.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        data = b"first"
        while data:
            data = file.read(PIECE)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as e:
                line, byte = lines + e.object[: e.start].count(b"\n") + 1, e.object[e.start]
                raise UserError(
                    f"“{source.name}” is not {encoding.removesuffix('-sig').upper()} text: line {line} holds the byte "
                    f"0x{byte:02X}. Save it as UTF-8 (in Excel: “CSV UTF-8”) and import it again."
                ) from e
            nul = text.find("\0")
            if nul >= 0:
                line = lines + text.count("\n", 0, nul) + 1
                raise UserError(
                    f"“{source.name}” holds a NUL byte in line {line}: it is not a text file. Export it as text again."
                )
            lines += text.count("\n")
            done += len(data)
            if text:
                yield text
            source.tick(min(1.0, done / max(1, size)))


def json_value(text: str, name: str, line: int | None = None) -> Any:
    """A JSON value, as Python's own parser reads it, mostly three times as fast. Raises UserError with the place."""
    import orjson

    try:
        # orjson makes floats of integers beyond 64 bits.
        return _json_by_python(text, name, line) if _LONG_NUMBER.search(text) else orjson.loads(text)
    except ValueError:
        return _json_by_python(text, name, line)


def json_lines(lines: str) -> list[Any] | None:
    """The values of lines with one JSON text each, all parsed in one go; None where one of them needs a closer look."""
    import orjson

    try:
        values = orjson.loads(f"[{lines.rstrip().replace(chr(10), ',')}]")
    except ValueError:
        return None
    if set(map(type, values)) != {dict}:
        return None
    plain = _PLAIN.issuperset(map(type, chain.from_iterable(map(dict.values, values))))
    return values if plain or not _LONG_NUMBER.search(lines) else None


def _json_by_python(text: str, name: str, line: int | None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise broken_json(name, line if line is not None else e.lineno, e.colno, e) from e
    except RecursionError as e:
        raise too_deep(name, line) from e
    except ValueError as e:  # e.g. a number with thousands of digits
        raise UserError(f"“{name}”{f', line {line}' if line else ''}: {e}. Correct it and import it again.") from e


def broken_json(name: str, line: int, column: int, error: json.JSONDecodeError) -> UserError:
    near = error.doc[max(0, error.pos - 12) : error.pos + 12].replace("\n", " ").strip()
    return UserError(
        f"“{name}”, line {line}, character {column}: broken JSON ({error.msg}), near “{near}”. "
        "Correct that place and import the file again."
    )


def too_deep(name: str, line: int | None = None) -> UserError:
    return UserError(f"“{name}”{f', line {line}' if line else ''}: JSON nested too deeply to be rows.")


def kind_of(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
