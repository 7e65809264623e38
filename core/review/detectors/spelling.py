"""Label `misspelling`: words that are not of the language, but nearly are. Real words used wrongly (their, there) are
not seen.

Read are English, German, French, Spanish, Italian and Portuguese, each sentence in its own; others are not judged. Of
English, lower-case words and first words of sentences are checked; of German, nouns besides. Not code, links, e-mail
addresses, formulas, names, abbreviations or a word that is quoted as such. A word of the prompt, of the reference or of
several training rows is taken as right: quoting somebody's error is none.

At most `LIMIT` characters and `MAX_UNKNOWN` different unknown words of a text are looked at; one of them costs some
thousand set look-ups at most, whatever the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from core.review.detectors import dictionary, languages
from core.review.detectors.text import CHUNK, LIMIT, Finding, without_code, without_links

DETECTOR = "misspelling-2"
THRESHOLD = 0.5
MAX_UNKNOWN = 200
LONGEST_PART = 40
"""Characters of the next line in which the rest of a parted word is."""
MENTIONED = 3
"""Words in quotation marks, at most, that are spoken of and not said, where the text is about spelling."""
ABOUT_SPELLING = re.compile(
    r"spell|spelt|typo|\bsic\b|mistake|\berrors?\b|\bwrong|correct|rechtschreib|tippfehler|falsch|orthogra|ortogra|"
    r"\bfaute|\berr(?:eu|o)r|\brefus[oi]\b|\bcorre[gt]",
    re.I,
)
MOST_OF_LANGUAGE = 200
"""Words by which a language is told."""
LEAST_OF_SENTENCE = 6
FEW_WORDS = 4
"""A text or sentence of fewer words says too little about its language."""
SENTENCE_SHARE = 0.6
"""Known words that make one sentence of an English text English: two of three, so that one may be misspelt."""

# Letters with their marks; an apostrophe of any kind, a soft hyphen or a mark without width between them; a hyphen at
# the end of a line with the rest on the next.
WORD = re.compile(
    r"(?:[^\W\d_][\u0300-\u036f]*)+"
    r"(?:(?:['’‘ʼ´\u00ad\u200b-\u200d\u2060]|-\n[ \t]{0,8}(?=[a-zß-ÿ]))(?:[^\W\d_][\u0300-\u036f]*)+)*"
)
PLAIN = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "´": "'", **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060")})
PARTED = re.compile(r"-\n[ \t]*")
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
        return Finding(0.0, (), "Not checked: there is no running text.")
    usual = "en" if _looks_english(judged, reference) else _other_language(words, text, reference)
    if not usual:
        return Finding(0.0, (), "Not checked: the text is in none of the six languages that are read.")
    right = vocabulary(prompt) | vocabulary(reference)
    misspellings = list(_misspelt(words, taught, right, usual, _mentioned(words, text, prompt)))
    score = max((s for _, _, s in misspellings), default=0.0)
    shown = [(w, near) for w, near, s in misspellings if s >= threshold]
    return Finding(score, tuple((w.start, w.end) for w, _ in shown), _reason(shown, len(misspellings)))


def glance(text: str, threshold: float) -> tuple[bool, bool]:
    """(may `check` find something in it, may it take it for another language?), told in a tenth of its time.

    Nothing is missed: where it says no, `check` finds nothing at this threshold (above 0.3), or reads it.
    """
    listed = dictionary.counts()
    words = [plain(w) for w in WORD.findall(text[:LIMIT])]
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
        if chunk.start() < last:  # the rest of a word that was parted at the end of a line
            continue
        if TECHNICAL.search(chunk.group()):
            continue
        end = chunk.end()
        if chunk.group().endswith("-") and prose[end : end + 1] == "\n":
            end = min(len(prose), end + 1 + LONGEST_PART)
        for match in WORD.finditer(prose, chunk.start(), end):
            if match.start() >= chunk.end():
                break
            between = prose[last : match.start()]
            if PART_END.search(between):
                part, quoted = part + 1, between.rstrip("¿¡*").endswith(QUOTES)
            word = plain(match.group())
            if word.islower() or word[1:].islower():
                starts = not last or bool(SENTENCE_END.search(between))
                yield Word(*match.span(), word.lower(), part, starts, word.islower(), quoted)
            last = match.end()


def plain(word: str) -> str:
    """One kind of apostrophe, no invisible marks, letters and their marks as one; a hyphen where a line ended stays."""
    if word.isascii() and "\n" not in word:
        return word
    return unicodedata.normalize("NFC", PARTED.sub("-", word).translate(PLAIN))


def vocabulary(text: str) -> set[str]:
    """Every word of a text in lower case, however it is written."""
    return {plain(m.group()).lower() for m in WORD.finditer(text[:LIMIT])}


def _looks_english(words: list[str], reference: str) -> bool:
    if len(set(words)) < FEW_WORDS:
        words = words + [w.text for w in read(reference[:LIMIT]) if w.lower]
        return dictionary.is_english(words) or 2 * sum(map(dictionary.is_known, words)) >= len(words)
    return dictionary.is_english(words)


def _other_language(words: list[Word], text: str, reference: str) -> str:
    """Of a text that is not English, the language that is read, and of which most words are; empty where none is."""
    found = languages.language_of(text) or languages.language_of(f"{text}\n{reference}")
    return (
        found if found in dictionary.LANGUAGES[1:] and _share([w.text for w in words], found) >= SENTENCE_SHARE else ""
    )


def _share(words: list[str], language: str) -> float:
    some = words[:MOST_OF_LANGUAGE]
    return sum(dictionary.is_known(w, language) for w in some) / max(1, len(some))


def _misspelt(
    words: list[Word], taught: Collection[str], right: set[str], usual: str, mentioned: set[int]
) -> Iterator[tuple[Word, str, float]]:
    """Unknown words with what was probably meant and a score; not those in sentences of a language that is not read."""
    spoken = _languages(words, usual)
    names = {w.text for w in words if not w.lower and not w.starts_sentence}
    unknown: dict[tuple[str, str], tuple[str, float]] = {}
    for word in words:
        language = spoken.get(word.part, usual)
        if not language or word.part in mentioned or word.text in taught or word.text in right:
            continue
        if language == "en" and not word.text.isascii():
            continue
        noun = language == "de" and not word.lower
        if not word.lower and not noun and (not word.starts_sentence or word.text in names):
            continue
        if (key := (word.text, language)) not in unknown:
            if len(unknown) == MAX_UNKNOWN:
                return
            if _is_known(word.text, language):
                continue
            unknown[key] = dictionary.suggestion(word.text.replace("-", ""), language)
        near, score = unknown[key]
        # A capitalised unknown word is more often a name than an error, a quoted one more often foreign.
        doubts = (not word.lower) + word.quoted
        yield word, near, round(max(0.1, score - 0.2 * doubts), 3)


def _mentioned(words: list[Word], text: str, prompt: str) -> set[int]:
    """Quotations of a few words in a text about spelling: whose error it is nobody can tell."""
    if not (ABOUT_SPELLING.search(text[:LIMIT]) or ABOUT_SPELLING.search(prompt[:LIMIT])):
        return set()
    return {part for part, n in Counter(w.part for w in words if w.quoted).items() if n <= MENTIONED}


def _is_known(word: str, language: str) -> bool:
    """Of a word that a line's end parts, either the whole or both parts are."""
    if "-" not in word:
        return dictionary.is_known(word, language)
    joined = dictionary.is_known(word.replace("-", ""), language)
    return joined or all(dictionary.is_known(part, language) for part in word.split("-"))


