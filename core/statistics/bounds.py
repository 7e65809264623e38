"""The two ends of an interval, by several methods: arrays in, (low, high) out; (None, None) where none is sound.

Which method serves which numbers was decided by simulation (`python -m tests.performance.coverage`); the table stands
in docs/evaluation.md.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

LEVEL = 0.95

Bounds = tuple[float | None, float | None]
NONE: Bounds = (None, None)

CARRIERS = 8
"""Student's t needs a difference that at least so many rows carry (see `carriers`); with fewer it covers 50 to 90 %."""
FEWEST_ROWS = 10
"""A mean of values without bounds has no interval with fewer rows, nor has anything of which fewer changed."""
FEWEST_OF_RATIO = 20
"""A ratio of sums has none with fewer rows: of ten, of unequal length, it would cover 90 to 92 %."""
DRAWS = 4000
"""Of the Bayesian bootstrap: with another seed the ends move by about a fiftieth of the width."""


def carriers(d: np.ndarray) -> float:
    """How many rows carry a mean, or its spread, whichever are fewer: (Σ x²)² / Σ x⁴. n equal rows are n, one is 1.

    Kish's effective number (1965) with the squares as weights: where it is small, the next row may change the variance.
    """
    return min(_effective(d**2), _effective((d - d.mean()) ** 2))


def even_enough(weights: np.ndarray, among: np.ndarray | None = None) -> bool:
    """Are the rows' lengths so alike that a ratio of sums has an interval?

    Where few long rows hold most of the tokens, a longer one that was not drawn may hold more than all that were, and
    no method covers: in simulation 65 to 90 %. So few rows have to be the more alike, the fewer they are. `among`: the
    lengths of all rows that there are, in any unit: few rows may be alike only because no long one was drawn.
    """
    n = len(weights)
    least = 0.5 + 1.1 / math.sqrt(n)
    known = [weights] if among is None or len(among) <= n else [weights, among]
    return n >= FEWEST_OF_RATIO and all(_effective(lengths) >= least * len(lengths) for lengths in known)


def of_bounded(
    sums: np.ndarray, low: float, high: float, level: float = LEVEL, weights: np.ndarray | None = None
) -> tuple[float, float]:
    """Mean of values that lie between `low` and `high` by their nature; or, with `weights`, of sums of so many of them.

    Where enough rows carry it (`carriers`), `of_ratio`; else Gaffke's bounds (2005; Learned-Miller and Thomas, 2019,
    arXiv 1905.06208): the Bayesian bootstrap with one unseen row at the worst possible value on either side. They are
    Clopper and Pearson's of values that are `low` or `high`, and cover 95 % or more of whatever values.
    """
    n = len(sums)
    w = np.ones(n) if weights is None else weights
    if n >= FEWEST_ROWS and carriers(sums - sums.sum() / w.sum() * (w - w.mean())) >= CARRIERS:
        return of_ratio(sums, w, level)
    one = float(w.mean())
    return _bootstrapped(sums, w, (low * one, one), (high * one, one), level)


