"""Intervals and tests agree with textbook numbers and with scipy, also where nothing changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.statistics import bounds, clustered, intervals, tests


@settings(deadline=None, max_examples=40)  # the first call loads scipy
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=30))
def test_the_interval_is_around_the_difference(pairs):
    base, tuned = zip(*pairs, strict=True)
    found = intervals.paired_difference(base, tuned)
    assert found.difference == pytest.approx(np.mean(tuned) - np.mean(base), abs=1e-9)
    if found.why:
        assert (found.low, found.high, found.changed) == (None, None, 0)
    else:
        assert found.low - 1e-9 <= found.difference <= found.high + 1e-9


def test_swapping_the_sides_mirrors_the_interval():
    base, tuned = [0.1, 0.4, 0.2, 0.9], [0.3, 0.3, 0.6, 0.8]
    one, other = intervals.paired_difference(base, tuned), intervals.paired_difference(tuned, base)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_no_change_is_not_certainty():
    found = intervals.paired_difference([1.0] * 20, [1.0] * 20)
    assert found.difference == 0
    assert found.low < -0.1 < 0.1 < found.high
    assert not found.settled


def test_equal_values_that_are_no_rates_have_no_interval():
    for found in (
        intervals.paired_difference([0.3, 0.5], [0.3, 0.5]),
        intervals.ratio_difference([0.3] * 12, [0.3] * 12, [1.0] * 12),
    ):
        assert (found.difference, found.low, found.high, found.changed, found.why) == (0, None, None, 0, "alike")
        assert not found.settled


def test_few_rows_that_changed_are_no_certainty():
    """Two of 44 answers, and both a little better: Student's t would say from 0 to 0.02."""
    base = np.full(44, 0.5)
    tuned = base + np.r_[[0.2, 0.25], np.zeros(42)]
    found = intervals.paired_difference(base, tuned)
    assert (found.changed, found.why) == (2, None)
    assert found.low < -0.05 and found.high > 0.08


def test_bounds_of_rates_by_gaffke_are_clopper_and_pearsons():
    for k, n in ((0, 12), (3, 17), (16, 17)):
        values = np.repeat([1.0, 0.0], [k, n - k])
        found = bounds._bootstrapped(values, np.ones(n), (0.0, 1.0), (1.0, 1.0), 0.95)
        assert found == pytest.approx(bounds.of_rate(k, n), abs=0.012)


def test_what_has_no_bounds_needs_rows_that_carry_it():
    base, jump = np.zeros(40), np.r_[[30.0], np.linspace(0.01, 0.02, 39)]
    assert intervals.paired_difference(base, np.r_[np.zeros(35), np.ones(5) * 3]).why == "few changed"
    assert intervals.paired_difference(base, np.where(np.arange(40) < 20, jump, 0)).why == "few changed"
    assert intervals.paired_difference(base[:9], np.arange(9) + 2.0).why == "few rows"
    assert intervals.paired_difference(base, np.arange(40) + 2.0).low > 2


def test_few_long_rows_have_no_loss_per_token():
    base, tuned = np.full(20, 3.0), np.linspace(1, 2, 20)
    even, uneven = np.full(20, 20.0), np.r_[np.full(19, 5.0), 400.0]
    assert intervals.ratio_difference(base * even, tuned * even, even).settled
    found = intervals.ratio_difference(base * uneven, tuned * uneven, uneven)
    assert (found.low, found.high, found.why, found.changed) == (None, None, "uneven", 20)
    assert intervals.ratio(base * uneven, uneven).low is None
    few = intervals.ratio_difference(base[:19], tuned[:19], even[:19])
    assert (few.low, few.why) == (None, "few rows")


