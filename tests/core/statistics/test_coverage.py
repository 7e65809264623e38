"""Every 95 % interval covers the truth in 93 to 97 of 100 cases: enumerated for rates, simulated with a seed else.

Sizes are those that occur: 20 to 400 test rows, MMLU's 57 subjects. Where an interval covers more or less is told with
its function in core/statistics.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from core.evaluation.heldout import classification
from core.statistics import clustered, intervals, tests

# Items of each MMLU subject; all are 14,042.
SUBJECTS = (100, 135, 152, 100, 265, 144, 100, 100, 100, 173, 102, 100, 235, 114, 145, 378, 126, 100, 310, 203, 100)
SUBJECTS += (165, 198, 193, 390, 270, 238, 151, 545, 216, 204, 237, 223, 131, 121, 108, 163, 112, 103, 234, 100, 783)
SUBJECTS += (346, 895, 306, 311, 324, 282, 1534, 272, 612, 110, 245, 201, 100, 166, 171)


def within(share: float) -> bool:
    return 0.93 <= share <= 0.97


def covered(draw, truth: float, interval=intervals.paired_difference, runs: int = 3000) -> float:
    rng = np.random.default_rng(0)
    found = [interval(*draw(rng)) for _ in range(runs)]
    return float(np.mean([i.low <= truth <= i.high for i in found]))


@cache
def rate_bounds(lost: int, gained: int, n: int) -> tuple[float, float]:
    base = np.repeat([1.0, 0.0, 1.0], [lost, gained, n - lost - gained])
    tuned = np.repeat([0.0, 1.0, 1.0], [lost, gained, n - lost - gained])
    found = intervals.paired_difference(base, tuned)
    return found.low, found.high


def exact_coverage(n: int, lost: float, gained: float) -> float:
    """The chance of all outcomes whose interval holds the truth."""
    outcomes = np.array([(i, j) for i in range(n + 1) for j in range(n + 1 - i)])
    chance = multinomial.pmf(np.c_[outcomes, n - outcomes.sum(1)], n, [lost, gained, 1 - lost - gained])
    likely = chance > 1e-6
    truth = gained - lost
    inside = [
        low - 1e-9 <= truth <= high + 1e-9 for low, high in (rate_bounds(*o, n) for o in outcomes[likely].tolist())
    ]
    return float(chance[likely] @ inside)


@pytest.mark.parametrize("n", [20, 40, 100, 200])
def test_difference_of_rates(n):
    """Ten changed items or more are expected; with five it is at times a little above or below: items are whole."""
    shares = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3)
    found = {(a, b): exact_coverage(n, a, b) for a in shares for b in shares if n * (a + b) >= 5 and a <= b}
    assert len(found) > 5
    assert {case: c for case, c in found.items() if not 0.925 <= c <= 0.975} == {}
    assert {case: c for case, c in found.items() if n * sum(case) >= 10 and not within(c)} == {}


@pytest.mark.parametrize("n", [40, 200])
def test_difference_of_rates_where_hardly_anything_changes(n):
    """Fewer than five changed items expected: wider than need be, never too narrow."""
    found = [exact_coverage(n, a / n, b / n) for a, b in ((0.2, 0.2), (0.5, 0.5), (1, 1), (0.3, 2), (1, 3))]
    assert min(found) >= 0.93
    assert max(found) > 0.97


@pytest.mark.parametrize("n", [20, 40, 100, 400])
def test_rate_of_one_side(n):
    """Wilson's interval, where five right and five wrong are expected: on average over rates, and never below 92 %."""
    bounds = [intervals.wilson(k, n) for k in range(n + 1)]
    low, high = (np.array([getattr(b, side) for b in bounds]) for side in ("low", "high"))
    rates = np.linspace(5 / n, 1 - 5 / n, 201)
    found = [binom.pmf(np.arange(n + 1), n, p)[(low <= p) & (p <= high)].sum() for p in rates]
    assert 0.945 <= np.mean(found) <= 0.955
    assert min(found) > 0.92
    assert np.mean([within(c) for c in found]) > 0.85


@pytest.mark.parametrize("n", [40, 100, 200])
def test_difference_of_means(n):
    """F1 of which most rows stay as they were."""

    def draw(rng):
        base = rng.beta(0.5, 0.8, n)
        return base, np.where(rng.random(n) < 0.4, rng.beta(1, 0.6, n), base)

    truth = 0.4 * (1 / 1.6 - 0.5 / 1.3)
    assert within(covered(draw, truth))
    assert within(covered(lambda rng: draw(rng)[1:], 0.6 * 0.5 / 1.3 + 0.4 / 1.6, intervals.mean))


