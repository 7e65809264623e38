"""Shared-prefix packing is exact: the same losses and gradients as each row by itself, on several architectures."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine import packing
from core.engine.packing import forward, groups, pack, takes_packs

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


KINDS = ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3", "gpt2", "gpt_neox"]


def tiny(kind: str):
    """A tiny model; those with sliding windows see three tokens back, less than the rows are long."""
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
    grouped = {**shape, "num_key_value_heads": 2, "head_dim": 8}
    windows = {"sliding_window": 3, "layer_types": ["sliding_attention", "full_attention"]}
    if kind == "llama":
        return tf.LlamaForCausalLM(tf.LlamaConfig(**grouped))
    if kind == "qwen2":
        return tf.Qwen2ForCausalLM(tf.Qwen2Config(**shape, num_key_value_heads=2))
    if kind == "qwen3":
        return tf.Qwen3ForCausalLM(tf.Qwen3Config(**grouped))
    if kind == "mistral":
        return tf.MistralForCausalLM(tf.MistralConfig(**grouped, sliding_window=3))
    if kind == "gemma2":
        return tf.Gemma2ForCausalLM(tf.Gemma2Config(**grouped, **windows, pad_token_id=0))
    if kind == "gemma3":
        return tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**grouped, **windows, pad_token_id=0))
    if kind == "gpt_neox":
        return tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**shape))
    return tf.GPT2LMHeadModel(tf.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=60, n_positions=64))


def loss_and_gradients(model, compute):
    import torch

    model.zero_grad()
    logits, target = compute()
    loss = torch.nn.functional.cross_entropy(logits, target)
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(found, expected):
    """Loss and every gradient within 1e-5, relative to the norm of the parameter's gradient."""
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert set(found[1]) == set(expected[1])
    for name, gradient in expected[1].items():
        difference = (found[1][name] - gradient).norm().item()
        assert difference <= 1e-5 * max(gradient.norm().item(), 1e-3), name


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_every_gradient_equal_separate_rows(kind, adapter):
    """Separate rows run through the model as transformers made it; packed and padded ones through our kernels."""
    from peft import LoraConfig, get_peft_model

    from core.engine import kernels

    model = tiny(kind).eval()
    if adapter:
        config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        model = get_peft_model(model, config).eval()
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.data *= 0.1  # an adapter as training makes it, not as large as the weights
    expected = loss_and_gradients(model, lambda: separate_logits(model, ROWS))
    kernels.install(model)
    assert takes_packs(model)
    for packed in (True, False):
        made = loss_and_gradients(model, lambda: forward(model, ROWS, packed)[:2])  # noqa: B023
        assert_same(made, expected)
    assert forward(model, ROWS, True)[2].tolist() == sorted(forward(model, ROWS, False)[2].tolist())


@pytest.mark.parametrize("kind", ["llama", "gemma3"])
def test_long_rows_are_attended_to_in_blocks(kind):
    """A long shared prompt, long and short branches, nested forks: several blocks with keys that do not adjoin."""
    import numpy as np

    from core.engine import kernels

    model = tiny(kind).eval()
    random = np.random.default_rng(0)
    words = lambda n: random.integers(3, 60, n).tolist()  # noqa: E731
    system, question = words(70), words(20)
    rows = [(system + words(n), [False] * 70 + [True] * n) for n in (5, 130, 3, 60)]
    rows += [(system + question + words(n), [False] * 90 + [True] * n) for n in (4, 9, 250)]
    expected = loss_and_gradients(model, lambda: separate_logits(model, rows))
    kernels.install(model)
    assert_same(loss_and_gradients(model, lambda: forward(model, rows, True)[:2]), expected)


@pytest.mark.parametrize("packed", [True, False])
def test_logits_come_in_the_order_of_the_rows(packed):
    """The second row predicts from an earlier node than the first; no node is predicted from twice."""
    model = tiny("llama").eval()
    rows = [([3, 4, 5], [False, False, True]), ([3, 6], [False, True])]
    logits, target, row = forward(model, rows, packed)
    expected, tokens = separate_logits(model, rows)
    assert (target.tolist(), row.tolist()) == (tokens.tolist(), [0, 1])
    assert (logits - expected).abs().max() < 1e-5


