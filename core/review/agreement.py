"""How far annotators agree, label by label: see core/statistics/agreement.py."""

from __future__ import annotations

import numpy as np

from core.review import own
from core.review.settled import Voices, voices
from core.statistics.agreement import MISSING, Agreement
from core.statistics.agreement import agreement as of_ratings
from core.store.workspace import Job, Workspace
from core.types import ERROR_LABELS, SIDES

VERDICT = "verdict"
_VERDICTS = ("base", "tuned", "tie", "both_bad")
_MARKS = ("absent", "present")


def agreement(workspace: Workspace, evaluation: Job) -> dict[str, Agreement]:
    """VERDICT or a label → how far those agree who labelled the same; what no two did is left out.

    A label is judged twice in an item, once a side. `unsure` is no judgement. What was settled later changes nothing:
    it is what people said by themselves that is compared.
    """
    items = [item for item in voices(workspace, evaluation).values() if len(item.each) > 1]
    names = sorted({event.annotator for item in items for event in item.each})
    found = {VERDICT: _verdicts(items, names)}
    ids = [label.id for label in own.every(workspace.engine, evaluation.project_id)]
    for label in (*ERROR_LABELS, *ids):
        found[label] = _marks(items, names, label)
    return {name: measured for name, measured in found.items() if measured}


def _verdicts(items: list[Voices], names: list[str]) -> Agreement | None:
    ratings = np.full((len(names), len(items)), MISSING)
    for at, item in enumerate(items):
        for event in item.each:
            if event.verdict in _VERDICTS:
                ratings[names.index(event.annotator), at] = _VERDICTS.index(event.verdict)
    return of_ratings(ratings, np.arange(len(items)), len(_VERDICTS))


def _marks(items: list[Voices], names: list[str], label: str) -> Agreement | None:
    ratings = np.full((len(names), len(items) * len(SIDES)), MISSING)
    for at, item in enumerate(items):
        for event in item.each:
            for number, side in enumerate(SIDES):
                mark = event.labels.get(side, {}).get(label)
                if mark in _MARKS:
                    ratings[names.index(event.annotator), at * len(SIDES) + number] = _MARKS.index(mark)
    return of_ratings(ratings, np.repeat(np.arange(len(items)), len(SIDES)), len(_MARKS))
