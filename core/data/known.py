"""Which part a question has had in a project: so that a test row never comes back as a training row.

Rows are known by what they ask: another answer to a test question is still a test question. The newest version that
holds a question counts; where a file named its parts and one version has it in several, test counts before validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.data.splitting import FREE, TEST, TRAIN
from core.errors import UserError
from core.store.datasets import SPLITS
from core.store.keys import among
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.wording import count


@dataclass(frozen=True)
class Known:
    asks: np.ndarray
    """Hashes of what is asked (see `Example.asks`), ascending: 8 bytes a question."""
    parts: np.ndarray
    """Of each its part, as an index of SPLITS."""

    def of(self, asks: np.ndarray) -> np.ndarray:
        """int8, of each of these its part; FREE where no version has it."""
        if not len(self.asks):
            return np.full(len(asks), FREE, np.int8)
        at = np.minimum(self.asks.searchsorted(asks), len(self.asks) - 1)
        return np.where(self.asks[at] == asks, self.parts[at], FREE).astype(np.int8)

    def is_test(self, asks: np.ndarray) -> np.ndarray:
        return self.of(asks) == TEST


def of_project(workspace: Workspace, project_id: str) -> Known:
    """What all versions of a project of this owner have asked."""
    return _of(tuple(workspace.rows_file(v.id) for v in reversed(workspace.versions(project_id))))


@lru_cache(maxsize=2)  # versions never change
def _of(paths: tuple[Path, ...]) -> Known:
    asks, parts = np.zeros(0, np.int64), np.zeros(0, np.int8)
    for path in paths:
        more, of_more = _questions(Rows(path))
        new = ~among(more, asks)
        asks, parts = np.concatenate([asks, more[new]]), np.concatenate([parts, of_more[new]])
    order = np.argsort(asks)
    return Known(asks[order], parts[order])


def _questions(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    asks, at = np.unique(rows.numbers("asks"), return_inverse=True)
    parts = np.zeros(len(asks), np.int8)
    np.maximum.at(parts, at, rows.splits)
    return asks, parts


def kept_out(parts: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Of each row: would it be trained though it was a test row? Raises UserError where none other is trained."""
    out = (parts == TRAIN) & (known == TEST)
    if out.any() and not ((parts == TRAIN) & ~out).any():
        raise UserError(
            f"All {int(out.sum()):,} rows for training were test rows in an earlier version of this project, and a "
            "test row is never trained. Import them into a new project, or add rows that are new."
        )
    return out


def counts(parts: np.ndarray) -> dict[str, int]:
    """Rows that are known, by their part."""
    return {name: int((parts == i).sum()) for i, name in enumerate(SPLITS)}


def told_of_parts(n: int, column: str) -> tuple[str, str]:
    """What is said of rows that a file names for training and that were test rows, and what to do."""
    were = "was a test row" if n == 1 else "were test rows"
    what = f"{count(n, 'row')} for training by “{column}” {were} in an earlier version of this project: left out."
    return what, "A test row is never trained. Import the file into a new project to train on what it names."


def sentences(split: dict[str, Any]) -> list[str]:
    """What there is to know of a split besides its parts, for people; `split` as the manifest has it."""
    lines = []
    if label := split.get("stratified"):
        lines.append(
            "Each part has its share of every answer."
            if label == "answer"
            else f"Each part has its share of every value of “{label}”."
        )
    if column := split.get("grouped"):
        lines.append(f"Rows with the same value of “{column}” stand in one part.")
    known = split.get("known") or {}
    stay = sum(known.values())
    if stay and stay == known.get("test"):
        lines.append(f"{count(stay, 'row')} {'was a test row' if stay == 1 else 'were test rows'} before and stay so.")
    elif stay:
        test = f", {known['test']:,} of them in the test" if known.get("test") else ""
        lines.append(
            f"{count(stay, 'row')} of earlier versions {'keeps its' if stay == 1 else 'keep their'} part{test}."
        )
    if out := split.get("kept_out"):
        lines.append(
            f"{count(out, 'row')} {'was a test row' if out == 1 else 'were test rows'} in an earlier version and would "
            "be trained now: left out, for a test row is never trained."
        )
    return lines
