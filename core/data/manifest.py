"""What an import leaves beside its rows: how the file was read, what was left out and why; what people read of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from core.data.checks import Checked
from core.data.columns.choice import Columns, listed
from core.data.columns.labels import variants
from core.data.columns.survey import Survey
from core.data.columns.unused import Unused
from core.data.reading.table import Reading

SCHEMA = 2
"""1 had no `there`, `one_label` and `unused`."""


def of_import(
    name: str, seen: Survey, columns: Columns, split: dict[str, Any], checked: Checked, reading: Reading
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "file": name,
        "encoding": reading.encoding,
        "rows_in_file": seen.rows,
        "columns": columns.to_dict(),
        "there": list(seen.columns),
        "one_label": variants(seen, columns) if columns.label_task and columns.one_label else {},
        "split": split,
        "left_out": checked.left_out,
        "unused": [unused.to_dict() for unused in checked.unused],
        "problems": [asdict(p) for p in (*reading.notices, *checked.problems)],
        "problem_counts": {**{notice.what: 1 for notice in reading.notices}, **checked.counts},
    }


def taken_of(manifest: dict[str, Any]) -> str:
    """Which columns of its file a version was made of, and which not; empty for what was made otherwise."""
    if "columns" not in manifest:
        return ""
    known = {name: value for name, value in manifest["columns"].items() if name in Columns.__dataclass_fields__}
    return columns_taken(Columns(**known), manifest.get("there", ()))


def unused_of(manifest: dict[str, Any]) -> list[Unused]:
    """What of its rows is not trained; nothing is known of versions that were imported before it was counted."""
    return [Unused.from_dict(raw) for raw in manifest.get("unused", [])]


def columns_taken(columns: Columns, there: Sequence[str]) -> str:
    """Which columns are taken for what, and which are not, in a sentence."""
    chosen = {**({"prompt": f"“{columns.template}”"} if columns.template else {}), **columns.taken()}
    taken = ", ".join(f"{name} ← {column}" for name, column in chosen.items())
    left = [column for column in there if column not in columns.named()]
    return f"Columns taken: {taken}." + (f" Not trained, kept beside the rows: {listed(left)}." if left else "")