def lengths(rng, n: int, spread: float) -> np.ndarray:
    """Tokens of n answers: about 20, log-normal."""
    return np.round(np.exp(rng.normal(3, spread, n))).clip(1, 512)


@pytest.mark.parametrize("spread", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("n", [20, 40, 200])
def test_difference_of_losses_per_token(n, spread):
    """Rows differ in length; where the lengths differ less, long rows also gain more."""
    slope = 0.005 if spread < 1 else 0.0
    many = lengths(np.random.default_rng(1), 1_000_000, spread)
    truth = float((many * (-1.5 - slope * many)).sum() / many.sum())

    def draw(rng):
        tokens = lengths(rng, n, spread)
        base = tokens * rng.normal(3, 0.2, n)
        return base, base + tokens * (-1.5 - slope * tokens + 0.5 * rng.normal(size=n)), tokens

    assert within(covered(draw, truth, intervals.ratio_difference))

    def one_side(rng):
        base, tuned, tokens = draw(rng)
        return tuned - base, tokens

    assert within(covered(one_side, truth, intervals.ratio))


def drawn_clusters(rng, sizes: np.ndarray, spread: float, rates: bool):
    """Base, tuned and cluster of each item; clusters differ in what they gain, 0 on average."""
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    if not rates:
        return (
            np.zeros(len(cluster)),
            rng.normal(size=len(cluster)) + spread * rng.normal(size=len(sizes))[cluster],
            cluster,
        )
    more = np.clip(rng.normal(0, spread / 10, len(sizes)), -0.15, 0.15)[cluster]
    u = rng.random(len(cluster))
    lost, either = u < 0.15 - more / 2, u < 0.3
    right = u > 0.6
    return (lost | right).astype(float), ((either & ~lost) | right).astype(float), cluster


MMLU = np.array(SUBJECTS)
SIZES = {
    "mmlu, 1,000 items": MMLU // 14,
    "mmlu, 100 items": np.maximum(1, MMLU // 140),
    "20 subjects": np.random.default_rng(5).integers(2, 60, 20),
}


@pytest.mark.parametrize("rates", [False, True], ids=["means", "rates"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_difference_by_cluster(sizes, rates):
    for spread in (0.3, 1.0):
        draw = lambda rng, spread=spread: drawn_clusters(rng, sizes, spread, rates)  # noqa: E731
        assert within(covered(draw, 0, clustered.clustered_difference, runs=2000))


@pytest.mark.parametrize("rates", [False, True], ids=["means", "rates"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_p_by_cluster_keeps_its_size(sizes, rates):
    """Where nothing differs on average, 3 to 7 of 100 sets are below 0.05."""
    rng = np.random.default_rng(1)
    found = [clustered.clustered_p(*drawn_clusters(rng, sizes, 1.0, rates)) for _ in range(2000)]
    assert 0.03 <= np.mean(np.array(found) < 0.05) <= 0.07


def test_mcnemar_would_find_differences_among_subjects_that_are_none():
    rng = np.random.default_rng(1)
    found = [tests.paired_p(*drawn_clusters(rng, MMLU // 3, 1.0, True)[:2]) for _ in range(200)]
    assert np.mean(np.array(found) < 0.05) > 0.2


def test_without_clusters_the_interval_would_be_too_narrow():
    draw = lambda rng: drawn_clusters(rng, MMLU // 14, 1.0, False)[:2]  # noqa: E731
    assert covered(draw, 0, runs=300) < 0.6


def answers(rng, n: int, shares: list[float], base: float, tuned: float):
    """True labels and two sides' answers, right that often; 60 of 100 rows are as hard for both."""
    k = len(shares)
    truth, alike = rng.choice(k, n, p=shares), rng.random(n) < 0.6
    luck, wrong = rng.random((2, n)), rng.integers(0, k + 1, (2, n))
    luck[1, alike], wrong[1, alike] = luck[0, alike], wrong[0, alike]
    return truth, np.where(luck[0] < base, truth, wrong[0]), np.where(luck[1] < tuned, truth, wrong[1])


@pytest.mark.parametrize(("n", "shares"), [(30, [0.5, 0.5]), (60, [0.4, 0.3, 0.3]), (100, [0.7, 0.2, 0.1])])
def test_difference_of_macro_f1(n, shares):
    k = len(shares)
    truth, base, tuned = answers(np.random.default_rng(9), 400_000, shares, 0.5, 0.8)
    expected = classification.macro_f1(truth, tuned, k) - classification.macro_f1(truth, base, k)
    rng = np.random.default_rng(0)
    found = [
        classification.macro_f1_difference(*answers(rng, n, shares, 0.5, 0.8), k, seed, 400).difference
        for seed in range(500)
    ]
    assert within(np.mean([d.low <= expected <= d.high for d in found]))
