"""What pages ask of the columns beside the rows (customer, document, topic …): which there are, and their values.

They stand as one JSON text a row. A column is read group by group; what stays is a number a row, never its texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.store.datasets import opened
from core.store.search import as_searched

if TYPE_CHECKING:
    import pyarrow as pa

LOOKED_AT = 8
"""Groups of rows in which names of columns are looked for, spread over the file."""
MOST_NAMES = 60
KEY = 16
"""Letters by which texts are sorted."""


@lru_cache(maxsize=16)  # a version's rows never change
def names(path: Path) -> tuple[str, ...]:
    """The columns beside the rows, in the order in which they first occur; rare ones of a large file may be missed."""
    found: dict[str, None] = {}
    with opened(path) as file:
        n = file.num_row_groups
        for group in sorted({int(g) for g in np.linspace(0, n - 1, LOOKED_AT)}) if n else []:
            for row in _parsed(file.read_row_group(group, ["meta"])["meta"].to_pylist()):
                found |= dict.fromkeys(row)
    return tuple(found)[:MOST_NAMES]


def values(path: Path, column: str) -> Iterator[list[str]]:
    """The values of a column, a group of rows at a time; empty where a row has none."""
    with opened(path) as file:
        for group in range(file.num_row_groups):
            texts = file.read_row_group(group, ["meta"])["meta"].to_pylist()
            yield [str(row.get(column, "")) for row in _parsed(texts)]


def _parsed(texts: list[str | None]) -> list[dict[str, str]]:
    import orjson

    rows: list[dict[str, str]] = orjson.loads(f"[{','.join(text or '{}' for text in texts)}]")
    return rows


@lru_cache(maxsize=4)
def hashes(path: Path, column: str) -> np.ndarray:
    """int64, of each row a hash of its value; a row without one has a hash of its own. 8 MB for a million rows."""
    parts, at = [], 0
    with opened(path) as file:
        for group in range(file.num_row_groups):
            parts.append(hashes_of(file.read_row_group(group, ["meta"])["meta"].to_pylist(), column, at))
            at += len(parts[-1])
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def hashes_of(texts: list[str | None], column: str, at: int) -> np.ndarray:
    """`hashes` of rows whose columns beside them are given as JSON; the first stands at the place `at`."""
    found = [str(row.get(column, "")) for row in _parsed(texts)]
    return np.array([_hash(v or f"\0{at + i}") for i, v in enumerate(found)], np.uint64).astype(np.int64)


def _hash(text: str) -> int:
    import xxhash

    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=4)
def holding(path: Path, column: str, text: str) -> np.ndarray:
    """Places of the rows whose value holds a text, whatever its case, ascending."""
    sought, found, at = as_searched(text), [], 0
    with opened(path) as file:
        for group in range(file.num_row_groups):
            meta = file.read_row_group(group, ["meta"])["meta"].combine_chunks()
            for place in _may_hold(meta, sought).tolist():
                (row,) = _parsed([meta[place].as_py()])
                if sought in as_searched(str(row.get(column, ""))):
                    found.append(at + place)
            at += len(meta)
    return np.array(found, np.int64)


def _may_hold(meta: pa.Array, sought: str) -> np.ndarray:
    """Places of JSON texts in which it may stand: letters that are no ASCII have several cases, signs are escaped."""
    import pyarrow.compute as pc

    if not sought or not all(letter.isascii() and (letter.isalnum() or letter in " -_.,@/") for letter in sought):
        return np.arange(len(meta))
    held = pc.or_(pc.match_substring(pc.ascii_lower(meta), sought), pc.invert(pc.string_is_ascii(meta)))
    return np.flatnonzero(pc.fill_null(held, False).to_numpy(zero_copy_only=False))


@lru_cache(maxsize=2)
def order(path: Path, column: str) -> np.ndarray:
    """Places of all rows, sorted by a column: as numbers where all values are, else by their first letters."""
    parts = []
    numeric = True
    for group in values(path, column):
        parts.append(np.array([as_searched(v).encode()[:KEY] for v in group], f"S{KEY}"))
        numeric = numeric and all(map(_is_number, filter(None, group)))
    keys = np.concatenate(parts) if parts else np.zeros(0, f"S{KEY}")
    if numeric:
        return np.argsort(np.array([float(key) if key else np.inf for key in keys.tolist()]), kind="stable")
    return np.argsort(keys, kind="stable")


def _is_number(text: str) -> bool:
    try:
        return len(text) < KEY and np.isfinite(float(text))
    except ValueError:
        return False
