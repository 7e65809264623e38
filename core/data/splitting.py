"""A frozen train / validation / test split. Rows with the same prompt always stand on the same side."""

from __future__ import annotations

import random

import numpy as np

from core.errors import UserError
from core.store.datasets import SPLITS
from core.store.keys import among

TRAIN, VALIDATION, TEST = range(3)
"""Indexes of SPLITS."""
FREE = -1
"""Of a row that no earlier version has."""
MOST_HELD = 0.8
"""Share of the rows that validation and test take together, at most."""


def split(
    groups: np.ndarray,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    prompts: bool = True,
    strata: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """Of each row the index of its part in SPLITS; no part stays empty.

    `groups`: a number a row, the same for rows that must stand together. `validation`, `test`: a share of the rows
    below 1, or a number of rows. `prompts`: False where all is plain text. `strata`: a number a row; each part holds
    its share of every stratum. `known`: of each row its part in an earlier version, or FREE; a group stays where one of
    its rows is known, test before validation before training.
    Raises UserError for fewer than three distinct prompts, or shares that leave nothing to train on.
    """
    n = len(groups)
    wanted = _wanted(validation, test, n)
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
    parts = np.full(len(first), FREE, np.int8)
    if known is not None:
        np.maximum.at(parts, group_of, known.astype(np.int8))
    stratum = np.zeros(len(first), np.int64) if strata is None else np.unique(strata, return_inverse=True)[1][first]
    drawing = np.argsort(first).tolist()  # in the order in which the groups first occur, whatever their numbers are
    random.Random(seed).shuffle(drawing)
    order = np.array(drawing)
    left, trained = order[parts[order] == FREE], order[parts[order] == TRAIN]
    for part in (TEST, VALIDATION):
        taken = int(sizes[parts == part].sum())
        # One group must be left for each part that is still to be filled.
        empty = sum(not (parts == other).any() for other in (TRAIN, VALIDATION) if other != part)
        spare = empty if part == TEST else min(empty, 1)
        drawn = _drawn(left, sizes, stratum, wanted[part] - taken, spare)
        if not drawn and not taken and len(trained) > spare - len(left):
            # All rows are known, and none of this part: one group that was trained measures now.
            drawn, trained = trained[-1:].tolist(), trained[:-1]
        parts[drawn] = part
        left = left[parts[left] == FREE]
    parts[parts == FREE] = TRAIN
    if not (parts == TRAIN).any():
        raise UserError(
            "All of these rows were test or validation rows in an earlier version of this project, and a test row is "
            "never trained. Add rows that are new, or import these into a new project."
        )
    return parts[group_of]


def _wanted(validation: float, test: float, n: int) -> dict[int, int]:
    """Rows of each part that measures. Raises UserError for shares or numbers that leave too little to train on."""
    asked = {TEST: test, VALIDATION: validation}
    rows = {part: round(value * n) if value < 1 else round(value) for part, value in asked.items()}
    if not (validation > 0 and test > 0 and _as_share(validation, n) + _as_share(test, n) <= MOST_HELD):
        said = [f"{value:.0%}" if value < 1 else f"{value:,.0f} rows" for value in (validation, test)]
        raise UserError(
            f"Validation {said[0]} and test {said[1]} leave too little to train on. Together at most "
            "80 %, each more than 0."
        )
    return {part: max(1, count) for part, count in rows.items()}


def _as_share(value: float, n: int) -> float:
    return value if value < 1 else value / max(1, n)


def _drawn(left: np.ndarray, sizes: np.ndarray, stratum: np.ndarray, rows: int, spare: int) -> list[int]:
    """Groups from the end of `left` for about so many rows, of each stratum its share; `spare` groups stay."""
    if rows <= 0 or not len(left):
        return []
    quota = _quotas(sizes[left], stratum[left], rows)
    drawn: list[int] = []
    last = left[::-1]
    for group, size, of in zip(last.tolist(), sizes[last].tolist(), stratum[last].tolist(), strict=True):
        if rows <= 0 or len(left) - len(drawn) <= spare:
            break
        if quota[of] > 0:
            quota[of] -= size
            rows -= size
            drawn.append(group)
    return drawn


def _quotas(sizes: np.ndarray, stratum: np.ndarray, rows: int) -> dict[int, int]:
    """Rows that each stratum gives, in whole rows: the largest remainders are rounded up."""
    names, at = np.unique(stratum, return_inverse=True)
    of = np.bincount(at, sizes)
    exact = of * (rows / of.sum())
    quota = np.floor(exact).astype(np.int64)
    missing = rows - int(quota.sum())
    quota[np.argsort(-(exact - quota), kind="stable")[:missing]] += 1
    return dict(zip(names.tolist(), quota.tolist(), strict=True))


def split_by_column(
    groups: np.ndarray,
    validation: float,
    test: float,
    seed: int,
    strata: np.ndarray | None,
    known_test: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(of each row its part, is it kept out?) where whole customers, documents … stand together.

    Test rows of an earlier split stand in many such groups. Those groups are drawn for the test first that hold most of
    them, by share; what of them is left in groups that are trained is kept out, for a test row is never trained.
    """
    _, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    share = np.bincount(group_of, known_test) / sizes
    wanted = _wanted(validation, test, len(groups))
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-share[order], kind="stable")]
    known = np.full(len(groups), FREE, np.int8)
    before = np.cumsum(sizes[order]) - sizes[order]
    first = order[(before < wanted[TEST]) & (share[order] > 0)]
    # Two groups at least are left for the other parts.
    first = first[: max(0, len(sizes) - 2)]
    known[among(group_of, first)] = TEST
    parts = split(groups, validation, test, seed, True, strata, known)
    return parts, known_test & (parts != TEST)


def together(*numbers: np.ndarray) -> np.ndarray:
    """Of each row a number, the same for rows that agree in any of several numbers, or by way of others do."""
    labels = np.unique(numbers[0], return_inverse=True)[1].astype(np.int64)
    for other in numbers[1:]:
        values = np.unique(other, return_inverse=True)[1]
        while True:
            # The smallest label of each value, then of each label, until nothing changes: a few passes over all rows.
            least = np.full(int(values.max(initial=-1)) + 1, np.iinfo(np.int64).max)
            np.minimum.at(least, values, labels)
            lower = least[values]
            of_label = np.full(int(labels.max(initial=-1)) + 1, np.iinfo(np.int64).max)
            np.minimum.at(of_label, labels, lower)
            new = of_label[labels]
            if (new == labels).all():
                break
            labels = new
    return labels


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
