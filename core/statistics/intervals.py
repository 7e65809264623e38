"""Intervals and tests for paired measurements: numbers in, frozen results out. Knows no models, rows or pages.

Every comparison is of the same items on both sides, so the interval is that of the mean difference (Miller, 2024,
arXiv 2411.00640). Closed forms instead of the bootstrap where there are any: simulated at 10 to 100 rows, the
percentile bootstrap covers less than Student's t everywhere (93 against 95 % at 40 rows of F1 differences). That each
interval covers 93 to 97 % is simulated in tests/core/statistics/test_coverage.py; where one covers more or
less stands with its function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LEVEL = 0.95


Z = 1.959963984540054
"""Standard normal quantile of (1 + LEVEL) / 2."""


Z_POWER = 0.8416212335729143
"""Standard normal quantile of 0.8: the power of `minimum_detectable_difference`."""


@dataclass(frozen=True)
class Estimate:
    """One side's value with its 95 % interval."""

    mean: float
    low: float | None
    """None where one item alone gives no interval."""
    high: float | None
    n: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Interval:
    """Tuned minus base on the same items, with the 95 % interval of the difference."""

    base: float
    tuned: float
    difference: float
    low: float | None
    """None where one item alone gives no interval."""
    high: float | None
    n: int

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


def paired_difference(base: Sequence[float], tuned: Sequence[float]) -> Interval:
    """Mean difference of one value per item and side. Values that are all 0 or 1 are treated as rates.

    Student's t on the differences; for rates Tango's score interval (1998, Statistics in Medicine 17, 891), which does
    not collapse to zero width when no item changed: it covers 93 to 97 % where ten items or more are expected to
    change (92.5 to 97.5 where five are), and more where fewer are. Student's t covers 93 to 97 % of F1 differences from
    40 items on; with 10, most of them unchanged, about 90. Raises ValueError on no items.
    """
    b, t = columns_of(base, tuned)
    d = t - b
    low, high = rate_bounds(d) if is_binary(b) and is_binary(t) else _t_bounds(float(d.mean()), d - d.mean())
    return Interval(float(b.mean()), float(t.mean()), float(d.mean()), low, high, len(d))


def ratio_difference(base_sums: Sequence[float], tuned_sums: Sequence[float], weights: Sequence[float]) -> Interval:
    """Difference of two ratios of sums with common weights: e.g. loss sums and tokens of each row.

    The rows are what is random, not the tokens: jackknife over rows (Cochran, Sampling Techniques, 1977, section 6.17),
    which keeps its level better than the linearised variance where lengths differ much; see `jackknife`. Where
    lengths span three orders of magnitude and the longest rows gain far more per token, it covers only about 85 %. All
    weights must be above 0. Raises ValueError on no rows.
    """
    b, t, w = columns_of(base_sums, tuned_sums, weights)
    base, tuned = float(b.sum() / w.sum()), float(t.sum() / w.sum())
    low, high = jackknife_bounds(t - b, w)
    return Interval(base, tuned, tuned - base, low, high, len(w))


def bootstrap_bounds(
    statistic: Callable[..., np.ndarray], *columns: np.ndarray, seed: int = 0, resamples: int = 2000
) -> tuple[float | None, float | None]:
    """95 % interval of a statistic without a closed form, over rows drawn with replacement (Efron, 1979), by scipy.

    `statistic(*columns, axis)` is vectorised: it reduces `axis`, along which the columns' rows lie. The columns are
    drawn together. The percentiles are taken as far out as Student's t is wider than the normal distribution, without
    which few rows would cover less (Hesterberg, 2015, doi 10.1080/00031305.2015.1089789). (None, None) where every
    drawing gives the same value: that is no certainty, but nothing to go by.
    """
    from scipy.stats import bootstrap, norm, t

    n = len(columns[0])
    if n < 2:
        return None, None
    level = 1 - 2 * norm.sf(math.sqrt(n / (n - 1)) * t.ppf((1 + LEVEL) / 2, n - 1))
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
    return (None, None) if np.ptp(drawn.bootstrap_distribution) == 0 else (low, high)


