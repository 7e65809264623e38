"""Texts → numbers for their words, thousands of texts at a time: what comparing a million rows costs is mostly this.

Ours, because tokenizers in Python take 10 to 30 µs a row, which is as long as all of an import; these passes over the
bytes of a batch take one, and let go of Python's lock. The words are those that spaces and ASCII marks part, without
their ENDINGS; scripts that write no spaces come as pairs of characters, after their phrases of asking
(core/data/similar/phrases.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.data.similar.phrases import SUBSTITUTED, UNKNOWN, substitute

LONGEST = 64
"""Bytes of a word by which it is told apart: places of longer ones count again from the first. A power of 2."""

ENDINGS = (("s", 4), ("ing", 6), ("ed", 5), ("en", 6), ("e", 5))
"""(ending, least letters of a word that loses it), one after the other."""

# Thai, Lao, Burmese, Khmer, kana, Chinese characters, Hangul.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_MARKS = re.compile("[\u00a1-\u00bf\u2000-\u206f\u2190-\u2bff\u3000-\u303f\uff00-\uff0f،؛؟۔।॥]")
_EITHER = re.compile(f"{_UNSPACED.pattern[:-1]}|{_MARKS.pattern}")

_QUOTE = re.compile(r"""(?<!\w)(?:"([^"]{1,200})"|'((?:[^']|(?<=\w)'(?=\w)){1,200})')(?!\w)""")

