"""Intervals and tests for paired measurements: numbers in, frozen results out. Knows no models, rows or pages.

Every comparison is of the same items on both sides, so the interval is that of the mean difference (Miller, 2024,
arXiv 2411.00640). An interval covers the truth in 93 of 100 cases or more, simulated over everything that a report may
meet (`python -m tests.performance.coverage`, docs/evaluation.md); where no method does, there is none, and `why` says
so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from core.statistics import bounds
from core.statistics.bounds import FEWEST_OF_RATIO, FEWEST_ROWS, LEVEL, NONE, Bounds

Z = 1.959963984540054
"""Standard normal quantile of (1 + LEVEL) / 2."""


Z_POWER = 0.8416212335729143
"""Standard normal quantile of 0.8: the power of `minimum_detectable_difference`."""


Why = Literal["one", "alike", "few rows", "few changed", "uneven"]
"""Why there is no interval: one item alone has none; all items are alike on both sides; fewer than ten items, or 20 for
a loss per token; fewer than ten that changed, or a few that decide; a few long rows hold most of the tokens."""


@dataclass(frozen=True)
class Estimate:
    """One side's value with its 95 % interval."""

    mean: float
    low: float | None
    """None where there is no sound interval."""
    high: float | None
    n: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Interval:
    """Tuned minus base on the same items, with the interval of the difference."""

    base: float
    tuned: float
    difference: float
    low: float | None
    """None where there is no sound interval: see `why`."""
    high: float | None
    n: int
    level: float = LEVEL
    """Above 0.95 where the interval is one of several that are corrected together."""
    changed: int | None = None
    """Items that differ between the sides; None in reports of before 0.3."""
    why: Why | None = None
    """Why there is no interval; in reports of before 0.3 it was always "one"."""

    @property
    def settled(self) -> bool:
        """Does the interval exclude 0?"""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Compared:
    """One measure of both sides, and their difference on the same items."""

    base: Estimate
    tuned: Estimate
    difference: Interval


