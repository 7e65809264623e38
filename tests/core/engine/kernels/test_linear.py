"""LoRA layers compute as PEFT's own, whatever is switched between two passes."""

from __future__ import annotations

import copy
import time

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from core.engine import kernels
from core.engine.kernels.linear import product

pytestmark = pytest.mark.usefixtures("capability")
IDS = torch.tensor([[1, 5, 9, 2, 7, 7, 3], [4, 4, 8, 1, 0, 2, 6]])


@pytest.fixture
def models():
    """The same adapted model twice: PEFT's own layers, and ours. B is not zero, so that A learns too."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, attention_bias=True,
    )  # fmt: skip
    adapter = LoraConfig(
        r=4, lora_alpha=6, target_modules="all-linear", rank_pattern={"k_proj": 2}, alpha_pattern={"v_proj": 3}
    )
    plain = get_peft_model(LlamaForCausalLM(config), adapter)
    for name, weight in plain.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    fast = copy.deepcopy(plain)
    kernels.install(fast)
    assert sum(type(m).__name__ == "FastLora" for m in fast.modules()) == 2 * 7
    return plain, fast


def close(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-5, atol=1e-6)


def test_outputs_and_all_gradients_are_those_of_peft(models):
    gradients = []
    for model in models:
        model(input_ids=IDS, labels=IDS).loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    plain, fast = gradients
    assert len(plain) == 2 * 7 * 2
    for name in plain:
        assert close(fast[name], plain[name]), name


def test_an_adapter_switched_off_or_merged_between_two_passes_is_not_used(models):
    plain, fast = models
    tuned = plain(IDS).logits
    with plain.disable_adapter():
        base = plain(IDS).logits
    assert (tuned - base).abs().max() > 1e-2  # else the wrong one of the two would be taken for the right one
    for _ in range(2):
        assert close(fast(IDS).logits, tuned)
        with fast.disable_adapter():
            assert close(fast(IDS).logits, base)
    fast.merge_adapter()
    assert close(fast(IDS).logits, tuned)
    fast.unmerge_adapter()
    assert close(fast(IDS).logits, tuned)


def test_dropout_is_drawn_by_peft(models):
    _, fast = models
    layer = fast.base_model.model.model.layers[0].self_attn.q_proj
    layer.lora_dropout["default"] = torch.nn.Dropout(0.5)
    fast.train()
    x = torch.randn(3, 24)
    assert not torch.equal(layer(x), layer(x))
    fast.eval()
    assert torch.equal(layer(x), layer(x))


def test_a_part_of_a_wider_weight_is_multiplied_like_any_other():
    """oneDNN's plain loops, which other strides would get, take a thousand times as long: so wide a margin is safe."""
    torch.manual_seed(0)
    x, wide = torch.randn(64, 256), torch.randn(512, 768)
    part = wide[:, 256:512]
    assert close(product(x, part) / 16, x @ part.t() / 16)

    def fastest(weight) -> float:
        found = []
        for _ in range(5):
            began = time.perf_counter()
            product(x, weight)
            found.append(time.perf_counter() - began)
        return min(found)

    assert fastest(part) < 50 * fastest(part.contiguous())
