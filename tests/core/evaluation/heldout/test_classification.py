"""Label tasks: when rows are one, how texts are read as labels, and the numbers of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from core.evaluation.heldout import classification
from core.records import plain
from core.types import Example


def row(answer: str, i: int = 0, **meta) -> Example:
    return Example(({"role": "user", "content": f"Question {i}"},), answer, i + 1, "test", meta)


def test_what_a_label_task_is():
    few = [row(answer, i) for i, answer in enumerate(["yes", "no"] * 5)]
    assert classification.label_names(few) == ["no", "yes"]
    assert classification.label_names(few[:8]) is None  # four rows per label
    imported = [row(answer, i, label=answer) for i, answer in enumerate(["good", "bad", "so so"])]
    assert classification.label_names(imported) == ["bad", "good", "so so"]
    assert classification.label_names([*imported, row("bad", 9)]) is None
    assert classification.label_names([row("yes", i) for i in range(20)]) is None
    assert classification.label_names([row(f"The number is {i}.", i) for i in range(20)]) is None
    assert classification.label_names([row("a long answer " * 5 + a, i) for i, a in enumerate("ab" * 9)]) is None
    assert classification.label_names([Example((), a, i) for i, a in enumerate("ab" * 9)]) is None
    assert classification.label_names([]) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("positive", (1, "exact")),
        (" positive\n", (1, "exact")),
        ("Positive.", (1, "normalised")),
        ("**Very  Good**", (2, "normalised")),
        ("the positive", (7, "other")),
        ("positive, because it says so", (7, "other")),
        ("C++", (4, "exact")),
        ("c", (3, "normalised")),
        ("c++.", (4, "normalised")),
        ("C#", (7, "other")),
        ("EMAIL", (7, "other")),  # two labels have this word
        ("", (7, "other")),
    ],
)
def test_reading_a_label(text, expected):
    assert classification.parse(text, ["negative", "positive", "very good", "C", "C++", "e-mail", "email"]) == expected


def drawn(seed: int, n: int = 60, k: int = 3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, k, n), rng.integers(0, k + 1, n), rng.integers(0, k + 1, n)


@pytest.mark.parametrize("k", [2, 3, 7])
def test_macro_f1_and_confusion_are_scikit_learns(k):
    from sklearn.metrics import confusion_matrix, f1_score

    truth, answers, _ = drawn(k, 40, k)
    here = sorted(set(truth.tolist()))
    expected = f1_score(truth, answers, labels=here, average="macro", zero_division=0)
    assert classification.macro_f1(truth, answers, k) == pytest.approx(expected)
    by_row = confusion_matrix(truth, answers, labels=range(k + 1))[:k]
    assert (classification.confusion(truth, answers, k) == by_row).all()
    # Vectorised, and along another axis.
    many = np.stack([truth, truth[::-1]]), np.stack([answers, answers[::-1]])
    assert classification.macro_f1(*many, k) == pytest.approx([expected, expected])
    assert classification.macro_f1(*(m.T for m in many), k, axis=0) == pytest.approx([expected, expected])


def test_a_label_that_no_row_has_does_not_count():
    truth = np.array([0, 0, 1, 1])
    assert classification.macro_f1(truth, truth, 5) == 1.0
    assert classification.macro_f1(truth, np.array([0, 2, 1, 1]), 5) == pytest.approx((2 / 3 + 1) / 2)


def labels_of(*args) -> dict:
    """As JSON has them."""
    return plain(classification.report(*args))


def test_report():
    names = ["no", "yes"]
    targets = ["yes", "no"] * 10
    base = ["yes", "I do not know."] * 10
    tuned = ["Yes.", "no"] * 9 + ["no", "no"]
    found = labels_of(names, targets, base, tuned)
    assert found["rows"] == 20
    assert found["accuracy"]["base"]["mean"] == 0.5
    assert found["accuracy"]["difference"]["difference"] == pytest.approx(0.45)
    assert found["accuracy"]["difference"]["low"] > 0
    assert found["confusion"] == {"base": [[0, 0, 10], [0, 10, 0]], "tuned": [[10, 0, 0], [1, 9, 0]]}
    assert found["mcnemar"] == {"lost": 1, "gained": 10, "unchanged": 9, "p": pytest.approx(2 * 12 / 2**11)}
    assert found["read"]["base"] == {"exact": 10, "normalised": 0, "other": 10}
    assert found["read"]["tuned"] == {"exact": 11, "normalised": 9, "other": 0}
    macro = found["macro_f1"]
    assert macro["base"]["mean"] == pytest.approx(0.5)  # all of yes, none of no
    assert (macro["difference"]["low"], macro["difference"]["why"]) == (None, "few rows")
    more = [3 * column for column in (targets, base, tuned)]
    difference = labels_of(names, *more)["macro_f1"]["difference"]
    assert difference["low"] < difference["difference"] < difference["high"]
    assert difference == labels_of(names, *more)["macro_f1"]["difference"]  # seeded


def test_both_sides_alike_have_no_interval_of_macro_f1():
    found = labels_of(["no", "yes"], ["yes", "no"] * 5, ["yes", "no"] * 5, ["yes", "no"] * 5)
    assert found["macro_f1"]["difference"]["difference"] == 0
    assert found["macro_f1"]["difference"]["low"] is None
    assert found["accuracy"]["difference"]["low"] < 0 < found["accuracy"]["difference"]["high"]


def test_macro_f1_of_few_rows_has_no_interval():
    truth = np.repeat([0, 1], [40, 20])
    tuned = np.where(np.arange(60) % 3 == 0, 1 - truth, truth)
    found = classification.macro_f1_difference(truth, 1 - truth, tuned, 2)
    assert found.difference.low is not None and found.difference.changed == 40
    few = classification.macro_f1_difference(truth[:45], 1 - truth[:45], tuned[:45], 2)
    assert (few.difference.low, few.base.low, few.difference.why) == (None, None, "few rows")
    hardly = classification.macro_f1_difference(truth, truth, np.r_[1 - truth[:9], truth[9:]], 2)
    assert (hardly.difference.low, hardly.difference.why) == (None, "few changed")
    assert hardly.base.low is not None or hardly.base.mean == 1
