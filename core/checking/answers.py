"""What is wrong with an answer as such: empty, cut off, a refusal, a loop, a misspelling."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.checking.finding import Check, Finding, around
from core.reasoning import answer_of
from core.review.detectors import cut, dictionary, languages, refusal, repetition, spelling
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
    if example.messages and (found := cut.stops(answer)):
        end, code = len(answer.rstrip()), answer.rstrip().count("```") % 2
        said = "a block of code is not closed" if code else f"… {around(answer, found[0], end)}"
        yield Finding("answer", start + found[0], start + end, said)


def refused(example: Example) -> Iterator[Finding]:
    start, answer = _answer(example)
    if found := refusal.place(answer, " ".join(m["content"] for m in example.messages[-1:])):
        yield Finding("answer", start + found[0], start + found[1], around(answer, *found))


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
        code = languages.language_of(answer)  # English of which the dictionary knows too little is in doubt, too
        yield Finding("", 0, 0, "" if code == "en" else languages.name(code))
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
