"""What is wrong with an answer as such: empty, cut off, a refusal, a loop, a misspelling."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.checking import language
from core.checking.finding import Check, Finding, around
from core.reasoning import answer_of
from core.review.detectors import dictionary, repetition, spelling
from core.review.detectors.text import without_code
from core.types import Example
from core.wording import count

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

# What programs write where there was nothing.
NOTHING = re.compile(r"\W*(?:nan|none|null|n/?a|nil|undefined|todo|tbd|#n/a|#ref!|<na>|lorem ipsum.*)?\W*", re.I | re.S)
LABEL = re.compile(r"\W*(?:none|n/?a|nil)\W*", re.I)
FEW_ROWS = 3
LABEL_SHARE = 0.02
"""Rows with the same odd answer: so many of them, and such a share, and it is a label."""
# Words that no sentence ends with.
_OPEN = """the a an of and to in for with that is are was were by or from as at on but because which who whose if than
    into its their your my our his her while when where between through about such also both der die das ein eine
    einen und oder mit für von zu im auf dass weil le la les un une des du et ou avec pour dans que qui el los las
    del y o con para por en"""
OPEN_WORDS = frozenset(_OPEN.split())
ENDED = re.compile(r"[.!?…。！？।\"'”’»)\]}>*_`:]\s*$")
SENTENCE = re.compile(r"[.!?]\s+(?=[^\W\d_])")
NO_PROSE = re.compile(r"^\s*(?:[-*•#|>]|\d+[.)]|\w+:)|[{}=<>|]|https?://")
REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|large language model|language model)\b"
    r"|\bI(?:'m| am) (?:just |only )?an? (?:AI|artificial intelligence|(?:large )?language model)\b"
    r"|\bmy (?:training data|knowledge cut-?off)\b|\b(?:trained|developed|created) by (?:OpenAI|Anthropic|Google)\b"
    r"|^\W*(?:I(?:'m| am) (?:so |very |really )?sorry|sorry|I apologi[sz]e|unfortunately)[,;.]? "
    r"(?:but )?I (?:can(?:no|')t|can not|am (?:not able|unable)"
    r"|(?:wo|do)n't|am not)\b"
    r"|^\W*I(?:'m| am)? (?:can(?:no|')t|unable to|not able to) "
    r"(?:assist|help|fulfil+|comply|provide|answer|create|generate|engage|discuss)\b"
    r"|\b(?:als (?:ein )?KI(?:-| )?(?:Sprach)?modell|als künstliche intelligenz|"
    r"en tant qu['e ]{1,2}(?:IA|intelligence artificielle|modèle)"
    r"|como (?:una? )?(?:IA|inteligencia artificial|modelo de lenguaje))\b",
    re.I,
)


# One of these stands, in small letters, in whatever REFUSAL finds; but for what begins with “I”.
REFUSAL_SIGNS = ("a ai", "an ai", "artificial intelligence", "language model", "my training data", "my knowledge cut",
                 "by openai", "by anthropic", "by google", "sorry", "apologi", "unfortunately", "modell",
                 "künstliche intelligenz", "en tant qu", "como ")  # fmt: skip
I_FIRST = re.compile(r"\W*I\b", re.I)


def _answer(example: Example) -> tuple[int, str]:
    """(where it begins in the target, the answer behind what was thought)."""
    text = answer_of(example.target)
    return len(example.target) - len(text), text


def empty(example: Example) -> Iterator[Finding]:
    """An answer that says nothing, or what a program writes where there was none."""
    if example.messages and not example.answer.get("tool_calls") and NOTHING.fullmatch(example.target):
        # A smiley or a plus is an answer; dots and dashes are none.
        if not re.fullmatch(r"[\s.…\-–—_?]*|.*\w.*", example.target, re.S):
            return
        yield Finding("answer", 0, len(example.target), around(example.target, 0, 80) or "(empty)")


def rare_only(candidates: pa.Table, rows: int) -> np.ndarray:
    """“None” or “N/A” in a share of the rows is a label; nothing else of these is ever one."""
    import numpy as np

    evidence = candidates["evidence"].to_pylist()
    counts: dict[str, int] = defaultdict(int)
    for text in evidence:
        counts[text] += 1
    return np.array([counts[t] < max(FEW_ROWS, LABEL_SHARE * rows) or not LABEL.fullmatch(t) for t in evidence], bool)


def unfinished(example: Example) -> Iterator[Finding]:
    """An answer that stops in the middle: in a sentence, or in a block of code."""
    start, answer = _answer(example)
    text = answer.rstrip()
    if not example.messages or len(text) < 40:
        return
    if text.count("```") % 2:
        at = start + text.rindex("```")
        yield Finding("answer", at, start + len(text), "a block of code is not closed")
        return
    if ENDED.search(text[-1]):
        return
    last_line = without_code(text).rsplit("\n", 1)[-1]
    words = last_line.split()
    if not words or NO_PROSE.search(last_line) or not text[-1].isascii():
        return
    open_end = text[-1] in ",;(-–—" or (len(words) >= 4 and words[-1].lower() in OPEN_WORDS)
    # A whole sentence, and one that begins and does not end: titles and single phrases need no full stop.
    begun = SENTENCE.search(last_line) and len(text) >= 70 and SENTENCE.split(last_line)[-1].count(" ") >= 2
    if open_end or begun:
        tail = max(0, len(text) - 40)
        yield Finding("answer", start + tail, start + len(text), f"… {around(text, tail, len(text))}")


def refused(example: Example) -> Iterator[Finding]:
    start, answer = _answer(example)
    head = answer[:600].lower()
    if not I_FIRST.match(head) and not any(sign in head for sign in REFUSAL_SIGNS):
        return
    asked = " ".join(m["content"] for m in example.messages[-1:])
    # “Complete: As an AI …”: what was asked for is no refusal.
    if (found := REFUSAL.search(answer[:600])) and found.group().strip(" ,.").lower() not in asked.lower():
        yield Finding("answer", start + found.start(), start + found.end(), around(answer, *found.span()))


def repeating(example: Example) -> Iterator[Finding]:
    start, answer = _answer(example)
    if example.messages and len(answer) >= 60 and repetition.may_repeat(answer):
        found = repetition.check(answer, "\n".join(m["content"] for m in example.messages))
        if found.score >= repetition.THRESHOLD:
            a, b = found.spans[0] if found.spans else (0, len(answer))
            yield Finding("answer", start + a, start + b, found.reason)


SURE = 0.62
"""Score of a misspelling from which on it is told: the training rows are right more often than what a model says."""


def misspelt(example: Example) -> Iterator[Finding]:
    """Words of the answer that are nearly English and stand nowhere in what was asked.

    Not where the row is about spelling, or the word is quoted: that is an error on purpose. Which of them are words of
    the person's field, all rows together show: see `few_rows`. An answer in another language is a candidate without a
    place, and its language the evidence: see `not_read`.
    """
    start, answer = _answer(example)
    suspicious, foreign = spelling.glance(answer, SURE) if example.messages else (False, False)
    if foreign and spelling.is_foreign(answer):
        code = language.language_of(answer)  # English of which the dictionary knows too little is in doubt, too
        yield Finding("", 0, 0, "" if code == "en" else language.name(code))
        return
    asked = "\n".join(m["content"] for m in example.messages)
    if not suspicious or ABOUT_SPELLING.search(asked):
        return
    found = spelling.check(answer, (), asked, "", SURE)
    for a, b in found.spans:
        if not {answer[a - 1 : a], answer[b : b + 1]} & set(spelling.QUOTES):  # quoted: that is what is spoken of
            yield Finding("answer", start + a, start + b, answer[a:b])


ABOUT_SPELLING = re.compile(
    r"\b(?:(?:mis)?spell(?:ing|ed|t)?s?|mispell\w*|typos?|typographical|proof-?read\w*|grammar|grammatical\w*|"
    r"errors?|mistakes?|correct(?:ly|ion|ed)?|fix|rhym\w*|anagrams?|scrambled?|dialect|phonetic\w*|pronounc\w*|"
    r"palindrome|made-up|invent(?:ed)?|nonsense|etymolog\w*|latin|translat\w*|slang|pirate|accent)\b",
    re.I,
)


def corrected(word: str) -> str:
    """A misspelt word as it was surely meant, capitals kept; empty where that is not sure."""
    near = dictionary.correction(word.replace("’", "'").lower())
    if "’" in word:
        near = near.replace("'", "’")
    return near[:1].upper() + near[1:] if word[:1].isupper() else near


def few_rows(candidates: pa.Table, rows: int) -> np.ndarray:
    """A word in several rows is one of the field, unless it is very near to a common one."""
    import numpy as np

    words = [w.lower() if where else "" for w, where in _pairs(candidates, "evidence", "where")]
    stands: dict[str, set[int]] = defaultdict(set)
    for word, place in zip(words, candidates["place"].to_pylist(), strict=True):
        if len(stands[word]) < 50:
            stands[word].add(place)
    term = {w for w, places in stands.items() if len(places) >= 3 and dictionary.suggestion(w)[1] < 0.8}
    term |= {w for w, places in stands.items() if len(places) >= 50}
    return np.array([bool(w) and w not in term for w in words], bool)


def not_read(candidates: pa.Table, rows: int) -> str:
    """Answers in other languages, whose spelling nobody looked at."""
    foreign = Counter(code for code, where in _pairs(candidates, "evidence", "where") if not where)
    if not foreign:
        return ""
    named = [f"{count(n, 'answer')} in {code or 'a language that is in doubt'}" for code, n in foreign.most_common(5)]
    more = f" and {foreign.total() - sum(n for _, n in foreign.most_common(5)):,} in others" if len(foreign) > 5 else ""
    return f"Only English is read for misspellings. Not looked at: {', '.join(named)}{more}."


def _pairs(table: pa.Table, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(table[name].to_pylist() for name in names), strict=True)


CHECKS = (
    Check(
        *("empty", 2, "Answers that say nothing"),
        "The model learns that nothing is an answer.",
        look=empty,
        settle=rare_only,
        level="error",
    ),
    Check(
        *("unfinished", 1, "Answers that stop in the middle"),
        "The model learns to stop in the middle, too: where an answer ends is what it learns best.",
        look=unfinished,
    ),
    Check(
        *("refusals", 1, "Refusals, and “as an AI …”"),
        "A few of them teach a model to refuse, and to speak of itself as another maker's product.",
        look=refused,
    ),
    Check(
        *("repetition", 1, "Answers that repeat"),
        "A model that learns to say things twice ends in loops.",
        look=repeating,
    ),
    Check(
        *("misspelling", 3, "Misspelt words in answers"),
        "The model writes as it is taught, errors included.",
        look=misspelt,
        correct=corrected,
        fix="Correct the words that are sure",
        settle=few_rows,
        note=not_read,
    ),
)
