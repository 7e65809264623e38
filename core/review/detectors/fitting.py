"""A detector's threshold, fitted to what people said of the answers that it scored.

Pure: pairs of (score, is the error there?) in, a threshold with its precision and recall out. Which answers were
labelled matters: labels of a random sample tell of all answers, labels of flagged ones only of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.statistics.bounds import NONE, Bounds, of_rate

FEWEST = 50
"""Labels from which on a threshold is fitted."""
FEWEST_OF_EACH = 5
"""Answers with the error, and without it, among them."""
LOWEST = 0.01


@dataclass(frozen=True)
class Accuracy:
    """What a threshold does on labelled answers."""

    threshold: float
    flagged: int
    right: int
    """Flagged answers that have the error."""
    present: int
    """Answers that have the error."""
    labels: int

    @property
    def precision(self) -> float | None:
        """None where nothing is flagged."""
        return self.right / self.flagged if self.flagged else None

    @property
    def recall(self) -> float | None:
        """None where no answer has the error."""
        return self.right / self.present if self.present else None

    @property
    def precision_interval(self) -> Bounds:
        """95 %, exact (Clopper and Pearson 1934); (None, None) where nothing is flagged."""
        return of_rate(self.right, self.flagged) if self.flagged else NONE

    @property
    def recall_interval(self) -> Bounds:
        return of_rate(self.right, self.present) if self.present else NONE


@dataclass(frozen=True)
class Fit:
    """Before and after; the same where there are too few labels, and `why` says so."""

    before: Accuracy
    after: Accuracy
    why: str = ""
    """Empty where a threshold was fitted."""


def accuracy(labelled: Sequence[tuple[float, bool]], threshold: float) -> Accuracy:
    """`labelled`: (score, is the error present?) of each answer that a person judged."""
    flagged = [present for score, present in labelled if score >= threshold]
    return Accuracy(threshold, len(flagged), sum(flagged), sum(present for _, present in labelled), len(labelled))


def fit(labelled: Sequence[tuple[float, bool]], threshold: float) -> Fit:
    """The threshold with the highest F1 on the labels; of several, the one nearest to `threshold`.

    Thresholds lie midway between two neighbouring scores, so that the next answer has room on both sides. Measured on
    the labels that it was fitted to: with few of them it looks better than it is, which the intervals do not say.
    """
    before = accuracy(labelled, threshold)
    if len(labelled) < FEWEST:
        return Fit(before, before, f"{len(labelled)} of {FEWEST} labels are there.")
    if min(before.present, before.labels - before.present) < FEWEST_OF_EACH:
        return Fit(
            before, before, f"Both kinds are needed, {FEWEST_OF_EACH} answers with the error and as many without."
        )
    scores = sorted({score for score, _ in labelled})
    middles = [round((a + b) / 2, 4) for a, b in zip(scores, scores[1:], strict=False)]
    tried = {threshold, *(max(LOWEST, t) for t in [scores[0], *middles])}
    best = max((accuracy(labelled, t) for t in tried), key=lambda a: (_f1(a), -abs(a.threshold - threshold)))
    return Fit(before, best if _f1(best) > _f1(before) else before)


def _f1(found: Accuracy) -> float:
    """Harmonic mean of precision and recall (van Rijsbergen 1979)."""
    return 2 * found.right / (found.flagged + found.present) if found.flagged + found.present else 0.0
