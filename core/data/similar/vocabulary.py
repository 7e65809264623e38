"""The words of all questions: how rare each is, and which are words of asking."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.data.similar.phrases import FRAMES, IRREGULAR, KINDS
from core.data.similar.words import Words, words_of

BITS = 22
BUCKETS = 1 << BITS
"""Words are told apart by so many numbers: two different ones are taken for the same once in four million."""
OF_FRAME = 0.01
"""Weight of a word of asking, against another of the same rarity."""
SPOKEN = 0.001
"""A language counts where its words alone are this share of all words."""
_FEW = 300_000
"""Words that are sorted sooner than they are counted in all buckets."""


@dataclass(frozen=True)
class Vocabulary:
    """What is known of each different word."""

    buckets: np.ndarray
    """uint32, ascending."""
    df: np.ndarray
    """int64: how often it stands in all questions."""
    weights: np.ndarray
    """float32: of rare words more (idf), of words of asking next to nothing."""
    asking: np.ndarray
    """bool: is it a word of asking, in a language of these questions?"""
    kinds: np.ndarray
    """uint16: the bits of its kind of question."""
    letters: np.ndarray
    """uint64: the sum of its letters' numbers, see core/data/similar/words.py."""
    lengths: np.ndarray
    """uint8: its bytes, 255 at most."""


class Letters:
    """What each word is spelt with, by its bucket; of the words that are known so far."""

    def __init__(self) -> None:
        # Pages that nothing is written to take no memory.
        self.sums, self.lengths = np.zeros(BUCKETS, np.uint64), np.zeros(BUCKETS, np.uint8)

    def add(self, buckets: np.ndarray, words: Words) -> None:
        self.sums[buckets], self.lengths[buckets] = words.letters, np.minimum(words.lengths, 255)


def of_words(hashes: np.ndarray) -> np.ndarray:
    """Words as numbers of buckets, uint32."""
    return (hashes >> np.uint64(64 - BITS)).astype(np.uint32)


def vocabulary(words: np.ndarray, texts: int, letters: Letters) -> tuple[Vocabulary, np.ndarray]:
    """The different ones of `words`, which are those of so many texts, and of each word its place among them."""
    if len(words) < _FEW:
        different, places = np.unique(words, return_inverse=True)
    else:
        different = np.flatnonzero(np.bincount(words, minlength=BUCKETS)).astype(np.uint32)
        places = None
    buckets, regular = np.unique(_regular(different), return_inverse=True)
    if places is None:
        table = np.zeros(BUCKETS, np.int32)
        table[different] = regular
        places = table[words]
    else:
        places = regular[places].astype(np.int32)
    df = np.bincount(places, minlength=len(buckets))
    asking, kinds = _asking(buckets, df)
    weights = np.log((texts + 1) / np.maximum(df, 1)).astype(np.float32).clip(0.0)
    weights[asking] *= OF_FRAME
    spelt = letters.sums[buckets], letters.lengths[buckets]
    return Vocabulary(buckets, df, weights, asking, kinds, *spelt), places


def spread(values: np.ndarray) -> np.ndarray:
    """Numbers as random ones of 64 bits (SplitMix64)."""
    z = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _regular(buckets: np.ndarray) -> np.ndarray:
    """One form in the place of all forms of an irregular word."""
    others, first = _irregular()
    at = np.minimum(others.searchsorted(buckets), len(others) - 1)
    return np.where(others[at] == buckets, first[at], buckets)


@lru_cache(maxsize=1)
def _irregular() -> tuple[np.ndarray, np.ndarray]:
    """(buckets of words, ascending; the bucket of the form that stands for each)."""
    known: dict[int, int] = {}
    for forms in IRREGULAR.split("|"):
        first, *others = of_words(words_of([" ".join(forms.split())]).hashes).tolist()
        known |= {other: first for other in others if other != first}
    words = np.array(sorted(known), np.uint32)
    return words, np.array([known[word] for word in words.tolist()], np.uint32)


@lru_cache(maxsize=1)
def _lists() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[int, np.ndarray]]:
    """(language → its words of asking; those of it alone; bit of a kind of question → its words), as buckets."""
    lists = {language: _listed(words) for language, words in FRAMES.items()}
    all_words, count = np.unique(np.concatenate(list(lists.values())), return_counts=True)
    alone = {language: np.intersect1d(words, all_words[count == 1]) for language, words in lists.items()}
    return lists, alone, {bit: _listed(words) for bit, words in KINDS.values()}


def _listed(words: str) -> np.ndarray:
    return np.unique(_regular(of_words(words_of([" ".join(words.split())]).hashes)))


def _asking(buckets: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each word: is it one of asking? And the bits of its kind of question."""
    lists, alone, kinds_of = _lists()
    asking, kinds = np.zeros(len(buckets), bool), np.zeros(len(buckets), np.uint16)
    for language, words in lists.items():
        if df[np.isin(buckets, alone[language])].sum() >= SPOKEN * df.sum():
            asking |= np.isin(buckets, words)
    for bit, words in kinds_of.items():
        here = np.isin(buckets, words)
        kinds[here] |= bit
        asking |= here
    return asking, kinds
