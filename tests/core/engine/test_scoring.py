"""Scores equal those of each row by itself, however rows are grouped; what is no number is refused by name."""

from __future__ import annotations

import pytest

from core.engine import packing
from core.engine.scoring import RowScore, Stopped, _of_targets, _passes, score
from core.errors import UserError

STEM = list(range(5, 30))
ROWS = [
    (STEM + [7, 8, 9], [False] * 25 + [True] * 3),
    (STEM + [7, 8], [False] * 25 + [True] * 2),
    ([4, 5, 6], [False, True, True]),
    ([4], [True]),  # its only token has no context
    (STEM + [7, 8, 9], [False] * 25 + [True] * 3),  # a copy
    ([9, 9, 9], [False] * 3),  # nothing to predict
    (STEM, [True] * 25),  # the first token is not predicted
]


def alone(model, row) -> RowScore:
    import torch

    ids, trained = row
    with torch.no_grad():
        logprobs = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    at = [i for i in range(1, len(ids)) if trained[i]]
    total = sum(logprobs[i - 1, ids[i]].item() for i in at)
    return RowScore(total, len(at), all(logprobs[i - 1].argmax().item() == ids[i] for i in at))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("packed", [True, False, None])
@pytest.mark.parametrize("budget", [1, 30, 1024])
def test_scores_equal_each_row_by_itself(kind, packed, budget, tiny_model):
    model = tiny_model(kind, 60)
    for found, row in zip(score(model, ROWS, budget, packed), ROWS, strict=True):
        expected = alone(model, row)
        assert found.logprob_sum == pytest.approx(expected.logprob_sum, abs=1e-4)
        assert (found.tokens, found.all_greedy) == (expected.tokens, expected.all_greedy)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_beginning_of_several_passes_is_computed_once(kind, tiny_model, monkeypatch):
    """Two beginnings of 10 and 12 tokens, each of several passes, and a row of its own."""
    monkeypatch.setattr(packing, "LONG", 8)
    computed = []
    plain = packing.beginning_of
    monkeypatch.setattr(packing, "beginning_of", lambda model, ids: computed.append(tuple(ids)) or plain(model, ids))
    model = tiny_model(kind, 60)
    two = [list(range(5, 15)), list(range(30, 42))]
    rows = [(two[i % 2] + [3, i, 2 * i, 4], [False] * (len(two[i % 2]) + 2) + [True] * 2) for i in range(20)]
    rows.insert(7, ([5, 6, 7, 8], [False, False, False, True]))
    for found, row in zip(score(model, rows, 12, True), rows, strict=True):
        expected = alone(model, row)
        assert found.logprob_sum == pytest.approx(expected.logprob_sum, abs=1e-4)
        assert (found.tokens, found.all_greedy) == (expected.tokens, expected.all_greedy)
    tried, *used = computed
    assert used == [tuple(ids) for ids in two]


def test_greedy_is_seen(tiny_model):
    import torch

    model = tiny_model("llama", 60)
    with torch.no_grad():
        best = model(input_ids=torch.tensor([STEM])).logits[0, -1].argmax().item()
    found = score(model, [(STEM + [best], [False] * 25 + [True]), (STEM + [(best + 1) % 60], [False] * 25 + [True])])
    assert [s.all_greedy for s in found] == [True, False]


@pytest.mark.parametrize("packed", [True, False])
def test_passes_stay_within_the_budget(packed):
    """Fifty equal rows share their nodes, but not their logits; padded rows count with the longest."""
    rows = [(STEM, [False] * 5 + [True] * 20)] * 50 + [([1, 2], [False, True])] * 9
    passes = [part for part, _ in _passes(None, rows, 100, packed)]
    assert sorted(i for part in passes for i in part) == list(range(59))
    for part in passes:
        size = sum(sum(rows[i][1]) for i in part) if packed else len(part) * max(len(rows[i][0]) for i in part)
        assert size <= 100


def test_progress_and_stop(tiny_model):
    model = tiny_model("llama", 60)
    seen = []
    score(model, ROWS, 1, True, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (7, 7)
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    with pytest.raises(Stopped):
        score(model, ROWS, 1, True, should_stop=lambda: True)
    assert score(model, []) == []


def test_the_model_is_left_as_it_was(tiny_model):
    model = tiny_model("llama", 60).train()
    score(model, ROWS)
    assert model.training


@pytest.mark.parametrize("packed", [True, False])
def test_a_row_without_numbers_is_named(packed, tiny_model):
    import torch

    model = tiny_model("llama", 60)
    with torch.no_grad():
        model.model.embed_tokens.weight[9] = float("nan")
    rows = [
        ([4, 5, 6], [False, True, True]),
        ([4, 5, 9, 6], [False, False, True, True]),
        ([4, 5, 8], [False, True, True]),
    ]
    with pytest.raises(UserError, match="For row 2 the model computes no number"):
        score(model, rows, packed=packed)
    with pytest.raises(UserError, match="For test row 41 "):
        score(model, rows, packed=packed, name=lambda i: f"test row {40 + i}")


def test_of_equal_logits_the_first_is_the_most_probable():
    """As argmax has it, and as half precision often gives it; several targets may be read at one node."""
    import torch

    logits = torch.tensor([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 0.0, 5.0]])
    at, target = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([1, 2, 0, 3, 3, 1])
    logprobs, greedy = _of_targets(logits, at, target)
    assert greedy.tolist() == [True, False, True, False, True, False]
    assert torch.allclose(logprobs, logits.log_softmax(-1)[at, target])
