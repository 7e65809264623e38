"""Slices cover every row once, say their bounds, and hold the numbers of their rows alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.evaluation.heldout import slices
from core.evaluation.heldout.loss import Losses, Rows
from core.statistics import intervals
from core.types import Example


def measured(prompt_tokens: list[int], metas: list[dict] | None = None, answers: list[str] | None = None) -> Losses:
    n = len(prompt_tokens)
    metas, answers = metas or [{}] * n, answers or ["x"] * n
    asked = [({"role": "user", "content": f"{i}"},) for i in range(n)]
    examples = [Example(m, answers[i], i + 1, "test", metas[i]) for i, m in enumerate(asked)]
    tokens = [2 + i % 3 for i in range(n)]
    base, tuned = [3.0 * t + i % 2 for i, t in enumerate(tokens)], [2.0 * t + i % 5 for i, t in enumerate(tokens)]
    return Losses(Rows(examples, [], tokens, tokens, prompt_tokens, [], 0), base, tuned)


def test_length_in_tertiles_with_their_bounds():
    found = slices.report(measured([5, 9, 12, 14, 20, 31] * 5))
    assert list(found) == ["length"]
    names = [s.name for s in found["length"]]
    assert names == ["short (5 to 9 prompt tokens)", "medium (12 to 14 prompt tokens)", "long (20 to 31 prompt tokens)"]
    assert [s.n for s in found["length"]] == [10, 10, 10]
    assert not any(s.small for s in found["length"])
    assert slices.report(measured([7] * 12)) == {}
    uneven = slices.report(measured([7] * 10 + [8, 9]))["length"]
    assert [(s.name, s.n) for s in uneven] == [
        ("short (7 prompt tokens)", 10),
        ("long (8 to 9 prompt tokens)", 2),
    ]


def test_numbers_are_those_of_the_rows_alone():
    whole = measured([1, 2, 3] * 4, answers=["yes", "no", "no"] * 4)
    f1 = {e.id: (0.1 * i, 0.05 * i * i) for i, e in enumerate(whole.rows.examples)}
    found = slices.report(whole, ["maybe", "no", "yes"], f1)["label"]
    assert [(s.name, s.n, s.small) for s in found] == [("no", 8, True), ("yes", 4, True)]
    chosen = [i for i in range(12) if i % 3]
    take = lambda values: [values[i] for i in chosen]  # noqa: E731
    expected = intervals.ratio_difference(take(whole.base), take(whole.tuned), take(whole.rows.tokens))
    assert found[0].loss == expected
    pairs = intervals.paired_difference([0.1 * i for i in chosen], [0.05 * i * i for i in chosen])
    assert found[0].token_f1.to_dict() == pytest.approx(pairs.to_dict())
    assert slices.report(whole)["length"][0].token_f1 is None


def test_source_is_a_column_or_the_kind_of_rows():
    metas = [{"Source": "web", "id": str(i)} if i % 3 else {"id": str(i)} for i in range(12)]
    found = slices.report(measured([4] * 12, metas))["source"]
    assert [(s.name, s.n) for s in found] == [("Source: none", 4), ("Source: web", 8)]
    many = [{"source": str(i)} for i in range(30)]
    assert "source" not in slices.report(measured([4] * 30, many))
    assert "source" not in slices.report(measured([4] * 12, [{"source": "web"}] * 12))

    mixed = measured([4] * 12)
    texts = [replace(e, messages=()) if i < 5 else e for i, e in enumerate(mixed.rows.examples)]
    mixed = replace(mixed, rows=replace(mixed.rows, examples=texts))
    assert [(s.name, s.n) for s in slices.report(mixed)["source"]] == [
        ("a prompt and an answer", 7),
        ("plain text", 5),
    ]


def test_every_row_is_in_one_slice_of_each_kind():
    for n in (1, 2, 3, 5, 40):
        for groups in slices.report(measured([i * i % 17 for i in range(n)])).values():
            assert sum(s.n for s in groups) == n
