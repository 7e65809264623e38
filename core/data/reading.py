"""Files → rows. JSONL, JSON, CSV/TSV and plain text, in UTF-8 (or UTF-16 with its mark). Every refusal names place
and remedy.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UserError

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class Table:
    """Rows of a file as dicts, all with the same columns, in the order of the file."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    numbers: list[int]
    """1-based number of each row as a person counts it: the line (JSONL, text), the record (CSV) or element (JSON)."""


def read(path: Path, max_mb: int = 200, max_rows: int = 1_000_000, name: str = "") -> Table:
    """Read a file. `name` is what to call it in messages. Raises UserError with line or row where it can be known."""
    name = name or path.name
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        given = f"ends in “{suffix}”" if suffix else "has no ending"
        raise UserError(
            f"“{name}” {given}. Tunewright reads .jsonl, .json, .csv, .tsv and .txt: save it as one of these."
        )
    size = path.stat().st_size
    if size == 0:
        raise UserError(f"“{name}” is empty (0 bytes). Choose a file with rows.")
    if size > max_mb * 1_000_000:
        raise UserError(f"“{name}” has {size / 1e6:,.0f} MB; the limit is {max_mb} MB. Split it into parts.")
    text = _decode(path.read_bytes(), name)
    readers = {".json": _json, ".csv": _csv, ".tsv": _csv, ".txt": _txt}
    rows, numbers = readers.get(suffix, _jsonl)(text, name)
    if not rows:
        raise UserError(f"“{name}” holds no rows. Choose a file with at least one row.")
    if len(rows) > max_rows:
        raise UserError(f"“{name}” has {len(rows):,} rows; the limit is {max_rows:,}. Split it into parts.")
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    if not columns:
        raise UserError(
            f"“{name}” has rows, but none has a column. Each row needs named values, such as prompt, answer."
        )
    return Table(columns, [{c: row.get(c) for c in columns} for row in rows], numbers)


def _decode(data: bytes, name: str) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        byte = data[e.start]
        raise UserError(
            f"“{name}” is not {encoding.removesuffix('-sig').upper()} text: line {line} holds the byte 0x{byte:02X}. "
            "Save it as UTF-8 (in Excel: “CSV UTF-8”) and import it again."
        ) from e
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise UserError(f"“{name}” holds a NUL byte in line {line}: it is not a text file. Export it as text again.")
    return text


def _jsonl(text: str, name: str) -> tuple[list[dict[str, Any]], list[int]]:
    rows, numbers = [], []
    # Only "\n" ends a line here: JSON text may hold other separators, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row = _parse(line, name, number)
        if not isinstance(row, dict):
            raise UserError(
                f'“{name}”, line {number}: expected an object such as {{"prompt": …, "answer": …}}, found '
                f"{_kind(row)}. Put one object on each line."
            )
        rows.append(row)
        numbers.append(number)
    return rows, numbers


def _json(text: str, name: str) -> tuple[list[dict[str, Any]], list[int]]:
    value = _parse(text, name)
    if isinstance(value, dict):
        lists = [v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
        if len(lists) != 1 or "messages" in value:
            value = [value]
        else:
            value = lists[0]  # {"data": [...]}: the one list of objects is meant
    if not isinstance(value, list):
        raise UserError(f"“{name}” holds {_kind(value)}. Expected a list of objects: [{{…}}, {{…}}].")
    for number, row in enumerate(value, start=1):
        if not isinstance(row, dict):
            raise UserError(f"“{name}”, row {number}: expected an object with named values, found {_kind(row)}.")
    return value, list(range(1, len(value) + 1))


def _txt(text: str, name: str) -> tuple[list[dict[str, Any]], list[int]]:
    """Texts parted by two or more empty lines, or by one where that gives fewer than three (a split needs three)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for gap in (r"\n(?:[^\S\n]*\n){2,}", r"\n(?:[^\S\n]*\n)+"):
        rows, numbers, start, line = [], [], 0, 1
        for end, following in [*((m.start(), m.end()) for m in re.finditer(gap, text)), (len(text), 0)]:
            part = text[start:end]
            if part.strip():
                rows.append({"text": part.strip("\n")})
                numbers.append(line + part[: len(part) - len(part.lstrip())].count("\n"))
            line += text.count("\n", start, following)
            start = following
        if len(rows) >= 3:
            break
    return rows, numbers


def _parse(text: str, name: str, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        where = line if line is not None else e.lineno
        near = text[max(0, e.pos - 12) : e.pos + 12].replace("\n", " ").strip()
        raise UserError(
            f"“{name}”, line {where}, character {e.colno}: broken JSON ({e.msg}), near “{near}”. "
            "Correct that place and import the file again."
        ) from e
    except RecursionError as e:
        raise UserError(f"“{name}”{f', line {line}' if line else ''}: JSON nested too deeply to be rows.") from e
    except ValueError as e:  # e.g. a number with thousands of digits
        raise UserError(f"“{name}”{f', line {line}' if line else ''}: {e}. Correct it and import it again.") from e


def _csv(text: str, name: str) -> tuple[list[dict[str, Any]], list[int]]:
    delimiter = _delimiter(text, name)
    csv.field_size_limit(1 << 30)  # the file's own limit has been checked; the module's default is 128 kB a field
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, numbers = [], []
    try:
        header = next(reader, [])
        columns = _header(header, name)
        for number, values in enumerate(reader, start=1):
            if not any(value.strip() for value in values):
                continue
            if len(values) != len(columns):
                raise UserError(
                    f"“{name}”, row {number} (line {reader.line_num}): {len(values)} values, {len(columns)} columns. "
                    "Put text that holds the separator or line breaks into double quotes."
                )
            rows.append(dict(zip(columns, values, strict=True)))
            numbers.append(number)
    except csv.Error as e:
        raise UserError(
            f"“{name}”, line {reader.line_num}: broken CSV ({e}). A double quote inside quoted text is written twice."
        ) from e
    return rows, numbers


def _delimiter(text: str, name: str) -> str:
    if name.lower().endswith(".tsv"):
        return "\t"
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count) if any(c in header for c in ",;\t") else ","


def _header(header: list[str], name: str) -> list[str]:
    columns = [c.strip() for c in header]
    empty = [i for i, c in enumerate(columns, start=1) if not c]
    if not columns or empty:
        raise UserError(
            f"“{name}”: column {empty[0] if empty else 1} of the first line has no name. Name every column."
        )
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise UserError(f"“{name}”: the column “{twice[0]}” occurs twice in the first line. Rename one.")
    return columns


def _kind(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
