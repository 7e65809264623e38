"""What the detectors suggest of an answer, with thresholds learnt from the training answers. Labels: misspelling,
repetition, too_long.

A threshold is raised until at most 2 % of the training answers would be flagged, which are taken to be right. The rate
that remains is kept, to be shown beside every suggestion. It is measured on the rows the threshold was chosen on.

Deterministic. The work is bounded, whatever the text: of one text at most 200,000 characters and 200 unknown words are
looked at, of a data set at most `VOCABULARY_ROWS` rows for words and `CALIBRATION_ROWS` for thresholds, taken at equal
distances. A text of 1 MB takes about a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from core.reasoning import answer_of
from core.review.detectors import dictionary, length, repetition, spelling
from core.review.detectors.text import Finding
from core.types import Example, Generation, Suggestion

T = TypeVar("T")
FALSE_ALARMS = 0.02
VOCABULARY_ROWS = 20_000
CALIBRATION_ROWS = 1_000
TAUGHT_IN = 3
"""Rows that have a word before it is taken as right: an error is rarely made three times alike."""
DOUBTED = 0.8
"""Score from which on a frequent word is no term but an error: a longer word, very near to a common one."""
MAX_DOUBTED = 2_000
DEFAULTS = {"misspelling": spelling.THRESHOLD, "repetition": repetition.THRESHOLD, "too_long": length.THRESHOLD}
NAMES = {"misspelling": spelling.DETECTOR, "repetition": repetition.DETECTOR, "too_long": length.DETECTOR}


@dataclass(frozen=True)
class Calibration:
    """The threshold of one detector, and what it does to the training answers."""

    threshold: float
    flagged: int
    """Training answers that the threshold flags: false alarms, as far as these answers are right."""
    answers: int
    """Training answers looked at."""

    @property
    def rate(self) -> float | None:
        """Share of false alarms; None when there were no answers to measure it on."""
        return self.flagged / self.answers if self.answers else None


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
    calibrations: dict[str, Calibration]
    """By label."""


def prepare(train_examples: Sequence[Example]) -> Detectors:
    """Learn vocabulary, answer lengths and thresholds. Without examples, the defaults."""
    rows = spread(train_examples)
    sample = spread(rows, CALIBRATION_ROWS)
    counts = Counter(word for e in rows for word in _words(e))
    expected = length.fit([(e.prompt, answer_of(e.target)) for e in rows if e.target])
    taught, doubted = _learn(counts)
    # A row must not vouch for its own words: in calibration a word has to stand in as many other rows. What is doubted
    # is an error of the rows and no false alarm.
    right = {word for word in taught if counts[word] > TAUGHT_IN} | {d.word for d in doubted}
    scores: dict[str, list[float]] = {label: [] for label in DEFAULTS}
    for example in sample:
        for label, finding in _as_if_generated(example, right, expected).items():
            scores[label].append(finding.score)
    calibrations = {label: calibrate(values, DEFAULTS[label]) for label, values in scores.items()}
    return Detectors(taught, doubted, expected, calibrations)


def suggest(detectors: Detectors, example: Example, generation: Generation) -> list[Suggestion]:
    """One suggestion for each of the three labels, flagged or not. Of an answer with reasoning: on what follows it."""
    thresholds = {label: c.threshold for label, c in detectors.calibrations.items()}
    text, reference = answer_of(generation.text), answer_of(example.target)
    start = len(generation.text) - len(text)
    cut_at = generation.tokens if generation.finish == "length" else None
    findings = {
        "misspelling": spelling.check(text, detectors.taught, shown(example), reference, thresholds["misspelling"]),
        "repetition": repetition.check(text, reference, thresholds["repetition"]),
        "too_long": length.check(text, cut_at, example.prompt, reference, detectors.expected, thresholds["too_long"]),
    }
    return [_suggestion(generation.id, label, f, thresholds[label], start) for label, f in findings.items()]


def shown(example: Example) -> str:
    """All that the model is shown: a word may come from any message."""
    return "\n".join(m["content"] for m in example.messages)


def calibrate(scores: list[float], default: float) -> Calibration:
    """The default threshold, raised until 2 % of the scores reach it (or one score, where 2 % are less than one)."""
    allowed = max(1, int(FALSE_ALARMS * len(scores)))
    worst = sorted(scores, reverse=True)[allowed : allowed + 1]
    # Scores have three decimals, so that the next number with three decimals is the lowest that excludes `worst`.
    threshold = max([default, *(round(score + 0.001, 3) for score in worst)])
    return Calibration(threshold, sum(score >= threshold for score in scores), len(scores))


def _as_if_generated(example: Example, taught: Collection[str], expected: length.Expected) -> dict[str, Finding]:
    """What is found in a training answer when it is taken for an output that has no reference."""
    answer = answer_of(example.target)
    return {
        "misspelling": spelling.check(answer, taught, shown(example), ""),
        "repetition": repetition.check(answer, ""),
        "too_long": length.check(answer, None, example.prompt, "", expected),
    }


def _suggestion(generation_id: str, label: str, finding: Finding, threshold: float, start: int) -> Suggestion:
    """`start`: where the text that was checked begins in the generation's."""
    flagged = finding.score >= threshold
    spans = tuple((start + a, start + b) for a, b in finding.spans)
    return Suggestion(generation_id, label, finding.score, flagged, spans, finding.reason, NAMES[label], threshold)


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


def spread(rows: Sequence[T], most: int = VOCABULARY_ROWS) -> list[T]:
    """At most `most` rows at equal distances: the same ones every time, and not only the beginning of a sorted file."""
    n = min(len(rows), most)
    return [rows[i * len(rows) // n] for i in range(n)]
