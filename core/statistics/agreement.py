"""How far several people say the same of the same things: percent, and three measures that take chance into account.

Ratings are an array (annotators, units) of the numbers of categories, -1 where an annotator did not rate a unit. Units
of one item hang together, so intervals draw items, not units.
"""

from __future__ import annotations

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
    n = int(items.max()) + 1
    each = agreeing(counts)
    of_items, sizes = np.bincount(items, each), np.bincount(items).astype(float)
    percent = Measure(float(each.mean()), *_of_percent(of_items, sizes))
    sure = n >= FEWEST_ROWS and int((of_items < sizes).sum()) >= FEWEST_DISAGREEING

    def measured(value: float | None, of: Callable[[np.ndarray], np.ndarray], columns: list[np.ndarray]) -> Measure:
        if value is None or not sure:
            return Measure(value)
        sums = np.stack([np.bincount(items, column, n) for column in columns], axis=1)
        return Measure(value, *_bootstrapped(of, sums))

    one = np.ones(len(items))
    kappa = Measure(None)
    if len(ratings) == 2:
        first, second = ratings
        own = [(rated == category).astype(float) for rated in (first, second) for category in range(categories)]
        kappa = measured(cohen(first, second, categories), _cohen, [one, (first == second).astype(float), *own])
    pairable = counts * (counts - 1) / (counts.sum(axis=1, keepdims=True) - 1)
    return Agreement(
        *(len(items), n, len(ratings), percent, kappa),
        measured(krippendorff_alpha(counts), _alpha, [pairable.sum(axis=1), *counts.T.astype(float)]),
        measured(gwet_ac1(counts), _ac1, [one, each, *(counts / counts.sum(axis=1, keepdims=True)).T]),
    )


def _of_percent(agreeing_of_items: np.ndarray, sizes: np.ndarray) -> Bounds:
    """Items that are all alike are one rate: forty that agree do not prove that all would."""
    for everywhere, k in ((sizes, len(sizes)), (0 * sizes, 0)):
        if np.array_equal(agreeing_of_items, everywhere):
            return bounds.of_rate(k, len(sizes))
    return bounds.of_bounded(agreeing_of_items, 0.0, 1.0, LEVEL, sizes)


def agreeing(counts: np.ndarray) -> np.ndarray:
    """Of each unit the share of pairs of its raters that agree. `counts`: (units, categories), two raters or more."""
    raters = counts.sum(axis=1)
    return (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))


def cohen(first: np.ndarray, second: np.ndarray, categories: int) -> float | None:
    """Cohen's kappa of two annotators who both rated all units; None where both only know one and the same category."""
    own = [np.bincount(rated, minlength=categories) for rated in (first, second)]
    return _number(_cohen(np.array([[len(first), (first == second).sum(), *own[0], *own[1]]], float))[0])


def krippendorff_alpha(counts: np.ndarray) -> float | None:
    """Nominal alpha of counts (units, categories); None where only one category is there."""
    import krippendorff

    used = counts[:, counts.any(axis=0)]
    if used.shape[1] < 2:
        return None
    return _number(float(krippendorff.alpha(value_counts=used, level_of_measurement="nominal")))


def gwet_ac1(counts: np.ndarray) -> float | None:
    """AC1 of counts (units, categories), two raters or more each."""
    shares = (counts / counts.sum(axis=1, keepdims=True)).sum(axis=0)
    return _number(_ac1(np.array([[len(counts), agreeing(counts).sum(), *shares]]))[0])


# The same of sums over units, a line for each drawing: nan where a coefficient says nothing.


def _cohen(sums: np.ndarray) -> np.ndarray:
    """Of (drawings, 2 + 2 · categories): units, those that agree, what the first said, what the second said."""
    n, agreed, said = sums[:, 0], sums[:, 1], sums[:, 2:]
    k = said.shape[1] // 2
    chance = (said[:, :k] * said[:, k:]).sum(axis=1) / n**2
    return _beyond(agreed / n, chance)


def _ac1(sums: np.ndarray) -> np.ndarray:
    """Of (drawings, 2 + categories): units, Σ of `agreeing`, Σ of each category's share of a unit's ratings."""
    shares = sums[:, 2:] / sums[:, :1]
    chance = (shares * (1 - shares)).sum(axis=1) / (shares.shape[1] - 1)
    return _beyond(sums[:, 1] / sums[:, 0], chance)


def _alpha(sums: np.ndarray) -> np.ndarray:
    """Of (drawings, 1 + categories): the diagonal of Krippendorff's coincidences, and their margins."""
    margins = sums[:, 1:]
    n = margins.sum(axis=1)
    return _beyond(sums[:, 0] / n, (margins * (margins - 1)).sum(axis=1) / (n * (n - 1)))


def _beyond(seen: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """(seen - chance) / (1 - chance)"""
    left = 1 - chance
    return np.divide(seen - chance, left, out=np.full(len(left), np.nan), where=left > 1e-12)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _bootstrapped(of: Callable[[np.ndarray], np.ndarray], sums: np.ndarray) -> Bounds:
    """Percentiles over drawings of items with replacement; none where more than one drawing in 20 says nothing.

    `sums`: (items, columns) of which `of` takes the sums.
    """
    n, generator = len(sums), np.random.default_rng(0)
    drawn = [of(generator.multinomial(n, np.full(n, 1 / n), DRAWS // 20) @ sums) for _ in range(20)]
    found = np.concatenate(drawn)
    found = found[np.isfinite(found)]
    if len(found) < 0.95 * DRAWS:
        return NONE
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
