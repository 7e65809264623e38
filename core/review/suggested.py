"""What detectors said against what people say: pairs by which thresholds are fitted anew, and how far people follow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from core.jobs.answers import Answers
from core.review import blind
from core.review.settled import Voices, voices
from core.statistics.intervals import Estimate, rate
from core.store.workspace import Job, Workspace
from core.types import SIDES, SUGGESTED_LABELS

Pair = tuple[float, bool]
"""(a detector's score of an answer, whether people say that the error is there)"""


def score_pairs(workspace: Workspace, evaluation: Job) -> dict[str, list[Pair]]:
    """Label → its pairs, of all labelled answers; where people are unsure, or as many say otherwise, there is none.

    People who saw a suggestion may have followed it: `anchoring` says how far.
    """
    answers = Answers(workspace, evaluation)
    found: dict[str, list[Pair]] = {label: [] for label in SUGGESTED_LABELS}
    for id_, item in voices(workspace, evaluation).items():
        marks = item.marks
        for side, generation in answers.of(id_).items():
            for suggestion in answers.suggestions(generation):
                mark = marks.get((side, suggestion.label))
                if mark in ("present", "absent") and suggestion.label in found:
                    found[suggestion.label].append((suggestion.score, mark == "present"))
    return found


@dataclass(frozen=True)
class Anchoring:
    """How often people mark an error where the detector flagged it, and where it did not, seeing that or not."""

    flagged_seen: Estimate | None
    """Share of `present` among the flagged of which the annotator saw it; None: no such label."""
    flagged_hidden: Estimate | None
    """… of which it was hidden, by the draw of core/review/blind.py. Where it is lower, people follow the detector."""
    quiet_seen: Estimate | None
    quiet_hidden: Estimate | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def anchoring(workspace: Workspace, evaluation: Job) -> dict[str, Anchoring]:
    """Label → how far people followed its detector. Only labels that somebody judged where it was hidden by the draw.

    Who hid suggestions by themselves is left out: what people choose to hide is no random sample.
    """
    answers = Answers(workspace, evaluation)
    counts: dict[tuple[str, bool, bool], list[int]] = {}
    for id_, item in voices(workspace, evaluation).items():
        if not item.each:
            continue
        generations = answers.of(id_)
        for side in SIDES:
            for suggestion in answers.suggestions(generations[side]) if side in generations else []:
                _count(counts, id_, item, side, suggestion.label, suggestion.flagged)
    labels = {label for label, _, hidden in counts if hidden}

    def share(label: str, flagged: bool, hidden: bool) -> Estimate | None:
        present, n = counts.get((label, flagged, hidden), (0, 0))
        return rate(present, n) if n else None

    cells = [(True, False), (True, True), (False, False), (False, True)]
    return {label: Anchoring(*(share(label, *cell) for cell in cells)) for label in SUGGESTED_LABELS if label in labels}


def _count(
    counts: dict[tuple[str, bool, bool], list[int]], id_: str, item: Voices, side: str, label: str, flagged: bool
) -> None:
    for event in item.each:
        mark = event.labels.get(side, {}).get(label)
        hidden = blind.hints_hidden(event.evaluation_id, id_, event.annotator)
        if mark in ("present", "absent") and event.suggestions_visible != hidden:
            cell = counts.setdefault((label, flagged, hidden), [0, 0])
            cell[0] += mark == "present"
            cell[1] += 1
