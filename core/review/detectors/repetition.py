"""Label `repetition`: an answer that says the same again, most of all one that ends in a loop.

Six signs, each the share of an answer that is redundant, so that one threshold fits all; the strongest one counts:

* tail loop: the end is one piece of text over and over (Holtzman et al. 2020, arXiv 1904.09751);
* inner loop: so is a part of it, after which the text goes on;
* rep-4: share of four-word sequences that occurred before (Welleck et al. 2019, arXiv 1908.04319);
* zlib: how far the text compresses beyond ordinary prose;
* lines: share of lines that repeat an earlier one;
* sentences: the same, and whether one is said three times.

Each is taken relative to the same sign of the reference: a song may have its chorus. Numbers of a list are no words
(2. Bacon, 3. Bacon), nor are the tags of a tagger. The last four signs leave out code, links and tables, and count
less where a text is uniform by its kind: verses, and plans by days. The last `LIMIT` characters are looked at, in
linear time.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace

from core.review.detectors.text import LIMIT, Finding, blank, without_code, without_links, without_tables

DETECTOR = "repetition-2"
THRESHOLD = 0.5
MIN_WORDS = 20
MIN_LOOP = 12
"""Words that a tail loop covers at least, all its rounds together."""
SHORT_LOOP, SHORT_PERIOD, SHORT_ROUNDS = 8, 3, 6
"""Words of a loop of up to three words that goes round so often: enough in a text of any length."""
INNER_ROUNDS, LONGEST_PERIOD = 4, 24
MIN_LINES = 4
SENTENCE = re.compile(r"[^.!?\n]+")
SENTENCE_WORDS, SAID, SAID_SCORE = 4, 3, 0.6
"""A sentence of so many words that is said so often is a loop that lost its way."""
UNIFORM = 0.6
"""What rep-4, zlib and lines count for in verses and plans."""
MAX_SPANS = 50
NOTABLE = 0.2

# Words; a character each in scripts without spaces and for emoji; a very long run is taken character by character.
WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u2600-\u27bf\U0001f000-\U0001faff]|[^\W_]+")
DIGIT = re.compile(r"\d")
LONG_WORD = 24

# What numbers an entry of a list: at the beginning of a line.
NUMBERING = re.compile(r"(?m)^[ \t]{0,8}(?:[-*•] ?)?\d{1,4}[.):][ \t]")
# Tags of a sequence tagger (BIO, BILOU), one a word.
TAG = re.compile(r"(?<!\w)(?:[BILOUES]-[A-Z][A-Za-z_]{1,15}|O)(?![\w'’])")
CODE_LINE = re.compile(
    r"^\s*(?:(?:INSERT|SELECT|UPDATE|DELETE|CREATE|ALTER|DROP|VALUES)\b|</?[a-zA-Z][^<>]*>|\w+\(.*\)$)|[;{}]\s*$"
    r"|^\s*[\[{(\"].*[\])}\"],?\s*$"
)
DAYS = re.compile(
    r"(?im)^\W{0,6}(monday|tuesday|wednesday|thursday|friday|saturday|sunday|montag|dienstag|mittwoch|donnerstag|freitag"
    r"|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|miércoles|jueves|viernes|sábado"
    r"|domingo|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica|segunda|terça|quarta|quinta|sexta"
    r"|(?:day|week|month|tag|woche|jour|semaine|día|semana|giorno|settimana|dia) \d{1,2})\b"
)
FEWEST_DAYS, MOST_DAYS = 4, 16
VERSE_LINES, VERSE_WORDS = 6, 9
"""Lines of a verse at least, and words of a line at most, on average."""

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
        return Finding(0.0, (), f"Too short to judge: fewer than {SHORT_LOOP} words.")
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
    if "\n" in text and text[:1].isdigit() | ("\n1" in text) | ("\n2" in text) | ("\n " in text):
        text = NUMBERING.sub(_blank, text)
    words = [word.lower() for word in WORDS.findall(text)]
    if max(map(len, words), default=0) > LONG_WORD:
        return True
    if len(words) < MIN_WORDS:
        return len(words) >= SHORT_LOOP and len(words) - len(set(words)) >= SHORT_LOOP - SHORT_PERIOD
    # A loop of MIN_LOOP words, and whatever rep-4 counts, says some four words twice; so does a short one.
    if len(set(zip(words, words[1:], words[2:], words[3:], strict=False))) < len(words) - 3:
        return True
    if text.count("\n") >= MIN_LINES - 1 and _lines(text, 0).score >= THRESHOLD:
        return True
    return _compression(text, ()).score >= THRESHOLD


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())


def _signs(text: str) -> dict[str, Sign]:
    """The signs by name, without those for which the text is too short."""
    start = max(0, len(text) - LIMIT)
    text = NUMBERING.sub(_blank, text[start:])
    if "B-" in text or not TAG.sub("", text).strip("\"'[](), \n\t"):
        text = TAG.sub(_blank, text)
    prose = without_tables(without_links(without_code(text)))
    prose = "\n".join(blank(line) if CODE_LINE.search(line) else line for line in prose.split("\n"))
    everything, words = _words(text), _words(prose)
    verse = _is_verse(text)
    signs = {}
    if len(everything) >= SHORT_LOOP:
        signs["loop"] = _tail_loop(text, everything, start, 3 if verse else 2)
        signs["inner"] = _inner_loop(text, everything, start)
    if len(words) >= MIN_WORDS:
        share = UNIFORM if verse or FEWEST_DAYS <= len(set(DAYS.findall(prose.lower()))) <= MOST_DAYS else 1.0
        signs["rep4"] = _rep4(prose, words, start)
        # A list that counts on for ever repeats nothing but its numbers.
        alike = signs["rep4"].spans or _rep4(DIGIT.sub("0", prose), words, start).spans
        whole = (start + words[0][0], start + words[-1][1])
        signs["zlib"] = _compression(prose, alike or (whole,))
        signs["lines"] = _lines(prose, start)
        signs["sentences"] = _sentences(prose, len(words), start)
        for kind in ("rep4", "zlib", "lines", "sentences"):
            signs[kind] = replace(signs[kind], score=signs[kind].score * share)
    return signs


def _is_verse(text: str) -> bool:
    """Short lines that are no list and mostly do not end as sentences do, in stanzas that are not all alike."""
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) < VERSE_LINES or any(line.lstrip()[:1] in "-*•|#" for line in lines):
        return False
    words = sum(len(line.split()) for line in lines) / len(lines)
    ended = sum(line.rstrip().endswith((".", ":", ";")) for line in lines) / len(lines)
    return 2.5 <= words <= VERSE_WORDS and ended <= 0.4 and len(set(lines)) >= 0.4 * len(lines)


def _words(text: str) -> list[Span]:
    places: list[Span] = []
    for match in WORDS.finditer(text):
        start, end = match.span()
        places += [(start, end)] if end - start <= LONG_WORD else [(i, i + 1) for i in range(start, end)]
    return places


def _tail_loop(text: str, words: list[Span], start: int, rounds: int) -> Sign:
    """The longest end of the text that is a piece at least `rounds` times over; the last one may be unfinished."""
    length, period = _longest_loop([text[a:b].lower() for a, b in reversed(words)])
    if not _is_loop(length, period, rounds):
        return Sign(0.0, (), "")
    return _loop(text, words[len(words) - length :], period, start, "The last")


def _is_loop(length: int, period: int, rounds: int) -> bool:
    short = length >= SHORT_LOOP and period <= SHORT_PERIOD and length >= SHORT_ROUNDS * period
    return short or (length >= MIN_LOOP and length >= rounds * period)


def _loop(text: str, loop: list[Span], period: int, start: int, which: str) -> Sign:
    unit = "word" if any(b - a > 1 for a, b in loop[:period]) else "character"
    piece = f"{period} {unit}s repeat" if period > 1 else f"{unit} repeats"
    span = (start + loop[period][0], start + loop[-1][1])
    return Sign(1 - period / len(loop), (span,), f"{which} {piece} {len(loop) // period} times.")


def _inner_loop(text: str, words: list[Span], start: int) -> Sign:
    """The longest stretch in which up to LONGEST_PERIOD words come INNER_ROUNDS times or more, one after the other."""
    import numpy as np

    known: dict[str, int] = {}
    keys = np.array([known.setdefault(text[a:b].lower(), len(known)) for a, b in words])
    best = (0, 1, 0)
    for period in range(1, min(LONGEST_PERIOD, len(keys) // INNER_ROUNDS) + 1):
        same = np.concatenate(([0], keys[period:] == keys[:-period], [0])).astype(np.int8)
        edges = np.flatnonzero(np.diff(same))
        if len(edges):
            lengths = edges[1::2] - edges[::2]
            longest = int(lengths.argmax())
            length = int(lengths[longest]) + period
            if length > best[0] and _is_loop(length, period, INNER_ROUNDS):
                best = (length, period, int(edges[2 * longest]))
    length, period, at = best
    if not length or all(text[a:b].isdigit() for a, b in words[at : at + period]):
        return Sign(0.0, (), "")
    return _loop(text, words[at : at + length], period, start, f"After {at:,} words the next")


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


def _sentences(text: str, total: int, start: int) -> Sign:
    seen: dict[str, int] = {}
    spans: list[Span] = []
    repeated = 0
    for found in SENTENCE.finditer(text):
        ended = text[found.end() : found.end() + 1] not in ("", "\n")
        words = found.group().lower().split() if ended else []
        if len(words) < SENTENCE_WORDS:
            continue
        key = " ".join(words)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            repeated += len(words)
            spans.append((start + found.start(), start + found.end() + 1))
    share = min(1.0, repeated / total)
    often = max(seen.values(), default=0)
    score = max(share, SAID_SCORE) if often >= SAID else share
    return Sign(score, tuple(spans[:MAX_SPANS]), f"A sentence is said {often} times.")