def test_rows_that_are_alike_in_length_by_chance_have_no_loss_per_token():
    """One row of the data set in twenty is long; a third of all samples of 20 rows hold none of them."""
    base, tuned, even = np.full(20, 3.0), np.linspace(1, 2, 20), np.full(20, 20.0)
    among = np.tile(np.r_[np.full(19, 50.0), 4000.0], 10)  # in characters
    found = intervals.ratio_difference(base * even, tuned * even, even, among=among)
    assert (found.low, found.why) == (None, "uneven")
    assert intervals.ratio(base * even, even, among).low is None
    assert intervals.ratio_difference(base * even, tuned * even, even, among=np.full(200, 50.0)).settled


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99, 0.999])
def test_a_higher_level_is_wider(level):
    rng = np.random.default_rng(0)
    base, tuned = rng.random(30), rng.random(30)
    for of in (intervals.paired_difference, lambda b, t, le: intervals.paired_difference(b > 0.5, t > 0.5, le)):
        found, wider = of(base, tuned, level), of(base, tuned, (1 + level) / 2)
        assert wider.low < found.low <= found.high < wider.high
        assert found.level == level


def test_one_item_gives_no_interval():
    found = intervals.paired_difference([0.2], [0.7])
    assert found.difference == pytest.approx(0.5)
    assert (found.low, found.high, found.settled, found.why) == (None, None, False, "one")
    assert intervals.ratio_difference([3.0], [1.0], [2.0]).to_dict() == {
        "base": 1.5,
        "tuned": 0.5,
        "difference": -1.0,
        "low": None,
        "high": None,
        "n": 1,
        "level": 0.95,
        "changed": 1,
        "why": "one",
    }


@pytest.mark.parametrize("columns", [([], []), ([1.0], [1.0, 2.0])])
def test_no_items_or_unequal_columns_are_refused(columns):
    with pytest.raises(ValueError, match="one length"):
        intervals.paired_difference(*columns)


def test_ratio_with_equal_weights_is_the_mean():
    rng = np.random.default_rng(0)
    base, tuned = rng.normal(2, 1, 30), rng.normal(3, 1, 30)
    by_row = intervals.ratio_difference(base, tuned, [1] * 30)
    assert by_row.to_dict() == pytest.approx(intervals.paired_difference(base, tuned).to_dict())
    assert intervals.ratio(base, [1] * 30).to_dict() == pytest.approx(intervals.mean(base).to_dict())


def test_the_interval_is_never_narrower_than_scipys_t_interval():
    """And hardly wider, where many rows that are no different from each other carry the difference."""
    from scipy import stats

    rng = np.random.default_rng(0)
    base = rng.normal(size=300)
    tuned = base + rng.normal(0.1, 1, 300)
    expected = stats.ttest_rel(tuned, base).confidence_interval(0.95)
    found = intervals.paired_difference(base, tuned)
    assert found.low <= expected.low < expected.high <= found.high
    assert found.high - found.low < 1.15 * (expected.high - expected.low)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 17), (500, 1000), (1, 1)])
def test_rates_agree_with_statsmodels_and_with_the_test_that_they_invert(k, n):
    from scipy.stats import binom
    from statsmodels.stats.proportion import proportion_confint

    interval = intervals.rate(k, n)
    assert (interval.low, interval.high) == pytest.approx(proportion_confint(k, n, 0.05, method="beta"), abs=1e-9)
    assert interval.low == 0 or binom.sf(k - 1, n, interval.low) == pytest.approx(0.025)
    assert interval.high == 1 or binom.cdf(k, n, interval.high) == pytest.approx(0.025)
    assert 0 <= interval.low <= k / n <= interval.high <= 1


def test_what_is_no_rate_is_refused():
    with pytest.raises(ValueError, match="no rate"):
        intervals.rate(2, 1)


def test_mcnemar():
    base = [1] * 10 + [0] * 10
    tuned = [1] * 8 + [0] * 2 + [1] * 9 + [0]
    found = tests.mcnemar_exact(base, tuned)
    assert (found.lost, found.gained, found.unchanged) == (2, 9, 9)
    # 2 · (C(11,0) + C(11,1) + C(11,2)) / 2¹¹
    assert found.p == pytest.approx(2 * (1 + 11 + 55) / 2**11)
    assert tests.mcnemar_exact([1, 0], [1, 0]).p == 1.0


