"""Intervals and tests for paired measurements: numbers in, frozen results out. Knows no models, rows or pages.

Every comparison is of the same items on both sides, so the interval is that of the mean difference (Miller, 2024,
arXiv 2411.00640). Closed forms instead of the bootstrap where there are any: simulated at 10 to 100 rows, the
percentile bootstrap covers less than Student's t everywhere (93 against 95 % at 40 rows of F1 differences). That each
interval covers 93 to 97 % is simulated in tests/core/evaluation/test_evaluation_coverage.py; where one covers more or
less stands with its function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
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


def paired_difference(base: Sequence[float], tuned: Sequence[float]) -> Interval:
    """Mean difference of one value per item and side. Values that are all 0 or 1 are treated as rates.

    Student's t on the differences; for rates Tango's score interval (1998, Statistics in Medicine 17, 891), which does
    not collapse to zero width when no item changed: it covers 93 to 97 % where ten items or more are expected to
    change (92.5 to 97.5 where five are), and more where fewer are. Student's t covers 93 to 97 % of F1 differences from
    40 items on; with 10, most of them unchanged, about 90. Raises ValueError on no items.
    """
    b, t = _columns(base, tuned)
    d = t - b
    low, high = _rate_bounds(d) if _is_binary(b) and _is_binary(t) else _t_bounds(float(d.mean()), d - d.mean())
    return Interval(float(b.mean()), float(t.mean()), float(d.mean()), low, high, len(d))


def ratio_difference(base_sums: Sequence[float], tuned_sums: Sequence[float], weights: Sequence[float]) -> Interval:
    """Difference of two ratios of sums with common weights: e.g. loss sums and tokens of each row.

    The rows are what is random, not the tokens: jackknife over rows (Cochran, Sampling Techniques, 1977, section 6.17),
    which keeps its level better than the linearised variance where lengths differ much; see `_jackknife`. Where
    lengths span three orders of magnitude and the longest rows gain far more per token, it covers only about 85 %. All
    weights must be above 0. Raises ValueError on no rows.
    """
    b, t, w = _columns(base_sums, tuned_sums, weights)
    base, tuned = float(b.sum() / w.sum()), float(t.sum() / w.sum())
    low, high = _jackknife_bounds(t - b, w)
    return Interval(base, tuned, tuned - base, low, high, len(w))


def ratio_p(base_sums: Sequence[float], tuned_sums: Sequence[float], weights: Sequence[float]) -> float:
    """Two-sided p of no difference that goes with `ratio_difference`: below 0.05 where its interval excludes 0.

    1.0 where nothing changed, or where one row alone gives no test.
    """
    b, t, w = _columns(base_sums, tuned_sums, weights)
    return _jackknife_p(t - b, w) if len(w) > 1 and (t - b).any() else 1.0


def clustered_difference(base: Sequence[float], tuned: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    """As `paired_difference`, for items that come in clusters: questions of a subject, or of a common passage.

    `clusters` names each item's cluster. The clusters are what is random: each is left out in turn, which for a mean is
    the cluster-robust variance CR3, the one that serves few clusters (MacKinnon, Nielsen and Webb, 2023, arXiv
    2301.04527), with Student's t of `_jackknife`. For rates of which fewer than ten items changed it is not
    narrower than without clusters: so little change must not look like certainty. Covers 93 to 97 % from 20 clusters
    on, with MMLU's sizes; with fewer, or of very unequal size, up to 100 %. One cluster has no interval.
    """
    b, t = _columns(base, tuned)
    d = t - b
    low, high = _jackknife_bounds(*_by_cluster(d, clusters))
    if low is not None and _is_binary(b) and _is_binary(t) and np.count_nonzero(d) < 10:
        alone = _rate_bounds(d)
        low, high = max(-1.0, min(low, alone[0])), min(1.0, max(high, alone[1]))
    return Interval(float(b.mean()), float(t.mean()), float(d.mean()), low, high, len(d))


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
    s, w = _columns(sums, weights)
    return Estimate(float(s.sum() / w.sum()), *_jackknife_bounds(s, w), len(w))


def mean(values: Sequence[float]) -> Estimate:
    """Mean of one value per item: Wilson's interval where all values are 0 or 1, else Student's t."""
    (v,) = _columns(values)
    if _is_binary(v):
        return wilson(int(v.sum()), len(v))
    return Estimate(float(v.mean()), *_t_bounds(float(v.mean()), v - v.mean()), len(v))


def wilson(k: int, n: int) -> Estimate:
    """k of n with Wilson's score interval (1927). Raises ValueError unless 0 <= k <= n and n > 0."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"{k} of {n} is no rate")
    share, z2 = k / n, Z * Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n)


