"""What stands in different parts of a version and yet asks the same, or nearly: pairs of rows to look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.data.similar.groups import MOST_ROWS, Groups
from core.store.datasets import SPLITS
from core.store.keys import among
from core.store.queries import Rows
from core.types import DatasetVersion, Example
from core.wording import count

MOST_SHOWN = 20
MOST_KEPT = 200
"""Pairs that the manifest holds, the most similar first; all are counted."""


@dataclass(frozen=True)
class Pair:
    """Two rows in different parts; the one that measures stands first."""

    measures: Example
    other: Example
    score: float
    """Share of their words, by weight, that both have; 1 where they ask the same."""


def across(groups: Groups, parts: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """For the manifest: what was compared, and the pairs of similar questions that stand in different parts.

    `parts` and `rows`: of each row that is kept its part and its number in the file.
    """
    _, first, sizes = np.unique(groups.asks, return_index=True, return_counts=True)
    pairs, part = groups.pairs, parts[first]
    apart = np.flatnonzero(part[pairs.first] != part[pairs.second])
    best = apart[np.lexsort((pairs.second[apart], pairs.first[apart], -pairs.score[apart]))[:MOST_KEPT]]
    train = SPLITS.index("train")
    kept = []
    for a, b, score in zip(
        pairs.first[best].tolist(), pairs.second[best].tolist(), pairs.score[best].tolist(), strict=True
    ):
        # A row that measures before one that is trained, test before validation.
        a, b = (b, a) if part[a] == train or (part[b] != train and part[a] < part[b]) else (a, b)
        kept.append([int(rows[first[a]]), int(rows[first[b]]), round(score, 2)])
    together = np.bincount(groups.numbers_of_questions)[groups.numbers_of_questions] > 1
    return {
        "questions": len(first),
        "reworded": int(together.sum()),
        "compared": pairs.compared,
        "crowded": pairs.crowded,
        "parted": groups.parted,
        "too_many": groups.too_many,
        "histories": groups.histories,
        "pair_count": len(apart),
        "pairs": kept,
    }


_NARROWER = (
    "this version was split when case, spaces or marks still made another question. Import its file again for a split "
    "without them."
)


@dataclass(frozen=True)
class Look:
    """What is alike across the parts of a version as it is now."""

    shared: int
    """Rows that measure (validation, test) and ask just what a row of an earlier part asks: of versions that were split
    when the definition was a narrower one."""
    total: int
    """Pairs of rows, those behind `pairs` included."""
    pairs: tuple[Pair, ...]
    """The first of them: those that ask the same, then the most similar."""
    compared: bool
    """Was rewording looked for when the version was imported?"""

    named: str = ""
    """The column in which the file named its parts, where these were kept."""

    @property
    def sentences(self) -> list[str]:
        """What there is to know, for people; nothing where there is nothing."""
        lines = []
        if self.shared:
            rows = count(self.shared, "row")
            lines.append(
                f"{rows} in test or validation {'asks' if self.shared == 1 else 'ask'} just what a row of another part "
                f"asks: {self._why_shared}"
            )
        if self.total > self.shared:
            n = count(self.total - self.shared, "pair")
            lines.append(
                f"{n} of similar questions stand in different parts. Where two ask the same, leave one out: a test row "
                "that was trained in other words measures what was learnt by heart."
            )
        return lines

    @property
    def _why_shared(self) -> str:
        if not self.named:
            return _NARROWER
        return (
            f"the parts are those that the file names in “{self.named}”. Import it without that column of parts for a "
            "split in which rows that ask the same stand together."
        )


def look(rows: Rows, version: DatasetVersion) -> Look:
    """The pairs of similar rows in different parts."""
    same = _asking_the_same(rows.path)
    recorded = version.manifest.get("similar")
    similar = _still_apart(rows, recorded["pairs"]) if recorded else []
    places = [*((a, b, 1.0) for a, b in same[:MOST_SHOWN].tolist()), *similar][:MOST_SHOWN]
    examples = iter(rows.take([place for a, b, _ in places for place in (a, b)]))
    pairs = tuple(Pair(next(examples), next(examples), score) for _, _, score in places)
    # Beyond those that are kept it is not known which are still apart.
    behind = recorded["pair_count"] - len(recorded["pairs"]) if recorded else 0
    named = recorded.get("named", "") if recorded else ""
    return Look(len(same), len(same) + len(similar) + behind, pairs, recorded is not None, named)


@lru_cache(maxsize=4)  # a version's rows never change
def _asking_the_same(path: Path) -> np.ndarray:
    """Places [row that measures, row of an earlier part] of each row that asks what one of an earlier part asks."""
    rows = Rows(path)
    asks, parts = rows.numbers("asks"), rows.splits
    ordered = np.sort(asks)
    several = np.flatnonzero(among(asks, ordered[1:][ordered[1:] == ordered[:-1]]))  # few, mostly none
    order = several[np.lexsort((parts[several], asks[several]))]  # train, validation, test: SPLITS
    keys = asks[order]
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])) if len(order) else order
    first = order[np.repeat(begins, np.diff(begins, append=len(order)))]
    later = parts[order] > parts[first]
    pairs = np.column_stack((order[later], first[later]))
    return pairs[np.argsort(pairs[:, 0])]


def _still_apart(rows: Rows, kept: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Of pairs of row numbers the places of those that are there and in different parts: rows move in the review."""
    if not kept:
        return []
    numbers, parts = rows.numbers("row"), rows.splits
    wanted = np.array([pair[:2] for pair in kept])
    order = np.argsort(numbers, kind="stable")
    at = np.minimum(numbers[order].searchsorted(wanted), len(order) - 1)
    places = order[at]
    there = (numbers[places] == wanted).all(axis=1) & (parts[places[:, 0]] != parts[places[:, 1]])
    return [(int(a), int(b), pair[2]) for (a, b), pair, ok in zip(places, kept, there, strict=True) if ok]


def summary(similar: dict[str, Any]) -> str:
    """What the import compared and kept together, in a sentence or two."""
    if similar.get("too_many"):
        return (
            f"{count(similar['questions'], 'question')}: rows that ask the same stand in one part. Whether they "
            f"ask the same in other words is compared up to {MOST_ROWS:,} rows; test rows may have a twin in training."
        )
    if similar.get("named"):
        return (
            f"{count(similar['questions'], 'question')}, {similar['reworded']:,} of them worded in several ways. The "
            f"parts are those that the file names in “{similar['named']}”, also where rows ask the same."
        )
    are, questions = "is" if similar["reworded"] == 1 else "are", count(similar["questions"], "question")
    text = f"{similar['reworded']:,} of {questions} {are} worded in several ways; rows that ask the same, in whatever "
    text += "words, stand in one part."
    if similar.get("histories"):
        n = count(similar["histories"], "conversation")
        text += f" So do {n} with the rows that ask what their earlier turns answer."
    if similar["crowded"]:
        text += (
            f" {count(similar['crowded'], 'question')} share a word with so many that only some of these were compared."
        )
    if similar["parted"]:
        text += (
            f" {count(similar['parted'], 'question')} formed groups too large to stay together, and were taken apart."
        )
    return text
