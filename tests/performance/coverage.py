"""How often each interval of a report holds the truth, and how often it is drawn: the table of docs/evaluation.md.

python -m tests.performance.coverage [drawings of each cell] [predictions.jsonl]   (default: 1,000)

Prints, for each shape of numbers and count of rows, `coverage (drawn)` in per cent for each share of rows that changed.
Of the intervals that are not drawn, none can miss: coverage is of those that are. Writes nothing. With a file of rows
that have `reference`, `base` and `tuned`, rows are also drawn from those answers, in all five metrics.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.evaluation.heldout import metrics
from core.statistics import clustered, intervals, sequential
from core.statistics.intervals import Interval

Rng = np.random.Generator
Pairs = Callable[[Rng, int, float], tuple[np.ndarray, np.ndarray]]
"""(generator, rows, share that changed) → base, tuned"""

ROWS = (10, 20, 44, 100, 400)
SHARES = (0.02, 0.05, 0.2, 0.5, 1.0)


def _changed(rng: Rng, base: np.ndarray, other: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    return base, np.where(rng.random(len(base)) < share, other, base)


def right_or_wrong(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """0 or 1; of the changed three in four are gained."""
    gained = (rng.random(n) < 0.75).astype(float)
    base = np.where(rng.random(n) < share, 1 - gained, 2.0)
    return np.where(base == 2, 1.0, base), np.where(base == 2, 1.0, gained)


def token_f1(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    return _changed(rng, rng.beta(0.5, 0.8, n), rng.beta(1, 0.6, n), share)


def equal_sides(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    return _changed(rng, rng.beta(0.5, 0.8, n), rng.beta(0.5, 0.8, n), share)


def only_gains(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    base = rng.beta(0.5, 0.8, n)
    return _changed(rng, base, base + (1 - base) * rng.beta(1, 0.6, n), share)


def bleu(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Most values near 0, few near 1."""
    return _changed(rng, rng.beta(0.2, 2, n), rng.beta(0.3, 1.5, n), share)


