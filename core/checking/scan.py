"""All checks over all rows of a version, some hundred at a time; what was found in an earlier version is taken over.

Where rows are many, processes look at them beside each other. Memory: of each row some hundred bytes of numbers, of
each finding its evidence. The rows themselves are read one group after the other.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.checking import asked, result
from core.checking.checks import CHECKS
from core.checking.finding import EVIDENCE, Check
from core.checking.result import Found, Summary
from core.checking.seen import Seen
from core.files import read_json, whole_folder
from core.store.datasets import ids_as_numbers, opened, to_examples
from core.store.queries import Rows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Progress = Callable[[float, str], None]
OF_ROWS = {name: check for name, check in CHECKS.items() if check.look}
BETWEEN = {name: check for name, check in CHECKS.items() if check.between}
STEP = 512
"""Rows that are looked at between two words about how far it is."""
FEW = 20_000
"""So many rows are looked at sooner than other processes are started."""
MOST_PROCESSES = 4
"""Each takes some 250 MB."""
KEYS = "keys.npy"


def scan(rows: Path, earlier: Path | None, progress: Progress, benchmarks: Path | None = None) -> Summary:
    """Look at all rows that `earlier`, the rows of another version, does not know; the result stands beside them.

    `benchmarks`: a folder of benchmark files, whose questions are not to be trained.
    """
    folder, mark = result.folder_of(rows), asked.mark_of(benchmarks)
    known = result.read(rows)
    if known is not None and known.benchmarks == mark:
        return known
    before = _Earlier(rows) if result.newest(rows) else _Earlier(earlier)
    questions = asked.asked_in(benchmarks, mark) if benchmarks is not None and mark else None
    began = time.perf_counter()
    with whole_folder(folder) as partial:
        seen, looked_at = _single_rows(Seen(Rows(rows), questions), before, partial, progress)
        progress(0.9, "Comparing the rows …")
        total = len(seen.rows)
        found = [_settled(check, partial, total) for check in OF_ROWS.values()]
        for i, check in enumerate(BETWEEN.values()):
            progress(0.91 + 0.09 * i / len(BETWEEN), f"{check.title} …")
            found.append(_compared(check, seen, partial))
        found.sort(key=lambda f: list(CHECKS).index(f.check))
        seconds = round(time.perf_counter() - began, 2)
        result.write_summary(partial, Summary(total, looked_at, seconds, found, mark))
        if known is not None:  # it was compared with other benchmarks
            shutil.rmtree(folder, ignore_errors=True)
    for old in rows.parent.glob("checks-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    summary = result.read(rows)
    assert summary is not None
    return summary


def keys_of(table: pa.Table) -> np.ndarray:
    """Of each row a number, uint64: equal where all that a check looks at is. Ids say nothing of the columns beside."""
    from xxhash import xxh3_64_intdigest

    ids = ids_as_numbers(table["id"])
    if table["meta"].null_count == len(ids):
        return ids
    beside = (xxh3_64_intdigest(text.encode("utf-8", "replace")) if text else 0 for text in table["meta"].to_pylist())
    return ids ^ np.fromiter(beside, np.uint64, len(ids))


class _Earlier:
    """What was found in rows that may come again: by their keys, of the checks that are still the same."""

    def __init__(self, rows: Path | None) -> None:
        folder = result.newest(rows) if rows else None
        self.keys = np.zeros(0, np.uint64)
        self.tables: dict[str, tuple[np.ndarray, pa.Table]] = {}
        if rows is None or folder is None:
            return
        summary = Summary.from_dict(read_json(folder / "summary.json") or {})
        versions = {f.check: f.version for f in summary.found}
        for name, check in OF_ROWS.items():
            if versions.get(name) == check.version:
                self.tables[name] = _by_key(folder / f"{name}.parquet")
        if self.tables:
            there = (folder / KEYS).is_file()
            self.keys = np.sort(np.load(folder / KEYS) if there else Rows(rows).numbers("id"))

    def knows(self, keys: np.ndarray) -> np.ndarray:
        if not len(self.keys):
            return np.zeros(len(keys), bool)
        at = np.minimum(self.keys.searchsorted(keys), len(self.keys) - 1)
        return self.keys[at] == keys

    def of(self, name: str, keys: np.ndarray, places: np.ndarray) -> pa.Table:
        """The findings of these rows, at their present places."""
        import pyarrow as pa

        have, table = self.tables[name]
        first, last = have.searchsorted(keys, "left"), have.searchsorted(keys, "right")
        counts = last - first
        if not counts.sum():
            return table.slice(0, 0)
        which = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return table.take(which).set_column(0, "place", pa.array(np.repeat(places, counts)))


def _by_key(path: Path) -> tuple[np.ndarray, pa.Table]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, schema=result.schema())
    keys = table["id"].to_numpy()
    order = np.argsort(keys, kind="stable")
    return keys[order], table.take(order)


def _single_rows(seen: Seen, before: _Earlier, folder: Path, progress: Progress) -> tuple[Seen, int]:
    """Write what each check finds in each row; returns what the comparisons need, and how many rows were looked at."""
    total, looked_at, all_keys = max(1, len(seen.rows)), 0, []
    with ExitStack() as stack:
        writers = {name: stack.enter_context(_Findings(folder / f"{name}.parquet")) for name in OF_ROWS}
        workers = stack.enter_context(_Workers())

        def take(findings: dict[str, pa.Table], done: int) -> None:
            for name, table in findings.items():
                writers[name].add(table)
            progress(0.9 * done / total, f"Looking at row {done:,} of {total:,} …")

        at = 0
        with opened(seen.rows.path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                keys = keys_of(table)
                all_keys.append(keys)
                known = before.knows(keys)
                fresh = {name: np.ones(len(keys), bool) if name not in before.tables else ~known for name in OF_ROWS}
                new = np.flatnonzero(np.logical_or.reduce(list(fresh.values())))
                looked_at += len(new)
                for n in range(0, len(new), STEP):
                    here = new[n : n + STEP]
                    wanted = {name: which[here] for name, which in fresh.items()}
                    for done in workers.look(table.take(here), at + here, keys[here], wanted):
                        take(*done)
                old = np.flatnonzero(known)
                if len(old):
                    take({name: before.of(name, keys[old], at + old) for name in before.tables}, at + len(table))
                seen.add(table)
                at += len(table)
        for done in workers.rest():
            take(*done)
    np.save(folder / KEYS, np.concatenate(all_keys) if all_keys else np.zeros(0, np.uint64))
    return seen, looked_at


class _Workers:
    """Looks at rows: at the first FEW here, at more in processes beside each other. A context manager."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._going: deque[tuple[Future[dict[str, pa.Table]], int]] = deque()
        self._looked_at = 0

    def look(
        self, table: pa.Table, places: np.ndarray, keys: np.ndarray, wanted: dict[str, np.ndarray]
    ) -> Iterator[tuple[dict[str, pa.Table], int]]:
        """(what is found, number of rows behind the last of them) of these rows or of earlier ones."""
        self._looked_at += len(places)
        last, processes = int(places[-1]) + 1, min(_cores(), MOST_PROCESSES)
        if self._looked_at <= FEW or processes < 2:
            yield look_at(table, places, keys, wanted), last
            return
        if self._pool is None:
            self._pool = _pool(processes)
        self._going.append((self._pool.submit(look_at, table, places, keys, wanted), last))
        while len(self._going) > 3 * processes:
            future, last = self._going.popleft()
            yield future.result(), last

    def rest(self) -> Iterator[tuple[dict[str, pa.Table], int]]:
        while self._going:
            future, last = self._going.popleft()
            yield future.result(), last

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _pool(processes: int) -> ProcessPoolExecutor:
    import multiprocessing

    # Not forked: Arrow's threads would be missing in the copy.
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_parent)


