"""The intervals keep their level, also where nothing changed, and the tests agree with textbook numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation import statistics


def covered(draw, truth: float, interval=statistics.paired_difference, runs: int = 1500) -> float:
    rng = np.random.default_rng(0)
    found = [interval(*draw(rng)) for _ in range(runs)]
    return float(np.mean([i.low <= truth <= i.high for i in found]))


@pytest.mark.parametrize("n", [40, 200])
def test_difference_of_means_covers_the_truth(n):
    def draw(rng):
        base = rng.beta(2, 3, n)
        return base, base + rng.normal(0.1, 0.3, n)

    assert 0.93 <= covered(draw, 0.1) <= 0.97


@pytest.mark.parametrize(("lost", "gained"), [(0.05, 0.05), (0.1, 0.3), (0.02, 0.2), (0.3, 0.1)])
@pytest.mark.parametrize("n", [40, 200])
def test_difference_of_rates_covers_the_truth(n, lost, gained):
    def draw(rng):
        u = rng.random(n)
        base = (u < lost) | (u > 0.7)
        tuned = ((u >= lost) & (u < lost + gained)) | (u > 0.7)
        return base.astype(float), tuned.astype(float)

    assert 0.93 <= covered(draw, gained - lost) <= 0.99


@pytest.mark.parametrize("n", [40, 200])
def test_difference_of_losses_per_token_covers_the_truth(n):
    """Rows differ in length, and long rows gain more."""

    def draw(rng):
        tokens = np.round(np.exp(rng.normal(3, 0.6, n))).clip(1)
        base = tokens * rng.normal(3, 0.2, n)
        return base, base + tokens * (-1.5 - 0.005 * tokens + 0.5 * rng.normal(size=n)), tokens

    many = np.round(np.exp(np.random.default_rng(1).normal(3, 0.6, 1_000_000))).clip(1)
    truth = float((many * (-1.5 - 0.005 * many)).sum() / many.sum())
    assert 0.92 <= covered(draw, truth, statistics.ratio_difference) <= 0.98


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30))
def test_the_interval_is_around_the_difference(pairs):
    base, tuned = zip(*pairs, strict=True)
    found = statistics.paired_difference(base, tuned)
    assert found.difference == pytest.approx(np.mean(tuned) - np.mean(base), abs=1e-9)
    assert found.low - 1e-9 <= found.difference <= found.high + 1e-9


def test_swapping_the_sides_mirrors_the_interval():
    base, tuned = [0.1, 0.4, 0.2, 0.9], [0.3, 0.3, 0.6, 0.8]
    one, other = statistics.paired_difference(base, tuned), statistics.paired_difference(tuned, base)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_no_change_is_not_certainty():
    found = statistics.paired_difference([1.0] * 20, [1.0] * 20)
    assert found.difference == 0
    assert found.low < -0.1 < 0.1 < found.high
    assert not found.settled


def test_equal_values_that_are_no_rates():
    found = statistics.paired_difference([0.3, 0.5], [0.3, 0.5])
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert not found.settled


def test_one_item_gives_no_interval():
    found = statistics.paired_difference([0.2], [0.7])
    assert found.difference == pytest.approx(0.5)
    assert (found.low, found.high, found.settled) == (None, None, False)
    assert statistics.ratio_difference([3.0], [1.0], [2.0]).to_dict() == {
        "base": 1.5,
        "tuned": 0.5,
        "difference": -1.0,
        "low": None,
        "high": None,
        "n": 1,
    }


@pytest.mark.parametrize("columns", [([], []), ([1.0], [1.0, 2.0])])
def test_no_items_or_unequal_columns_are_refused(columns):
    with pytest.raises(ValueError, match="one length"):
        statistics.paired_difference(*columns)


def test_ratio_with_equal_weights_is_the_mean():
    base, tuned = [1.0, 2.0, 4.0], [1.5, 1.0, 3.0]
    by_row = statistics.ratio_difference(base, tuned, [1, 1, 1])
    assert by_row.to_dict() == pytest.approx(statistics.paired_difference(base, tuned).to_dict())
    assert statistics.ratio(base, [1, 1, 1]).to_dict() == pytest.approx(statistics.mean(base).to_dict())


def test_t_interval_agrees_with_scipy():
    from scipy import stats

    base, tuned = np.array([0.2, 0.5, 0.9, 0.4, 0.3]), np.array([0.5, 0.6, 0.7, 0.9, 0.2])
    expected = stats.ttest_rel(tuned, base).confidence_interval(0.95)
    found = statistics.paired_difference(base, tuned)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 17), (500, 1000), (1, 1)])
def test_wilson_agrees_with_scipy(k, n):
    from scipy.stats import binomtest

    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    found = statistics.wilson(k, n)
    assert (found.mean, found.low, found.high) == pytest.approx((k / n, expected.low, expected.high))


def test_wilson_refuses_what_is_no_rate():
    with pytest.raises(ValueError, match="no rate"):
        statistics.wilson(2, 1)


def test_mcnemar():
    base = [1] * 10 + [0] * 10
    tuned = [1] * 8 + [0] * 2 + [1] * 9 + [0]
    found = statistics.mcnemar_exact(base, tuned)
    assert (found.lost, found.gained, found.unchanged) == (2, 9, 9)
    # 2 · (C(11,0) + C(11,1) + C(11,2)) / 2¹¹
    assert found.p == pytest.approx(2 * (1 + 11 + 55) / 2**11)
    assert statistics.mcnemar_exact([1, 0], [1, 0]).p == 1.0


def test_minimum_detectable_difference_has_its_power():
    assert statistics.minimum_detectable_difference(0.10, 100) == pytest.approx(0.0886, abs=1e-4)
    n, discordant = 1000, 0.2
    true = statistics.minimum_detectable_difference(discordant, n)
    rng = np.random.default_rng(0)
    gained = rng.binomial(n, (discordant + true) / 2, 2000)
    lost = rng.binomial(n, (discordant - true) / 2, 2000)
    seen = np.mean((gained - lost) / np.sqrt(gained + lost) > statistics.Z)
    assert 0.75 <= seen <= 0.85
