"""Which rows stand together: those that ask the same or nearly the same (pairs.py), and those of which one's earlier
turns answer what the other asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from core.data.similar import pairs as pairs_of
from core.data.similar.pairs import Pairs, Texts
from core.data.similar.vocabulary import Letters, of_words
from core.data.similar.words import words_of

MOST_ROWS = 200_000
"""Rows of which the wording is compared. It takes as long as the rest of an import: of more rows only those that ask
the same stand together, and the import says so."""
MOST_WORDS = 128
"""Words of a question that are compared: of a longer one about so many, drawn from all of it."""
AT_ONCE = 3_000_000
"""Characters that the thread takes at a time. It asks for Python's lock again after each pass over them, and waits for
it some milliseconds: so passes are to be few and long."""
STRICT = 0.85
"""What is near holds together in a group that grew too large only from here on."""
MOST_TOGETHER = 1_000
"""Different questions of a group, at most; and at most a fifth of all, but FEW may always stand together."""
FEW = 10
PARTS = 3
"""Groups that a split takes at least: where there are fewer, only what asks the same stands together."""


@dataclass(frozen=True)
class Groups:
    """Which rows stand together."""

    numbers: np.ndarray
    """int64, a number a row: rows with the same stand in the same part."""
    asks: np.ndarray
    """Of each row the number of its question, as `pairs` counts them."""
    pairs: Pairs
    """Of questions."""
    numbers_of_questions: np.ndarray
    """Of each question the number of its rows' group."""
    parted: int = 0
    """Questions of groups that grew too large, and were taken apart."""
    too_many: bool = False
    """Were there more than MOST_ROWS? Then wording was not compared."""
    histories: int = 0
    """Conversations whose earlier turns answer what another row asks."""

    def of(self, kept: np.ndarray) -> Groups:
        """The same for the rows that are kept; of each question at least one is."""
        return replace(self, numbers=self.numbers[kept], asks=self.asks[kept])


