"""What a review knows of each of its items before anybody reads it: its place, and what detectors flagged.

All answers are read once, one item after the other, and again only when there are more; a few bytes an item are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from core.jobs.answers import Answers
from core.review import queue
from core.store.workspace import Job, Workspace
from core.types import SIDES, SUGGESTED_LABELS


@dataclass(frozen=True)
class Looks:
    """Items in the order to read them while nothing is labelled: see core/review/queue.py."""

    numbers: np.ndarray
    """(items,) uint64: the ids."""
    flags: np.ndarray
    """(items,) uint32: a bit for each side and label that a detector flagged, see `bit`."""

    @cached_property
    def ids(self) -> list[str]:
        return [f"{number:016x}" for number in self.numbers.tolist()]

    @property
    def drawn(self) -> list[str]:
        """The random stratum, in the order in which it was drawn."""
        return queue.drawn(self.ids)

    def flagged(self, label: str) -> set[str]:
        """Items with a label that a detector flagged on either side."""
        either = np.uint32(sum(bit(side, label) for side in SIDES))
        return {f"{number:016x}" for number in self.numbers[(self.flags & either) != 0].tolist()}


def bit(side: str, label: str) -> int:
    names: tuple[str, ...] = SIDES
    return 1 << (names.index(side) * len(SUGGESTED_LABELS) + SUGGESTED_LABELS.index(label))


def looks(workspace: Workspace, evaluation: Job) -> Looks:
    return _looks(Known(Answers(workspace, evaluation)), evaluation.spec["seed"])


class Known:
    """Answers that are the same for `lru_cache` until there are more of them."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Known) and self.answers.state == other.answers.state

    def __hash__(self) -> int:
        return hash(self.answers.state)


@lru_cache(maxsize=8)
def _looks(known: Known, seed: int) -> Looks:
    worth, flags = {}, {}
    for id_ in known.answers.ids():
        generations = known.answers.of(id_)
        found = {
            side: [s.label for s in known.answers.suggestions(g) if s.flagged and s.label in SUGGESTED_LABELS]
            for side, g in generations.items()
        }
        worth[id_] = queue.interest(generations, found)
        flags[id_] = sum(bit(side, label) for side, labels in found.items() for label in set(labels))
    places = queue.places(worth, worth, seed)
    numbers = np.array([int(id_, 16) for id_ in places], dtype=np.uint64)
    return Looks(numbers, np.array([flags[id_] for id_ in places], dtype=np.uint32))