def ratio(sums: Sequence[float], weights: Sequence[float]) -> Estimate:
    """One ratio of sums with its interval over rows, as in `ratio_difference`."""
    s, w = columns_of(sums, weights)
    return Estimate(float(s.sum() / w.sum()), *jackknife_bounds(s, w), len(w))


def mean(values: Sequence[float]) -> Estimate:
    """Mean of one value per item: Wilson's interval where all values are 0 or 1, else Student's t."""
    (v,) = columns_of(values)
    if is_binary(v):
        return wilson(int(v.sum()), len(v))
    return Estimate(float(v.mean()), *_t_bounds(float(v.mean()), v - v.mean()), len(v))


def wilson(k: int, n: int) -> Estimate:
    """k of n with Wilson's score interval (1927), by scipy. Raises ValueError unless 0 <= k <= n and n > 0."""
    from scipy.stats import binomtest

    if not 0 <= k <= n or n == 0:
        raise ValueError(f"{k} of {n} is no rate")
    low, high = binomtest(k, n).proportion_ci(LEVEL, method="wilson")
    return Estimate(k / n, float(low), float(high), n)


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


def _t_bounds(centre: float, residuals: np.ndarray) -> tuple[float | None, float | None]:
    """centre ± t · s / √n, where s² is the variance of residuals that sum to 0."""
    n = len(residuals)
    return (None, None) if n < 2 else _around(centre, _error(residuals), n - 1)


def _around(centre: float, error: float, freedom: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
    return centre - half, centre + half


def _error(residuals: np.ndarray) -> float:
    """Standard error of a mean."""
    n = len(residuals)
    return math.sqrt(float((residuals**2).sum()) / (n - 1) / n)


def jackknife_bounds(sums: np.ndarray, weights: np.ndarray) -> tuple[float | None, float | None]:
    return (None, None) if len(sums) < 2 else _around(*jackknife(sums, weights))


def jackknife(sums: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """(ratio of sums, its standard error, degrees of freedom) of two rows or more.

    Student's t has as many degrees of freedom as rows of one weight would be as sure, less one. That effective number
    is (Σ w)² / Σ w², as Carter, Schnepel and Steigerwald (2017, doi 10.1162/REST_a_00639) count clusters of unequal
    size: with one long row among many short ones the spread itself is uncertain.
    """
    without = (sums.sum() - sums) / (weights.sum() - weights)
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    error = _error((len(sums) - 1) * (without - without.mean()))
    return float(sums.sum() / weights.sum()), error, max(effective - 1, 0.5)


def jackknife_p(sums: np.ndarray, weights: np.ndarray) -> float:
    """Two-sided p of a ratio of 0, of two rows or more."""
    from scipy.special import stdtr

    centre, error, freedom = jackknife(sums, weights)
    return 2 * float(stdtr(freedom, -abs(centre) / error)) if error else float(centre == 0)


def rate_bounds(d: np.ndarray) -> tuple[float | None, float | None]:
    """Where the score of Tango's test of the difference reaches ±Z. `d` is 1, 0 or -1 for each item."""
    from scipy.optimize import brentq

    n, gained, lost = len(d), int((d > 0).sum()), int((d < 0).sum())
    if n < 2:
        return None, None
    seen = (gained - lost) / n

    def score(difference: float) -> float:
        """(gained - lost - n · difference) / its standard deviation, if that were the true difference."""
        half = (2 * n - gained + lost) * difference - gained - lost
        # The most likely share of lost items, given the difference: a root of a quadratic.
        share = (math.sqrt(half * half + 8 * n * lost * difference * (1 - difference)) - half) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        return (gained - lost - n * difference) / math.sqrt(max(variance, 1e-300))

    edge = 1 - 1e-12
    low = -1.0 if seen <= -edge else float(brentq(lambda x: score(x) - Z, -edge, seen))
    high = 1.0 if seen >= edge else float(brentq(lambda x: score(x) + Z, seen, edge))
    return low, high
