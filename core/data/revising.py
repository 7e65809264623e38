"""What waits in a draft becomes the next version with its reason; a version is undone by one more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data import drafts, editing
from core.data.drafts import UNMOVED, Draft
from core.errors import UserError
from core.store.datasets import SPLITS, Written, rewrite_rows, to_examples
from core.store.workspace import Workspace
from core.types import DatasetVersion, Example
from core.wording import count

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Summary:
    """What a draft would make of its version."""

    changed: int
    added: int
    deleted: int
    moved: int

    @classmethod
    def of(cls, draft: Draft) -> Summary:
        edited = np.zeros(draft.size, bool)
        edited[list(draft.changed)] = True
        moved = (draft.moved != UNMOVED) & ~draft.gone
        return cls(int((edited & ~draft.gone).sum()), len(draft.added), int(draft.gone.sum()), int(moved.sum()))

    def __str__(self) -> str:
        parts = [(self.changed, "changed"), (self.added, "added"), (self.deleted, "deleted"), (self.moved, "moved")]
        return ", ".join(f"{n:,} {what}" for n, what in parts if n)


def make_version(
    workspace: Workspace, version_id: str, reason: str = "", progress: Progress = lambda share, what: None
) -> DatasetVersion:
    """Freeze what waits as the project's next version. Raises UserError where nothing waits or a newer one came."""
    with editing.one_at_a_time(workspace):
        draft = editing.newest_draft(workspace, version_id)
        if not draft.count:
            raise UserError("Nothing was changed: there is nothing to make a version of.")
        for place, row in (*draft.changed.items(), *draft.added.items()):
            if not editing.is_gone(draft, place):  # rows that were restored or moved since may stand in its way
                asks_anew = place >= draft.size or row.asks != draft.rows[place].asks
                editing.require_fit(draft, place, replace(row, split=editing.part_of(draft, place, row)), asks_anew)
        workspace.require_room(sum(f.stat().st_size for f in draft.rows.path.parent.iterdir()), "Another version")
        version, summary = draft.version, Summary.of(draft)
        reason = " ".join(reason.split())[:200]
        change = {
            "edited": {
                "changed": summary.changed,
                "added": summary.added,
                "deleted": summary.deleted,
                "moved": summary.moved,
            },
            "why": f"{reason} ({summary})" if reason else f"by hand: {summary}",
        }
        manifest = {**version.manifest, "last_row": editing.next_number(draft) - 1}
        manifest["changes"] = [*version.manifest.get("changes", []), change]
        touched = draft.touched

        def write(path: Any) -> tuple[Written, dict[str, Any]]:
            def rewritten(at: int, table: pa.Table) -> tuple[Mapping[int, Example], np.ndarray]:
                progress(0.98 * at / max(1, draft.size), "Writing the version …")
                kept = ~draft.gone[at : at + len(table)]
                here = np.flatnonzero(touched[at : at + len(table)] & kept)
                old = to_examples(table.take(here)) if len(here) else []
                changed = {
                    at + i: draft.in_part(at + i, draft.changed.get(at + i, row))
                    for i, row in zip(here.tolist(), old, strict=True)
                }
                return changed, kept

            added = [row for _, row in sorted(draft.added.items())]
            return rewrite_rows(draft.rows.path, path, rewritten, added), manifest

        made = workspace.add_written(version.project_id, version.name, write, parent_id=version.id)
        drafts.append(workspace, version, "made", [], made=made.id)
    progress(1, "Done")
    return made


UNDONE = {
    "mended": "Undo the mending of version {0}",
    "edited": "Undo the changes of version {0}",
    "split": "Undo the split of version {0}",
    "undid": "Bring version {1} back",
}
"""How a version was made → what undoing it does; {0}: its number, {1}: that of the one that it undid."""


