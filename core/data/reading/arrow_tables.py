"""Parquet and Arrow files, as public data sets come in: a batch of rows at a time, values as JSON would hold them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from core.data.reading import table, unpacking
from core.data.reading.table import Reading, Source, Table, require_few_columns
from core.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 1000
"""Rows of a batch; fewer where they are long."""


def parquet_batches(source: Source) -> Iterator[Table]:
    return _tables(source, _of_parquet, "Parquet")


def arrow_batches(source: Source) -> Iterator[Table]:
    return _tables(source, _of_arrow, "Arrow")


def _of_parquet(source: Source) -> Iterator[tuple[pa.RecordBatch, float]]:
    import pyarrow.parquet as pq

    # Buffered: else a whole column of a group of rows, which may be the file's, is held in memory.
    with pq.ParquetFile(source.path, buffer_size=table.PIECE, pre_buffer=False) as file:
        _require_columns(file.schema_arrow, source.name)
        total = max(1, file.metadata.num_rows)
        size = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        rows = min(MOST_ROWS, max(1, table.PIECE * total // max(1, size)))
        done = 0
        for batch in file.iter_batches(batch_size=rows, use_threads=False):
            done += len(batch)
            yield batch, done / total


def _of_arrow(source: Source) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Of a file of Arrow's own, or a stream, which is what `datasets` saves."""
    import pyarrow as pa

    size = max(1, source.path.stat().st_size)
    with pa.OSFile(str(source.path)) as file:
        is_file = bytes(file.read(6)) == b"ARROW1"
        file.seek(0)
        reader = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
        _require_columns(reader.schema, source.name)
        whole = (reader.get_batch(i) for i in range(reader.num_record_batches)) if is_file else iter(reader)
        for batch in whole:
            batch.validate(full=True)  # offsets that point anywhere would be followed
            rows = min(MOST_ROWS, max(1, table.PIECE * len(batch) // max(1, batch.nbytes)))
            for at in range(0, len(batch), rows):
                yield batch.slice(at, rows), file.tell() / size


def _tables(
    source: Source, batches_of: Callable[[Source], Iterator[tuple[pa.RecordBatch, float]]], kind: str
) -> Iterator[Table]:
    import pyarrow as pa

    packed = source.path.stat().st_size
    most = max(unpacking.FREE, unpacking.MOST_TIMES * packed)
    first = 1
    try:
        for batch, share in batches_of(source):
            batch = spelled_out(batch)
            source.reading.bytes += batch.nbytes
            if source.reading.bytes > most:
                raise UserError(
                    f"“{source.name}” has {packed / 1e6:,.1f} MB and unpacks to more than {most / 1e6:,.0f} MB, which "
                    "rows hardly do. Look at what is in it, and save the rows that are meant as .jsonl."
                )
            numbers = list(range(first, first + len(batch)))
            yield Table(rows_of(batch, numbers, source.reading), numbers)
            first += len(batch)
            source.tick(min(1.0, share))
    except (pa.ArrowException, OSError, ValueError, OverflowError, KeyError) as e:
        message = " ".join(str(e).split())[:200]
        raise UserError(
            f"“{source.name}” begins as a {kind} file, but cannot be read: {message}. Fetch or copy it again; or save "
            "its rows as .jsonl, e.g. with pandas: read_parquet(…).to_json(…, orient='records', lines=True)."
        ) from e


def _require_columns(schema: pa.Schema, name: str) -> None:
    require_few_columns(len(schema.names), name)
    twice = sorted(c for c, n in Counter(schema.names).items() if n > 1)
    if twice:
        raise UserError(f"“{name}”: the column “{twice[0]}” occurs twice. Rename one.")


def spelled_out(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With each value itself where a dictionary holds it once for many rows."""
    import pyarrow as pa

    columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names, metadata=batch.schema.metadata)


def rows_of(batch: pa.RecordBatch, numbers: list[int], reading: Reading) -> list[dict[str, Any]]:
    """A batch that is spelled out, as rows of values that JSON could hold; numbers that stand for names as these."""
    names = _class_names(batch.schema)
    columns: list[list[Any]] = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        values = column.to_pylist()
        if field.name in names:
            values = _named(values, names[field.name], field.name, reading)
        elif not _is_text(field.type):
            values = [_plain(value, field.name, n, reading) for value, n in zip(values, numbers, strict=True)]
        columns.append(values)
    return [dict(zip(batch.schema.names, values, strict=True)) for values in zip(*columns, strict=True)]


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind)


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Columns of numbers that stand for names, as `datasets` notes them in the file."""
    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"]
        of = {name: feature["names"] for name, feature in features.items() if "names" in feature}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {name: names for name, names in of.items() if isinstance(names, list) and all(map(str, names))}


def _named(values: list[Any], names: list[str], column: str, reading: Reading) -> list[Any]:
    """Names for their numbers; -1 is how `datasets` writes a missing one."""
    if any(type(v) is not int or not -1 <= v < len(names) for v in values if v is not None):
        return values
    shown = ", ".join(f"{i} = “{name}”" for i, name in enumerate(names[:5])) + (" …" if len(names) > 5 else "")
    reading.tell("note", f"The numbers of the column “{column}” were read as the names that the file gives: {shown}.")
    return [None if v is None or v < 0 else str(names[v]) for v in values]


def _plain(value: Any, column: str, number: int, reading: Reading) -> Any:
    """A value as JSON would hold it; what is no text at all (images, sound) is missing, and counted."""
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        reading.count("NaN" if math.isnan(value) else "Infinity", column, number, missing=True)
        return None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, bytes):
        reading.count("binary data", column, number, missing=True)
        return None
    if isinstance(value, dict):
        return {str(key): _plain(inner, column, number, reading) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, column, number, reading) for inner in value]
    if isinstance(value, tuple):  # an entry of a map
        return [_plain(inner, column, number, reading) for inner in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
