"""Shared-prefix packing is exact: the same losses and gradients as each row by itself, on several architectures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.packing import forward, groups, pack, takes_packs

ROWS = [
    ([5, 6, 7, 8, 9, 10], [False, False, False, True, True, True]),
    ([5, 6, 7, 8, 11], [False, False, False, True, True]),  # completions share their first token
    ([5, 6, 7], [False, False, True]),  # a row that is another's prefix
    ([5, 6, 7, 8, 9, 10, 12, 13], [False] * 6 + [True, True]),  # another's prompt and answer as prompt
    ([20, 6, 7, 8], [False, True, False, True]),  # two trained stretches, as in several turns
    ([5, 6, 7, 8, 9, 10], [False, False, False, True, True, True]),  # an exact copy counts twice
]


def separate_logits(model, rows):
    import torch

    out = []
    for ids, trained in rows:
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        out += [(logits[i - 1], ids[i]) for i in range(1, len(ids)) if trained[i]]
    return torch.stack([l for l, _ in out]), torch.tensor([t for _, t in out])  # noqa: E741


def tiny(kind: str):
    import torch
    import transformers as tf

    torch.manual_seed(1)
    shape = {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 60,
    }
    if kind == "llama":
        return tf.LlamaForCausalLM(tf.LlamaConfig(**shape, num_key_value_heads=2))
    if kind == "qwen2":
        return tf.Qwen2ForCausalLM(tf.Qwen2Config(**shape, num_key_value_heads=2))
    if kind == "gpt_neox":
        return tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**shape))
    return tf.GPT2LMHeadModel(tf.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=60, n_positions=64))


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "gpt_neox"])
@pytest.mark.parametrize("packed", [True, False])
def test_loss_and_every_gradient_equal_separate_rows(kind, packed):
    import torch

    model = tiny(kind).eval()
    assert takes_packs(model)
    logits, target = separate_logits(model, ROWS)
    expected = torch.nn.functional.cross_entropy(logits, target)
    expected.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    logits, target, row = forward(model, ROWS, packed)
    assert row.tolist() == sorted(row.tolist())
    loss = torch.nn.functional.cross_entropy(logits, target)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for name, p in model.named_parameters():
        if name in gradients:
            scale = gradients[name].abs().max().item()
            assert torch.allclose(p.grad, gradients[name], rtol=1e-4, atol=1e-5 * max(scale, 1e-3)), name


def test_models_that_ignore_the_mask_are_found_by_trying():
    import transformers as tf

    mamba = tf.MambaForCausalLM(tf.MambaConfig(vocab_size=60, hidden_size=32, num_hidden_layers=2, state_size=4))
    assert not takes_packs(mamba)


rows_strategy = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=9).flatmap(
        lambda ids: st.tuples(st.just(ids), st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    ),
    min_size=1,
    max_size=8,
)


@given(rows_strategy)
@settings(max_examples=200, deadline=None)
def test_a_pack_holds_every_row_and_every_pair(rows):
    made = pack(rows)
    mask = made.mask()
    expected = [(r, ids[i]) for r, (ids, trained) in enumerate(rows) for i in range(1, len(ids)) if trained[i]]
    assert list(zip(made.row.tolist(), made.target.tolist(), strict=True)) == expected
    assert made.tokens == sum(len(ids) for ids, _ in rows)
    for node in range(len(made.ids)):
        ancestors = np.flatnonzero(mask[node])
        assert made.depth[ancestors].tolist() == list(range(made.depth[node] + 1))
        path = tuple(made.ids[ancestors].tolist())
        assert any(tuple(ids[: len(path)]) == path for ids, _ in rows)
    paths = {tuple(made.ids[np.flatnonzero(mask[n])].tolist()) for n in range(len(made.ids))}
    assert len(paths) == len(made.ids)  # no prefix is laid out twice


@given(rows_strategy, st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_groups_cover_every_row_once_within_the_budget(rows, budget):
    found = list(groups(rows, budget))
    assert sorted(i for group in found for i in group) == list(range(len(rows)))
    for group in found:
        assert len(group) == 1 or len(pack([rows[i] for i in group]).ids) <= budget
