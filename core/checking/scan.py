"""All checks over all rows of a version, group by group; what an earlier version's rows were found to be is taken over.

Memory: of each row some hundred bytes of numbers, of each finding its evidence. The rows themselves are read one group
after the other.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.checking import result
from core.checking.checks import CHECKS
from core.checking.finding import EVIDENCE, Check
from core.checking.result import Found, Summary
from core.checking.seen import Seen
from core.files import read_json, whole_folder
from core.store.datasets import ids_as_numbers, opened, to_examples
from core.store.queries import Rows
from core.types import Example

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Progress = Callable[[float, str], None]
OF_ROWS = {name: check for name, check in CHECKS.items() if check.look}
BETWEEN = {name: check for name, check in CHECKS.items() if check.between}
STEP = 256
"""Rows between two words about how far it is."""


def scan(rows: Path, earlier: Path | None, progress: Progress) -> Summary:
    """Look at all rows that `earlier`, the rows of another version, does not know; the result stands beside them."""
    folder = result.folder_of(rows)
    if (known := result.read(rows)) is not None:
        return known
    before = _Earlier(rows) if result.newest(rows) else _Earlier(earlier)
    began = time.perf_counter()
    with whole_folder(folder) as partial:
        seen, looked_at = _single_rows(rows, before, partial, progress)
        progress(0.92, "Comparing the rows …")
        total = len(seen.rows)
        found = [_settled(check, partial, total) for check in OF_ROWS.values()]
        for i, check in enumerate(BETWEEN.values()):
            progress(0.93 + 0.07 * i / len(BETWEEN), f"{check.title} …")
            found.append(_compared(check, seen, partial))
        found.sort(key=lambda f: list(CHECKS).index(f.check))
        seconds = round(time.perf_counter() - began, 2)
        result.write_summary(partial, Summary(total, looked_at, seconds, found))
    for old in rows.parent.glob("checks-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    summary = result.read(rows)
    assert summary is not None
    return summary


class _Earlier:
    """What was found in rows that may come again: by their ids, of the checks that are still the same."""

    def __init__(self, rows: Path | None) -> None:
        folder = result.newest(rows) if rows else None
        self.ids = np.zeros(0, np.uint64)
        self.tables: dict[str, tuple[np.ndarray, pa.Table]] = {}
        if rows is None or folder is None:
            return
        summary = Summary.from_dict(read_json(folder / "summary.json") or {})
        versions = {f.check: f.version for f in summary.found}
        for name, check in OF_ROWS.items():
            if versions.get(name) == check.version:
                self.tables[name] = _by_id(folder / f"{name}.parquet")
        if self.tables:
            self.ids = np.sort(Rows(rows).numbers("id"))

    def knows(self, ids: np.ndarray) -> np.ndarray:
        if not len(self.ids):
            return np.zeros(len(ids), bool)
        at = np.minimum(self.ids.searchsorted(ids), len(self.ids) - 1)
        return self.ids[at] == ids

    def of(self, name: str, ids: np.ndarray, places: np.ndarray) -> pa.Table:
        """The findings of these rows, at their present places."""
        import pyarrow as pa

        have, table = self.tables[name]
        first, last = have.searchsorted(ids, "left"), have.searchsorted(ids, "right")
        counts = last - first
        if not counts.sum():
            return table.slice(0, 0)
        which = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return table.take(which).set_column(0, "place", pa.array(np.repeat(places, counts)))


def _by_id(path: Path) -> tuple[np.ndarray, pa.Table]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, schema=result.schema())
    ids = table["id"].to_numpy()
    order = np.argsort(ids, kind="stable")
    return ids[order], table.take(order)


def _single_rows(rows: Path, before: _Earlier, folder: Path, progress: Progress) -> tuple[Seen, int]:
    """Write what each check finds in each row; returns what the comparisons need, and how many rows were looked at."""
    seen, at, looked_at = Seen(Rows(rows)), 0, 0
    total = max(1, len(seen.rows))
    writers = {name: _writer(folder / f"{name}.parquet") for name in OF_ROWS}
    try:
        with opened(rows) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                seen.add(table)
                ids = ids_as_numbers(table["id"])
                known = before.knows(ids)
                fresh = {name: np.ones(len(ids), bool) if name not in before.tables else ~known for name in OF_ROWS}
                new = np.flatnonzero(np.logical_or.reduce(list(fresh.values())))
                looked_at += len(new)

                def tick(i: int, start: int = at, share: float = len(table) / max(1, len(new))) -> None:
                    progress(
                        0.92 * (start + i * share) / total, f"Looking at row {int(start + i * share):,} of {total:,} …"
                    )

                _look(to_examples(table.take(new)), new, ids, at, fresh, writers, tick)
                old = np.flatnonzero(known)
                for name in before.tables:
                    if len(old):
                        writers[name].write_table(before.of(name, ids[old], at + old))
                at += len(table)
    finally:
        for writer in writers.values():
            writer.close()
    return seen, looked_at


def _look(
    examples: list[Example],
    new: np.ndarray,
    ids: np.ndarray,
    at: int,
    fresh: dict[str, np.ndarray],
    writers: dict[str, pq.ParquetWriter],
    tick: Callable[[int], None],
) -> None:
    """Write what the checks find in the rows of a group that are new to them."""
    import pyarrow as pa

    found: dict[str, list[tuple[int, int, str, int, int, str, bool]]] = {name: [] for name in OF_ROWS}
    for n, (example, i) in enumerate(zip(examples, new.tolist(), strict=True)):
        if n % STEP == 0:
            tick(n)
        for name, check in OF_ROWS.items():
            if check.look and fresh[name][i]:
                for f in check.look(example):
                    found[name].append((at + i, int(ids[i]), f.where, f.start, f.end, _clean(f.evidence), True))
    for name, lines in found.items():
        if lines:
            arrays = [pa.array(values, kind) for values, kind in zip(zip(*lines, strict=True), _kinds(), strict=True)]
            writers[name].write_table(pa.table(arrays, schema=result.schema()))


def _clean(evidence: str) -> str:
    """Whole letters: a half of a pair cannot be written."""
    return evidence[: 2 * EVIDENCE].encode("utf-8", "replace").decode()


def _kinds() -> list[pa.DataType]:
    return [f.type for f in result.schema()]


def _writer(path: Path) -> pq.ParquetWriter:
    import pyarrow.parquet as pq

    return pq.ParquetWriter(path, result.schema(), compression="lz4")


def _settled(check: Check, folder: Path, total: int) -> Found:
    """With all candidates in sight: which are shown, and how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"{check.name}.parquet"
    if check.settle and (candidates := pq.read_table(path, schema=result.schema())).num_rows:
        shown = check.settle(candidates.select(["place", "evidence"]), total)
        settled = candidates.set_column(candidates.schema.get_field_index("shown"), "shown", pa.array(shown))
        pq.write_table(settled, path, compression="lz4")
    return _counted(check, folder)


