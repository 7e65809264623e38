"""Label `repetition`: an answer that says the same again, most of all one that ends in a loop.

Four signs, each the share of an answer that is redundant, so that one threshold fits all; the strongest one counts:

* tail loop: the end is one piece of text over and over (Holtzman et al. 2020, arXiv 1904.09751);
* rep-4: share of four-word sequences that occurred before (Welleck et al. 2019, arXiv 1908.04319);
* zlib: how far the text compresses beyond ordinary prose;
* lines: share of lines that repeat an earlier one.

Each is taken relative to the same sign of the reference: a song may have its chorus. The last three leave out code,
links and tables. The last `LIMIT` characters are looked at, in linear time.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from core.review.detectors.text import LIMIT, Finding, without_code, without_links, without_tables

DETECTOR = "repetition-1"
THRESHOLD = 0.5
MIN_WORDS = 20
MIN_LOOP = 12
"""Words that a tail loop covers at least, all its rounds together."""
MIN_LINES = 4
MAX_SPANS = 50
NOTABLE = 0.2

# Words; a character each in scripts without spaces and for emoji; a very long run is taken character by character.
WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u2600-\u27bf\U0001f000-\U0001faff]|[^\W_]+")
DIGIT = re.compile(r"\d")
LONG_WORD = 24

Span = tuple[int, int]


@dataclass(frozen=True)
class Sign:
    score: float
    spans: tuple[Span, ...]
    reason: str


def check(text: str, reference: str, threshold: float = THRESHOLD) -> Finding:
    """How repetitive `text` is, beyond what its reference is."""
    signs, usual = _signs(text), _signs(reference)
    if not signs:
        return Finding(0.0, (), f"Too short to judge: fewer than {MIN_WORDS} words.")
    own = {kind: usual[kind].score if kind in usual else 0.0 for kind in signs}
    scores = {kind: max(0.0, (sign.score - own[kind]) / (1 - own[kind])) for kind, sign in signs.items()}
    kind = max(scores, key=lambda k: scores[k])
    score = min(0.999, round(scores[kind], 3))
    reason = signs[kind].reason if score >= NOTABLE else "Hardly anything is said twice."
    return Finding(score, signs[kind].spans if score >= threshold else (), reason)


# What `check` blanks, or counts by characters: such texts are left to it.
MARKS = ("`", "$", "\\", "://", "www.", "@", "|", "\t")


def may_repeat(text: str) -> bool:
    """False only where `check` stays below THRESHOLD, whatever the reference: told in a tenth of its time."""
    if any(mark in text for mark in MARKS) or len(text) > LIMIT:
        return True
    words = [word.lower() for word in WORDS.findall(text)]
    if len(words) < MIN_WORDS:
        return max(map(len, words), default=0) > LONG_WORD
    if max(map(len, words)) > LONG_WORD:
        return True
    # A loop of MIN_LOOP words, and whatever rep-4 counts, says some four words twice.
    if len(set(zip(words, words[1:], words[2:], words[3:], strict=False))) < len(words) - 3:
        return True
    if text.count("\n") >= MIN_LINES - 1 and _lines(text, 0).score >= THRESHOLD:
        return True
    return _compression(text, ()).score >= THRESHOLD


def _signs(text: str) -> dict[str, Sign]:
    """The four signs by name, without those for which the text is too short."""
    start = max(0, len(text) - LIMIT)
    text = text[start:]
    prose = without_tables(without_links(without_code(text)))
    everything, words = _words(text), _words(prose)
    signs = {}
    if len(everything) >= MIN_WORDS:
        signs["loop"] = _tail_loop(text, everything, start)
    if len(words) >= MIN_WORDS:
        signs["rep4"] = _rep4(prose, words, start)
        # A list that counts on for ever repeats nothing but its numbers.
        alike = signs["rep4"].spans or _rep4(DIGIT.sub("0", prose), words, start).spans
        whole = (start + words[0][0], start + words[-1][1])
        signs["zlib"] = _compression(prose, alike or (whole,))
        signs["lines"] = _lines(prose, start)
    return signs


def _words(text: str) -> list[Span]:
    places: list[Span] = []
    for match in WORDS.finditer(text):
        start, end = match.span()
        places += [(start, end)] if end - start <= LONG_WORD else [(i, i + 1) for i in range(start, end)]
    return places


def _tail_loop(text: str, words: list[Span], start: int) -> Sign:
    """The longest end of the text that is a piece at least twice over; the last round may be unfinished."""
    length, period = _longest_loop([text[a:b].lower() for a, b in reversed(words)])
    if length < MIN_LOOP:
        return Sign(0.0, (), "")
    tail = words[-length:]
    unit = "word" if any(b - a > 1 for a, b in tail[:period]) else "character"
    piece = f"{period} {unit}s repeat" if period > 1 else f"{unit} repeats"
    span = (start + tail[period][0], start + tail[-1][1])
    return Sign(1 - period / length, (span,), f"The last {piece} {length // period} times.")


def _longest_loop(words: list[str]) -> tuple[int, int]:
    """Length and period of the longest beginning of `words` made of at least two rounds (Knuth, Morris, Pratt 1977)."""
    border, k, longest = [0] * len(words), 0, (0, 1)
    for i in range(1, len(words)):
        while k and words[i] != words[k]:
            k = border[k - 1]
        k += words[i] == words[k]
        border[i] = k
        if i + 1 >= 2 * (i + 1 - k):
            longest = (i + 1, i + 1 - k)
    return longest


def _rep4(text: str, words: list[Span], start: int) -> Sign:
    keys = [text[a:b].lower() for a, b in words]
    seen: set[tuple[str, ...]] = set()
    spans: list[Span] = []
    total = len(keys) - 3
    for i in range(total):
        gram = tuple(keys[i : i + 4])
        if gram in seen:
            _extend(spans, (start + words[i][0], start + words[i + 3][1]))
        seen.add(gram)
    share = 1 - len(seen) / total
    return Sign(share, tuple(spans[:MAX_SPANS]), f"{100 * share:.0f} % of its four-word sequences are repeats.")


def _extend(spans: list[Span], span: Span) -> None:
    """Append a span; join it with the last one where they touch."""
    if spans and span[0] <= spans[-1][1]:
        spans[-1] = (spans[-1][0], span[1])
    else:
        spans.append(span)


def _compression(text: str, spans: tuple[Span, ...]) -> Sign:
    """Prose compresses to a half, hardly ever to 40 %; a third is where the redundancy counts as one half.

    Characters per compressed byte: bytes per byte would call every script redundant that UTF-8 writes in 2 or 3 bytes.
    """
    plain = " ".join(text.split())
    ratio = len(plain) / len(zlib.compress(plain.encode("utf-8", "surrogatepass")))
    score = max(0.0, 1 - 1 / (2 * (ratio - 2))) if ratio > 2.5 else 0.0
    return Sign(score, spans, f"It compresses {ratio:.1f} times, as only very uniform text does.")


def _lines(text: str, start: int) -> Sign:
    seen: set[str] = set()
    spans: list[Span] = []
    total, place = 0, start
    for line in text.split("\n"):
        content = line.strip().lower()
        if len(content.split(maxsplit=3)) >= 3:
            total += 1
            if content in seen:
                spans.append((place, place + len(line)))
            seen.add(content)
        place += len(line) + 1
    share = len(spans) / total if total >= MIN_LINES else 0.0
    return Sign(share, tuple(spans[:MAX_SPANS]), f"{len(spans)} of {total} lines repeat an earlier line.")
