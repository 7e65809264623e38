"""What the checks found in rows that a page shows, and as a number a row for searching and sorting them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from core.checking import result
from core.checking.checks import CHECKS
from core.store.queries import Marks, Rows


def of_rows(rows: Path, places: list[int]) -> dict[int, list[tuple[str, str]]]:
    """Place of a row → (name of a check, what it found there), of the checks that are shown by default."""
    import pyarrow.parquet as pq

    summary = result.read(rows)
    if summary is None or not places:
        return {}
    found: dict[int, dict[str, str]] = {}
    for check in summary.shown:
        path = result.folder_of(rows) / f"{check.check}.parquet"
        table = pq.read_table(path, columns=["place", "evidence", "shown"], filters=[("place", "in", places)])
        for line in table.to_pylist():
            if line["shown"]:
                found.setdefault(line["place"], {}).setdefault(check.check, line["evidence"])
    return {place: list(checks.items()) for place, checks in found.items()}


def of_check(rows: Path, check: str) -> Marks | None:
    """The rows in which one check found something; None where nothing has looked at them."""
    return _marks(rows, result.folder_of(rows), check) if result.read(rows) and check in CHECKS else None


def all_checks(rows: Path) -> Marks | None:
    """Of each row how many of the checks that are shown by default found something in it."""
    summary = result.read(rows)
    if summary is None:
        return None
    return _all(rows, result.folder_of(rows), tuple(found.check for found in summary.shown))


@lru_cache(maxsize=4)
def _marks(rows: Path, folder: Path, check: str) -> Marks:
    return Marks(f"{folder.name} {check}", _counted(rows, (check,)))


@lru_cache(maxsize=2)
def _all(rows: Path, folder: Path, checks: tuple[str, ...]) -> Marks:
    return Marks(folder.name, _counted(rows, checks))


def _counted(rows: Path, checks: tuple[str, ...]) -> np.ndarray:
    numbers = np.zeros(len(Rows(rows)), np.int16)
    for check in checks:
        numbers[result.places(rows, check)] += 1
    return numbers
