"""The rows of a dataset version on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from core.types import Example


def read_rows(path: Path) -> list[Example]:
    import pyarrow.parquet as pq

    return [Example.from_dict(json.loads(text)) for text in pq.read_table(path).column("example").to_pylist()]


def write_rows(path: Path, examples: Iterable[Example]) -> None:
    """Parquet with the columns a person would query, and each example whole as JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    examples = list(examples)
    table = pa.table(
        {
            "id": pa.array([e.id for e in examples], pa.string()),
            "split": pa.array([e.split for e in examples], pa.string()),
            "row": pa.array([e.row for e in examples], pa.int64()),
            "prompt": pa.array([e.prompt for e in examples], pa.string()),
            "target": pa.array([e.target for e in examples], pa.string()),
            "example": pa.array([json.dumps(e.to_dict(), ensure_ascii=False) for e in examples], pa.string()),
        }
    )
    pq.write_table(table, path, compression="zstd")
