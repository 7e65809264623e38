"""A frozen train / validation / test split. Rows with the same prompt always stand on the same side."""

from __future__ import annotations

import random

import numpy as np

from core.errors import UserError
from core.store.datasets import SPLITS


def split(
    groups: np.ndarray, validation: float = 0.1, test: float = 0.1, seed: int = 0, prompts: bool = True
) -> np.ndarray:
    """Of each row the index of its part in SPLITS. Shares are of the rows; no part stays empty.

    `groups`: a number a row, the same for rows that must stand together. `prompts`: False where all is plain text.
    Raises UserError for fewer than three distinct prompts, or shares that leave nothing to train on.
    """
    if not (0 < validation < 1 and 0 < test < 1 and validation + test <= 0.8):
        raise UserError(
            f"Validation {validation:.0%} and test {test:.0%} leave too little to train on. Together at most "
            "80 %, each more than 0."
        )
    _, first, group_of, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    if len(first) < 3 and not prompts:
        raise UserError(
            f"The file has {len(first)} distinct text{'s' if len(first) != 1 else ''}; training, validation "
            "and test need at least one each. Part long text into several rows (in a .txt file, by empty lines)."
        )
    if len(first) < 3:
        raise UserError(
            f"The file has {len(first)} distinct prompt{'s' if len(first) != 1 else ''}; training, validation "
            "and test need at least one each. Add rows."
        )
    # Drawn in the order in which the groups first occur, whatever their numbers are.
    left = np.argsort(first).tolist()
    random.Random(seed).shuffle(left)
    wanted = {"test": max(1, round(test * len(groups))), "validation": max(1, round(validation * len(groups)))}
    parts = np.full(len(first), SPLITS.index("train"), np.int8)
    for name, rows in wanted.items():
        taken = 0
        # One group must be left for each part that is still to be filled.
        while taken < rows and len(left) > (2 if name == "test" else 1):
            group = left.pop()
            parts[group] = SPLITS.index(name)
            taken += sizes[group]
    return parts[group_of]


def as_named(
    parts: np.ndarray, groups: np.ndarray, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> np.ndarray:
    """The parts that the file names for its rows; one that it lacks is drawn from its training rows, by groups.

    `parts`: of each row the index of its part in SPLITS. Raises UserError where no row is for training, or too few
    are to draw from.
    """
    train, named = parts == SPLITS.index("train"), set(parts.tolist())
    if not train.any():
        raise UserError(
            "No row of the file is for training, as its column of parts says. Choose none to have them drawn."
        )
    missing = [name for name in ("validation", "test") if SPLITS.index(name) not in named]
    parts = parts.copy()
    if missing:
        drawn = split(groups[train], validation, test, seed)
        wanted = np.isin(drawn, [SPLITS.index(name) for name in missing])
        parts[np.flatnonzero(train)[wanted]] = drawn[wanted]
    return parts
