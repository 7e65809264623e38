"""Changes by hand that are not a version yet: an append-only log beside the versions, and what it comes to.

    home/projects/<project>/edits/<version>/events.jsonl, <number>.npy

Each act is a line; one of many rows keeps their places in a file of numbers. A second thought is a further line: “undo”
takes the last act back, and nothing is ever rewritten. So a reload, a crash or another window loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.files import append_lines, partial_of
from core.store.datasets import SPLITS
from core.store.queries import Rows
from core.store.workspace import Workspace, now
from core.types import DatasetVersion, Example

SCHEMA = 1
FEW = 100
"""Places that stand in the line itself; more of them are in a file."""
UNMOVED = -1


@dataclass
class Draft:
    """What the log comes to: the rows of a version, and what is to be done with them.

    A place is that of a row in its version; added rows have the places behind the last.
    """

    version: DatasetVersion
    rows: Rows
    changed: dict[int, Example] = field(default_factory=dict)
    """Rows of the version with other texts."""
    added: dict[int, Example] = field(default_factory=dict)
    gone: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    """Of each place of the version: is the row deleted?"""
    moved: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int8))
    """Of each place of the version the part that it moves to, as an index of SPLITS; UNMOVED: it stays."""
    acts: list[dict[str, Any]] = field(default_factory=list)
    """The acts that count, oldest first; undo takes the last of them back."""

    @property
    def size(self) -> int:
        """Rows of the version."""
        return len(self.gone)

    @property
    def touched(self) -> np.ndarray:
        """Of each place of the version: does anything happen to the row?"""
        touched = self.gone | (self.moved != UNMOVED)
        touched[list(self.changed)] = True
        return touched

    @property
    def count(self) -> int:
        """Rows that are changed, added, deleted or moved."""
        return int(self.touched.sum()) + len(self.added)

    def row(self, place: int) -> Example | None:
        """The row as it would be; None where there is none. One that is deleted is given as it was."""
        if place >= self.size:
            return self.added.get(place)
        if place < 0:
            return None
        return self.in_part(place, self.changed.get(place) or self.rows[place])

    def in_part(self, place: int, row: Example) -> Example:
        """A row of the version, in the part in which it would stand."""
        return replace(row, split=SPLITS[self.part_at(place)])

    def part_at(self, place: int) -> int:
        to = int(self.moved[place])
        return int(self.rows.splits[place]) if to == UNMOVED else to

    @property
    def splits(self) -> np.ndarray:
        """Of each place of the version the part as it would be, as an index of SPLITS."""
        return np.where(self.moved == UNMOVED, self.rows.splits, self.moved)

    def counts(self) -> dict[str, int]:
        """Rows by part, as they would be."""
        kept = np.bincount(self.splits[~self.gone], minlength=len(SPLITS))
        new = [sum(e.split == name for e in self.added.values()) for name in SPLITS]
        return {name: int(kept[i]) + new[i] for i, name in enumerate(SPLITS)}


def folder_of(workspace: Workspace, version: DatasetVersion) -> Path:
    return workspace.settings.home / "projects" / version.project_id / "edits" / version.id


def read(workspace: Workspace, version_id: str) -> Draft:
    """The changes to a version of this owner that are not a version yet."""
    version = workspace.version(version_id)
    rows = workspace.rows(version.id)
    n = sum(version.counts.values())
    folder = folder_of(workspace, version)
    draft = Draft(version, rows, gone=np.zeros(n, bool), moved=np.full(n, UNMOVED, np.int8))
    draft.acts = list(_acts(folder / "events.jsonl"))
    since = max((i for i, act in enumerate(draft.acts, 1) if act["act"] == "discard"), default=0)
    for act in draft.acts[since:]:
        _replay(draft, act, folder)
    return draft


def _acts(path: Path) -> tuple[dict[str, Any], ...]:
    """The acts that count, oldest first."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return ()
    return _acts_of(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=64)  # the log only grows
def _acts_of(path: Path, modified: int, size: int) -> tuple[dict[str, Any], ...]:
    return tuple(_live(_lines(path)))


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of the log; half a line that a killed process left is none."""
    acts = []
    for line in path.read_bytes().split(b"\n"):
        try:
            acts.append(json.loads(line))
        except ValueError:
            continue
    return [act for act in acts if isinstance(act, dict) and act.get("schema") == SCHEMA]


def _live(acts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    live: list[dict[str, Any]] = []
    for act in acts:
        if act["act"] == "made":
            live = []
        elif act["act"] == "undo":
            live = live[:-1]
        else:
            live.append(act)
    return live


def _replay(draft: Draft, act: dict[str, Any], folder: Path) -> None:
    places = _places(act, folder)
    what = act["act"]
    if what in ("edit", "add"):
        example = Example.from_dict(act["row"])
        place = int(places[0])
        if place < draft.size:
            draft.changed[place] = example
            draft.gone[place] = False
        else:
            draft.added[place] = example
        return
    here = places[places < draft.size]
    behind = [int(place) for place in places[places >= draft.size]]
    if what == "delete":
        draft.gone[here] = True
        for place in behind:
            draft.added.pop(place, None)
    elif what == "restore":  # as the version has it
        draft.gone[here] = False
    elif what == "reset":
        draft.gone[here], draft.moved[here] = False, UNMOVED
        for place in here.tolist():
            draft.changed.pop(place, None)
        for place in behind:
            draft.added.pop(place, None)
    elif what == "move":
        to = SPLITS.index(act["to"])
        draft.moved[here] = np.where(draft.rows.splits[here] == to, UNMOVED, to)
        for place in behind:
            if place in draft.added:
                draft.added[place] = replace(draft.added[place], split=act["to"])


def _places(act: dict[str, Any], folder: Path) -> np.ndarray:
    if name := act.get("file"):
        return np.asarray(np.load(folder / name, allow_pickle=False), np.int64)
    return np.array(act.get("places", []), np.int64)


def append(
    workspace: Workspace, version: DatasetVersion, act: str, places: Sequence[int] | np.ndarray, **more: Any
) -> None:
    """Add one act to the log. The caller holds `workspace.locked()`."""
    folder = folder_of(workspace, version)
    folder.mkdir(parents=True, exist_ok=True)
    line: dict[str, Any] = {"schema": SCHEMA, "at": now(), "by": workspace.owner, "act": act, **more}
    numbers = np.asarray(places, np.int64)
    if len(numbers) > FEW:
        line["file"] = f"{len(list(folder.glob('*.npy'))) + 1}.npy"
        partial = partial_of(folder / line["file"])
        with open(partial, "wb") as file:
            np.save(file, numbers)
        partial.replace(folder / line["file"])
    else:
        line["places"] = numbers.tolist()
    append_lines(folder / "events.jsonl", [json.dumps(line, ensure_ascii=False)])


def pending(workspace: Workspace, project_id: str) -> list[Draft]:
    """Of each version of a project that has any: the changes that are not a version yet."""
    folder = workspace.settings.home / "projects" / workspace.project(project_id).id / "edits"
    logs = ((v.id, folder / v.id / "events.jsonl") for v in workspace.versions(project_id))
    drafts = [read(workspace, id_) for id_, log in logs if _acts(log)]
    return [draft for draft in drafts if draft.count]
