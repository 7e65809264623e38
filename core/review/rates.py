"""How often each error happens, on both sides or in two runs, and which rows were fixed and which broke.

Rates are of the random stratum alone (core/review/queue.py): what detectors point at is a choice of bad cases. Both
sides answer the same rows, so differences are paired, with McNemar's exact test. Everything labelled counts among the
rows that were fixed or broke: they are examples, not rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.review import own
from core.review.looks import looks
from core.review.settled import Key, voices
from core.statistics.intervals import Estimate, Interval, paired_difference, rate
from core.statistics.tests import mcnemar_exact
from core.store.workspace import Job, Workspace
from core.types import ERROR_LABELS, Mark, Side


@dataclass(frozen=True)
class ErrorRate:
    """One kind of error, on two sides that answered the same rows."""

    label: str
    n: int
    """Rows of the random stratum of which people know on both sides whether it is there."""
    first: Estimate | None
    """Share of these with the error on the first side (base, or the one run); None of no rows."""
    second: Estimate | None
    difference: Interval | None
    """Second less first: below 0 where the second makes the error less often."""
    p: float | None
    """McNemar's exact test, two-sided, of one label by itself."""
    fixed: tuple[str, ...]
    """Ids of all labelled rows with the error on the first side alone."""
    broke: tuple[str, ...]
    """… on the second side alone."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class ErrorRates:
    rates: tuple[ErrorRate, ...]
    """Of every label that anybody judged on both sides."""
    drawn: int
    """Rows of the random stratum."""
    judged: int
    """Of these, labelled."""
    skipped: int
    """Of these, left out although later ones are labelled: where there are many, the rates are of a choice again."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def error_rates(workspace: Workspace, evaluation: Job) -> ErrorRates:
    """Base against tuned, in one evaluation."""
    marks = {id_: item.marks for id_, item in voices(workspace, evaluation).items()}
    return _rates(workspace, evaluation, _of_side(marks, "base"), _of_side(marks, "tuned"))


def compare_runs(workspace: Workspace, first: Job, second: Job) -> ErrorRates:
    """The tuned sides of two evaluations, on the rows that people labelled in both. `drawn`: by the first."""
    workspace.job(second.id)
    sides = [
        _of_side({id_: item.marks for id_, item in voices(workspace, job).items()}, "tuned") for job in (first, second)
    ]
    return _rates(workspace, first, *sides)


Marked = dict[str, dict[str, Mark]]
"""example → label → mark, of one side"""


def _of_side(marks: Mapping[str, Mapping[Key, Mark]], side: Side) -> Marked:
    return {id_: {label: mark for (of, label), mark in found.items() if of == side} for id_, found in marks.items()}


def _rates(workspace: Workspace, evaluation: Job, first: Marked, second: Marked) -> ErrorRates:
    drawn = looks(workspace, evaluation).drawn
    there = [id_ for id_ in drawn if id_ in first and id_ in second]
    last = max((place for place, id_ in enumerate(drawn, start=1) if id_ in first and id_ in second), default=0)
    ids = [label.id for label in own.every(workspace.engine, evaluation.project_id)]
    rates = [_rate(label, first, second, there) for label in (*ERROR_LABELS, *ids)]
    return ErrorRates(tuple(r for r in rates if r), len(drawn), len(there), last - len(there))


def _rate(label: str, first: Marked, second: Marked, stratum: list[str]) -> ErrorRate | None:
    def known(id_: str) -> bool:
        return all(side.get(id_, {}).get(label) in ("present", "absent") for side in (first, second))

    def present(side: Marked, id_: str) -> bool:
        return side[id_][label] == "present"

    both = [id_ for id_ in first if known(id_)]
    if not both:
        return None
    fixed = tuple(id_ for id_ in both if present(first, id_) and not present(second, id_))
    broke = tuple(id_ for id_ in both if present(second, id_) and not present(first, id_))
    counted = [id_ for id_ in stratum if known(id_)]
    if not counted:
        return ErrorRate(label, 0, None, None, None, None, fixed, broke)
    before, after = ([float(present(side, id_)) for id_ in counted] for side in (first, second))
    n = len(counted)
    return ErrorRate(
        *(label, n, rate(int(sum(before)), n), rate(int(sum(after)), n), paired_difference(before, after)),
        *(mcnemar_exact(before, after).p, fixed, broke),
    )