def test_the_summed_loss_and_its_gradient_are_cross_entropys():
    import torch

    from core.engine.kernels.loss import summed_cross_entropy

    logits, target = torch.randn(7, 50, requires_grad=True), torch.randint(0, 50, (7,))
    for smoothing in (0.0, 0.1):
        expected = torch.nn.functional.cross_entropy(logits, target, reduction="sum", label_smoothing=smoothing) / 3
        gradient = torch.autograd.grad(expected, logits)[0]
        found = summed_cross_entropy(logits, target, smoothing) / 3
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)
        assert torch.allclose(torch.autograd.grad(found, logits)[0], gradient, atol=1e-7)


def test_generation_with_installed_kernels_is_the_models_own():
    import torch

    from core.engine import kernels

    for kind in ("llama", "gemma2", "gemma3", "gpt2"):
        model = tiny(kind).eval()
        ids = torch.tensor([[0, 0, 5, 6, 7], [9, 8, 7, 6, 5]])
        asked = {"input_ids": ids, "attention_mask": (ids != 0).long(), "max_new_tokens": 8, "do_sample": False}
        expected = model.generate(**asked, pad_token_id=0)
        kernels.install(model)
        assert model.generate(**asked, pad_token_id=0).tolist() == expected.tolist(), kind


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


@given(rows_strategy, st.integers(0, 6), st.integers(1, 30), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_parts_cover_every_row_once_and_share_their_beginning(rows, stem, budget, long):
    rows = [([20] * stem + list(ids), [False] * stem + list(trained)) for ids, trained in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "LONG", long)
        found = list(packing.parts(rows, budget))
    assert sorted(i for group, _ in found for i in group) == list(range(len(rows)))
    for group, before in found:
        if before:
            assert before >= long
            assert len({tuple(rows[i][0][: before + 1]) for i in group}) == 1
            assert not any(any(rows[i][1][1 : before + 1]) for i in group)
        nodes = pack([(rows[i][0][before:], rows[i][1][before:]) for i in group]).ids
        assert len(group) == 1 or len(nodes) <= budget
    together = defaultdict(list)
    for group, before in found:
        if before:
            together[tuple(rows[group[0]][0][:before])] += [rows[i] for i in group]
    assert all(len(list(groups(alike, budget))) > 1 for alike in together.values())  # what fits one pack stays in it


def test_rows_with_a_beginning_longer_than_a_pack_share_it_all_the_same():
    """Apart, each row would fill a pass with the same long beginning."""
    rows = [([1] * 300 + [end, end], [False] * 300 + [True] * 2) for end in range(2, 10)]
    assert list(packing.parts(rows, 200)) == [(list(range(8)), 299)]


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2", "gpt_neox"])
def test_rows_go_on_from_a_beginning_that_is_computed_apart(kind, adapter):
    import torch
    from peft import LoraConfig, get_peft_model

    from core.engine import kernels

    model = tiny(kind).eval()
    if adapter:
        config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        model = get_peft_model(model, config).eval()
    rows = [(ids, [False] * 3 + trained[3:]) for ids, trained in ROWS if ids[:3] == [5, 6, 7] and len(ids) > 3]
    with torch.no_grad():
        expected = separate_logits(model, rows)
        kernels.install(model)
        assert packing.takes_beginnings(model)
        known = packing.beginning_of(model, [5, 6])
        for _ in range(2):  # a pass leaves the beginning as it was
            logits, at, target, _ = packing.outputs(model, rows, True, known)
            assert target.tolist() == expected[1].tolist()
            assert ((logits if at is None else logits[at]) - expected[0]).abs().max() < 1e-4


def test_models_with_windows_compute_every_beginning_again():
    assert not packing.takes_beginnings(tiny("mistral"))


@given(rows_strategy, st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_groups_cover_every_row_once_within_the_budget(rows, budget):
    found = list(groups(rows, budget))
    assert sorted(i for group in found for i in group) == list(range(len(rows)))
    for group in found:
        assert len(group) == 1 or len(pack([rows[i] for i in group]).ids) <= budget