def _end_with_parent() -> None:
    """A process whose parent was killed waits for work for ever; not this one."""
    import multiprocessing

    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # another system
        return os.cpu_count() or 1


def look_at(
    table: pa.Table, places: np.ndarray, keys: np.ndarray, wanted: dict[str, np.ndarray]
) -> dict[str, pa.Table]:
    """What the checks find in rows: check → findings. `wanted`: of each row whether the check is to look at it."""
    import pyarrow as pa

    found: dict[str, list[tuple[int, int, str, int, int, str, bool]]] = {name: [] for name in OF_ROWS}
    which = {name: rows.tolist() for name, rows in wanted.items()}
    looks = [(check.look, which[name], found[name]) for name, check in OF_ROWS.items() if check.look]
    for i, (example, place, key) in enumerate(zip(to_examples(table), places.tolist(), keys.tolist(), strict=True)):
        for look, here, lines in looks:
            if here[i]:
                lines += [(place, key, f.where, f.start, f.end, _clean(f.evidence), True) for f in look(example)]
    kinds = [field.type for field in result.schema()]
    return {
        name: pa.table(
            [pa.array(v, kind) for v, kind in zip(zip(*lines, strict=True), kinds, strict=True)], schema=result.schema()
        )
        for name, lines in found.items()
        if lines
    }


def _clean(evidence: str) -> str:
    """Whole letters: a half of a pair cannot be written."""
    return evidence[: 2 * EVIDENCE].encode("utf-8", "replace").decode()


class _Findings:
    """Writes findings of one check, many at a time. A context manager."""

    def __init__(self, path: Path) -> None:
        self._writer, self._rows = _writer(path), 0
        self._waiting: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= 50_000:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._waiting, self._rows = [], 0

    def __enter__(self) -> _Findings:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        self._writer.close()


def _writer(path: Path) -> pq.ParquetWriter:
    import pyarrow.parquet as pq

    return pq.ParquetWriter(path, result.schema(), compression="lz4")


def _settled(check: Check, folder: Path, total: int) -> Found:
    """With all candidates in sight: which are shown, and how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path, note = folder / f"{check.name}.parquet", ""
    if check.settle and (candidates := pq.read_table(path, schema=result.schema())).num_rows:
        # In the order of the rows: what was known was written sooner than what processes look at.
        candidates = candidates.sort_by("place").combine_chunks()
        given = candidates.select(["place", "where", "evidence"])
        shown, note = check.settle(given, total), check.note(given, total) if check.note else ""
        settled = candidates.set_column(candidates.schema.get_field_index("shown"), "shown", pa.array(shown))
        pq.write_table(settled, path, compression="lz4")
    return _counted(check, folder, note=note)


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
    note = check.compared(seen) if check.compared else ""
    return _counted(check, folder, seen.variants() if check.name == "label_writings" else {}, note)


def _counted(check: Check, folder: Path, unify: dict[str, str] | None = None, note: str = "") -> Found:
    table = result.findings(folder, check.name)
    places, first = np.unique(table["place"].to_numpy(), return_index=True)
    shown = table.take(first[: result.EXAMPLES]).select(["place", "where", "evidence"]).to_pylist()
    examples = [(line["place"], line["where"], line["evidence"]) for line in shown]
    return Found(check.name, check.version, len(places), len(table), examples, unify or {}, note)