def _languages(words: list[Word], usual: str) -> dict[int, str]:
    """Part → its language where it is not the text's: empty where it is none that is read."""
    parts: dict[int, list[str]] = {}
    for word in words:
        if word.lower:
            parts.setdefault(word.part, []).append(word.text)
    found = {}
    for n, part in parts.items():
        if len(part) <= 2:
            continue
        if usual == "en" and not dictionary.is_english(part, SENTENCE_SHARE):
            found[n] = _of_sentence(part)
        elif usual != "en" and _share(part, usual) < SENTENCE_SHARE:
            found[n] = "en" if dictionary.is_english(part) else _of_sentence(part)
    return found


def _of_sentence(words: list[str]) -> str:
    code = languages.language_of(" ".join(words[:MOST_OF_LANGUAGE])) if len(words) >= LEAST_OF_SENTENCE else ""
    return code if code in dictionary.LANGUAGES[1:] and _share(words, code) >= SENTENCE_SHARE else ""


def _reason(shown: list[tuple[Word, str]], unknown: int) -> str:
    if not shown:
        return f"No likely misspelling; unknown words: {unknown}." if unknown else "Every word checked is known."
    word, near = shown[0]
    which = f"“{word.text}” looks like a misspelling of “{near}”"
    return f"{which}." if len(shown) == 1 else f"{len(shown)} words look misspelt: {which}."