def undoes(version: DatasetVersion) -> str:
    """What `undo_version` would do, as on a button; empty where the version was not made here of the one before it."""
    last = (version.manifest.get("changes") or [{}])[-1]
    words = next((words for made, words in UNDONE.items() if made in last), "")
    return words.format(version.number, last.get("undid", "")) if version.parent_id is not None else ""


def undo_version(workspace: Workspace, version_id: str) -> DatasetVersion:
    """A version equal to the one before, as the newest. Raises UserError where it was not made here or changes wait.

    Its files are copies of that one's, what the checks found included: nothing is computed anew.
    """
    with editing.one_at_a_time(workspace):
        draft = editing.newest_draft(workspace, version_id)
        version = draft.version
        if not undoes(version):
            raise UserError(f"{version.title} was not made here of an earlier one: there is nothing to undo.")
        if draft.count:
            raise UserError(
                f"Not a version yet: {count(draft.count, 'change')}. Make a version of what waits, or discard it."
            )
        before = workspace.version(version.parent_id or "")
        why = f"version {version.number} was undone: the rows are those of version {before.number}"
        changes = [*version.manifest.get("changes", []), {"undid": version.number, "why": why}]
        last = max(version.manifest.get("last_row", 0), before.manifest.get("last_row", 0))
        manifest = {**before.manifest, "changes": changes, **({"last_row": last} if last else {})}
        return workspace.add_copy(before, manifest, version.id)


@dataclass(frozen=True)
class Carried:
    """What became of changes that waited at an earlier version."""

    taken: int
    left: int
    """Rows that are others in the newest version: their changes still wait at the earlier one."""


def carry(workspace: Workspace, from_version_id: str) -> Carried:
    """Take changes that wait at an earlier version over to the newest, where the rows are the same still."""
    with editing.one_at_a_time(workspace):
        old = drafts.read(workspace, from_version_id)
        newest = workspace.versions(old.version.project_id)[-1]
        if newest.id == old.version.id:
            return Carried(0, 0)
        draft = drafts.read(workspace, newest.id)
        ids, order = draft.rows.numbers("id"), np.argsort(draft.rows.numbers("id"), kind="stable")
        wanted = np.flatnonzero(old.touched)
        at = np.minimum(ids[order].searchsorted(old.rows.numbers("id")[wanted]), max(0, len(order) - 1))
        there = order[at] if len(order) else at
        same = ids[there] == old.rows.numbers("id")[wanted] if len(order) else np.zeros(len(wanted), bool)
        same &= ~draft.touched[there] if len(order) else same
        taken: list[int] = []
        for place, to in zip(wanted[same].tolist(), there[same].tolist(), strict=True):
            if (row := old.changed.get(place)) is not None and not old.gone[place]:
                try:
                    editing.require_fit(draft, to, replace(row, split=draft.rows[to].split), True)
                except UserError:
                    continue
                drafts.append(workspace, newest, "edit", [to], row=row.to_dict())
                taken.append(place)
        by_place = dict(zip(wanted[same].tolist(), there[same].tolist(), strict=True))
        gone = np.array([p for p in by_place if old.gone[p]], np.int64)
        if len(gone):
            drafts.append(workspace, newest, "delete", [by_place[int(p)] for p in gone])
        for i, name in enumerate(SPLITS):
            moved = [p for p in by_place if not old.gone[p] and old.moved[p] == i]
            if moved:
                drafts.append(workspace, newest, "move", [by_place[p] for p in moved], to=name)
        only_moved = [p for p in by_place if p not in old.changed or old.gone[p]]
        for place, row in sorted(old.added.items()):
            draft = drafts.read(workspace, newest.id)
            try:
                editing.put_behind(workspace, draft, replace(row, row=editing.next_number(draft)))
            except UserError:
                continue
            taken.append(place)
        taken = sorted({*taken, *only_moved})
        if taken:
            drafts.append(workspace, old.version, "reset", taken)
        return Carried(len(taken), old.count - len(taken))
