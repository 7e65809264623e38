"""Fixes: shown as a difference, and applied to the rows of a check as the next version. Undone: core/data/revising.py.

Rows that do not change keep their id, every row its part. What mending would make of a row that stands in another part
already, or twice, is left out, training rows first: a test row stays a test row and is never trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.checking import result
from core.checking.checks import CHECKS, named
from core.checking.finding import Check
from core.checking.personal import without_secrets
from core.data.row_texts import every, mapped
from core.errors import UserError
from core.questions import asks_hash
from core.store.datasets import SPLITS, Written, rewrite_rows, to_examples
from core.store.keys import among
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.types import DatasetVersion, Example
from core.wording import count

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[float, str], None]
PREVIEWED = 10
SHOWN = 400
"""Characters of a text that a difference shows, around the first change."""


@dataclass(frozen=True)
class Fix:
    """What is asked for: a check's own fix, or that its rows are left out."""

    check: str
    leave_out: bool = False
    rows: tuple[int, ...] = ()
    """Numbers of the rows, as in their file; all of the check where none is named."""


@dataclass(frozen=True)
class Change:
    """One text of a row before and after."""

    row: int
    split: str
    where: str
    before: str
    after: str
    """Empty where the row is left out."""
    left_out: bool = False
    why: str = ""
    """What was found in a row that is left out."""


@dataclass(frozen=True)
class Preview:
    rows: int
    """Rows that the fix changes or leaves out."""
    changes: list[Change]
    """Of the first of them."""


Mend = Callable[[int, str, str], str]
"""(place of a row, which of its texts, the text) → the text, mended where a finding is meant."""


@dataclass(frozen=True)
class _Plan:
    """Of each row what happens to it."""

    mends: list[tuple[Mend, np.ndarray]]
    """Each with the places of its rows."""
    kept: np.ndarray
    touched: np.ndarray
    counts: dict[str, int]
    """Check → rows."""

    def example(self, place: int, example: Example) -> Example:
        for mend, places in self.mends:
            at = int(places.searchsorted(place))
            if at < len(places) and places[at] == place:
                example = mapped(example, partial(mend, place))
        return example


def preview(workspace: Workspace, version: DatasetVersion, fix: Fix, most: int = PREVIEWED) -> Preview:
    """The first rows that a fix changes, before and after. Raises UserError as `apply` does."""
    path = workspace.rows_file(version.id)
    plan = _plan(path, [fix])
    places = np.flatnonzero(plan.touched | ~plan.kept)
    changes = []
    found = _evidence(path, fix.check, places[:most])
    for place, example in zip(places[:most].tolist(), Rows(path).take(places[:most]), strict=True):
        if not plan.kept[place]:
            whole = _cut("\n\n".join(filter(str.strip, (example.prompt, example.target))), 0)
            changes.append(Change(example.row, example.split, "answer", whole, "", True, found.get(place, "")))
            continue
        after: dict[str, list[str]] = {}
        for where, text in every(plan.example(place, example)):
            after.setdefault(where, []).append(text)
        for where, text in every(example):
            new = after[where].pop(0) if after.get(where) else ""
            if new != text:
                at = next(
                    (i for i, (a, b) in enumerate(zip(text, new, strict=False)) if a != b), min(len(text), len(new))
                )
                changes.append(Change(example.row, example.split, where, _cut(text, at), _cut(new, at)))
                break
    return Preview(len(places), changes)


def _evidence(path: Path, check: str, places: np.ndarray) -> dict[int, str]:
    """Place of a row → what the check found there first."""
    table = result.findings(result.folder_of(path), check, ["place", "evidence"])
    table = table.filter(np.isin(table["place"].to_numpy(), places))
    first: dict[int, str] = {}
    for line in table.to_pylist():
        first.setdefault(line["place"], line["evidence"])
    return first


