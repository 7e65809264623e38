"""Differences of items that come in clusters, such as questions in subjects."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np

from core.statistics import bounds
from core.statistics.bounds import LEVEL
from core.statistics.intervals import Interval, columns_of, is_binary, paired_difference

FEWEST_CLUSTERS = 3
"""With two, the spread between them says next to nothing."""


def clustered_difference(
    base: Sequence[float], tuned: Sequence[float], clusters: Sequence[Hashable], level: float = LEVEL
) -> Interval:
    """As `paired_difference`, for items that come in clusters: questions of a subject, or of a common passage.

    `clusters` names each item's cluster. The clusters are what is random: each is left out in turn, which for a mean is
    the cluster-robust variance CR3, the one that serves few clusters (MacKinnon, Nielsen and Webb, 2023, arXiv
    2301.04527), with Student's t of `bounds.jackknife`. It is not narrower than without clusters where fewer than ten
    items changed, or where there are fewer than ten clusters, between which a small spread can be luck: so little must
    not look like certainty. Values between 0 and 1 that are no rates have `bounds.of_bounded` besides. One cluster has
    no interval, nor have two.
    """
    b, t = columns_of(base, tuned)
    d = t - b
    sums, weights = _by_cluster(d, clusters)
    changed = int(np.count_nonzero(d))
    difference = Interval(float(b.mean()), float(t.mean()), float(d.mean()), None, None, len(d), level, changed)
    rates = is_binary(b) and is_binary(t)
    if len(sums) < FEWEST_CLUSTERS or not (changed or rates):
        return replace(difference, why="one" if len(d) < 2 else "few rows" if changed or rates else "alike")
    both = [bounds.around(*bounds.jackknife(sums, weights), level)]
    if len(sums) < 10 or changed < 10:
        alone = paired_difference(base, tuned, level)
        if alone.low is None or alone.high is None:
            return alone
        both.append((alone.low, alone.high))
    if _shares(b, t) and not rates:
        both.append(bounds.of_bounded(sums, -1.0, 1.0, level, weights))
    low, high = min(low for low, _ in both), max(high for _, high in both)
    if _shares(b, t):
        low, high = max(-1.0, low), min(1.0, high)
    return replace(difference, low=low, high=high)


def _shares(*sides: np.ndarray) -> bool:
    return all(((side >= 0) & (side <= 1)).all() for side in sides)


def clustered_error(difference: Sequence[float] | np.ndarray, clusters: Sequence[Hashable]) -> float:
    """Standard error of a mean of differences whose items come in two clusters or more (see `clustered_difference`)."""
    (d,) = columns_of(difference)
    return bounds.jackknife(*_by_cluster(d, clusters))[1]


def clustered_p(base: Sequence[float], tuned: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Two-sided p of no difference that goes with `clustered_difference`: below 0.05 where its interval excludes 0.

    One less the highest level at which the interval excludes 0, so interval and test cannot disagree. 1 where there is
    no interval.
    """
    settled = lambda p: clustered_difference(base, tuned, clusters, 1 - p).settled  # noqa: E731
    if not settled(1 - 1e-9):
        return 1.0
    low, high = -12.0, 0.0  # of the decimal logarithm
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if settled(10**middle) else (middle, high)
    return float(10**high)


def _by_cluster(d: np.ndarray, clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """(sum, items) of each cluster."""
    if len(clusters) != len(d):
        raise ValueError(f"need a cluster for each of {len(d)} items, got {len(clusters)}")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(c, len(numbers)) for c in clusters])
    return np.bincount(index, weights=d), np.bincount(index).astype(np.float64)