def test_minimum_detectable_difference_has_its_power():
    assert intervals.minimum_detectable_difference(0.10, 100) == pytest.approx(0.0886, abs=1e-4)
    n, discordant = 1000, 0.2
    true = intervals.minimum_detectable_difference(discordant, n)
    rng = np.random.default_rng(0)
    gained = rng.binomial(n, (discordant + true) / 2, 2000)
    lost = rng.binomial(n, (discordant - true) / 2, 2000)
    seen = np.mean((gained - lost) / np.sqrt(gained + lost) > intervals.Z)
    assert 0.75 <= seen <= 0.85


@pytest.mark.parametrize("pairs", [(1, 7), (0, 5), (12, 12), (0, 0)])
def test_mcnemar_agrees_with_statsmodels(pairs):
    from statsmodels.stats.contingency_tables import mcnemar

    lost, gained = pairs
    base = [1] * lost + [0] * gained + [1] * 9
    tuned = [0] * lost + [1] * gained + [1] * 9
    expected = mcnemar([[9, lost], [gained, 0]], exact=True).pvalue if lost + gained else 1.0
    assert tests.mcnemar_exact(base, tuned).p == pytest.approx(expected)


def test_difference_of_rates_is_tangos_or_bonetts_and_prices():
    """The airway data of Fagerland, Lydersen and Laake (2014), table 4: 1 and 7 of 21 changed. Tango's is −0.517 to
    −0.026 there, Bonett and Price’s −0.508 to −0.013."""
    base = [1] * 7 + [0] * 1 + [1] * 13
    tuned = [0] * 7 + [1] * 1 + [1] * 13
    found = intervals.paired_difference(base, tuned)
    assert found.difference == pytest.approx(-0.286, abs=5e-4)
    assert (found.low, found.high) == pytest.approx((-0.517, -0.0134), abs=5e-4)


@settings(deadline=None)  # the first call loads scipy
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_difference_of_rates_at_every_corner(lost, gained, unchanged):
    n = lost + gained + unchanged
    if n < 2:
        return
    base = [1] * lost + [0] * gained + [1] * unchanged
    tuned = [0] * lost + [1] * gained + [1] * unchanged
    found = intervals.paired_difference(base, tuned)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.low < found.high
    other = intervals.paired_difference(tuned, base)
    assert (found.low, found.high) == pytest.approx((-other.high, -other.low), abs=1e-9)


def test_clusters_of_one_item_each_are_no_clusters():
    rng = np.random.default_rng(0)
    base, tuned = rng.normal(size=40), rng.normal(0.5, 1, 40)
    alone = clustered.clustered_difference(base, tuned, list(range(40)))
    one_by_one = intervals.paired_difference(base, tuned)
    assert (alone.low, alone.high) == pytest.approx((one_by_one.low, one_by_one.high), abs=0.1)
    of_texts = clustered.clustered_difference([0.5] * 40, [0.5] * 38 + [0.6] * 2, list(range(40)))
    assert of_texts.high - of_texts.low > 0.1  # as for rows: two that changed are no certainty


def test_clustered_standard_error_is_near_statsmodels():
    """CR3 is a little above statsmodels' CR1; with many clusters they meet."""
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(200), rng.integers(3, 9, 200))
    d = rng.normal(size=len(clusters)) + rng.normal(size=200)[clusters]
    found = clustered.clustered_difference(np.zeros(len(d)), d, clusters.tolist())
    fit = sm.OLS(d, np.ones(len(d))).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    low, high = fit.conf_int()[0]
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03 * (high - low))
    narrow = intervals.paired_difference(np.zeros(len(d)), d)
    assert found.high - found.low > 1.5 * (narrow.high - narrow.low)


def test_clusters_at_their_edges():
    rates = clustered.clustered_difference([1.0] * 21, [1.0] * 21, ["a", "b", "c"] * 7)
    assert rates.low < -0.1 < 0.1 < rates.high  # no change is not certainty here either
    for clusters in (["a"] * 4, ["a", "a", "b", "b"]):
        few = clustered.clustered_difference([0.2, 0.3] * 2, [0.4, 0.1] * 2, clusters)
        assert (few.low, few.high, few.n, few.why) == (None, None, 4, "few rows")
    with pytest.raises(ValueError, match="a cluster for each of 2 items, got 1"):
        clustered.clustered_difference([0.2, 0.3], [0.4, 0.1], ["a"])


