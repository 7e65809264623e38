"""Label `misspelling`: words that are not English, but nearly are. Real words used wrongly (their, there) are not seen.

Checked are lower-case words and first words of sentences, not code, links, e-mail addresses, formulas, names or
abbreviations. A word of the prompt, of the reference or of several training rows is taken as right: quoting
somebody's error is none. Text that does not look English is not judged, sentence by sentence.

At most `LIMIT` characters and `MAX_UNKNOWN` different unknown words of a text are looked at; one of them costs some
thousand set look-ups at most, whatever the text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from core.review.detectors import dictionary
from core.review.detectors.text import CHUNK, LIMIT, Finding, without_code, without_links

DETECTOR = "misspelling-1"
THRESHOLD = 0.5
MAX_UNKNOWN = 200
FEW_WORDS = 4
"""A text or sentence of fewer words says too little about its language."""
SENTENCE_SHARE = 0.6
"""Known words that make one sentence of an English text English: two of three, so that one may be misspelt."""

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# Names of files, variables and tags, shortcuts, hex codes: a mark that prose does not have inside a word.
TECHNICAL = re.compile(r"[\d_\\<>{}=#~^]|//|\(\)|\w[.(/]\w|^[/.]\w|::|->")
SENTENCE_END = re.compile(r"[.!?\n]")
QUOTES = tuple("\"'“”‘’«„")
PART_END = re.compile(r"[.!?\n\"“”«»:;()\[\]]|['‘’]\B|\B['‘’]")


@dataclass(frozen=True)
class Word:
    start: int
    end: int
    text: str
    """Lower case, with a straight apostrophe."""
    part: int
    """Number of the sentence, line or quotation it is in."""
    starts_sentence: bool
    lower: bool
    """False for a capitalised word."""
    quoted: bool


def check(text: str, taught: Collection[str], prompt: str, reference: str, threshold: float = THRESHOLD) -> Finding:
    """What is misspelt in `text`. `taught` are words learnt from the training rows."""
    words = list(read(text[:LIMIT]))
    judged = [w.text for w in words if w.lower] or [w.text for w in words if w.starts_sentence]
    if not judged:
        return Finding(0.0, (), "Not checked: there is no running English text.")
    if not _looks_english(judged, reference):
        share = 100 * sum(map(dictionary.is_known, judged)) / len(judged)
        return Finding(0.0, (), f"Not checked: the text does not look English ({share:.0f} % of its words are known).")
    right = vocabulary(prompt) | vocabulary(reference)
    misspellings = list(_misspelt(words, taught, right))
    score = max((s for _, _, s in misspellings), default=0.0)
    shown = [(w, near) for w, near, s in misspellings if s >= threshold]
    return Finding(score, tuple((w.start, w.end) for w, _ in shown), _reason(shown, len(misspellings)))


def glance(text: str, threshold: float) -> tuple[bool, bool]:
    """(may `check` find something in it, may it take it for another language?), told in a tenth of its time.

    Nothing is missed: where it says no, `check` finds nothing at this threshold (above 0.3), or reads it.
    """
    listed = dictionary.counts()
    words = [w.replace("’", "'") for w in WORD.findall(text[:LIMIT])]
    unknown = [w for w in words if w not in listed and not dictionary.is_known(w.lower())]
    foreign = 10 * len(unknown) > len(words) or len(words) < 2 * FEW_WORDS
    for word in set(unknown):
        # A capitalised word is doubted, see `_misspelt`; one of another shape is not read.
        needed = threshold if word.islower() else threshold + 0.19 if word[1:].islower() else 1.0
        if word.isascii() and dictionary.suggestion(word.lower())[1] >= needed:
            return True, foreign
    return False, foreign


def is_foreign(text: str) -> bool:
    """Does it hold enough words to be told as another language than English? `check` does not read it then."""
    words = list(read(text[:LIMIT]))
    judged = [w.text for w in words if w.lower] or [w.text for w in words if w.starts_sentence]
    return len(set(judged)) >= FEW_WORDS and not dictionary.is_english(judged)


def read(text: str) -> Iterator[Word]:
    """The words of running text, with their places."""
    prose = without_links(without_code(text))
    part, last, quoted = 0, 0, False
    for chunk in CHUNK.finditer(prose):
        if TECHNICAL.search(chunk.group()):
            continue
        for match in WORD.finditer(prose, *chunk.span()):
            word, between = match.group().replace("’", "'"), prose[last : match.start()]
            if PART_END.search(between):
                part, quoted = part + 1, between.rstrip("¿¡*").endswith(QUOTES)
            if word.islower() or word[1:].islower():
                starts = not last or bool(SENTENCE_END.search(between))
                yield Word(*match.span(), word.lower(), part, starts, word.islower(), quoted)
            last = match.end()


def vocabulary(text: str) -> set[str]:
    """Every word of a text in lower case, however it is written."""
    return {m.group().replace("’", "'").lower() for m in WORD.finditer(text[:LIMIT])}


def _looks_english(words: list[str], reference: str) -> bool:
    if len(set(words)) < FEW_WORDS:
        words = words + [w.text for w in read(reference[:LIMIT]) if w.lower]
        return dictionary.is_english(words) or 2 * sum(map(dictionary.is_known, words)) >= len(words)
    return dictionary.is_english(words)


def _misspelt(words: list[Word], taught: Collection[str], right: set[str]) -> Iterator[tuple[Word, str, float]]:
    """Unknown words with what was probably meant and a score; not those in sentences of another language."""
    foreign = _foreign_parts(words)
    names = {w.text for w in words if not w.lower and not w.starts_sentence}
    unknown: dict[str, tuple[str, float]] = {}
    for word in words:
        if word.part in foreign or word.text in taught or word.text in right or not word.text.isascii():
            continue
        if not word.lower and (not word.starts_sentence or word.text in names):
            continue
        if word.text not in unknown:
            if len(unknown) == MAX_UNKNOWN:
                return
            if dictionary.is_known(word.text):
                continue
            unknown[word.text] = dictionary.suggestion(word.text)
        near, score = unknown[word.text]
        # A capitalised unknown word is more often a name than an error, a quoted one more often foreign.
        doubts = (not word.lower) + word.quoted
        yield word, near, round(max(0.1, score - 0.2 * doubts), 3)


def _foreign_parts(words: list[Word]) -> set[int]:
    parts: dict[int, list[str]] = {}
    for word in words:
        if word.lower:
            parts.setdefault(word.part, []).append(word.text)
    return {n for n, part in parts.items() if len(part) > 2 and not dictionary.is_english(part, SENTENCE_SHARE)}


def _reason(shown: list[tuple[Word, str]], unknown: int) -> str:
    if not shown:
        return f"No likely misspelling; unknown words: {unknown}." if unknown else "Every word checked is known."
    word, near = shown[0]
    which = f"“{word.text}” looks like a misspelling of “{near}”"
    return f"{which}." if len(shown) == 1 else f"{len(shown)} words look misspelt: {which}."
