"""Rows: how fast a file is imported, and a page or search of it answered: `python -m tests.performance.data [--rows N]`

Makes a file of rows (1,000,000 are 500 MB), reads it with `datasets` and writes Parquet as the yardstick, imports it,
each in a process of its own, and then asks for pages as the Data tab does. Last comes one JSON line: `import_ratio`
(seconds of the import over those of `datasets`), `peak_gb` (of the import), `page_ms` and `search_ms` (medians).
Prints, does not assert.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PAGE_ROWS = 20
SEARCHES = 5
"""Searches of each kind."""


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "rows.jsonl"
        words = write(source, rows)
        size = source.stat().st_size
        print(f"{rows:,} rows, {size / 1e6:,.0f} MB")
        yardstick = apart(with_datasets, source, Path(folder) / "datasets")
        print(line("datasets", rows, *yardstick))
        seconds, peak, work, file = apart(with_import, source, Path(folder) / "home")
        print(line("import", rows, seconds, peak, work))
        pages, searches, grown = apart(ask, Path(file), words)
        for name, times in (pages | searches).items():
            print(f"  {name:<34}{statistics.median(times) * 1e3:8.1f} ms, at most {max(times) * 1e3:.1f}")
        print(f"  memory of the process that asks grew by {grown * 1e3:.0f} MB")
    median = lambda of: round(1e3 * statistics.median(t for times in of.values() for t in times), 1)  # noqa: E731
    figures = {"import_ratio": round(seconds / yardstick[0], 2), "peak_gb": round(peak, 2)}
    print(json.dumps(figures | {"page_ms": median(pages), "search_ms": median(searches)}))


def line(name: str, rows: int, seconds: float, peak: float, work: float) -> str:
    """`work`: seconds of all cores; on a machine that does other things too they tell more than those of the clock."""
    return f"  {name:<10}{seconds:7.1f} s ({work:.1f} s of work) {rows / seconds:12,.0f} rows/s, peak {peak:.2f} GB"


def write(path: Path, rows: int) -> list[str]:
    """Rows of made-up words, about 500 bytes each; returns the words, the frequent ones first."""
    draw = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 10))) for _ in range(20_000)]
    weights = [1 / (i + 10) for i in range(len(words))]
    # Drawn once and cut out at random places: drawing 75 words a row would take longer than all that is measured.
    text = draw.choices(words, weights, k=500_000)
    with open(path, "w", encoding="utf-8") as file:
        for i in range(rows):
            at = draw.randrange(len(text) - 120)
            asked, told = draw.randint(8, 40), draw.randint(15, 70)
            row = {
                "instruction": f"{' '.join(text[at : at + asked])} {i}?",
                "input": " ".join(text[at : at + 6]) if i % 3 == 0 else "",
                "output": " ".join(text[at + asked : at + asked + told]),
            }
            file.write(json.dumps(row) + "\n")
    return words


def apart(work: Callable, *arguments):
    """What `work` returns, called in a fresh process: so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def with_datasets(source: Path, folder: Path) -> tuple[float, float, float]:
    """(seconds, peak in GB, seconds of work) of reading and writing Parquet."""
    import os

    os.environ["HF_HUB_OFFLINE"] = "1"
    import datasets

    datasets.disable_progress_bars()
    began, worked = time.perf_counter(), time.process_time()
    made = datasets.load_dataset("json", data_files=str(source), split="train", cache_dir=str(folder))
    made.to_parquet(str(folder / "rows.parquet"))
    return time.perf_counter() - began, peak_gb(), time.process_time() - worked


def with_import(source: Path, home: Path) -> tuple[float, float, float, str]:
    """(seconds, peak in GB, seconds of work, file of the rows) of an import with all that belongs to it."""
    import pyarrow.parquet  # noqa: F401 (what both load before they begin)

    from core.data.actions import import_file
    from core.settings import Settings
    from core.store.workspace import open_workspace

    workspace = open_workspace(Settings(home=home))
    project = workspace.create_project("Performance")
    began, worked = time.perf_counter(), time.process_time()
    version, _ = import_file(workspace, project.id, source)
    seconds, work = time.perf_counter() - began, time.process_time() - worked
    return seconds, peak_gb(), work, str(workspace.rows_file(version.id))


def ask(file: Path, words: list[str]) -> tuple[dict[str, list[float]], dict[str, list[float]], float]:
    """Seconds of pages and of searches, each question asked for the first time; GB that it took."""
    from core.store import queries
    from core.store.queries import Query

    before, draw = rss_gb(), random.Random(1)
    total = queries.page(file, Query(), 0, PAGE_ROWS).total
    anywhere = lambda n=total: draw.randrange(n)  # noqa: E731
    pages = {
        "a page anywhere": [timed(file, at=anywhere()) for _ in range(20)],
        "a page of the test rows": [timed(file, part="test", at=anywhere(total // 10)) for _ in range(20)],
        "a page, the longest first": [timed(file, order="longest", at=anywhere()) for _ in range(20)],
    }
    some = lambda first, last: draw.sample([w for w in words[first:last] if len(w) > 3], SEARCHES)  # noqa: E731
    sought = {
        "a frequent word": some(0, 50),
        "a word": some(500, 5000),
        "a rare word": some(15_000, 20_000),
        "two words": [" ".join(some(100, 3000)[:2]) for _ in range(SEARCHES)],
        "part of a word": [w[1:] for w in some(5000, 20_000)],
        "three letters": [w[:3] for w in some(5000, 20_000)],
        "the number of a row": [f" {anywhere()}?" for _ in range(SEARCHES)],
        "what no row holds": ["no such thing", "zzzzqqqq", "ÄÖÜ", "%_%", "<script>"],
    }
    searches = {name: [timed(file, text=text) for text in texts] for name, texts in sought.items()}
    searches["a word, in the test rows"] = [timed(file, text=text, part="test") for text in some(500, 5000)]
    return pages, searches, rss_gb() - before


def timed(file: Path, text: str = "", part: str = "", order: str = "file", at: int = 0) -> float:
    from core.store import queries
    from core.store.queries import Query

    began = time.perf_counter()
    queries.page(file, Query(part, text, order), at, PAGE_ROWS)
    return time.perf_counter() - began


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def rss_gb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    main(parser.parse_args().rows)
