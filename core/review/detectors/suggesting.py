"""What the detectors suggest of an answer: one suggestion for each of SUGGESTED_LABELS, flagged or not.

Thresholds are constants, chosen on clean and on faulty texts that are not a person's own (`python -m
tests.performance.detectors` prints what they do). Training answers teach vocabulary, length, form and topics, and no
threshold: were what is flagged there taken for false alarms, rows full of errors would blind the detectors. Flagged
training answers are a finding about the rows, which the checks show (`core/checking/`). Where people have labelled
answers, `fitting.py` fits a threshold to what they said.

Deterministic. The work is bounded, whatever the text: of one text at most 200,000 characters and 200 unknown words are
looked at, of a data set at most `LEARNT_ROWS` rows, taken at equal distances. A text of 1 MB takes about a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from core.reasoning import answer_of
from core.review.detectors import cut, dictionary, form, length, repetition, spelling, topic
from core.review.detectors.text import Finding
from core.types import SUGGESTED_LABELS, Example, Generation, Suggestion

T = TypeVar("T")
LEARNT_ROWS = 20_000
TOPIC_ROWS = 2_000
TAUGHT_IN = 3
"""Rows that have a word before it is taken as right: an error is rarely made three times alike."""
DOUBTED = 0.8
"""Score from which on a frequent word is no term but an error: a longer word, very near to a common one."""
MAX_DOUBTED = 2_000
DEFAULTS = {
    "misspelling": spelling.THRESHOLD,
    "repetition": repetition.THRESHOLD,
    "too_long": length.THRESHOLD,
    "off_topic": topic.THRESHOLD,
    "wrong_format": form.THRESHOLD,
    "cut_off": cut.THRESHOLD,
}
NAMES = {
    "misspelling": spelling.DETECTOR,
    "repetition": repetition.DETECTOR,
    "too_long": length.DETECTOR,
    "off_topic": topic.LETTERS,
    "wrong_format": form.DETECTOR,
    "cut_off": cut.DETECTOR,
}


class Doubt(NamedTuple):
    """A word of the training rows that is probably misspelt."""

    word: str
    meant: str
    rows: int


@dataclass(frozen=True)
class Detectors:
    """What was learnt from the training rows."""

    taught: frozenset[str]
    """Words that are not in the dictionary and stand in several rows."""
    doubted: tuple[Doubt, ...]
    """Words that are not taken as right although they stand in several rows: more rows have the likely correction."""
    expected: length.Expected
    form: form.Form
    letters: topic.Letters | None
    """None where there are too few different prompts."""


def prepare(train_examples: Sequence[Example]) -> Detectors:
    """Learn vocabulary, lengths, form and topics. Without examples, what needs none of them is still found."""
    rows = spread(train_examples)
    taught, doubted = _learn(Counter(word for e in rows for word in _words(e)))
    pairs = [(e.prompt, answer_of(e.target)) for e in rows if e.target]
    return Detectors(taught, doubted, length.fit(pairs), form.learn(answer for _, answer in pairs), topics(rows))


def topics(train_examples: Sequence[Example]) -> topic.Letters | None:
    """What of the training rows tells topics apart; None where there are too few, or all answers are labels."""
    pairs = [(shown(e), answer_of(e.target)) for e in spread(train_examples, TOPIC_ROWS) if e.messages and e.target]
    return None if form.learn(answer for _, answer in pairs).labels else topic.learn(pairs)


def suggest(
    detectors: Detectors,
    example: Example,
    generation: Generation,
    thresholds: Mapping[str, float] = DEFAULTS,
    relevance: float | None = None,
) -> list[Suggestion]:
    """One suggestion for each of SUGGESTED_LABELS. Of an answer with reasoning: on what follows it.

    `thresholds`: label → threshold, of all labels; `relevance`: what the base model says of the answer's topic, where
    it was asked: a score as `topic.of_likelihoods` gives it.
    """
    text, reference = answer_of(generation.text), answer_of(example.target)
    start = len(generation.text) - len(text)
    cut_at = generation.tokens if generation.finish == "length" else None
    limit = {**DEFAULTS, **thresholds}
    prompt = shown(example)
    findings = {
        "misspelling": spelling.check(text, detectors.taught, prompt, reference, limit["misspelling"]),
        "repetition": repetition.check(text, reference, limit["repetition"]),
        "too_long": length.check(text, example.prompt, reference, detectors.expected, limit["too_long"]),
        "off_topic": topic.check(text, prompt, reference, detectors.letters, limit["off_topic"], relevance),
        "wrong_format": form.check(text, prompt, reference, detectors.form, cut_at is not None, limit["wrong_format"]),
        "cut_off": cut.check(text, cut_at, reference, limit["cut_off"]),
    }
    names = NAMES | ({"off_topic": topic.LIKELIHOOD} if relevance is not None else {})
    return [
        _suggestion(generation.id, name, findings[name], limit[name], start, names[name]) for name in SUGGESTED_LABELS
    ]


def shown(example: Example) -> str:
    """All that the model is shown: a word may come from any message."""
    return "\n".join(m["content"] for m in example.messages)


def _suggestion(
    generation_id: str, label: str, finding: Finding, threshold: float, start: int, name: str
) -> Suggestion:
    """`start`: where the text that was checked begins in the generation's."""
    flagged = finding.score >= threshold
    spans = tuple((start + a, start + b) for a, b in finding.spans)
    return Suggestion(generation_id, label, finding.score, flagged, spans, finding.reason, name, threshold)


def _words(example: Example) -> set[str]:
    return spelling.vocabulary(shown(example)) | spelling.vocabulary(example.target)


def _learn(counts: Counter[str]) -> tuple[frozenset[str], tuple[Doubt, ...]]:
    """Unknown words in enough rows, and those among the most frequent of them that look misspelt themselves."""
    unknown = [word for word, n in counts.most_common() if n >= TAUGHT_IN and not dictionary.is_known(word)]
    likely = ((word, *dictionary.suggestion(word)) for word in unknown[:MAX_DOUBTED])
    doubted = [
        Doubt(word, near, counts[word])
        for word, near, score in likely
        if score >= DOUBTED and counts[near] > counts[word]
    ]
    return frozenset(unknown) - {d.word for d in doubted}, tuple(doubted)


def spread(rows: Sequence[T], most: int = LEARNT_ROWS) -> list[T]:
    """At most `most` rows at equal distances: the same ones every time, and not only the beginning of a sorted file."""
    n = min(len(rows), most)
    return [rows[i * len(rows) // n] for i in range(n)]
