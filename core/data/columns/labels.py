"""The labels of a label task, and those that differ only in how they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from core.data.columns.choice import Columns
from core.data.columns.survey import MOST_VALUES, Survey
from core.errors import Problem, UserError

MOST_LABELS = 50
"""More different answers than this are not taken for labels."""
_BETWEEN = re.compile(r"(?<=\w)[\s_-]+(?=\w)")


def labels_of(survey: Survey, columns: Columns) -> dict[str, str]:
    """Of a label task each label as it is written → the one that it counts as; nothing of another task."""
    if not (columns.label_task and columns.answer):
        return {}
    values = survey.values.get(columns.answer)
    if values is None:
        raise UserError(
            f"The column “{columns.answer}” holds more than {MOST_VALUES:,} different answers, or long ones: they "
            "cannot all be named in each prompt. Clear “The answer is one of a few labels”."
        )
    labels = {label: label for label in values if label}
    if columns.one_label:
        labels |= {other: label for label, others in variants(survey, columns).items() for other in others}
    return labels


def variants(survey: Survey, columns: Columns) -> dict[str, list[str]]:
    """Labels that are written in several ways: the most frequent → the others. Nothing of another task.

    The same are labels that differ in case, in white space, in how letters are encoded, or in a dash for a space.
    """
    values = survey.values.get(columns.answer or "")
    if not values or not looks_like_labels(survey, columns.answer):
        return {}
    same: dict[str, list[str]] = {}
    for label, _ in values.most_common():
        if label:
            same.setdefault(_as_one(label), []).append(label)
    return {first: others for first, *others in same.values() if others}


def _as_one(label: str) -> str:
    text = unicodedata.normalize("NFKC", label).casefold().strip()
    return _BETWEEN.sub(" ", text)


def looks_like_labels(survey: Survey, column: str | None) -> bool:
    """Few different values, each of them in many rows."""
    values = survey.values.get(column or "")
    different = len(values.keys() - {""}) if values else 0
    return 0 < different <= MOST_LABELS and survey.rows >= 2 * different


def few_values(survey: Survey, column: str) -> bool:
    values = survey.values.get(column)
    return values is not None and len(values.keys() - {""}) <= MOST_LABELS


def remarks(survey: Survey, columns: Columns) -> list[Problem]:
    """Labels that are written in several ways, as a Problem of the whole file, with what to do."""
    values: Mapping[str, int] = survey.values.get(columns.answer or "") or {}
    several = variants(survey, columns)
    if not several:
        return []
    groups = "; ".join(
        ", ".join(f"“{label}” ({values[label]:,})" for label in (first, *others)) for first, others in several.items()
    )
    if columns.one_label and columns.label_task:
        what = f"Labels that are written in several ways count as one, the most frequent: {groups}."
        return [Problem("note", what, "", None, columns.answer)]
    ticks, flags = "“Labels written in several ways count as one”", "--one-label"
    if not columns.label_task:
        ticks, flags = f"“The answer is one of a few labels” and {ticks}", f"--labels {flags}"
    fix = f"Count them as one label each: tick {ticks} ({flags})."
    what = f"Some labels differ only in how they are written: {groups}."
    return [Problem("warning", what, fix, None, columns.answer)]