def _compared(check: Check, seen: Seen, folder: Path) -> Found:
    """Write what a comparison of all rows finds, a batch at a time."""
    import pyarrow as pa

    ids = seen.rows.numbers("id")
    pairs: Iterable[tuple[int, str]] = check.between(seen) if check.between else ()
    with _writer(folder / f"{check.name}.parquet") as writer:
        waiting: list[tuple[int, str]] = []

        def write() -> None:
            places = np.array([place for place, _ in waiting], np.int64)
            n = len(waiting)
            zero = pa.array(np.zeros(n, np.int32))
            arrays = [pa.array(places), pa.array(ids[places]), pa.array([""] * n), zero, zero]
            texts = pa.array([_clean(text) for _, text in waiting], pa.string())
            writer.write_table(pa.table([*arrays, texts, pa.array(np.ones(n, bool))], schema=result.schema()))
            waiting.clear()

        for pair in pairs:
            waiting.append(pair)
            if len(waiting) == 10_000:
                write()
        if waiting:
            write()
    return _counted(check, folder, seen.variants() if check.name == "label_writings" else {})


def _counted(check: Check, folder: Path, unify: dict[str, str] | None = None) -> Found:
    table = result.findings(folder, check.name)
    places, first = np.unique(table["place"].to_numpy(), return_index=True)
    shown = table.take(first[: result.EXAMPLES]).select(["place", "where", "evidence"]).to_pylist()
    examples = [(line["place"], line["where"], line["evidence"]) for line in shown]
    return Found(check.name, check.version, len(places), len(table), examples, unify or {})
