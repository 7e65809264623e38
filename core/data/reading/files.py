"""Which reader reads a file, and what every file must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from core.data.reading import delimited, json_list, jsonl, text
from core.data.reading.table import Source, Table
from core.errors import UserError

READERS: dict[str, Callable[[Source], Iterator[Table]]] = {
    ".jsonl": jsonl.batches,
    ".ndjson": jsonl.batches,
    ".json": json_list.batches,
    ".csv": delimited.batches,
    ".tsv": delimited.batches,
    ".txt": text.batches,
}


def batches(source: Source) -> Iterator[Table]:
    """The rows of a file, some at a time. Raises UserError with line or row where it can be known."""
    name, suffix = source.name, source.path.suffix.lower()
    if suffix not in READERS:
        given = f"ends in “{suffix}”" if suffix else "has no ending"
        raise UserError(
            f"“{name}” {given}. Tunewright reads .jsonl, .json, .csv, .tsv and .txt: save it as one of these."
        )
    if source.path.stat().st_size == 0:
        raise UserError(f"“{name}” is empty (0 bytes). Choose a file with rows.")
    some = False
    for table in READERS[suffix](source):
        if table.rows:
            some = True
            yield table
    if not some:
        raise UserError(f"“{name}” holds no rows. Choose a file with at least one row.")


def read(path: Path, name: str = "") -> Table:
    """A small file at once."""
    tables = list(batches(Source(path, name or path.name)))
    return Table([row for t in tables for row in t.rows], [n for t in tables for n in t.numbers])
