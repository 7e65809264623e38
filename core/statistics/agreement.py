"""How far several people say the same of the same things: percent, and three measures that take chance into account.

Ratings are an array (annotators, units) of the numbers of categories, -1 where an annotator did not rate a unit. Units
of one item hang together, so intervals draw items, not units.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.statistics import bounds
from core.statistics.bounds import FEWEST_ROWS, LEVEL, NONE, Bounds

MISSING = -1
DRAWS = 1000
FEWEST_DISAGREEING = 5
"""Items on which people differ. Of fewer the bootstrap knows too little of how often that happens."""


@dataclass(frozen=True)
class Measure:
    """A coefficient with its 95 % interval."""

    value: float | None
    """None where it says nothing: everybody always said the same, or it is not for so many people."""
    low: float | None = None
    """None where there is no sound interval."""
    high: float | None = None


@dataclass(frozen=True)
class Agreement:
    units: int
    """Rated by at least two."""
    items: int
    """That these units are of."""
    annotators: int
    percent: Measure
    """How often two who rated the same unit agree, 0 to 1; nothing is taken off for chance."""
    kappa: Measure
    """Cohen (1960), of two annotators; None for more."""
    alpha: Measure
    """Krippendorff's, nominal, by his `krippendorff` package: of any number, with gaps."""
    ac1: Measure
    """Gwet (2008, doi 10.1348/000711006X126600): stays sound where nearly everybody says the same."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def agreement(ratings: np.ndarray, items: np.ndarray, categories: int) -> Agreement | None:
    """Of ratings (annotators, units), each a number below `categories` or MISSING; `items`: (units,) of whole numbers.

    None where no two rated the same.
    """
    rated = (ratings != MISSING).sum(axis=0) >= 2
    ratings, items = ratings[:, rated], np.unique(items[rated], return_inverse=True)[1]
    ratings = ratings[(ratings != MISSING).any(axis=1)]
    if not ratings.size:
        return None
    counts = np.stack([(ratings == category).sum(axis=0) for category in range(categories)], axis=1)
    two = len(ratings) == 2
    n = int(items.max()) + 1
    each = agreeing(counts)
    of_items, sizes = np.bincount(items, each), np.bincount(items).astype(float)
    percent = Measure(float(each.mean()), *bounds.of_bounded(of_items, 0.0, 1.0, LEVEL, sizes))
    sure = n >= FEWEST_ROWS and int((of_items < sizes).sum()) >= FEWEST_DISAGREEING

    def measured(of: Callable[[np.ndarray], float | None]) -> Measure:
        return Measure(of(np.arange(len(items))), *(_bootstrapped(of, items, n) if sure else NONE))

    return Agreement(
        *(len(items), n, len(ratings), percent),
        measured(lambda at: cohen(ratings[0, at], ratings[1, at], categories)) if two else Measure(None),
        measured(lambda at: krippendorff_alpha(counts[at])),
        measured(lambda at: gwet_ac1(counts[at])),
    )


def agreeing(counts: np.ndarray) -> np.ndarray:
    """Of each unit the share of pairs of its raters that agree. `counts`: (units, categories), two raters or more."""
    raters = counts.sum(axis=1)
    return (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))


def cohen(first: np.ndarray, second: np.ndarray, categories: int) -> float | None:
    """Cohen's kappa of two annotators who both rated all units; None where both only know one and the same category."""
    seen = float((first == second).mean())
    shares = [np.bincount(one, minlength=categories) / len(one) for one in (first, second)]
    chance = float(shares[0] @ shares[1])
    return (seen - chance) / (1 - chance) if chance < 1 else None


def krippendorff_alpha(counts: np.ndarray) -> float | None:
    """Nominal alpha of counts (units, categories); None where only one category is there."""
    import krippendorff

    used = counts[:, counts.any(axis=0)]
    if used.shape[1] < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = float(krippendorff.alpha(value_counts=used, level_of_measurement="nominal"))
    return found if np.isfinite(found) else None


def gwet_ac1(counts: np.ndarray) -> float | None:
    """AC1 of counts (units, categories), two raters or more each."""
    shares = (counts / counts.sum(axis=1, keepdims=True)).mean(axis=0)
    chance = float((shares * (1 - shares)).sum()) / (counts.shape[1] - 1)
    return float((agreeing(counts).mean() - chance) / (1 - chance))


def _bootstrapped(of: Callable[[np.ndarray], float | None], items: np.ndarray, n: int) -> Bounds:
    """Percentiles of what items drawn with replacement give; none where more than one draw in 20 gives nothing."""
    order = np.argsort(items, kind="stable")
    units = np.split(order, np.searchsorted(items[order], np.arange(1, n)))
    one_each = len(order) == n
    generator = np.random.default_rng(0)
    draws = DRAWS if n <= 2000 else 200
    found = []
    for _ in range(draws):
        drawn = generator.integers(0, n, n)
        value = of(order[drawn] if one_each else np.concatenate([units[i] for i in drawn]))
        if value is not None:
            found.append(value)
    if len(found) < 0.95 * draws:
        return NONE
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
