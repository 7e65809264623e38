"""Which questions stand in texts, word by word: of a benchmark in training rows, for scores and for a check.

As for GPT-3 (Brown et al., Language models are few-shot learners, 2020, appendix C) and in lm-evaluation-harness's
decontamination, a question counts where 13 of its words stand in a row, in their order, without case and marks. One of
8 to 12 words must stand there whole; a shorter one must be all that a text, or a line of it, asks (core/questions.py).
What is only worded differently is not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from core.data.similar.words import Words, words_of
from core.questions import asks_hash, canonical, canonical_all

MOST, LEAST = 13, 8
"""Words in a row that count; of a shorter question all, where it has LEAST."""
LONGEST = 400
"""Characters of a line that may be a short question."""
BITS = 20
_LABELS = ("question:", "q:")


class Questions:
    """Questions that are looked for in texts, thousands of texts at a time."""

    def __init__(self, questions: Sequence[str]) -> None:
        asked = words_of(canonical_all(questions), stemmed=False)
        self._windows, self._short = _windows_of(asked), _short(questions, asked)

    def found(self, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        """(index of a question, index of a text that it stands in)."""
        yield from self._in_words(texts)
        yield from self._as_a_whole(texts)

    def _in_words(self, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        if not self._windows:
            return
        words = words_of(canonical_all(texts), stemmed=False)
        for size, (hashes, questions) in self._windows.items():
            here, places = _in_a_row(words, size)
            at = np.flatnonzero(_isin(here, hashes))
            first, last = hashes.searchsorted(here[at], "left"), hashes.searchsorted(here[at], "right")
            which = questions[_ranges(first, last - first)]
            pairs = np.unique(which * np.int64(len(texts)) + np.repeat(places[at], last - first))
            yield from zip((pairs // len(texts)).tolist(), (pairs % len(texts)).tolist(), strict=True)

    def _as_a_whole(self, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Where it is all of a text, or a line of it."""
        if not self._short:
            return
        lines = [(line, i) for i, text in enumerate(texts) for line in {text, *text.splitlines()}]
        lines = [(line, i) for line, i in lines if 0 < len(line) <= LONGEST]
        for asked, (_, place) in zip(canonical_all([line for line, _ in lines]), lines, strict=True):
            for label in _LABELS:
                asked = asked.removeprefix(label).lstrip()
            yield from ((question, place) for question in self._short.get(asks_hash([asked]), ()))


Windows = dict[int, tuple[np.ndarray, np.ndarray]]
"""Number of words → (hashes of so many words in a row, ascending; the question that each is of)."""


def _windows_of(asked: Words) -> Windows:
    of_size = np.minimum(asked.counts, MOST)
    windows = {}
    for size in range(LEAST, MOST + 1):
        hashes, texts = _in_a_row(asked, size)
        wanted = of_size[texts] == size
        order = np.argsort(hashes[wanted], kind="stable")
        if len(order):
            windows[size] = hashes[wanted][order], texts[wanted][order]
    return windows


def _in_a_row(words: Words, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(hash of each `size` words in a row, the text that they stand in)."""
    texts = np.repeat(np.arange(len(words.counts)), words.counts)
    n = len(texts) - size + 1
    if n <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    hashes = np.zeros(n, np.uint64)
    for place in range(size):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + words.hashes[place : place + n]
    within = texts[:n] == texts[size - 1 :]
    return hashes[within], texts[:n][within]


def _short(questions: Sequence[str], asked: Words) -> dict[int, list[int]]:
    """Hash of what each short question asks → the questions."""
    short = defaultdict(list)
    for i in np.flatnonzero(asked.counts < LEAST).tolist():
        short[asks_hash([canonical(questions[i])])].append(i)
    return short


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … counts[0] of them, then those of the next."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)


def _isin(here: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Of each hash: is it among the others, which ascend? Most are told by their first bits."""
    known = np.zeros(1 << BITS, bool)
    known[(hashes >> np.uint64(64 - BITS)).astype(np.int64)] = True
    may = np.flatnonzero(known[(here >> np.uint64(64 - BITS)).astype(np.int64)])
    at = np.minimum(hashes.searchsorted(here[may]), len(hashes) - 1)
    found = np.zeros(len(here), bool)
    found[may] = hashes[at] == here[may]
    return found
