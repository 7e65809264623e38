"""One JSON value that holds a whole file → its rows: a list under some name, columns, parts, or as pandas writes
tables.

What is not used of it is told.
"""

from __future__ import annotations

from typing import Any

from core.data.reading.json_values import Decoder, begins, inner_object, whole_value
from core.data.reading.table import Reading, Source, kind_of
from core.errors import UserError

DEEPEST = 3
"""How many objects deep the rows may lie."""
ROWS = ("data", "rows", "examples", "items", "records", "instances", "samples")
"""Names under which a list of objects is meant whatever stands beside it."""
PARTS = ("train", "training", "test", "testing", "dev", "valid", "validation", "val", "eval", "evaluation")
_OF_MESSAGES = frozenset(
    ("role", "from", "content", "value", "name", "tool_calls", "tool_call_id", "reasoning_content", "weight", "train")
)


_OF_ROWS = frozenset(("messages", "conversations", "prompt", "completion", "chosen", "rejected", "history", *PARTS))
"""Names under which a conversation stands that is part of one row."""


def rows_of(value: Any, source: Source) -> list[Any]:
    """The rows in the one value of a file; an object that holds none is a row itself."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        value = whole_value(value, source.name, Decoder(source.reading))
        source.reading.tell("note", "The file is one text that is JSON itself: it was decoded twice.")
    if not isinstance(value, dict | list):
        raise UserError(f"“{source.name}” holds {kind_of(value)}. Expected a list of objects: [{{…}}, {{…}}].")
    rows = _table(value, source, 0)
    return [value] if rows is None else rows


def as_row(value: Any, number: int, where: str, source: Source) -> dict[str, Any]:
    """A value as a row: an object, one that was encoded twice, or a list of messages. Raises UserError for others."""
    if isinstance(value, dict):
        return value
    if is_conversation(value):
        return {"messages": value}
    if inner := inner_object(value, Decoder(source.reading)):
        source.reading.tell("note", "Rows are texts that are JSON themselves: they were decoded twice.")
        return inner
    example = '{"text": …}' if isinstance(value, str) else '{"prompt": …, "answer": …}'
    raise UserError(
        f"“{source.name}”, {where} {number:,}: expected an object with named values, such as {example}, found "
        f"{kind_of(value)}: {begins(value)}. Give each value its name."
    )


def is_message(value: Any) -> bool:
    """Is it one turn of a conversation, rather than a row?"""
    if not isinstance(value, dict) or not value.keys() <= _OF_MESSAGES:
        return False
    return isinstance(value.get("role", value.get("from")), str) and len(value) > 1


def is_conversation(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def _table(value: Any, source: Source, depth: int) -> list[Any] | None:
    """The rows of a list or object; None where it is rather a value of a row."""
    if depth > DEEPEST:
        return None
    if isinstance(value, list):
        if not value or not isinstance(value[0], dict) or is_conversation(value):
            return None
        return _of_the_hubs_viewer(value, source.reading)
    if not isinstance(value, dict) or not value:
        return None
    for shape in (_pandas_split, _conversations_by_key, _columns_of_lists, _columns_of_objects):
        if (rows := shape(value, source)) is not None:
            return rows
    return _below(value, source, depth)


def _of_the_hubs_viewer(rows: list[Any], reading: Reading) -> list[Any]:
    """The Hub's dataset viewer answers with {"row_idx": 0, "row": {…}, "truncated_cells": []}."""
    if not all(isinstance(r, dict) and "row_idx" in r and isinstance(r.get("row"), dict) for r in rows):
        return rows
    if cut := sum(bool(r.get("truncated_cells")) for r in rows):
        what = f"The Hub's viewer, which wrote this file, cut off cells of {cut:,} rows."
        reading.tell("warning", what, "Download the dataset's own files.")
    return [r["row"] for r in rows]


def _pandas_split(value: dict[str, Any], source: Source) -> list[Any] | None:
    """{"columns": ["prompt", …], "index": […], "data": [["…", …], …]}"""
    columns, data = value.get("columns"), value.get("data")
    if not (isinstance(columns, list) and isinstance(data, list) and data and isinstance(data[0], list)):
        return None
    names = [str(column) for column in columns]
    for number, cells in enumerate(data, start=1):
        if not isinstance(cells, list) or len(cells) != len(names):
            n = len(cells) if isinstance(cells, list) else 1
            raise UserError(f"“{source.name}”, row {number:,}: {n} values, {len(names)} columns. Correct that row.")
    _tell_unused(value, ("columns", "data", "index"), source.reading)
    return [dict(zip(names, cells, strict=True)) for cells in data]


def _conversations_by_key(value: dict[str, Any], source: Source) -> list[Any] | None:
    """{"first chat": [{"role": …}, …], "second chat": […], …}"""
    if len(value) < 3 or not value.keys().isdisjoint(_OF_ROWS) or not all(map(is_conversation, value.values())):
        return None
    return [{"key": key, "messages": messages} for key, messages in value.items()]