def mcnemar_exact(base_correct: Sequence[float], tuned_correct: Sequence[float]) -> Flips:
    """Exact McNemar test: the binomial test of lost against gained among the items that changed."""
    from scipy.stats import binomtest

    b, t = (column.astype(bool) for column in _columns(base_correct, tuned_correct))
    lost, gained = int((b & ~t).sum()), int((t & ~b).sum())
    p = float(binomtest(lost, lost + gained).pvalue) if lost + gained else 1.0
    return Flips(lost, gained, len(b) - lost - gained, p)


def minimum_detectable_difference(discordant_share: float, n: int) -> float:
    """The smallest true difference of two rates that n paired items show in 80 of 100 cases: 2.8 √(share / n).

    `discordant_share` is the share of items that change between right and wrong (EVALUATION, A3; Miller, 2024).
    """
    return (Z + Z_POWER) * math.sqrt(discordant_share / n)


def holm(pvalues: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979), in the given order.

    Where nothing differs, one set in 20 at most has any of them below 0.05.
    """
    if not len(pvalues):
        return []
    from statsmodels.stats.multitest import multipletests

    return [float(p) for p in multipletests(pvalues, method="holm")[1]]


def paired_p(base: Sequence[float], tuned: Sequence[float]) -> float:
    """Two-sided p of no difference: McNemar's exact test where all values are 0 or 1, else the paired t-test.

    1.0 where nothing changed, or where one item alone gives no test.
    """
    b, t = _columns(base, tuned)
    if _is_binary(b) and _is_binary(t):
        return mcnemar_exact(b, t).p
    from scipy.stats import ttest_rel

    if len(b) < 2 or np.ptp(t - b) == 0:
        return 1.0 if not (t - b).any() or len(b) < 2 else 0.0
    return float(ttest_rel(t, b).pvalue)


def clustered_error(difference: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Standard error of a mean of differences whose items come in two clusters or more (see `clustered_difference`)."""
    (d,) = _columns(difference)
    return _jackknife(*_by_cluster(d, clusters))[1]


def clustered_p(base: Sequence[float], tuned: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Two-sided p of no difference that goes with `clustered_difference`: below 0.05 where its interval excludes 0.

    The same jackknife variance over clusters and the same Student's t (MacKinnon, Nielsen and Webb, 2023, arXiv
    2301.04527; Carter, Schnepel and Steigerwald, 2017). For rates of which fewer than ten items changed it is not below
    that of Tango's score test, which of no difference is McNemar's without correction. Where nothing differs, 3 to 7 %
    of sets with 20 clusters or more are below 0.05; with fewer clusters fewer. One cluster has no test: 1.
    """
    from scipy.special import ndtr

    b, t = _columns(base, tuned)
    d = t - b
    sums, weights = _by_cluster(d, clusters)
    if len(sums) < 2 or not d.any():
        return 1.0
    p = _jackknife_p(sums, weights)
    if _is_binary(b) and _is_binary(t) and np.count_nonzero(d) < 10:
        p = max(p, 2 * float(ndtr(-abs(d.sum()) / math.sqrt(np.count_nonzero(d)))))
    return p


def _by_cluster(d: np.ndarray, clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """(sum, items) of each cluster."""
    if len(clusters) != len(d):
        raise ValueError(f"need a cluster for each of {len(d)} items, got {len(clusters)}")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(c, len(numbers)) for c in clusters])
    return np.bincount(index, weights=d), np.bincount(index).astype(np.float64)


def _columns(*columns: Sequence[float]) -> list[np.ndarray]:
    """float64 arrays of one length > 0."""
    arrays = [np.asarray(column, dtype=np.float64) for column in columns]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1 or not len(arrays[0]):
        raise ValueError(f"need columns of one length above 0, got {[a.shape for a in arrays]}")
    return arrays


def _is_binary(values: np.ndarray) -> bool:
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


def _jackknife_bounds(sums: np.ndarray, weights: np.ndarray) -> tuple[float | None, float | None]:
    return (None, None) if len(sums) < 2 else _around(*_jackknife(sums, weights))


def _jackknife(sums: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """(ratio of sums, its standard error, degrees of freedom) of two rows or more.

    Student's t has as many degrees of freedom as rows of one weight would be as sure, less one. That effective number
    is (Σ w)² / Σ w², as Carter, Schnepel and Steigerwald (2017, doi 10.1162/REST_a_00639) count clusters of unequal
    size: with one long row among many short ones the spread itself is uncertain.
    """
    without = (sums.sum() - sums) / (weights.sum() - weights)
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    error = _error((len(sums) - 1) * (without - without.mean()))
    return float(sums.sum() / weights.sum()), error, max(effective - 1, 0.5)


def _jackknife_p(sums: np.ndarray, weights: np.ndarray) -> float:
    """Two-sided p of a ratio of 0, of two rows or more."""
    from scipy.special import stdtr

    centre, error, freedom = _jackknife(sums, weights)
    return 2 * float(stdtr(freedom, -abs(centre) / error)) if error else float(centre == 0)


def _rate_bounds(d: np.ndarray) -> tuple[float | None, float | None]:
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
