"""Which rows hold a text: an index of the texts of a dataset version, written with the rows and read piece by piece.

The texts of all rows stand one behind the other in `<rows>.text`, in the form in which they are compared (casefold).
`<rows>.grams` says of every 16 KiB of them which sequences of four bytes occur there, as one bit for each of 32,768
hashes; a search reads only the pieces that hold all sequences of what is looked for. `<rows>.ends` has the end of each
row. All of it can be made again from the rows.

Why not a scan, measured on 1,000,000 rows (456 MB of text) and 2 cores: DuckDB 0.4 to 0.9 s, Arrow 1.1 to 1.9 s,
Polars 0.15 to 0.36 s with 90 MB more in the page's process, `bytes.find` over the whole text 0.4 s; this index 0.06 s
(median of `python -m tests.performance.data`; what has three letters or fewer is found by reading on). It is a quarter
as large as the text.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

FIELD, ROW = "\x1f", "\x1e"
"""Ends of a text and of a row. No person searches for them."""
BLOCK = 1 << 14
"""Bytes of text that one bit of the index stands for."""
BLOCKS = 128
"""Blocks of a chunk. Text behind the last whole chunk (2 MiB) has no index and is always read."""
CHUNK = BLOCK * BLOCKS
HASHES = 1 << 15
GRAM = 4
AHEAD = 64
"""A block knows so many bytes behind its end too, so that what begins in it and ends in the next one is found."""
READ = 1 << 22
"""Bytes that are read at once."""
MOST_GRAMS = 16


def as_searched(text: str) -> str:
    """A text in the form in which texts are compared."""
    return text.casefold()


def row_text(texts: Iterable[str]) -> str:
    """The texts of one row, as a writer takes them."""
    return as_searched(FIELD.join(texts)) + ROW


class Writer:
    """Takes the texts of rows batch by batch; what it has written can be searched when it is closed."""

    def __init__(self, rows: Path) -> None:
        self._text, self._grams, self._ends = (open(path, "wb") for path in _paths(rows))  # noqa: SIM115 (see close)
        self._waiting = bytearray()
        self._size = 0

    def add(self, texts: pa.Array) -> None:
        """Strings as `row_text` makes them, one for each row."""
        if not len(texts):
            return
        # The letters and the ends stand in Arrow's own buffers: no text becomes a Python object here.
        _, ends, letters = texts.buffers()
        ends = np.frombuffer(ends, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
        data = letters[int(ends[0]) : int(ends[-1])] if letters is not None else b""
        self._text.write(data)
        self._ends.write((ends[1:] - ends[0] + self._size).tobytes())
        self._size += len(data)
        self._waiting += memoryview(data)
        while len(self._waiting) >= CHUNK + AHEAD + GRAM - 1:
            self._grams.write(_bits(bytes(self._waiting[: CHUNK + AHEAD + GRAM - 1])))
            del self._waiting[:CHUNK]

    def close(self) -> None:
        for file in (self._text, self._grams, self._ends):
            file.close()


def _bits(text: bytes) -> bytes:
    """For each hash one bit a block: does a sequence of four bytes that begins in the block have this hash?"""
    bits = np.zeros((BLOCKS, HASHES), dtype=bool)
    for start in range(GRAM):
        hashes = _hashes(np.frombuffer(text, np.dtype("<u4"), (CHUNK + AHEAD) // GRAM, start))
        for block in range(BLOCKS):
            first = block * BLOCK // GRAM
            bits[block][hashes[first : first + (BLOCK + AHEAD) // GRAM]] = True
    # np.packbits(bits.T, axis=1), four times as fast.
    packed = np.zeros((BLOCKS // 8, HASHES), dtype=np.uint8)
    for bit, rows in enumerate(bits.view(np.uint8).reshape(BLOCKS // 8, 8, HASHES).swapaxes(0, 1)):
        packed |= rows << np.uint8(7 - bit)
    return packed.T.tobytes()


def _hashes(grams: np.ndarray) -> np.ndarray:
    return ((grams * np.uint32(0x9E3779B1)) >> np.uint32(17)).astype(np.intp)


def find(rows: Path, needle: str, wanted: np.ndarray | None = None, most: int | None = None) -> np.ndarray:
    """Places (0, 1, 2 …) of the rows that hold `needle`, whatever its case, in order; the first `most` of them.

    `wanted`: one truth value a row, false for rows that do not count.
    """
    text, grams, ends = _paths(rows)
    sought = as_searched(needle).encode("utf-8", "replace")
    if ends.stat().st_size == 0 or ROW.encode() in sought:
        return np.zeros(0, dtype=np.int64)
    row_ends = np.memmap(ends, np.int64, "r")
    parts: list[np.ndarray] = []
    n = 0
    with open(text, "rb", buffering=0) as file:
        for start, stop in _ranges(grams, sought, int(row_ends[-1])):
            data = os.pread(file.fileno(), stop - start + len(sought) - 1, start)
            positions = np.array(_positions(data, sought), dtype=np.int64) + start
            places = np.unique(row_ends.searchsorted(positions, "right"))
            if parts and len(places) and places[0] == parts[-1][-1]:
                places = places[1:]  # the row goes on from the range before
            places = places if wanted is None else places[wanted[places]]
            if len(places):
                parts.append(places)
                n += len(places)
            if most is not None and n >= most:
                break
    return np.concatenate(parts)[:most] if parts else np.zeros(0, dtype=np.int64)


def texts(rows: Path, first: int, last: int) -> pa.Array:
    """The texts of the rows from place `first` to `last`, that one left out, as they were given to the writer."""
    import pyarrow as pa

    path, _, ends = _paths(rows)
    bounds = np.zeros(last - first + 1, dtype=np.int64)
    bounds[1 if first == 0 else 0 :] = np.fromfile(
        ends, np.int64, last - first + (first > 0), offset=8 * max(0, first - 1)
    )
    data = np.fromfile(path, np.uint8, int(bounds[-1] - bounds[0]), offset=int(bounds[0]))
    offsets = (bounds - bounds[0]).astype(np.int32)
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def _positions(data: bytes, sought: bytes) -> list[int]:
    """Where `sought` stands, once for each row."""
    positions, row = [], ROW.encode()
    at = data.find(sought)
    while at >= 0:
        positions.append(at)
        end = data.find(row, at)
        at = data.find(sought, end) if end >= 0 else -1
    return positions


def _ranges(grams: Path, sought: bytes, size: int) -> Iterator[tuple[int, int]]:
    """[start, stop) of the text in which the beginning of `sought` may stand, at most READ bytes each."""
    blocks = -(-size // BLOCK)
    possible = np.ones(blocks, dtype=bool)
    indexed = grams.stat().st_size // (HASHES * BLOCKS // 8)
    if indexed and len(sought) >= GRAM:
        bits = np.memmap(grams, np.uint8, "r", shape=(indexed, HASHES, BLOCKS // 8))
        for gram in _grams_of(sought):
            here = np.unpackbits(bits[:, gram, :], axis=1).ravel().astype(bool)
            possible[: len(here)] &= here
    edges = np.flatnonzero(np.diff(np.concatenate(([False], possible, [False])).astype(np.int8)))
    for first, last in edges.reshape(-1, 2).tolist():
        end = min(last * BLOCK, size)
        for start in range(first * BLOCK, end, READ):
            yield start, min(start + READ, end)


def _grams_of(sought: bytes) -> list[int]:
    sought = sought[:AHEAD]
    grams = np.array([int.from_bytes(sought[i : i + GRAM], "little") for i in range(len(sought) - GRAM + 1)], np.uint32)
    hashes = np.unique(_hashes(grams))
    return hashes[:: -(-len(hashes) // MOST_GRAMS)].tolist()


def _paths(rows: Path) -> tuple[Path, Path, Path]:
    return rows.with_suffix(".text"), rows.with_suffix(".grams"), rows.with_suffix(".ends")