class Reworded:
    """Takes the questions of rows batch by batch, within `with`; then `groups` says which of them are near.

    It counts words in a thread of its own, beside the conversion of the next rows.
    """

    def __init__(self, rows: int) -> None:
        """`rows`: about so many will come."""
        self.too_many = rows > MOST_ROWS
        """Is their wording not compared?"""
        self._thread = ThreadPoolExecutor(1)
        self._going: Future[None] | None = None
        self._waiting: list[str] = []
        self._size = 0
        self._words: list[np.ndarray] = []
        self._counts: list[np.ndarray] = []
        self._figures: list[np.ndarray] = []
        self._quoted: list[np.ndarray] = []
        self._letters = Letters()
        self._rows = 0
        self._before: list[tuple[int, int]] = []

    def add(self, asked: Sequence[str], before: Sequence[tuple[int, int]] = ()) -> None:
        """`asked`: of each row its `Example.asks` as one text. `before`: (place of a row here, hash of what its earlier
        turns ask and answer).
        """
        self._before += [(self._rows + i, asks) for i, asks in before]
        self._rows += len(asked)
        if self._rows > MOST_ROWS and not self.too_many:
            self._wait()
            self.too_many = True
            self._waiting, self._size = [], 0
            self._words, self._counts, self._figures, self._quoted = [], [], [], []
        if self.too_many:
            return
        self._waiting += asked
        self._size += sum(map(len, asked))
        if self._size > AT_ONCE:
            self._submit()

    def _submit(self) -> None:
        self._wait()
        self._going = self._thread.submit(self._add, self._waiting)
        self._waiting, self._size = [], 0

    def _add(self, asked: Sequence[str]) -> None:
        words = words_of(asked)
        buckets, counts, starts = of_words(words.hashes), words.counts, words.starts[:-1]
        self._letters.add(buckets, words)
        if len(counts) and counts.max() > MOST_WORDS:
            # Chosen by the word, so that two texts keep the same ones of what they share.
            limit = np.repeat((MOST_WORDS << 32) // np.maximum(counts, 1), counts)
            chosen = (words.hashes & np.uint64((1 << 32) - 1)).astype(np.int64) < limit
            counts = np.add.reduceat(np.append(chosen, False), np.append(starts, len(chosen)))[:-1] * (counts > 0)
            buckets = buckets[chosen]
        self._words.append(buckets)
        self._counts.append(counts.astype(np.int32))
        self._figures.append(words.figures)
        self._quoted.append(words.quoted)

    def _wait(self) -> None:
        if self._going is not None:
            self._going.result()

    def __enter__(self) -> Reworded:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._submit()
            self._wait()
        self._thread.shutdown()

    def groups(self, asks: np.ndarray) -> Groups:
        """`asks`: of each row that was added the hash of what it asks."""
        different, first, question = np.unique(asks, return_index=True, return_inverse=True)
        earlier, later = self._histories(different, question)
        if self.too_many:
            alone = np.arange(len(first))
            numbers = _with_histories(alone, earlier, later)[question]
            return Groups(numbers, question, pairs_of.none(), alone, too_many=True, histories=len(np.unique(later)))
        texts = self._texts(first)
        pairs = pairs_of.find(texts)
        labels, parted = _labels(len(first), pairs)
        numbers = _with_histories(labels, earlier, later)[question]
        return Groups(numbers, question, pairs, labels, parted, histories=len(np.unique(later)))

    def _histories(self, different: np.ndarray, question: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of questions: one that is answered in the earlier turns of the other, which stands second."""
        if not self._before or not len(different):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows, asks = (np.array(column, np.int64) for column in zip(*self._before, strict=True))
        at = np.minimum(different.searchsorted(asks), len(different) - 1)
        found = different[at] == asks
        return at[found], question[rows[found]]

    def _texts(self, rows: np.ndarray) -> Texts:
        """The words of these rows."""
        words, counts = _joined(self._words, np.uint32), _joined(self._counts, np.int32).astype(np.int64)
        self._words, self._counts = [words], [counts]
        figures, quoted = (_joined(parts, np.uint64) for parts in (self._figures, self._quoted))
        if len(rows) == len(counts) and (rows == np.arange(len(rows))).all():
            return Texts(words, counts, figures, quoted, self._letters)
        starts, sizes = (np.cumsum(counts) - counts)[rows], counts[rows]
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return Texts(words[np.repeat(starts, sizes) + within], sizes, figures[rows], quoted[rows], self._letters)


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, kind)


def _labels(n: int, pairs: Pairs) -> tuple[np.ndarray, int]:
    """Of each question the number of its group; and how many questions stood in groups that were taken apart.

    Pairs make chains: A is near B, B near C. A chain that grows past the limit holds together only where its pairs are
    STRICT, else not at all. So no group swallows the rows.
    """
    most = min(max(FEW, n // 5), MOST_TOGETHER)
    labels = _components(n, pairs.first[pairs.near], pairs.second[pairs.near])
    if n and not pairs.near.any():
        return labels, 0
    large = _sizes(labels) > most
    parted = int(large.sum())
    if parted:
        close = pairs.near & (pairs.score >= STRICT)
        strict = _components(n, pairs.first[close], pairs.second[close])
        alone = np.arange(n)
        strict = np.where(_sizes(strict) > most, n + alone, strict)
        labels = np.where(large, n + strict, labels)
    if len(np.unique(labels)) < PARTS <= n:
        return np.arange(n), n
    return labels, parted


def _with_histories(labels: np.ndarray, earlier: np.ndarray, later: np.ndarray) -> np.ndarray:
    """The groups, put together where one answers the other's question in its earlier turns.

    What half of all conversations begin with (“Hi”) holds nothing together: where a group would grow past the limit, it
    stays as it was.
    """
    if not len(earlier):
        return labels
    n = len(labels)
    most = min(max(FEW, n // 5), MOST_TOGETHER)
    joined = _components(n, np.append(np.arange(n), earlier), np.append(_first_of(labels), later))
    joined = np.where(_sizes(joined) > most, n + labels, joined)
    return labels if len(np.unique(joined)) < PARTS <= n else joined


def _first_of(labels: np.ndarray) -> np.ndarray:
    """Of each question the first one of its group."""
    return np.unique(labels, return_index=True)[1][np.unique(labels, return_inverse=True)[1]]


def _components(n: int, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each question the number of its component. By hand, since SciPy's graphs take 25 MB of the page's process."""
    of = list(range(n))

    def root(i: int) -> int:
        while of[i] != i:
            of[i] = of[of[i]]
            i = of[i]
        return i

    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        of[root(a)] = root(b)
    return np.unique([root(i) for i in range(n)], return_inverse=True)[1].astype(np.int64)


def _sizes(labels: np.ndarray) -> np.ndarray:
    """Of each question how many stand in its group."""
    return np.bincount(labels)[labels]
