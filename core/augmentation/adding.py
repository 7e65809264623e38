"""Accepted drafts become training rows of the next version: a process of its own.

Whatever was asked and filtered before, they are compared once more with the rows as they are now, edits included: a row
that asks what a test or validation row asks is left out, with a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.augmentation import decisions
from core.augmentation.asking import prompt_name
from core.augmentation.known import Known
from core.augmentation.result import Drafts
from core.augmentation.spec import spec_in
from core.data.similar.groups import MOST_ROWS
from core.errors import UserError
from core.jobs import beside
from core.store.workspace import Job, Workspace
from core.types import Example
from core.wording import count


@dataclass(frozen=True)
class Added:
    version_id: str
    number: int
    rows: int
    edited: int
    measured: int
    """Accepted drafts that were left out: they ask what a test or validation row asks."""
    there: int
    """Accepted drafts that are rows already."""

    @property
    def sentence(self) -> str:
        edited = f", {self.edited:,} of them edited" if self.edited else ""
        left = f" Left out, as rows that measure ask the same: {self.measured:,}." if self.measured else ""
        there = f" Left out, as they are rows already: {self.there:,}." if self.there else ""
        return f"Version {self.number} has {count(self.rows, 'synthetic row')} more to train{edited}.{left}{there}"


def add(workspace: Workspace, job: Job) -> Added:
    """Freeze the project's newest version with the accepted drafts among its training rows.

    Raises UserError where nothing was accepted that is not a row yet.
    """
    folder = workspace.folder(workspace.job(job.id))
    spec = spec_in(folder)
    with workspace.locked():
        waiting = list(_waiting(folder))
        if not waiting:
            raise UserError(f"{job.title} has no accepted draft that is not a row yet. Accept some first.")
        parent = workspace.versions(job.project_id)[-1]
        rows = workspace.rows(parent.id)
        near = Known(rows.path, spec.seed, judged=True).near_measured([row for _, row, _ in waiting], MOST_ROWS)
        known = set(rows.numbers("id")[_same_ids(rows.numbers("id"), [row for _, row, _ in waiting])].tolist())
        kept: list[tuple[str, Example, bool]] = []
        for i, (draft, row, edited) in enumerate(waiting):
            number = int(row.id, 16)
            if i not in near and number not in known:
                known.add(number)
                kept.append((draft, row, edited))
        there = len(waiting) - len(kept) - len(near)
        taken = {draft for draft, _, _ in kept}
        left_out = [draft for draft, _, _ in waiting if draft not in taken]
        if not kept:
            decisions.note_added(folder, None, [], left_out)
            raise UserError(
                f"None of {count(len(waiting), 'accepted draft')} can be added: {len(near):,} ask what a test or "
                f"validation row asks, {there:,} are rows already. Accept others, or ask for more."
            )
        last = int(rows.numbers("row").max(initial=0))
        new = [replace(row, row=last + i, split="train", turn=None) for i, (_, row, _) in enumerate(kept, 1)]
        edits = sum(edited for _, _, edited in kept)
        change: dict[str, Any] = {
            "synthetic": spec.kind,
            "model": spec.by,
            "prompt": prompt_name(spec.kind),
            "wish": spec.wish,
            "added": len(new),
            "edited": edits,
            "augmentation": job.number,
            "why": f"{count(len(new), 'synthetic row')} of {spec.by} accepted in {job.title}",
        }
        manifest = {**parent.manifest, "changes": [*parent.manifest.get("changes", []), change]}
        version = workspace.add_changed(parent, manifest, {}, new)
        decisions.note_added(folder, version.number, list(taken), left_out)
    return Added(version.id, version.number, len(new), edits, len(near), there)


def _waiting(folder: Path) -> Iterator[tuple[str, Example, bool]]:
    """(draft, row, was it edited) of the accepted drafts that are no rows yet, in the order in which they came."""
    drafts, waiting = Drafts(folder), decisions.waiting(folder)
    for draft_id in drafts.ids:
        decision, draft = waiting.get(draft_id), drafts.of(draft_id)
        if decision is not None and draft is not None:
            yield draft_id, decision.row(draft), decision.choice == "edit"


def _same_ids(ids: np.ndarray, rows: list[Example]) -> np.ndarray:
    return np.isin(ids, np.array([int(row.id, 16) for row in rows], np.uint64))


NOTHING = "Nothing was added."


def add_in_process(workspace: Workspace, job: Job) -> Added:
    """`add`, outside the page's memory. Raises UserError as it does."""
    work = beside.Work(
        *("core.augmentation.adding", "adds accepted rows", "Adding the rows …", NOTHING),
        "Close what else takes memory.",
    )
    *_, last = beside.run(workspace, work, {"job_id": job.id}, lambda: False)
    assert last.result is not None
    return Added(**last.result)


def _answer(workspace: Workspace, request: dict[str, Any], progress: beside.Progress) -> dict[str, Any]:
    return asdict(add(workspace, workspace.job(request["job_id"])))


if __name__ == "__main__":
    beside.main(_answer, NOTHING)