def bleu_of_few(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Most changes next to nothing, few large."""
    base = 0.3 * rng.beta(0.1, 2, n)
    return _changed(rng, base, base + (1 - base) * rng.beta(0.2, 2, n), share)


def small_changes(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    base = 0.9 * rng.beta(2, 2, n)
    return _changed(rng, base, np.clip(base + rng.normal(0.02, 0.03, n), 0, 1), share)


def mixture(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Exact answers, empty ones and those between, as short answers have them; not looked at when methods were
    chosen."""
    of = lambda: rng.choice([0.0, 1.0, 2.0], n, p=[0.4, 0.25, 0.35])  # noqa: E731
    base, other = of(), of()
    between = rng.beta(2, 3, (2, n))
    return _changed(rng, np.where(base == 2, between[0], base), np.where(other == 2, between[1], other), share)


def bursts(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """One kind of row that is lost altogether, among small gains; not looked at when methods were chosen."""
    base = rng.beta(3, 1, n)
    lost = rng.random(n) < 0.06
    return _changed(rng, base, np.where(lost, 0, np.clip(base + rng.exponential(0.03, n), 0, 1)), share)


TEXTS: dict[str, Pairs] = {
    "right or wrong": right_or_wrong,
    "token F1": token_f1,
    "equal sides": equal_sides,
    "only gains": only_gains,
    "BLEU": bleu,
    "BLEU, few gain": bleu_of_few,
    "small changes": small_changes,
    "mixture": mixture,
    "bursts": bursts,
}


def real(path: Path) -> dict[str, Pairs]:
    """Each metric of real answers, rows drawn with replacement; what is not to change keeps the base's value."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scored = [{side: metrics.closest(row[side], [row["reference"]]) for side in ("base", "tuned")} for row in rows]

    def drawn(metric: str) -> Pairs:
        base, tuned = (np.array([row[side][metric] for row in scored]) for side in ("base", "tuned"))

        def draw(rng: Rng, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
            at = rng.integers(0, len(base), n)
            return _changed(rng, base[at], tuned[at], share)

        return draw

    return {f"real rows, {metric}": drawn(metric) for metric in scored[0]["base"]}


LENGTHS = {
    "σ 0.3": lambda rng, n: rng.lognormal(3, 0.3, n),
    "σ 0.6": lambda rng, n: rng.lognormal(3, 0.6, n),
    "σ 1": lambda rng, n: rng.lognormal(3, 1, n),
    "σ 1.5": lambda rng, n: rng.lognormal(3, 1.5, n),
    "1 to 1,000": lambda rng, n: 10 ** rng.uniform(0, 3, n),
    "few long": lambda rng, n: np.where(rng.random(n) < 0.05, rng.uniform(300, 600, n), rng.uniform(3, 20, n)),
}
GAINS = {
    "alike": lambda w: -1.0 + 0 * w,
    "by length": lambda w: -0.5 - 0.01 * w,
    "by its logarithm": lambda w: -0.4 * np.log(w),
    "long only": lambda w: -0.2 - 2.0 * (w > 200),
}


TIMES = 10
"""The data set has so many times the test rows, whose lengths are known."""


def losses(rng: Rng, n: int, lengths: str, gain: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of the loss of both sides, and tokens, of n rows."""
    tokens = np.round(LENGTHS[lengths](rng, n)).clip(1, 1024)
    base = tokens * rng.normal(3, 0.2, n)
    return base, base + tokens * (GAINS[gain](tokens) + 0.5 * rng.normal(size=n)), tokens


def subjects(rng: Rng, count: int, rates: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Questions of subjects of unequal size that gain differently, 0 on average."""
    sizes = rng.integers(20, 60, count)
    cluster = np.repeat(np.arange(count), sizes)
    if not rates:
        gain = rng.normal(size=count)[cluster]
        return np.zeros(len(cluster)), rng.normal(size=len(cluster)) + gain, cluster
    more = np.clip(rng.normal(0, 0.1, count), -0.15, 0.15)[cluster]
    u = rng.random(len(cluster))
    lost, either, right = u < 0.15 - more / 2, u < 0.3, u > 0.6
    return (lost | right).astype(float), ((either & ~lost) | right).astype(float), cluster


def coverage(draw: Callable[[], Interval], truth: float, drawings: int) -> tuple[float, float]:
    """(share of the drawn intervals that hold the truth, share that is drawn)"""
    found = [draw() for _ in range(drawings)]
    bounds = [(i.low, i.high) for i in found if i.low is not None and i.high is not None]
    return float(np.mean([low <= truth <= high for low, high in bounds] or [1.0])), len(bounds) / drawings


def of_texts(pairs: Pairs, n: int, share: float, drawings: int, seed: int = 0) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    base, tuned = pairs(np.random.default_rng(99), 1_000_000, share)
    truth = float((tuned - base).mean())
    return coverage(lambda: intervals.paired_difference(*pairs(rng, n, share)), truth, drawings)


def of_losses(lengths: str, gain: str, n: int, drawings: int, seed: int = 0) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    base, tuned, tokens = losses(np.random.default_rng(99), 1_000_000, lengths, gain)
    truth = float((tuned - base).sum() / tokens.sum())

    def draw() -> Interval:
        among = LENGTHS[lengths](rng, TIMES * n)  # of the data set, of which the test rows are a tenth
        return intervals.ratio_difference(*losses(rng, n, lengths, gain), among=among)

    return coverage(draw, truth, drawings)


def of_subjects(count: int, rates: bool, drawings: int, seed: int = 0) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    return coverage(lambda: clustered.clustered_difference(*subjects(rng, count, rates)), 0.0, drawings)


def of_looks(count: int, drawings: int, seed: int = 0) -> float:
    """Share of benchmarks of so many subjects, 1,000 questions each, whose sequence holds the truth at every look."""
    rng, held = np.random.default_rng(seed), 0
    for _ in range(drawings):
        cluster = rng.permutation(np.arange(1000) % count)
        more = np.clip(rng.normal(0, 0.15, count), -0.25, 0.25)[cluster]
        u = rng.random(1000)
        lost, either, right = u < 0.15 - more / 2, u < 0.3, u > 0.6
        base, tuned = (lost | right).astype(float), ((either & ~lost) | right).astype(float)
        found = [sequential.confidence_sequence(base[:n], tuned[:n], cluster[:n]) for n in sequential.looks(1000)]
        held += all(i.low is not None and i.high is not None and i.low <= 0 <= i.high for i in found)
    return held / drawings


def cell(found: tuple[float, float]) -> str:
    held, drawn = found
    return f"{100 * held:.1f}" + (f" ({100 * drawn:.0f})" if drawn < 1 else "") if drawn else "–"


def main(drawings: int, answers: Path | None) -> None:
    print("| values | rows |" + "".join(f" {100 * s:g} % |" for s in SHARES), flush=True)
    for name, pairs in (TEXTS | (real(answers) if answers else {})).items():
        for n in ROWS:
            cells = [cell(of_texts(pairs, n, share, drawings)) for share in SHARES]
            print(f"| {name} | {n} | " + " | ".join(cells) + " |", flush=True)
    print("\n| lengths | rows |" + "".join(f" {gain} |" for gain in GAINS))
    for lengths in LENGTHS:
        for n in ROWS:
            cells = [cell(of_losses(lengths, gain, n, drawings)) for gain in GAINS]
            print(f"| {lengths} | {n} | " + " | ".join(cells) + " |", flush=True)
    print("\n| subjects | means | rates | every look |")
    for count in (3, 5, 10, 20, 57):
        cells = [cell(of_subjects(count, rates, drawings)) for rates in (False, True)]
        print(f"| {count} | {' | '.join(cells)} | {100 * of_looks(count, drawings // 2):.1f} |", flush=True)


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    files = [Path(a) for a in sys.argv[1:] if not a.isdigit()]
    main(numbers[0] if numbers else 1000, files[0] if files else None)
