"""p-values of paired measurements, and their correction for how many there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.statistics import bounds
from core.statistics.bounds import LEVEL
from core.statistics.intervals import Interval, columns_of, is_binary


@dataclass(frozen=True)
class Flips:
    """Items that changed between right and wrong, and McNemar's exact test of them."""

    lost: int
    """Right by base, wrong by tuned."""
    gained: int
    unchanged: int
    p: float
    """Two-sided: how often a difference at least this large comes by chance."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def ratio_p(base_sums: Sequence[float], tuned_sums: Sequence[float], weights: Sequence[float]) -> float:
    """Two-sided p of no difference of two ratios of sums: Student's t with the jackknife's variance.

    1.0 where nothing changed, or where one row alone gives no test.
    """
    from scipy.special import stdtr

    b, t, w = columns_of(base_sums, tuned_sums, weights)
    if len(w) < 2 or not (t - b).any():
        return 1.0
    centre, error, freedom = bounds.jackknife(t - b, w)
    return 2 * float(stdtr(freedom, -abs(centre) / error)) if error else 0.0


def mcnemar_exact(base_correct: Sequence[float], tuned_correct: Sequence[float]) -> Flips:
    """Exact McNemar test: the binomial test of lost against gained among the items that changed."""
    from scipy.stats import binomtest

    b, t = [column.astype(bool) for column in columns_of(base_correct, tuned_correct)]
    lost, gained = int((b & ~t).sum()), int((t & ~b).sum())
    p = float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0
    return Flips(lost, gained, len(b) - lost - gained, p)


def holm(pvalues: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979), in the given order.

    Where nothing differs, one set in 20 at most has any of them below 0.05.
    """
    if not len(pvalues):
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(pvalues, method="holm")[1]]


def holm_intervals(at: Mapping[str, Callable[[float], Interval]], besides: int = 0) -> dict[str, Interval]:
    """Intervals of several measures of the same items, each at the level at which Holm's method (1979) tests it.

    `at` gives each measure's interval at a level; `besides` are measures of the family that are not known yet, which is
    as if they showed no difference. Where nothing differs, one set in 20 at most has any that excludes 0; and as none
    is at less than 95 %, each covers at least as well as by itself.
    """
    intervals: dict[str, Interval] = {}
    while left := [name for name in at if name not in intervals]:
        level = holm_level(len(left) + besides)
        tried = {name: at[name](level) for name in left}
        settled = {name: interval for name, interval in tried.items() if interval.settled}
        intervals |= settled or tried
    return {name: intervals[name] for name in at}


def holm_level(untold: int) -> float:
    """The level at which Holm's method tests the next of so many measures that have shown no difference yet."""
    return 1 - (1 - LEVEL) / untold


def paired_p(base: Sequence[float], tuned: Sequence[float]) -> float:
    """Two-sided p of no difference: McNemar's exact test where all values are 0 or 1, else the paired t-test.

    1.0 where nothing changed, or where one item alone gives no test.
    """
    b, t = columns_of(base, tuned)
    if is_binary(b) and is_binary(t):
        return mcnemar_exact(base, tuned).p
    from scipy.stats import ttest_rel

    if len(b) < 2 or np.ptp(t - b) == 0:
        return 1.0 if not (t - b).any() or len(b) < 2 else 0.0
    return float(ttest_rel(t, b).pvalue)