def test_p_by_cluster_is_near_statsmodels():
    """As for the standard error: CR3 is a little more careful than statsmodels' CR1."""
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(200), rng.integers(3, 9, 200))
    d = rng.normal(size=len(clusters)) + rng.normal(size=200)[clusters]
    d += 0.15 - d.mean()
    fit = sm.OLS(d, np.ones(len(d))).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    found = clustered.clustered_p(np.zeros(len(d)), d, clusters.tolist())
    assert 0.01 < found < 0.5
    assert found == pytest.approx(float(fit.pvalues[0]), rel=0.1)


@pytest.mark.parametrize("rates", [False, True])
def test_p_by_cluster_goes_with_the_interval(rates):
    """Below 0.05 where the interval excludes 0 and nowhere else; with few changed items, too."""
    rng, settled = np.random.default_rng(0), 0
    for _ in range(100):
        clusters = np.repeat(np.arange(12), rng.integers(1, 30, 12))
        n = len(clusters)
        if rates:
            base = (rng.random(n) < 0.5).astype(float)
            tuned = np.where(rng.random(n) < rng.choice([0.03, 0.2]), (rng.random(n) < 0.9).astype(float), base)
        else:
            base, tuned = np.zeros(n), rng.normal(0.1, 1, n) + 0.1 * rng.normal(size=12)[clusters]
        p = clustered.clustered_p(base, tuned, clusters.tolist())
        interval = clustered.clustered_difference(base, tuned, clusters.tolist())
        assert (p < 0.05) == interval.settled, (p, interval)
        settled += interval.settled
    assert 10 < settled < 90


def test_p_by_cluster_at_its_edges():
    assert clustered.clustered_p([1.0] * 20, [1.0] * 20, ["a", "b"] * 10) == 1.0
    assert clustered.clustered_p([0.2, 0.3], [0.4, 0.1], ["a", "a"]) == 1.0  # one cluster tells nothing
    lost = clustered.clustered_p([1.0] * 6 + [0.0] * 15, [0.0] * 21, ["a", "b", "c"] * 7)
    assert 0.01 < lost < 0.05  # each subject lost two: still not more than six items tell
    assert clustered.clustered_p([1.0] * 6 + [0.0] * 15, [0.0] * 21, ["a", "b"] * 10 + ["a"]) == 1.0
    with pytest.raises(ValueError, match="a cluster for each of 2 items, got 1"):
        clustered.clustered_p([0.2, 0.3], [0.4, 0.1], ["a"])


def test_holm():
    assert tests.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert tests.holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert tests.holm([0.02]) == [0.02]
    assert tests.holm([]) == []


def test_p_of_a_pair_is_mcnemars_or_the_t_tests():
    from scipy import stats

    assert tests.paired_p([1, 1, 1, 0], [0, 0, 0, 0]) == tests.mcnemar_exact([1, 1, 1, 0], [0, 0, 0, 0]).p
    base, tuned = [0.2, 0.5, 0.9, 0.4], [0.5, 0.6, 0.7, 0.9]
    assert tests.paired_p(base, tuned) == pytest.approx(stats.ttest_rel(tuned, base).pvalue)
    assert tests.paired_p([0.2, 0.5], [0.2, 0.5]) == 1.0
    assert tests.paired_p([0.2], [0.7]) == 1.0


def test_bootstrap_of_a_mean_is_near_students():
    rng = np.random.default_rng(1)
    values = rng.normal(size=40)
    found = intervals.bootstrap_bounds(lambda v, axis: v.mean(axis), values)
    half = 2.0227 * values.std(ddof=1) / 40**0.5
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.12 * half)
    assert found == intervals.bootstrap_bounds(lambda v, axis: v.mean(axis), values)
    assert intervals.bootstrap_bounds(lambda v, axis: v.mean(axis), np.ones(9)) == (None, None)
    assert intervals.bootstrap_bounds(lambda v, axis: v.mean(axis), np.ones(1)) == (None, None)
