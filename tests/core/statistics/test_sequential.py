"""Looking as often as one likes: the sequence misses the truth at any look no more often than one time in 20."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.benchmarks.asking import How
from core.statistics import sequential
from core.statistics.intervals import paired_difference
from tests.core.evaluation.as_json import ask


def answers(generator, n: int, lost: float, gained: float) -> tuple[np.ndarray, np.ndarray]:
    """Right (1) or wrong (0) of both sides, where these shares of items are lost and gained."""
    draw = generator.random(n)
    base = np.where(draw < lost, 1, np.where(draw < lost + gained, 0, generator.integers(0, 2, n)))
    tuned = np.where(draw < lost, 0, np.where(draw < lost + gained, 1, base))
    return base.astype(float), tuned.astype(float)


@pytest.mark.parametrize(("lost", "gained"), [(0.05, 0.05), (0.12, 0.06), (0.02, 0.01), (0.2, 0.2)])
def test_coverage_over_all_looks(lost, gained):
    generator = np.random.default_rng(0)
    truth, missed, ordinary = gained - lost, 0, 0
    for _ in range(400):
        base, tuned = answers(generator, 1500, lost, gained)
        seen = [sequential.confidence_sequence(base[:n], tuned[:n]) for n in sequential.looks(1500)]
        missed += not all(s.low <= truth <= s.high for s in seen)
        plain = [paired_difference(base[:n], tuned[:n]) for n in sequential.looks(1500)]
        ordinary += not all(s.low <= truth <= s.high for s in plain)
    assert missed / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5
    assert ordinary > missed  # looking again and again at an ordinary interval errs more often


def test_coverage_over_all_looks_where_subjects_are_random():
    """57 subjects that gain and lose differently, 0 on average: without them the sequence would miss that too often."""
    generator, runs = np.random.default_rng(0), 150
    missed = {"by subject": 0, "by question": 0}
    for _ in range(runs):
        subject = generator.permutation(np.arange(2000) % 57)
        gain = np.clip(generator.normal(0, 0.3, 57), -0.6, 0.6)[subject]
        u = generator.random(2000)
        lost, changed = u < 0.3 - gain / 2, u < 0.6
        base, tuned = ((u > 0.8) | lost).astype(float), ((u > 0.8) | (changed & ~lost)).astype(float)
        looks = sequential.looks(2000)
        by_subject = [sequential.confidence_sequence(base[:n], tuned[:n], subject[:n]) for n in looks]
        by_question = [sequential.confidence_sequence(base[:n], tuned[:n]) for n in looks]
        missed["by subject"] += not all(s.low <= 0 <= s.high for s in by_subject)
        missed["by question"] += not all(s.low <= 0 <= s.high for s in by_question)
    assert missed["by subject"] / runs <= 0.05 < missed["by question"] / runs, missed


def test_subjects_that_agree_cost_nothing():
    base, tuned = answers(np.random.default_rng(2), 600, 0.1, 0.1)
    alone = sequential.confidence_sequence(base, tuned)
    by_subject = sequential.confidence_sequence(base, tuned, np.arange(600) % 30)
    assert (by_subject.high - by_subject.low) >= (alone.high - alone.low)
    assert (by_subject.high - by_subject.low) < 1.3 * (alone.high - alone.low)


def test_it_is_wider_than_one_look_but_not_by_much():
    base, tuned = answers(np.random.default_rng(1), 400, 0.08, 0.05)
    often, once = sequential.confidence_sequence(base, tuned), paired_difference(base, tuned)
    assert 1.2 < (often.high - often.low) / (once.high - once.low) < 2
    assert sequential.looks(1000) == [200, 300, 400, 500, 600, 700, 800, 900, 1000]
    assert sequential.looks(24) == [24]


def test_a_benchmark_of_equal_sides_stops_early(tiny_sides, tiny_tokenizer, own_benchmarks, monkeypatch):
    monkeypatch.setattr(sequential, "FIRST_LOOK", 6)
    monkeypatch.setattr(sequential, "EVERY", 6)
    monkeypatch.setattr(sequential, "NARROW", 0.9)
    how = How(early_stop=True)
    found = ask(tiny_sides, tiny_tokenizer, ["arc_easy"], own_benchmarks, how)["tasks"]["arc_easy"]
    assert found["stopped_early"] is True
    assert found["n"] == 6 * found["looks"] < found["available"] == 24
    difference = found["metrics"]["acc"]["difference"]
    assert difference["high"] - difference["low"] <= 1.8