def of_ratio(sums: np.ndarray, weights: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Σ sums / Σ weights over rows: on each side the wider of two.

    Student's t with the jackknife's variance, and the Bayesian bootstrap (Rubin, 1981) in which the row that pulls
    hardest to that side counts twice: the first covers too little where the rows are skewed, the second where they are
    few.
    """
    pull = sums - sums.sum() / weights.sum() * weights
    least, most = int(pull.argmin()), int(pull.argmax())
    worst, best = ((float(sums[i]), float(weights[i])) for i in (least, most))
    low, high = _bootstrapped(sums, weights, worst, best, level)
    t_low, t_high = around(*jackknife(sums, weights), level)
    return min(low, t_low), max(high, t_high)


def _bootstrapped(
    sums: np.ndarray, weights: np.ndarray, worst: tuple[float, float], best: tuple[float, float], level: float
) -> tuple[float, float]:
    """Ends of Σ E·sums / Σ E·weights, E exponential, with one further row (its sum, its weight) for each end."""
    n = len(sums)
    above: list[np.ndarray] = []
    below: list[np.ndarray] = []
    for drawn in _exponentials(n + 1) if n < 2000 else _pieces(n + 1):
        s, w, last = drawn[:, :n] @ sums, drawn[:, :n] @ weights, drawn[:, n]
        below.append((s + last * worst[0]) / (w + last * worst[1]))
        above.append((s + last * best[0]) / (w + last * best[1]))
    tail = (1 - level) / 2
    return float(np.quantile(np.concatenate(below), tail)), float(np.quantile(np.concatenate(above), 1 - tail))


@lru_cache(maxsize=4)
def _exponentials(n: int) -> tuple[np.ndarray, ...]:
    return (np.random.default_rng(0).exponential(size=(DRAWS, n)),)


def _pieces(n: int) -> list[np.ndarray]:
    """As many drawings, of many rows: made anew, and fewer of them, because the ends move less."""
    return [np.random.default_rng(i).exponential(size=(100, n)) for i in range(10)]


def around(centre: float, error: float, freedom: float, level: float = LEVEL) -> tuple[float, float]:
    """centre ± t · error."""
    from scipy.special import stdtrit

    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    return centre - half, centre + half


def jackknife(sums: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """(ratio of sums, its standard error, degrees of freedom) of two rows or more.

    Each row is left out in turn (Cochran, Sampling Techniques, 1977, section 6.17). Student's t has as many degrees of
    freedom as rows of one weight would be as sure, less one. That effective number is (Σ w)² / Σ w², as Carter,
    Schnepel and Steigerwald (2017, doi 10.1162/REST_a_00639) count clusters of unequal size: with one long row among
    many short ones the spread itself is uncertain.
    """
    without = (sums.sum() - sums) / (weights.sum() - weights)
    n = len(sums)
    residuals = (n - 1) * (without - without.mean())
    error = math.sqrt(float((residuals**2).sum()) / (n - 1) / n)
    return float(sums.sum() / weights.sum()), error, max(_effective(weights) - 1, 0.5)


def _effective(weights: np.ndarray) -> float:
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else float(len(weights))


def of_paired_rates(d: np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Difference of two rates; `d` is 1, 0 or -1 for each item. On each side the wider of two.

    Tango's score interval (1998, Statistics in Medicine 17, 891): where the score of his test reaches ±z. And Bonett
    and Price's (2012, Journal of Educational and Behavioral Statistics 37, 479): Wald's with one item more lost and one
    gained. By itself the first covers 90 to 92 % where nearly all of 10 to 20 items changed, the second 89 to 93; where
    all did, Clopper and Pearson's interval of the gained among them counts too.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    n, gained, lost = len(d), int((d > 0).sum()), int((d < 0).sum())
    z, seen = float(ndtri((1 + level) / 2)), (gained - lost) / n

    def score(difference: float) -> float:
        """(gained - lost - n · difference) / its standard deviation, if that were the true difference."""
        half = (2 * n - gained + lost) * difference - gained - lost
        # The most likely share of lost items, given the difference: a root of a quadratic.
        share = (math.sqrt(half * half + 8 * n * lost * difference * (1 - difference)) - half) / (4 * n)
        variance = n * (2 * share + difference * (1 - difference))
        return (gained - lost - n * difference) / math.sqrt(max(variance, 1e-300))

    edge = 1 - 1e-12
    low = -1.0 if seen <= -edge else float(brentq(lambda x: score(x) - z, -edge, seen))
    high = 1.0 if seen >= edge else float(brentq(lambda x: score(x) + z, seen, edge))
    lost_share, gained_share = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    shift = gained_share - lost_share
    half = z * math.sqrt((lost_share + gained_share - shift**2) / (n + 2))
    low, high = min(low, max(-1.0, shift - half)), max(high, min(1.0, shift + half))
    if gained + lost == n:  # one rate in truth, of so few values that neither of the two knows them
        exact = of_rate(gained, n, level)
        low, high = min(low, 2 * exact[0] - 1), max(high, 2 * exact[1] - 1)
    return low, high


def of_rate(k: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """k of n: Clopper and Pearson's exact interval (1934), by scipy. Wilson's covers down to 84 % of rare things."""
    from scipy.stats import binomtest

    limits = binomtest(k, n).proportion_ci(level, method="exact")
    return float(limits.low), float(limits.high)
