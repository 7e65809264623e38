"""Agreement against published figures and other libraries, and intervals that know when they know too little."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa

from core.statistics.agreement import MISSING, _alpha, agreeing, agreement, cohen, gwet_ac1, krippendorff_alpha

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section C: four observers, twelve units, gaps.
NOMINAL = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, -1, -1, -1],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, -1, 3],
        [-1, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, -1],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, -1],
    ]
)


def counts_of(ratings: np.ndarray, categories: int) -> np.ndarray:
    return np.stack([(ratings == c).sum(axis=0) for c in range(categories)], axis=1)


def test_alpha_is_krippendorffs_own_example():
    ratings = np.where(NOMINAL == -1, MISSING, NOMINAL - 1)
    found = agreement(ratings, np.arange(12), 5)
    assert found.alpha.value == pytest.approx(0.743, abs=0.0005)
    assert (found.units, found.annotators, found.kappa.value) == (11, 4, None)  # one unit has one rating


def test_ac1_and_kappa_are_those_of_gwets_paper():
    """Gwet (2008), table 2: two raters, 125 subjects, 118 + 0 agreeing: kappa falls below 0, AC1 stays."""
    first = np.array([1] * 118 + [1] * 5 + [0] * 2 + [0] * 0)
    second = np.array([1] * 118 + [0] * 5 + [1] * 2 + [0] * 0)
    found = agreement(np.stack([first, second]), np.arange(125), 2)
    assert found.percent.value == pytest.approx(118 / 125)
    chance = 2 * (243 / 250) * (7 / 250)
    assert found.ac1.value == pytest.approx((118 / 125 - chance) / (1 - chance)) and found.ac1.value > 0.93
    assert found.kappa.value < 0 and found.alpha.value < 0


@pytest.mark.parametrize("seed", range(5))
def test_alpha_of_sums_is_the_librarys(seed):
    """Intervals draw sums over items; on one whole drawing they give what the library gives."""
    generator = np.random.default_rng(seed)
    counts = counts_of(np.where(generator.random((6, 30)) < 0.4, MISSING, generator.integers(0, 3, (6, 30))), 3)
    counts = counts[counts.sum(axis=1) >= 2]
    pairable = counts * (counts - 1) / (counts.sum(axis=1, keepdims=True) - 1)
    sums = np.array([[pairable.sum(), *counts.sum(axis=0)]])
    assert _alpha(sums)[0] == pytest.approx(krippendorff_alpha(counts))


def test_kappa_equals_statsmodels():
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 4, (2, 60))
    second = np.where(generator.random(60) < 0.5, first, second)
    table = np.zeros((4, 4))
    np.add.at(table, (first, second), 1)
    theirs = cohens_kappa(table)
    assert cohen(first, second, 4) == pytest.approx(theirs.kappa)
    found = agreement(np.stack([first, second]), np.arange(60), 4)
    # Another way to the same interval: the bootstrap's ends lie near the asymptotic ones.
    assert found.kappa.low == pytest.approx(theirs.kappa_low, abs=0.05)
    assert found.kappa.high == pytest.approx(theirs.kappa_upp, abs=0.05)


def test_agreeing_pairs_are_those_of_fleiss():
    """Fleiss' kappa with chance left out is (p - 1/K) / (1 - 1/K) of his "randolph" variant: it gives p back."""
    generator = np.random.default_rng(1)
    counts = counts_of(generator.integers(0, 3, (5, 40)), 3)
    randolph = fleiss_kappa(counts, method="randolph")
    assert agreeing(counts).mean() == pytest.approx(randolph * (1 - 1 / 3) + 1 / 3)


def test_units_of_one_item_hang_together():
    """Ten items whose units all say the same are ten items, however many units each has."""
    generator = np.random.default_rng(2)
    first = generator.integers(0, 2, 30)
    second = np.where(generator.random(30) < 0.7, first, 1 - first)
    once = agreement(np.stack([first, second]), np.arange(30), 2)
    copied = agreement(np.repeat([first, second], 8, axis=1), np.repeat(np.arange(30), 8), 2)
    assert copied.units == 240 and copied.items == 30
    for measure in ("percent", "kappa", "alpha", "ac1"):
        a, b = getattr(once, measure), getattr(copied, measure)
        assert b.high - b.low > 0.9 * (a.high - a.low), measure


def test_no_interval_looks_sure_of_what_it_cannot_know():
    same = np.zeros((2, 40), int)
    same[:, ::2] = 1
    found = agreement(same, np.arange(40), 2)
    assert (found.alpha.value, found.alpha.low, found.ac1.low, found.kappa.low) == (1.0, None, None, None)
    assert found.percent.value == 1.0 and found.percent.low < 0.95  # forty rows do not prove a hundred percent
    one_kind = agreement(np.zeros((2, 40), int), np.arange(40), 2)
    assert (one_kind.kappa.value, one_kind.alpha.value) == (None, None)
    assert krippendorff_alpha(counts_of(np.zeros((2, 3), int), 2)) is None
    assert gwet_ac1(counts_of(np.zeros((2, 3), int), 2)) == 1.0
    assert agreement(np.array([[0, MISSING], [MISSING, 1]]), np.arange(2), 2) is None
    assert agreement(np.full((3, 0), 0), np.arange(0), 2) is None


def test_the_intervals_cover():
    """Of 150 reviews by two people who each err in one item in ten, about 95 % cover the truth."""
    generator = np.random.default_rng(3)
    share, err, n = 0.3, 0.1, 100
    agree = (1 - err) ** 2 + err**2
    marked = share * (1 - err) + (1 - share) * err
    ac1 = (agree - 2 * marked * (1 - marked)) / (1 - 2 * marked * (1 - marked))
    kappa = (agree - marked**2 - (1 - marked) ** 2) / (1 - marked**2 - (1 - marked) ** 2)
    covered = {"percent": 0, "kappa": 0, "ac1": 0}
    for _ in range(150):
        truth = generator.random(n) < share
        ratings = np.stack([truth ^ (generator.random(n) < err) for _ in range(2)]).astype(int)
        found = agreement(ratings, np.arange(n), 2)
        for name, value in (("percent", agree), ("kappa", kappa), ("ac1", ac1)):
            measure = getattr(found, name)
            covered[name] += measure.low <= value <= measure.high
    assert min(covered.values()) >= 135, covered
