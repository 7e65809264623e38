"""The rows of an import, between the file and the version: they wait until it is known which are kept, and where.

A file of Arrow's own, which is written and read at memory's speed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.data.checks import Checks
from core.data.columns.batches import Batch
from core.data.similar.groups import Reworded
from core.store.datasets import SPLITS, Writer, Written, schema

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[float, str], None]


def keep(waiting: Path, batches: Iterator[Batch], checks: Checks, reworded: Reworded) -> int:
    """Write the rows, with their search text.

    Returns how many got the project's system prompt.
    """
    import pyarrow as pa

    given = 0
    with pa.OSFile(str(waiting), "wb") as file, pa.ipc.new_stream(file, _schema()) as stream, reworded:
        for batch in batches:
            checks.add(batch)
            given += batch.tally.given_system
            reworded.add(batch.asked, batch.before)
            stream.write_table(batch.table.append_column("texts", pa.array(batch.texts, pa.string())))
    return given


def freeze(
    waiting: Path, rows: Path, kept: np.ndarray, parts: np.ndarray, groups: np.ndarray, progress: Progress
) -> Written:
    """The rows that are kept, each with its part and the number of its group, as the store keeps them."""
    import pyarrow as pa

    at = part = 0
    with Writer(rows) as writer, pa.OSFile(str(waiting)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            table = pa.table(batch)
            here = kept[at : at + len(table)]
            at += len(table)
            if not here.all():
                table = table.filter(pa.array(here))
            split = pa.array(SPLITS).take(pa.array(parts[part : part + len(table)]))
            group = pa.array(groups[part : part + len(table)])
            part += len(table)
            for name, column in (("split", split), ("group", group)):
                table = table.set_column(table.schema.get_field_index(name), name, column)
            writer.write(table.drop_columns("texts"), table["texts"].combine_chunks())
            progress(0.6 + 0.39 * at / len(kept), "Writing the version …")
    return writer.written


def _schema() -> pa.Schema:
    import pyarrow as pa

    return schema().append(pa.field("texts", pa.string()))
