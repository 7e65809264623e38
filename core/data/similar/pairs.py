"""Which questions are worded differently and yet ask the same: pairs of texts with a similarity from 0 to 1.

A word weighs as its rarity among all questions says (idf), a word of asking next to nothing (phrases.py). Two texts are
near where the words that they share weigh NEAR of all their words, where not both of them have something of their own
(capital of France, capital of Spain), and where their numbers, words in quotation marks, denials and what they ask for
(who, when) agree. Nor are they where they begin and end alike and only what stands between is another: one instruction
for two texts (the car is fast, she is fast).

Only texts that share a rare word are compared, as prefix filters do (Bayardo, Ma and Srikant, Scaling up all pairs
similarity search, 2007): so the work grows with the rows. MinHash (datasketch, rensa) estimates the share of common
words or letters without their weight, by which 40 capitals are nearer to each other than two phrasings of one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from core.data.similar import slips
from core.data.similar.phrases import ASKED_FOR, NEVER_ALONE
from core.data.similar.vocabulary import BITS, BUCKETS, Letters, Vocabulary, spread, vocabulary
from core.store.keys import distinct

NEAR = 0.55
APART = 0.1
"""What both texts have of their own may weigh at most this share."""
LEAST = 1.0
"""What two texts hold, by weight, to be called anything: words that all texts share say nothing."""
FRAME, FRAME_SHARE = 4, 0.5
"""Words at the beginning and end that two texts share, and their share of the shorter one, from which on what stands
between is what is asked: there its words count alike, those of asking too."""
SLIP = 0.95
"""Similarity of two texts that differ by a slip of the keyboard."""
SIMILAR = 0.5
"""From here on pairs are worth a look where they stand in different parts."""
RARE = 3
"""Rarest words of a text by which others are found."""
MOST_TOGETHER = ((5_000, 200), (100_000, 30), (1 << 62, 8))
"""(of at most so many texts, so many): texts under one rare word that are all compared with each other. Of more, each
is compared with as many neighbours."""
MANY = 1_000_000
_CHUNK = 50_000
_NONE = np.uint64((1 << 64) - 1)


@dataclass(frozen=True)
class Texts:
    """Words of n different questions, as `words.Words`, by the numbers of `vocabulary.of_words`."""

    words: np.ndarray
    """uint32."""
    counts: np.ndarray
    figures: np.ndarray
    quoted: np.ndarray
    letters: Letters


@dataclass(frozen=True)
class Pairs:
    """Pairs of texts that share a rare word and are similar."""

    first: np.ndarray
    second: np.ndarray
    score: np.ndarray
    """Share of their words, by weight, that both have."""
    near: np.ndarray
    """Do they ask the same?"""
    compared: int = 0
    """Pairs that were compared."""
    crowded: int = 0
    """Texts that share a word with so many others that not all of these were compared."""


def find(texts: Texts) -> Pairs:
    """All pairs of which the similarity is SIMILAR or more, as far as they were compared."""
    if len(texts.counts) < 2 or not len(texts.words):
        return none()
    known, words = vocabulary(texts.words, len(texts.counts), texts.letters)
    rows = _Rows(replace(texts, words=words), known)
    first, second, crowded = _candidates(rows)
    score, near = _compared(rows, first, second)
    similar = near | (score >= SIMILAR)
    found = Pairs(first[similar], second[similar], score[similar], near[similar], len(first), crowded)
    return _with_slips(found, rows)


def _with_slips(found: Pairs, rows: _Rows) -> Pairs:
    """And those that differ by a slip in one word (slips.py)."""
    texts, n = rows.texts, np.int64(len(rows.texts.counts))
    first, second = slips.find(texts.words, texts.counts, texts.figures, rows.known, _most_together(int(n)))
    same = _same_quoted(texts.quoted[first], texts.quoted[second])
    new = distinct(first[same] * n + second[same])
    there = found.first * n + found.second
    near = found.near | np.isin(there, new)
    new = new[~np.isin(new, there)]
    return replace(
        found,
        first=np.append(found.first, new // n),
        second=np.append(found.second, new % n),
        score=np.append(found.score, np.full(len(new), SLIP, np.float32)),
        near=np.append(near, np.ones(len(new), bool)),
    )


def _most_together(texts: int) -> int:
    return next(most for few, most in MOST_TOGETHER if texts <= few)


def none() -> Pairs:
    nothing = np.zeros(0, np.int64)
    return Pairs(nothing, nothing, np.zeros(0), np.zeros(0, bool))


@dataclass(frozen=True)
class _Rows:
    texts: Texts
    """Their words by their places in the vocabulary."""
    known: Vocabulary

    @property
    def starts(self) -> np.ndarray:
        return np.concatenate(([0], np.cumsum(self.texts.counts)))


def _candidates(rows: _Rows) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs with the same numbers and a rare word, or all words but those of asking, in common; and crowded texts."""
    known, buckets = rows.known, rows.known.buckets.astype(np.uint64)
    # Rare ones first; a word that stands nowhere else finds nothing.
    by_df = (known.df.astype(np.uint64) << np.uint64(BITS)) | buckets
    rarity = np.where(known.asking | (known.df < 2), _NONE, by_df)
    of_bag = np.where(known.asking, np.uint64(0), spread(buckets))
    n, starts = len(rows.texts.counts), rows.starts
    keys = np.full((1 + RARE, n), _NONE)

    def fill(at: int) -> None:
        to = min(at + _CHUNK, n)
        keys[:, at:to] = _keys(rows.texts.words[starts[at] : starts[to]], rows.texts.counts[at:to], rarity, of_bag)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(fill, range(0, n, _CHUNK)))
    bag = keys[0].copy()
    keys = np.where(keys == _NONE, _NONE, keys ^ rows.texts.figures)
    # What stands alone is soon told, mostly; only the others are sorted.
    shared = np.vstack([_not_alone(keys[:1]), _not_alone(keys[1:])])
    text, key = np.nonzero(shared)[1], keys[shared]
    order = np.argsort(key)
    text, key = text[order], key[order]
    if not len(key):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), 0
    same = key[1:] == key[:-1]
    shared = np.append(same, False) | np.append(False, same)
    return _together(text[shared], key[shared], bag)


