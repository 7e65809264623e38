"""A new split of the rows that are there, as the next version: shares or numbers, by label, by customer or document.

Frozen is what was a test row in any version of the project: it stays one, or is kept out, and is never trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.data import drafts, editing, known, splitting
from core.data.splitting import FREE, TEST, TRAIN
from core.errors import UserError
from core.store import beside, search
from core.store.datasets import SPLITS, Writer, Written, current, opened
from core.store.keys import distinct
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.types import DatasetVersion
from core.wording import count

ANSWER = "answer"
"""Instead of a column to stratify by: what the answer says, where it is one of a few labels."""
MOST_STRATA = 200
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Split:
    """What is asked for."""

    validation: float = 0.1
    """A share of the rows, below 1, or a number of rows."""
    test: float = 0.1
    seed: int = 0
    stratify: str = ""
    """ANSWER, or a column beside the rows whose values each part has its share of; empty: none."""
    group: str = ""
    """A column beside the rows; rows with the same value stand in one part. Empty: only what asks the same does."""


@dataclass(frozen=True)
class Drawn:
    """What a split comes to."""

    parts: np.ndarray
    """int8, of each row the index of its part in SPLITS."""
    out: np.ndarray
    """Of each row: is it kept out? It was a test row and would be trained, or a model wrote it and it would measure."""
    groups: np.ndarray
    """int64, of each row the number of its group."""
    before: np.ndarray
    """int8, of each row its part before."""
    known_test: np.ndarray
    """Of each row: was it a test row in any version?"""
    synthetic: np.ndarray
    """Of each row: did a model write it?"""

    @property
    def counts(self) -> dict[str, int]:
        kept = np.bincount(self.parts[~self.out], minlength=len(SPLITS))
        return {name: int(kept[i]) for i, name in enumerate(SPLITS)}

    @property
    def sentences(self) -> list[str]:
        """What becomes of the rows, for people."""
        c = self.counts
        moved = int(((self.parts != self.before) & ~self.out).sum())
        lines = [
            f"{c['train']:,} rows to train, {c['validation']:,} to validate, {c['test']:,} to test. "
            f"{count(moved, 'row')} {'changes its' if moved == 1 else 'change their'} part."
        ]
        stay = int((self.known_test & (self.parts == TEST)).sum())
        if stay:
            were = "was a test row and stays one" if stay == 1 else "were test rows and stay so"
            lines.append(f"{count(stay, 'row')} {were}.")
        if out := int((self.out & self.synthetic).sum()):
            lines.append(
                f"{count(out, 'synthetic row')} would measure now: left out, for what a model wrote is only trained."
            )
        if out := int((self.out & ~self.synthetic).sum()):
            lines.append(
                f"{count(out, 'row')} {'was a test row' if out == 1 else 'were test rows'} in this or an earlier "
                "version and would be trained now: left out, for a test row is never trained."
            )
        if seen := int(((self.before == TRAIN) & (self.parts == TEST)).sum()):
            lines.append(
                f"{count(seen, 'test row')} {'was' if seen == 1 else 'were'} trained before: runs of earlier versions "
                "have seen what they say. Train anew before you measure with them."
            )
        return lines


def draw(workspace: Workspace, version_id: str, asked: Split) -> Drawn:
    """What a split would come to; nothing is changed. Raises UserError where it cannot be."""
    version = workspace.version(version_id)
    rows = workspace.rows(version.id)
    asks, before = rows.numbers("asks"), rows.splits
    synthetic = rows.synthetic
    was_test = (known.of_project(workspace, version.project_id).is_test(asks) | (before == TEST)) & ~synthetic
    strata = _strata(rows, asked.stratify) if asked.stratify else None
    groups = splitting.together(rows.numbers("group"), asks)
    if not asked.group:
        fixed = np.where(was_test, np.int8(TEST), np.where(synthetic, np.int8(TRAIN), np.int8(FREE)))
        only_text = not (rows.kinds != 3).any()
        parts = splitting.split(groups, asked.validation, asked.test, asked.seed, not only_text, strata, fixed)
        out = (was_test & (parts == TRAIN)) | (synthetic & (parts != TRAIN))
        return Drawn(parts, out, groups, before, was_test, synthetic)
    groups = splitting.together(groups, _column(rows, asked.group))
    n = len(distinct(groups))
    if n < 3:
        raise UserError(
            f"By “{asked.group}” the rows make {count(n, 'group')}; training, validation and test need at least one "
            "each. Choose a column with more values, or none."
        )
    parts, out = splitting.split_by_column(groups, asked.validation, asked.test, asked.seed, strata, was_test)
    out = (out & (parts == TRAIN)) | (synthetic & (parts != TRAIN))
    return Drawn(parts, out, groups, before, was_test, synthetic)


def apply(
    workspace: Workspace,
    version_id: str,
    asked: Split,
    reason: str = "",
    progress: Progress = lambda share, what: None,
) -> DatasetVersion:
    """Freeze the rows in their new parts as the project's next version.

    Raises UserError as `draw` does; where a newer version came; and where changes by hand wait.
    """
    with editing.one_at_a_time(workspace):
        draft = editing.newest_draft(workspace, version_id)
        if draft.count:
            raise UserError(
                f"{count(draft.count, 'change')} by hand are not a version yet, and a new split would leave them "
                "behind. Make a version of them first, or discard them."
            )
        version, drawn = draft.version, draw(workspace, version_id, asked)
        if (drawn.parts == drawn.before).all() and not drawn.out.any():
            raise UserError("No row would change its part: the rows are split like this already.")
        workspace.require_room(sum(f.stat().st_size for f in draft.rows.path.parent.iterdir()), "Another version")
        manifest = _manifest(version, asked, drawn, reason)

        def write(path: Path) -> tuple[Written, dict[str, Any]]:
            return _write(draft.rows.path, path, drawn, progress), manifest

        made = workspace.add_written(version.project_id, version.name, write, parent_id=version.id)
        drafts.append(workspace, version, "made", [], made=made.id)
    progress(1, "Done")
    return made


def _manifest(version: DatasetVersion, asked: Split, drawn: Drawn, reason: str) -> dict[str, Any]:
    out = int(drawn.out.sum())
    split = {"validation": asked.validation, "test": asked.test, "seed": asked.seed, "named": ""}
    split |= {"stratified": asked.stratify, "grouped": asked.group, "kept_out": out}
    split["known"] = {"train": 0, "validation": 0, "test": int((drawn.known_test & ~drawn.out).sum())}
    words = [f"validation {_said(asked.validation)}, test {_said(asked.test)}, seed {asked.seed}"]
    words += [f"each part has its share of “{asked.stratify}”"] if asked.stratify else []
    words += [f"rows of one “{asked.group}” together"] if asked.group else []
    words += [f"{count(out, 'row')} left out"] if out else []
    reason = " ".join(reason.split())[:200]
    why = f"a new split: {', '.join(words)}"
    manifest = {**version.manifest, "split": split}
    if similar := manifest.get("similar"):
        manifest["similar"] = {**similar, "named": ""}
    change = {"split": split, "why": f"{reason} ({why})" if reason else why}
    return {**manifest, "changes": [*version.manifest.get("changes", []), change]}


def _said(value: float) -> str:
    return f"{value:.0%}" if value < 1 else f"{value:,.0f} rows"


def _write(source: Path, path: Path, drawn: Drawn, progress: Progress) -> Written:
    import pyarrow as pa

    at = 0
    with Writer(path) as writer, opened(source) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            here = slice(at, at + len(table))
            texts = search.texts(current(source), at, at + len(table))
            at += len(table)
            split = pa.array(SPLITS).take(pa.array(drawn.parts[here]))
            for name, column in (("split", split), ("group", pa.array(drawn.groups[here]))):
                table = table.set_column(table.schema.get_field_index(name), name, column)
            kept = pa.array(~drawn.out[here])
            writer.write(table.filter(kept), texts.filter(kept))
            progress(0.98 * at / max(1, len(drawn.parts)), "Writing the version …")
    return writer.written


def _column(rows: Rows, column: str) -> np.ndarray:
    if column not in beside.names(current(rows.path)):
        have = ", ".join(f"“{name}”" for name in beside.names(current(rows.path))) or "none"
        raise UserError(f"There is no column “{column}” beside the rows. There is: {have}.")
    return beside.hashes(current(rows.path), column)


def _strata(rows: Rows, by: str) -> np.ndarray:
    """Of each row a number for what each part has its share of. Raises UserError where there are too many."""
    values = _answers(rows) if by == ANSWER else _column(rows, by)
    different = len(distinct(values))
    if different > min(MOST_STRATA, max(1, len(values) // 3)):
        name = "The answer" if by == ANSWER else f"“{by}”"
        raise UserError(
            f"{name} has {different:,} different values in {len(values):,} rows: too many for each part to have its "
            "share of every one. Choose a column with a few values, or none."
        )
    return values


def _answers(rows: Rows) -> np.ndarray:
    import xxhash

    with opened(rows.path) as file:
        groups = (file.read_row_group(g, ["target"])["target"].to_pylist() for g in range(file.num_row_groups))
        hashes = [xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for group in groups for text in group]
    return np.array(hashes, np.uint64).astype(np.int64)


def few_answers(workspace: Workspace, version: DatasetVersion) -> bool:
    """Is the answer one of a few labels, so that each part may have its share of them?"""
    return bool(version.manifest.get("columns", {}).get("label_task"))
