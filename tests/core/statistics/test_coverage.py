"""Every 95 % interval covers the truth in 93 of 100 cases or more, or is not drawn: corners of the grid that
`python -m tests.performance.coverage` goes over, with fixed seeds; rates enumerated.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, multinomial

from core.evaluation.heldout import classification
from core.statistics import bounds, clustered, intervals, tests
from tests.performance import coverage

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


@pytest.mark.parametrize("n", [10, 16, 44])
def test_difference_of_rates(n):
    """Also where hardly anything changes, and where all does."""
    shares = [(s * f, s * (1 - f)) for s in (0.02, 0.05, 0.2, 0.5, 0.9, 1.0) for f in (0, 0.1, 0.3, 0.5)]
    assert min(exact_coverage(n, a, b) for a, b in shares) >= 0.93


@pytest.mark.parametrize("n", [10, 44])
def test_rate_of_one_side(n):
    """Exact: never below 95 %, however rare."""
    bounds = [intervals.rate(k, n) for k in range(n + 1)]
    low, high = (np.array([getattr(b, side) for b in bounds]) for side in ("low", "high"))
    found = [binom.pmf(np.arange(n + 1), n, p)[(low <= p) & (p <= high)].sum() for p in np.linspace(0.001, 0.999, 300)]
    assert min(found) >= 0.95 - 1e-9
    assert np.mean(found) <= 0.99


def students_t(base, tuned) -> intervals.Interval:
    """What was drawn before."""
    d = tuned - base
    low, high = bounds.around(d.mean(), d.std(ddof=1) / len(d) ** 0.5, len(d) - 1)
    return intervals.Interval(base.mean(), tuned.mean(), d.mean(), low, high, len(d))


CORNERS = (
    *(
        ("token F1", 10, 0.2),
        ("only gains", 44, 0.05),
        ("BLEU", 44, 0.05),
        ("BLEU", 20, 0.2),
        ("BLEU, few gain", 44, 1.0),
    ),
    *(("small changes", 44, 0.05), ("mixture", 20, 0.05), ("bursts", 44, 0.5)),
)


@pytest.mark.parametrize(("values", "n", "share"), CORNERS)
def test_corners_of_the_grid(values, n, share):
    """Cells in which Student's t covers less, but for the mixture; also of shapes kept aside."""
    rng, drawings, pairs = np.random.default_rng(0), 250, coverage.TEXTS[values]
    base, tuned = pairs(np.random.default_rng(99), 200_000, share)
    truth = float((tuned - base).mean())
    found, before = [], []
    for _ in range(drawings):
        base, tuned = pairs(rng, n, share)
        now = intervals.paired_difference(base, tuned)
        if now.low is None:
            assert not (tuned - base).any()
            continue
        found.append(now.low <= truth <= now.high)
        old = students_t(base, tuned)
        before.append(old.low <= truth <= old.high)
    assert len(found) > 100
    assert np.mean(found) >= 0.93
    assert values == "mixture" or np.mean(before) < 0.93


@pytest.mark.parametrize("lengths", ["σ 1", "1 to 1,000", "few long"])
def test_a_loss_per_token_is_not_told_where_long_rows_decide(lengths):
    """It hardly ever is drawn; all intervals that are drawn and miss are 5 % of all drawings at most."""
    for gain in ("by length", "long only"):
        held, drawn = coverage.of_losses(lengths, gain, 44, 200)
        assert drawn < 0.1
        assert drawn * (1 - held) <= 0.05


@pytest.mark.parametrize(("gain", "n"), [("by length", 44), ("alike", 20), ("by its logarithm", 100)])
def test_a_loss_per_token_of_rows_that_are_about_as_long(gain, n):
    held, drawn = coverage.of_losses("σ 0.3", gain, n, 300)
    assert drawn > 0.5
    assert held >= 0.93


@pytest.mark.parametrize("rates", [False, True], ids=["means", "rates"])
@pytest.mark.parametrize("count", [3, 5])
def test_few_subjects(count, rates):
    assert coverage.of_subjects(count, rates, 300)[0] >= 0.93


@pytest.mark.parametrize("count", [3, 5])
def test_few_subjects_at_every_look(count):
    assert coverage.of_looks(count, 150) >= 0.93


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
        assert (covered(draw, 0, clustered.clustered_difference, runs=400)) >= 0.93


@pytest.mark.parametrize("rates", [False, True], ids=["means", "rates"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_p_by_cluster_keeps_its_size(sizes, rates):
    """Where nothing differs on average, about 5 of 100 sets are below 0.05."""
    rng = np.random.default_rng(1)
    found = [clustered.clustered_p(*drawn_clusters(rng, sizes, 1.0, rates)) for _ in range(200)]
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.08


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


@pytest.mark.parametrize(("n", "shares"), [(60, [0.5, 0.5]), (100, [0.4, 0.3, 0.3]), (200, [0.7, 0.2, 0.1])])
def test_difference_of_macro_f1(n, shares):
    k = len(shares)
    truth, base, tuned = answers(np.random.default_rng(9), 400_000, shares, 0.5, 0.8)
    expected = classification.macro_f1(truth, tuned, k) - classification.macro_f1(truth, base, k)
    rng = np.random.default_rng(0)
    found = [
        classification.macro_f1_difference(*answers(rng, n, shares, 0.5, 0.8), k, seed, 400).difference
        for seed in range(500)
    ]
    drawn = [d for d in found if d.why is None]
    assert len(drawn) > 450
    assert within(np.mean([d.low <= expected <= d.high for d in drawn]))