_LETTER, _DIGIT, _SIGN, _BEFORE_DIGIT = 1, 2, 4, 8
_KINDS = np.zeros(256, np.uint8)
for _kind, _bytes in (
    (_LETTER, bytes(range(128, 256)) + b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    (_DIGIT, b"0123456789"),
    (_SIGN, b"+=<>%^"),
    (_BEFORE_DIGIT, b"-*/."),  # signs of reckoning there alone
):
    _KINDS[np.frombuffer(_bytes, np.uint8)] |= _kind
_LINE = ord("\n")


def _odd_numbers(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 1 << 63, n, np.uint64) * np.uint64(2) + np.uint64(1)


OF_BYTE, _OF_PLACE = _odd_numbers(512, 1), _odd_numbers(LONGEST, 2)
_OF_TURN = _odd_numbers(4096, 3)


@dataclass(frozen=True)
class Words:
    """The words of n texts, one text after the other."""

    hashes: np.ndarray
    """uint64, one a word; the same word has the same in every process."""
    letters: np.ndarray
    """uint64, one a word: the sum of its letters' random numbers, in whatever order they stand; and the first again."""
    lengths: np.ndarray
    """int64, one a word: its bytes."""
    counts: np.ndarray
    """int64, n: words of each text."""
    figures: np.ndarray
    """uint64, n: a hash of the text's numbers and signs of reckoning in their order, 0 where it has none."""
    quoted: np.ndarray
    """uint64, n: a hash of the words that stand in quotation marks, 0 where none do."""

    @property
    def starts(self) -> np.ndarray:
        return np.concatenate(([0], np.cumsum(self.counts)))


def words_of(texts: Sequence[str], stemmed: bool = True) -> Words:
    """The words of texts in their canonical form (core/questions.py). `stemmed`: without ENDINGS."""
    spaced = [text if text.isascii() else _spaced(text) for text in texts]
    joined = "\n".join([*spaced, ""])
    for phrase in UNKNOWN:  # a regular expression would take as long as all else
        joined = joined.replace(phrase, " ")
    data = np.frombuffer(joined.encode("utf-8", "replace"), np.uint8)
    kinds, lines = _KINDS[data], np.flatnonzero(data == _LINE)
    edges = np.flatnonzero(np.diff(kinds & _LETTER, prepend=np.uint8(0), append=np.uint8(0)))
    starts, ends = edges[::2], edges[1::2]
    lengths = ends - starts
    lengths = _stems(data, ends, lengths) if stemmed else lengths
    counts = np.diff(starts.searchsorted(lines), prepend=0)
    hashes, letters = _hashes(data, starts, lengths)
    return Words(hashes, letters, lengths, counts, _figures(data, kinds, lines), _quoted(texts))


def _stems(data: np.ndarray, ends: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Lengths of the words without endings, lightly: plurals, and what the same verb ends with beside another."""
    lengths, ends = lengths.copy(), ends.copy()
    for ending, least in ENDINGS:
        here = np.flatnonzero((data[ends - 1] == ord(ending[-1])) & (lengths >= least))
        for n, letter in enumerate(reversed(ending), 1):
            here = here[data[ends[here] - n] == ord(letter)]
        if ending == "s":
            here = here[data[ends[here] - 2] != ord("s")]
        lengths[here] -= len(ending)
        ends[here] -= len(ending)
    return lengths


def _quoted(texts: Sequence[str]) -> np.ndarray:
    from xxhash import xxh3_64_intdigest

    marked = (i for i, text in enumerate(texts) if '"' in text or "'" in text)
    hashes = np.zeros(len(texts), np.uint64)
    for i in marked:
        if quotes := _QUOTE.findall(texts[i]):
            letters = " ".join("".join(c if c.isalnum() else " " for c in " ".join(map("".join, quotes))).split())
            hashes[i] = xxh3_64_intdigest(letters.encode("utf-8", "replace")) | 1
    return hashes


def _spaced(text: str) -> str:
    if not _EITHER.search(text):
        return text
    if SUBSTITUTED.search(text):
        text = substitute(text)
    return _UNSPACED.sub(_pairs, _MARKS.sub(" ", text))


def _pairs(match: re.Match[str]) -> str:
    run = match.group()
    pairs = " ".join(run[i : i + 2] for i in range(len(run) - 1)) if len(run) > 1 else run
    return f" {pairs} "


def _hashes(data: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each word the sum over its letters of two random numbers' product: one of the letter, one of its place.

    And the sum of the letters' alone, with one more for which is the first.
    """
    if not len(lengths):
        return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
    begins = np.cumsum(lengths) - lengths
    each = np.arange(begins[-1] + lengths[-1])
    letters = data[each + np.repeat(starts - begins, lengths)]
    place = (each - np.repeat(begins, lengths)) & (LONGEST - 1)
    numbers = OF_BYTE[letters]
    firsts = OF_BYTE[data[starts].astype(np.int64) + 256]
    return _mixed(np.add.reduceat(numbers * _OF_PLACE[place], begins)), np.add.reduceat(numbers, begins) + firsts


def _figures(data: np.ndarray, kinds: np.ndarray, lines: np.ndarray) -> np.ndarray:
    figures = np.zeros(len(lines), np.uint64)
    at = np.flatnonzero(kinds & (_DIGIT | _SIGN | _BEFORE_DIGIT))
    behind = lambda n: kinds[np.minimum(at + n, len(kinds) - 1)]  # noqa: E731
    soon = (behind(1) & _DIGIT) | ((data[np.minimum(at + 1, len(data) - 1)] == ord(" ")) & (behind(2) & _DIGIT > 0))
    at = at[(kinds[at] & (_DIGIT | _SIGN) > 0) | (soon > 0)]
    if not len(at):
        return figures
    # A digit that begins a number is another than the same digit within one: 1 2 is not 12.
    begins = (at == 0) | (kinds[at - 1] & _DIGIT == 0)
    texts = lines.searchsorted(at)
    first = np.flatnonzero(np.diff(texts, prepend=-1))
    turn = np.arange(len(at)) - np.repeat(first, np.diff(first, append=len(at)))
    parts = OF_BYTE[data[at].astype(np.int64) + 256 * begins] * _OF_TURN[turn % len(_OF_TURN)]
    figures[texts[first]] = _mixed(np.add.reduceat(parts, first)) | np.uint64(1)
    return figures


def _mixed(values: np.ndarray) -> np.ndarray:
    """Each bit of the result depends on all bits of the value (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))
