"""What the checks left beside the rows of a version: a summary, which pages read, and a Parquet file of each check.

The folder's name holds the versions of all checks: of an older one the checks that are still the same are taken over.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.checking.checks import CHECKS
from core.files import read_json
from core.types import content_hash

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1
EXAMPLES = 5


def schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [
            ("place", pa.int64()),  # of the row in its version
            ("id", pa.uint64()),  # see `scan.keys_of`
            ("where", pa.string()),
            ("start", pa.int32()),
            ("end", pa.int32()),
            ("evidence", pa.string()),
            ("shown", pa.bool_()),  # false for a candidate that all rows together speak for
        ]
    )


@dataclass(frozen=True)
class Found:
    """What one check found in a version."""

    check: str
    version: int
    rows: int
    """Rows with a finding."""
    findings: int
    examples: list[tuple[int, str, str]] = field(default_factory=list)
    """(place of a row, where in it, evidence) of the first ones."""
    unify: dict[str, str] = field(default_factory=dict)
    """Labels that are to be written otherwise."""
    note: str = ""
    """What was not looked at, or with what it was compared."""


@dataclass(frozen=True)
class Summary:
    rows: int
    """Of the version."""
    looked_at: int
    """Rows that were looked at; the others were known from an earlier version."""
    seconds: float
    found: list[Found]
    """Of every check, in the order in which they are shown."""
    benchmarks: str = ""
    """Which benchmark files the rows were compared with: see `asked.mark_of`."""

    def of(self, check: str) -> Found:
        return next(f for f in self.found if f.check == check)

    @property
    def shown(self) -> list[Found]:
        """Checks with a finding, without those that are not shown by default."""
        return [f for f in self.found if f.rows and not CHECKS[f.check].folded]

    @property
    def folded(self) -> list[Found]:
        return [f for f in self.found if f.rows and CHECKS[f.check].folded]

    @property
    def notes(self) -> list[str]:
        """What was not looked at, and with what rows were compared: each sentence once."""
        return list(dict.fromkeys(f.note for f in self.found if f.note))

    def to_dict(self) -> dict[str, Any]:
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Summary:
        found = [Found(**{**f, "examples": [tuple(e) for e in f["examples"]]}) for f in raw["found"]]
        return cls(raw["rows"], raw["looked_at"], raw["seconds"], found, raw.get("benchmarks", ""))


def folder_of(rows: Path) -> Path:
    """Where what the present checks find in these rows stands, or will."""
    versions = content_hash({name: check.version for name, check in CHECKS.items()})[:12]
    return rows.with_name(f"checks-{versions}")


def read(rows: Path) -> Summary | None:
    """What the present checks found; None where they have not looked yet."""
    raw = read_json(folder_of(rows) / "summary.json")
    return Summary.from_dict(raw) if raw and raw.get("schema") == SCHEMA else None


def newest(rows: Path) -> Path | None:
    """The folder of the present checks, or else of older ones; None where nothing looked at these rows."""
    folders = sorted(rows.parent.glob("checks-*"), key=lambda f: (f == folder_of(rows), f.stat().st_mtime))
    return next((f for f in reversed(folders) if (f / "summary.json").is_file()), None)


def findings(folder: Path, check: str, columns: list[str] | None = None) -> pa.Table:
    """The findings of a check that are shown."""
    import pyarrow.parquet as pq

    table = pq.read_table(folder / f"{check}.parquet", columns=[*columns, "shown"] if columns else None)
    return table.filter(table["shown"])


def places(rows: Path, check: str) -> np.ndarray:
    """Places of the rows with a finding, ascending."""
    return np.unique(findings(folder_of(rows), check, ["place"])["place"].to_numpy())


def write_summary(folder: Path, summary: Summary) -> None:
    (folder / "summary.json").write_text(json.dumps(summary.to_dict(), ensure_ascii=False), encoding="utf-8")
