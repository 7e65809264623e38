"""What a benchmark found: an entry of `benchmarks` of a report, as dataclasses, and its older shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.records import absent
from core.statistics.intervals import Compared, Interval
from core.types import SIDES, Side


@dataclass(frozen=True)
class Metric(Compared):
    """One of lm-eval's metrics, item by item."""

    aggregation: str = "mean"
    """How one number is made of the items: mean, perplexity or bits_per_byte."""
    higher_is_better: bool = True


@dataclass(frozen=True)
class DiscordantPairs:
    """Items that changed between right and wrong."""

    lost: int
    """Right by base, wrong by tuned."""
    gained: int
    unchanged: int
    p: float | None = absent()
    """McNemar's exact test; none where the items are by subject: it takes no two as alike."""


@dataclass(frozen=True)
class Subject:
    """One subject of a benchmark by subjects."""

    name: str
    n: int
    base: float
    tuned: float
    difference: Interval


@dataclass(frozen=True)
class Question:
    """An item that changed, for a person: `gold`, `base` and `tuned` are indices into `choices`."""

    item: int
    question: str
    choices: tuple[str, ...]
    gold: int
    base: int
    tuned: int
    task: str = ""
    """lm-eval's name of the task: of a benchmark by subjects, the subject's."""


@dataclass(frozen=True)
class Source:
    """Where the questions came from: a folder of files, by its name, or a data set on the Hub."""

    folder: str | None = absent()
    hub: str | None = absent()
    revision: str | None = absent()
    """The data set's commit; None where the Hub did not say it."""


@dataclass(frozen=True)
class OverlapExample:
    """A question that stands in a training row."""

    item: int
    question: str
    row: int
    """Of the file that the row came from."""
    text: str
    """The message of the row that holds it."""


@dataclass(frozen=True)
class Overlap:
    """Questions that were asked and stand in the training rows: see core/evaluation/benchmarks/overlap.py."""

    rows: int
    """Training rows that were looked at."""
    n: int
    """Questions that stand in one of them."""
    without: Interval | None = None
    """Of the reported metric, on the other questions; None where there are none to leave out, or too few others."""
    examples: tuple[OverlapExample, ...] = ()
    """The first of them."""


@dataclass(frozen=True, kw_only=True)
class BenchmarkResult:
    title: str
    lm_eval: str | None = None
    """lm-eval's version."""
    version: int | float | str | None = None
    """The task's."""
    shots: int | None = None
    """Examples before each question."""
    n: int
    """Questions asked of each side."""
    available: int | None = None
    """Questions that there are."""
    metric: str
    """The metric to report, one of `metrics`."""
    metrics: dict[str, Metric]
    filter: str | None = absent()
    """By which the answer was read from a text; none where there is but one."""
    p: float | None = None
    """Two-sided, of no difference in `metric`, by `test`."""
    p_holm: float | None = None
    """p corrected for the number of benchmarks."""
    test: str | None = None
    """mcnemar | t | clustered | ratio; None in reports that did not say: it was McNemar's."""
    mcnemar: DiscordantPairs | None = absent()
    """None where no item is simply right or wrong."""
    minimum_detectable_difference: float | None = absent()
    """What so many questions usually show, as a share."""
    lost: tuple[Question, ...] = ()
    gained: tuple[Question, ...] = ()
    subjects: tuple[Subject, ...] = ()
    subjects_available: int | None = absent()
    """Of the 57 of MMLU; None of other benchmarks."""
    clustered_by: str | None = absent()
    """What is random for interval and test in the place of questions: subject."""
    truncated: int = 0
    """Choices that were cut at the beginning to fit the model."""
    too_long: int | None = absent()
    """Questions that could not be asked: in reports of the first releases."""
    seconds: dict[Side, float] = field(default_factory=dict)
    seed: int | None = None
    source: Source | None = None
    chat_template: bool = False
    """Were the questions put into the model's chat template?"""
    stopped_early: bool | None = absent()
    """None where it was to be asked to its end."""
    looks: int | None = absent()
    """How often the interval was looked at; None where it was only at the end."""
    looks_by: str | None = absent()
    """What is random in the interval that may stop early; None: single questions."""
    overlap: Overlap | None = absent()
    """None in reports of before schema 3, which did not look."""

    @property
    def reported(self) -> Metric:
        return self.metrics[self.metric]


def upgraded(raw: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 as this module has it: its p stood in `mcnemar` alone, subjects were one number or another, and a source
    was the one word hub or folder."""
    result = dict(raw)
    if result.get("p") is None:
        result["p"] = (result.get("mcnemar") or {}).get("p")
    if not isinstance(result.get("source"), dict):
        result["source"] = None
    result["subjects"] = [_upgraded_subject(subject) for subject in result.get("subjects") or ()]
    return result


def _upgraded_subject(raw: dict[str, Any]) -> dict[str, Any]:
    base, tuned = (raw[side]["mean"] if isinstance(raw[side], dict) else raw[side] for side in SIDES)
    difference = raw["difference"]
    if not isinstance(difference, dict):
        bounds = {"low": None, "high": None, "n": raw["n"]}
        difference = {"base": base, "tuned": tuned, "difference": difference, **bounds}
    return {**raw, "base": base, "tuned": tuned, "difference": difference}