def _columns_of_lists(value: dict[str, Any], source: Source) -> list[Any] | None:
    """{"prompt": ["…", …], "answer": ["…", …]}"""
    lists = {name: cells for name, cells in value.items() if isinstance(cells, list)}
    if any(name in ROWS and cells and isinstance(cells[0], dict) for name, cells in lists.items()):
        return None
    if any(map(is_conversation, lists.values())) or not any(
        cells and not isinstance(cells[0], dict) for cells in lists.values()
    ):
        return None
    sizes = {name: len(cells) for name, cells in lists.items()}
    if len(set(sizes.values())) > 1:
        if len(lists) < len(value):
            return None
        (one, n), (other, m) = min(sizes.items(), key=lambda s: s[1]), max(sizes.items(), key=lambda s: s[1])
        raise UserError(
            f"“{source.name}” holds columns of different lengths: “{one}” has {n:,} values, “{other}” {m:,}. Each row "
            "needs a value in each column; write null where there is none."
        )
    if len(lists) == 1 and len(value) > 1:
        return None
    _tell_unused(value, lists, source.reading)
    return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]


def _columns_of_objects(value: dict[str, Any], source: Source) -> list[Any] | None:
    """{"prompt": {"0": "…", …}, "answer": {"0": "…", …}}, or {"0": {"prompt": "…", "answer": "…"}, …}"""
    if not all(isinstance(inner, dict) and inner for inner in value.values()):
        return None
    first = next(iter(value.values()))
    if all(key.isdecimal() for key in first) and not all(key.isdecimal() for key in value):
        rows: dict[str, dict[str, Any]] = {}
        for column, cells in value.items():
            for key, cell in cells.items():
                rows.setdefault(key, {})[column] = cell
        return _keyed(rows)
    if all(key.isdecimal() for key in value) or (
        len(value) > len(first) and all(inner.keys() == first.keys() for inner in value.values())
    ):
        return None if any(isinstance(v, list | dict) for v in first.values()) and len(first) == 1 else _keyed(value)
    return None


def _keyed(rows: dict[str, dict[str, Any]]) -> list[Any]:
    """Rows with their keys as a column, unless the keys only count them."""
    if [*rows] in ([str(i) for i in range(len(rows))], [str(i + 1) for i in range(len(rows))]):
        return list(rows.values())
    return [{"key": key, **row} for key, row in rows.items()]


def _below(value: dict[str, Any], source: Source, depth: int) -> list[Any] | None:
    """{"version": 1, "data": [{…}, …]}, or {"train": [{…}, …], "test": [{…}, …]}"""
    inner = {name: cell for name, cell in value.items() if isinstance(cell, dict | list)}
    tables = {name: rows for name, cell in inner.items() if (rows := _table(cell, source, depth + 1)) is not None}
    meant = [name for name in tables if name.lower() in ROWS]
    if len(tables) > 1 and len(meant) == 1:
        tables = {meant[0]: tables[meant[0]]}
    if not tables:
        return None
    if len(tables) > 1 and not _are_parts(tables):
        names = ", ".join(f"“{name}” ({len(rows):,})" for name, rows in list(tables.items())[:10])
        raise UserError(
            f"“{source.name}” holds several lists of objects: {names}. Save the one whose rows are meant as a file of "
            "its own."
        )
    _tell_unused(value, tables, source.reading)
    if len(tables) == 1:
        return next(iter(tables.values()))
    column = "split" if not any("split" in row for rows in tables.values() for row in rows[:1]) else "part"
    parts = ", ".join(f"“{name}” ({len(rows):,} rows)" for name, rows in tables.items())
    source.reading.tell(
        "note",
        f"The file holds parts: {parts}. All are put together; the column “{column}” says from which a row is.",
        "Import one part alone to leave others out.",
    )
    for name, rows in tables.items():
        for row in rows:
            if isinstance(row, dict):
                row[column] = name
    return [row for rows in tables.values() for row in rows]


def _are_parts(tables: dict[str, list[Any]]) -> bool:
    if all(any(part in name.lower().replace("-", "_").split("_") for part in PARTS) for name in tables):
        return True
    first, *others = (set(rows[0]) if isinstance(rows[0], dict) else set() for rows in tables.values())
    return all(first == other for other in others)


def _tell_unused(value: dict[str, Any], used: Any, reading: Reading) -> None:
    unused = [f"“{name}” ({begins(inner)})" for name, inner in value.items() if name not in used]
    if unused:
        more = f" and {len(unused) - 10:,} more" if len(unused) > 10 else ""
        reading.tell("note", f"Beside the rows the file holds {', '.join(unused[:10])}{more}, which is not used.")