def _not_alone(keys: np.ndarray) -> np.ndarray:
    """Of each key: may another be the same? By their first bits; sorted all the same where they are not MANY."""
    if keys.size < MANY:
        return keys != _NONE
    bucket = (keys >> np.uint64(64 - BITS)).astype(np.int32)
    return (keys != _NONE) & (np.bincount(bucket.ravel(), minlength=BUCKETS)[bucket] > 1)


def _keys(words: np.ndarray, counts: np.ndarray, rarity: np.ndarray, of_bag: np.ndarray) -> np.ndarray:
    """By which texts find each other: [all words but those of asking, the rarest word, the second …] of each text."""
    keys = np.full((1 + RARE, len(counts)), _NONE)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return keys
    sizes = counts[filled]
    starts = np.cumsum(sizes) - sizes
    # The sum does not care in which order the words stand.
    bag = np.add.reduceat(of_bag[words], starts)
    keys[0, filled] = np.where(bag == 0, _NONE, bag)
    left = rarity[words]
    for n in range(1, 1 + RARE):
        rarest = np.minimum.reduceat(left, starts)
        keys[n, filled] = np.where(rarest == _NONE, _NONE, spread(rarest))
        left[left == np.repeat(rarest, sizes)] = _NONE
    return keys


def _together(text: np.ndarray, key: np.ndarray, bag: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Pairs of the texts under each key: of few all, of many those that stand side by side."""
    order = np.lexsort((bag[text], key))  # not as in the file: pairs do not depend on it
    text, key = text[order], key[order]
    begins = np.flatnonzero(np.diff(key, prepend=~key[:1]) != 0)
    sizes = np.diff(begins, append=len(key))
    most = _most_together(len(bag))
    size = np.repeat(sizes, sizes)
    ends = np.repeat(begins + sizes, sizes)
    place = np.arange(len(text))
    firsts, seconds = [], []
    for step in range(1, most):
        here = place[place + step < ends]
        firsts.append(text[here])
        seconds.append(text[here + step])
    crowded = len(np.unique(text[size > most])) if len(text) else 0
    if not firsts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), crowded
    first, second = np.concatenate(firsts), np.concatenate(seconds)
    low, high = np.minimum(first, second), np.maximum(first, second)
    unique = distinct(low * np.int64(len(bag)) + high)
    return unique // len(bag), unique % len(bag), crowded


def _compared(rows: _Rows, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(score, near) of each pair."""
    involved, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    if not len(involved):
        return np.zeros(0, np.float32), np.zeros(0, bool)
    counts, starts = rows.texts.counts[involved], rows.starts[:-1][involved]
    words = rows.texts.words[_ranges(starts, counts)]
    pointers = np.concatenate(([0], np.cumsum(counts)))
    kinds = np.bitwise_or.reduceat(rows.known.kinds[words], pointers[:-1])  # each has words, or it were in no pair
    weights, size = rows.known.weights, np.int64(len(rows.known.weights))
    # Each word of a text once, in order: its text and itself in one number.
    keys = distinct(np.repeat(np.arange(len(involved)), counts) * size + words)
    of_text, words = keys // size, keys % size
    whole = np.bincount(of_text, weights[words], len(involved))
    counts = np.bincount(of_text, minlength=len(involved))
    starts = np.cumsum(counts) - counts
    quoted = rows.texts.quoted[involved]
    in_order = _InOrder(rows, involved)
    left, right = places[: len(first)], places[len(first) :]
    score, near = np.zeros(len(first), np.float32), np.zeros(len(first), bool)
    for at in range(0, len(first), _CHUNK):
        a, b = left[at : at + _CHUNK], right[at : at + _CHUNK]
        words_of_a, words_of_b = (
            np.repeat(np.arange(len(side)), counts[side]) * size + words[_ranges(starts[side], counts[side])]
            for side in (a, b)
        )
        both = np.sort(np.concatenate([words_of_a, words_of_b]), kind="stable")  # two sorted runs are merged
        both = both[1:][both[1:] == both[:-1]]
        shared = np.bincount(both // size, weights[both % size], len(a))
        of_a, of_b = whole[a] - shared, whole[b] - shared
        union = np.maximum(shared + of_a + of_b, 1e-6)
        score[at : at + _CHUNK] = shared / union
        near[at : at + _CHUNK] = (
            (union >= LEAST)
            & (shared >= NEAR * union)
            & (np.minimum(of_a, of_b) <= APART * union)
            & _same_kind(kinds[a], kinds[b])
            & _same_quoted(quoted[a], quoted[b])
        )
        maybe = at + np.flatnonzero(near[at : at + _CHUNK])
        near[maybe] = in_order.same(left[maybe], right[maybe])
    return score, near


@dataclass(frozen=True)
class _InOrder:
    """The words of texts as they stand, to compare what is between a beginning and an end that two texts share."""

    rows: _Rows
    involved: np.ndarray
    """The texts, by their numbers."""

    def same(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Of each pair, by places in `involved`: False where its texts differ only in what stands between."""
        words, asking, starts = self.rows.texts.words, self.rows.known.asking, self.rows.starts
        known = {i: words[starts[i] : starts[i + 1]] for i in np.unique(self.involved[np.append(a, b)]).tolist()}
        pairs = zip(self.involved[a].tolist(), self.involved[b].tolist(), strict=True)
        return np.array([_same_between(known[i], known[j], asking) for i, j in pairs], bool)


def _same_between(a: np.ndarray, b: np.ndarray, asking: np.ndarray) -> bool:
    n = min(len(a), len(b))
    begins = _agree(a[:n] == b[:n])
    ends = min(_agree(a[::-1][:n] == b[::-1][:n]), n - begins)
    if begins + ends < max(FRAME, FRAME_SHARE * n):
        return True
    own_a, own_b = a[begins : len(a) - ends], b[begins : len(b) - ends]
    if not len(own_a) or not len(own_b) or (asking[own_a].all() and asking[own_b].all()):
        return True
    one, other = set(own_a.tolist()), set(own_b.tolist())
    return 2 * len(one & other) > len(one | other)


def _agree(same: np.ndarray) -> int:
    """How many agree before the first that does not."""
    return len(same) if same.all() else int(same.argmin())


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """starts[0], starts[0] + 1, … counts[0] of them, then those of the next."""
    return np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)


def _same_kind(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    asked_a, asked_b = a & ASKED_FOR, b & ASKED_FOR
    other = (asked_a != asked_b) & (asked_a > 0) & (asked_b > 0)
    return ~(other | (((a ^ b) & NEVER_ALONE) > 0))


def _same_quoted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Words in quotation marks are what is asked about, whatever they are: but who marks none denies none."""
    return (a == b) | (a == 0) | (b == 0)