def _cut(text: str, at: int) -> str:
    """What stands around a place, with no key in it."""
    start = max(0, at - SHOWN // 3)
    text = without_secrets(text)
    piece = text[start : start + SHOWN]
    return ("…" if start else "") + piece + ("…" if start + SHOWN < len(text) else "")


def apply(workspace: Workspace, version: DatasetVersion, fixes: Sequence[Fix], progress: Progress) -> DatasetVersion:
    """Freeze the rows of a version, mended, as the project's next one.

    Raises UserError where it is not the newest version, was not checked, or nothing would change or be left.
    """
    with workspace.locked():
        _require_newest(workspace, version)
        path = workspace.rows_file(version.id)
        plan = _plan(path, fixes)
        if not plan.touched.any() and plan.kept.all():
            raise UserError("Nothing to mend: no row has what these fixes are for.")
        gone = _without_copies(path, plan, progress)
        _require_parts(path, plan.kept)
        change = _change(fixes, plan, gone)
        manifest = {**version.manifest, "changes": [*version.manifest.get("changes", []), change]}

        def write(new: Path) -> tuple[Written, dict[str, Any]]:
            def mended(at: int, table: pa.Table) -> tuple[Mapping[int, Example], np.ndarray]:
                progress(0.5 + 0.49 * at / max(1, len(plan.kept)), "Writing the version …")
                here = plan.kept[at : at + len(table)]
                return dict(_mended(plan, at, table, here)), here

            return rewrite_rows(path, new, mended), manifest

        mended_version = workspace.add_written(version.project_id, version.name, write, parent_id=version.id)
    progress(1, "Mended")
    return mended_version


def _require_newest(workspace: Workspace, version: DatasetVersion) -> None:
    newest = workspace.versions(version.project_id)[-1]
    if newest.id != version.id:
        raise UserError(
            f"Version {newest.number} came after version {version.number}, and mending this one would leave out what "
            f"it changed. Choose version {newest.number}."
        )


def _require_parts(path: Path, kept: np.ndarray) -> None:
    parts = Rows(path).splits
    for i, name in enumerate(SPLITS):
        before = int((parts == i).sum())
        if before and not (kept & (parts == i)).any():
            raise UserError(f"All {before:,} {name} rows would be left out. Choose fewer rows, or import more first.")


def _plan(path: Path, fixes: Sequence[Fix]) -> _Plan:
    summary = result.read(path)
    if summary is None:
        raise UserError("These rows have not been checked yet. Check them first.")
    kept, touched = np.ones(summary.rows, bool), np.zeros(summary.rows, bool)
    mends: list[tuple[Mend, np.ndarray]] = []
    counts: dict[str, int] = {}
    for fix in fixes:
        check = named(fix.check)
        table = result.findings(result.folder_of(path), check.name)
        if fix.rows:
            table = table.filter(np.isin(Rows(path).numbers("row")[table["place"].to_numpy()], np.array(fix.rows)))
            if not len(table):
                numbers = ", ".join(map(str, fix.rows))
                raise UserError(f"“{check.title}” found nothing in row {numbers}. Choose rows that it names.")
        places = table["place"].to_numpy()
        counts[check.name] = len(np.unique(places))
        if fix.leave_out or not check.fix:
            if not check.leave:
                raise UserError(f"“{check.title}” has no fix: {check.why}")
            kept[places] = False
            continue
        mend, changed = _mend(check, summary.of(check.name).unify, table)
        if not len(changed):
            raise UserError(
                f"“{check.title}”: of none of these words it is sure what was meant. Change the rows by hand, or leave "
                "them out."
            )
        counts[check.name] = len(changed)
        # Corrections know their words by where they stand: they come before what moves them.
        mends.insert(0 if check.correct else len(mends), (mend, changed))
        touched[changed] = True
    return _Plan(mends, kept, touched & kept, counts)


def _mend(check: Check, unify: dict[str, str], findings: pa.Table) -> tuple[Mend, np.ndarray]:
    """(a check's fix, places of the rows that it changes)."""
    places = findings["place"].to_numpy()
    if check.correct:
        return _correct(check.correct, findings)
    if check.mend is None:
        return lambda place, where, text: unify.get(text, text) if where == "answer" else text, np.unique(places)
    mend, meant = check.mend, set(zip(places.tolist(), findings["where"].to_pylist(), strict=True))
    return lambda place, where, text: mend(text) if (place, where) in meant else text, np.unique(places)


def _correct(correct: Callable[[str], str], findings: pa.Table) -> tuple[Mend, np.ndarray]:
    """Words put in the place of those that were found, where it is sure which."""
    spans: dict[tuple[int, str], list[tuple[int, int, str, str]]] = {}
    for line in findings.select(["place", "where", "start", "end", "evidence"]).to_pylist():
        if right := correct(line["evidence"]):
            here = spans.setdefault((line["place"], line["where"]), [])
            here.append((line["start"], line["end"], line["evidence"], right))

    def mend(place: int, where: str, text: str) -> str:
        for start, end, word, right in sorted(spans.get((place, where), ()), reverse=True):
            text = text[:start] + right + text[end:] if text[start:end] == word else text
        return text

    return mend, np.unique(np.array([place for place, _ in spans], np.int64))


def _mended(plan: _Plan, at: int, table: pa.Table, here: np.ndarray) -> Iterable[tuple[int, Example]]:
    """(place, row) of the rows of a group that change."""
    places = np.flatnonzero(plan.touched[at : at + len(table)] & here)
    for i, example in zip(places.tolist(), to_examples(table.take(places)), strict=True):
        yield at + i, plan.example(at + i, example)


def _without_copies(path: Path, plan: _Plan, progress: Progress) -> dict[str, int]:
    """Leave out what mending leaves empty, makes a copy, or makes ask what a row of another part asks.

    Returns how many rows, by the reason. Rows that measure are kept before those that are trained, unchanged ones
    before changed ones.
    """
    from core.store.datasets import opened

    rows, at, gone = Rows(path), 0, Counter[str]()
    ids, asks = rows.numbers("id").copy(), rows.numbers("asks").copy()
    with opened(path) as file:
        for group in range(file.num_row_groups):
            size = file.metadata.row_group(group).num_rows
            progress(0.5 * at / max(1, len(ids)), "Mending the rows …")
            if plan.touched[at : at + size].any():
                for place, example in _mended(plan, at, file.read_row_group(group), plan.kept[at : at + size]):
                    if _is_empty(example):
                        plan.kept[place] = False
                        gone["nothing was left of the row"] += 1
                    ids[place], asks[place] = np.uint64(int(example.id, 16)), asks_hash(example.asks)
            at += size
    changed, parts = np.flatnonzero(plan.touched & plan.kept), rows.splits
    # Test rows first, then validation; among them those that did not change.
    order = lambda place: (-int(parts[place]), bool(plan.touched[place]), place)  # noqa: E731
    for keys, reason, across in ((ids, "it became a copy", False), (asks, "it asks what a measured row asks", True)):
        suspects = np.flatnonzero(among(keys, keys[changed]) & plan.kept)
        groups: dict[int, list[int]] = {}
        for place in suspects.tolist():
            groups.setdefault(int(keys[place]), []).append(place)
        for places in groups.values():
            first, *others = sorted(places, key=order)
            for place in others:
                if not across or parts[place] != parts[first]:
                    plan.kept[place] = False
                    gone[reason] += 1
    return dict(gone)


def _is_empty(example: Example) -> bool:
    asked = not example.messages or any(m["content"].strip() or m.get("tool_calls") for m in example.messages)
    return not asked or not (example.target.strip() or example.answer)


def _change(fixes: Sequence[Fix], plan: _Plan, gone: dict[str, int]) -> dict[str, Any]:
    """For the manifest: what was done, to how many rows, and why."""
    done = []
    for fix in fixes:
        check = CHECKS[fix.check]
        what = check.leave if fix.leave_out or not check.fix else check.fix
        done.append(f"{check.title}: {what.lower()} ({count(plan.counts[fix.check], 'row')})")
    left = int((~plan.kept).sum())
    return {
        "mended": {fix.check: plan.counts[fix.check] for fix in fixes},
        "changed": int((plan.touched & plan.kept).sum()),
        "left_out": left,
        "left_out_besides": gone,
        "why": "; ".join(done),
    }