def paired_difference(base: Sequence[float], tuned: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean difference of one value per item and side.

    Values that are all 0 or 1 are treated as rates (`bounds.of_paired_rates`), values between 0 and 1 as bounded
    (`bounds.of_bounded`); others need ten items that changed, or there is no interval. Nor is there one where both
    sides are alike in every item, unless they are rates: then so many items say how often that can be otherwise. Raises
    ValueError on no items.
    """
    b, t = columns_of(base, tuned)
    d = t - b
    changed, limits = int(np.count_nonzero(d)), NONE
    why: Why | None = None
    if len(d) < 2:
        why = "one"
    elif is_binary(b) and is_binary(t):
        limits = bounds.of_paired_rates(d, level)
    elif not changed:
        why = "alike"
    elif _within(b, 0, 1) and _within(t, 0, 1):
        limits = bounds.of_bounded(d, -1.0, 1.0, level)
    else:
        why = _too_few(d, len(d), changed)
        limits = NONE if why else bounds.of_ratio(d, np.ones(len(d)), level)
    return Interval(float(b.mean()), float(t.mean()), float(d.mean()), *limits, len(d), level, changed, why)


def ratio_difference(
    base_sums: Sequence[float],
    tuned_sums: Sequence[float],
    weights: Sequence[float],
    level: float = LEVEL,
    among: np.ndarray | None = None,
) -> Interval:
    """Difference of two ratios of sums with common weights: e.g. loss sums and tokens of each row.

    The rows are what is random, not the tokens (`bounds.of_ratio`). There is no interval of fewer than 20 rows, of
    fewer than ten that changed, and where a few long rows decide, of these or of all that there are (`among`: see
    `bounds.even_enough`). All weights must be above 0.
    Raises ValueError on no rows.
    """
    b, t, w = columns_of(base_sums, tuned_sums, weights)
    base, tuned, d = float(b.sum() / w.sum()), float(t.sum() / w.sum()), t - b
    changed, limits = int(np.count_nonzero(d)), NONE
    why: Why | None = "one" if len(d) < 2 else "alike" if not changed else _too_few(d, len(d), changed, FEWEST_OF_RATIO)
    if why is None:
        if bounds.even_enough(w, among):
            limits = bounds.of_ratio(d, w, level)
        else:
            why = "uneven"
    return Interval(base, tuned, tuned - base, *limits, len(w), level, changed, why)


def _too_few(d: np.ndarray, n: int, changed: int, fewest: int = FEWEST_ROWS) -> Why | None:
    if n < fewest:
        return "few rows"
    few = changed < FEWEST_ROWS or (changed < n and bounds.carriers(d) < bounds.CARRIERS)
    return "few changed" if few else None


def bootstrap_bounds(
    statistic: Callable[..., np.ndarray],
    *columns: np.ndarray,
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = LEVEL,
) -> Bounds:
    """Interval of a statistic without a closed form, over rows drawn with replacement (Efron, 1979), by scipy.

    `statistic(*columns, axis)` is vectorised: it reduces `axis`, along which the columns' rows lie. The columns are
    drawn together. The percentiles are taken as far out as Student's t is wider than the normal distribution, without
    which few rows would cover less (Hesterberg, 2015, doi 10.1080/00031305.2015.1089789). (None, None) where every
    drawing gives the same value: that is no certainty, but nothing to go by.
    """
    from scipy.stats import bootstrap, norm, t

    n = len(columns[0])
    if n < 2:
        return NONE
    level = 1 - 2 * norm.sf(math.sqrt(n / (n - 1)) * t.ppf((1 + confidence) / 2, n - 1))
    drawn = bootstrap(
        columns,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // n),
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = (float(bound) for bound in drawn.confidence_interval)
    return NONE if np.ptp(drawn.bootstrap_distribution) == 0 else (low, high)


def ratio(sums: Sequence[float], weights: Sequence[float], among: np.ndarray | None = None) -> Estimate:
    """One ratio of sums with its interval over rows, where `ratio_difference` would have one."""
    s, w = columns_of(sums, weights)
    limits = bounds.of_ratio(s, w) if bounds.even_enough(w, among) else NONE
    return Estimate(float(s.sum() / w.sum()), *limits, len(w))


def mean(values: Sequence[float]) -> Estimate:
    """Mean of one value per item: `rate` where all values are 0 or 1, else as `paired_difference` has it."""
    (v,) = columns_of(values)
    if is_binary(v):
        return rate(int(v.sum()), len(v))
    limits = NONE
    if len(v) > 1 and _within(v, 0, 1):
        limits = bounds.of_bounded(v, 0.0, 1.0)
    elif len(v) >= FEWEST_ROWS:
        limits = bounds.of_ratio(v, np.ones(len(v)))
    return Estimate(float(v.mean()), *limits, len(v))


def rate(k: int, n: int) -> Estimate:
    """k of n with the interval of `bounds.of_rate`. Raises ValueError unless 0 <= k <= n and n > 0."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"{k} of {n} is no rate")
    return Estimate(k / n, *bounds.of_rate(k, n), n)


def minimum_detectable_difference(discordant_share: float, n: int) -> float:
    """The smallest true difference of two rates that n paired items show in 80 of 100 cases: 2.8 √(share / n).

    `discordant_share` is the share of items that change between right and wrong (EVALUATION, A3; Miller, 2024).
    """
    return (Z + Z_POWER) * math.sqrt(discordant_share / n)


def columns_of(*columns: Sequence[float] | np.ndarray) -> list[np.ndarray]:
    """float64 arrays of one length > 0."""
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1 or not len(arrays[0]):
        raise ValueError(f"need columns of one length above 0, got {[a.shape for a in arrays]}")
    return arrays


def is_binary(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _within(values: np.ndarray, low: float, high: float) -> bool:
    return bool(((values >= low) & (values <= high)).all())
