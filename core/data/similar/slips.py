"""Questions that differ by one slip of the keyboard in one word (“recieve”, “receive”), and in nothing else.

Two texts are compared where all their words but one are the same. Of that word it is known how long it is, how it
begins, and the sum of its letters' random numbers, whatever their order: so swapped letters, a missing or added one,
and in longer words a wrong one are told without the texts. The first letter is rarely wrong (Yannakoudakis and
Fawthrop, 1983), and short words are too often other words (trial, trail).
"""

from __future__ import annotations

import numpy as np

from core.data.similar.vocabulary import Vocabulary, spread
from core.data.similar.words import OF_BYTE

LEAST = 6
"""Letters, without its ending, of a word that may be a slip of another."""
LEAST_WRONG = 8
"""Letters of words of which one letter may be another …"""
RATHER = 5
"""… where one of them is so many times as frequent: cyclohexane and cyclohexene are not."""
RARE = 3
"""A slip stands in so many texts at most."""
_LETTERS = OF_BYTE[np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)]
_ONE = np.sort(_LETTERS)
_OTHER = np.sort((_LETTERS[:, None] - _LETTERS[None, :])[~np.eye(len(_LETTERS), dtype=bool)])


def find(
    words: np.ndarray, counts: np.ndarray, figures: np.ndarray, known: Vocabulary, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of texts. `words`: of all texts, by their places in the vocabulary; `most`: texts that are compared with
    each other where more of them have all words but one in common.
    """
    text = np.repeat(np.arange(len(counts)), counts)
    mixed = spread(known.buckets.astype(np.uint64))[words]
    starts = np.cumsum(counts) - counts
    filled = counts > 0
    whole = np.zeros(len(counts), np.uint64)
    if filled.any():
        whole[filled] = np.add.reduceat(mixed, starts[filled])
    may = np.flatnonzero((known.lengths[words] >= LEAST) & ~known.asking[words])
    text, word = text[may], words[may]
    key = (whole[text] - mixed[may]) ^ figures[text]  # all words but this one
    order = np.lexsort((known.letters[word], key))
    text, word, key = text[order], word[order], key[order]
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for step in range(1, most):
        here = np.flatnonzero(key[step:] == key[:-step])
        if not len(here):
            break
        slip = _is_slip(word[here], word[here + step], known) & (text[here] != text[here + step])
        firsts.append(text[here[slip]])
        seconds.append(text[here[slip] + step])
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    return np.minimum(first, second), np.maximum(first, second)


def _is_slip(a: np.ndarray, b: np.ndarray, known: Vocabulary) -> np.ndarray:
    long, short = (
        np.where(known.lengths[a] >= known.lengths[b], a, b),
        np.where(known.lengths[a] >= known.lengths[b], b, a),
    )
    more = known.lengths[long].astype(np.int64) - known.lengths[short]
    left = known.letters[long] - known.letters[short]
    rare, frequent = np.minimum(known.df[a], known.df[b]), np.maximum(known.df[a], known.df[b])
    swapped = (more == 0) & (left == 0)
    missing = (more == 1) & _among(left, _ONE)
    wrong = (more == 0) & (known.lengths[a] >= LEAST_WRONG) & (frequent >= RATHER * rare) & _among(left, _OTHER)
    return (a != b) & (rare <= RARE) & (swapped | missing | wrong)


def _among(values: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    at = np.minimum(ascending.searchsorted(values), len(ascending) - 1)
    return ascending[at] == values
