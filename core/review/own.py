"""Labels of a project's own, beside the built-in ones: an append-only table of what was added and retired.

A retired label is offered no longer; what was labelled with it stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from core.errors import UserError
from core.store.tables import project_labels
from core.store.turns import reading
from core.store.workspace import Workspace, clean_name, now
from core.types import ERROR_LABELS, REFERENCE, LabelEvent

PREFIX = "own_"
MOST = 50
"""Labels of one project that are offered at a time."""


@dataclass(frozen=True)
class OwnLabel:
    id: str
    """Of letters, digits and _: it names columns of exports."""
    title: str
    annotator: str
    """Who added it."""
    created: str
    retired: bool


def every(engine: sa.Engine, project_id: str) -> list[OwnLabel]:
    """All that the project ever had, in the order in which they were added."""
    query = sa.select(project_labels).where(project_labels.c.project_id == project_id).order_by(project_labels.c.id)
    found: dict[str, OwnLabel] = {}
    with reading(engine) as db:
        for row in db.execute(query):
            first = found.get(row.label)
            by, created = (first.annotator, first.created) if first else (row.annotator, row.created)
            found[row.label] = OwnLabel(row.label, row.title, by, created, row.act == "retire")
    return list(found.values())


def offered(engine: sa.Engine, project_id: str) -> list[OwnLabel]:
    """Those that are not retired."""
    return [label for label in every(engine, project_id) if not label.retired]


def known(engine: sa.Engine, project_id: str, event: LabelEvent) -> frozenset[str]:
    """The project's own labels, retired ones too; not asked for where the event has none that is not built in."""
    marked = {
        label for sides in (event.labels, event.spans) for side in sides if side != REFERENCE for label in sides[side]
    }
    return frozenset(label.id for label in every(engine, project_id)) if marked - set(ERROR_LABELS) else frozenset()


def add(workspace: Workspace, project_id: str, title: str) -> OwnLabel:
    """Add a label, or offer a retired one of this title again. Raises UserError for a title that is there already."""
    title = clean_name(title, "label")
    workspace.take_sample()
    workspace.project(project_id)
    with workspace.locked():
        there = every(workspace.engine, project_id)
        same = next((label for label in there if label.title.casefold() == title.casefold()), None)
        built_in = {name.replace("_", " ") for name in ERROR_LABELS}
        if title.casefold() in built_in or (same and not same.retired):
            raise UserError(f"There is already a label “{title}”. Use it, or choose another name.")
        if sum(not label.retired for label in there) >= MOST:
            raise UserError(f"The project has {MOST} labels of its own, as many as fit a page. Retire one first.")
        made = OwnLabel(
            same.id if same else _id(title, {label.id for label in there}), title, workspace.owner, now(), False
        )
        _append(workspace, project_id, made, "add")
    return made


def retire(workspace: Workspace, project_id: str, label_id: str) -> None:
    """Offer a label no longer. What was labelled with it stays. Raises UserError where there is none."""
    workspace.project(project_id)
    label = next((label for label in offered(workspace.engine, project_id) if label.id == label_id), None)
    if label is None:
        raise UserError(f"The project has no label “{label_id}” of its own. Reload the page to see those it has.")
    _append(workspace, project_id, label, "retire")


def _append(workspace: Workspace, project_id: str, label: OwnLabel, act: str) -> None:
    values = {"project_id": project_id, "label": label.id, "title": label.title, "act": act}
    with workspace.engine.begin() as db:
        db.execute(project_labels.insert().values(**values, annotator=workspace.owner, created=now()))


def _id(title: str, there: set[str]) -> str:
    """`own_` and the title's words, and a number where that is another label's."""
    name = PREFIX + (re.sub(r"\W+", "_", title.casefold()).strip("_")[:40] or "label")
    number = 2
    chosen = name
    while chosen in there:
        chosen, number = f"{name}_{number}", number + 1
    return chosen
