"""Gated feed-forward layers compute as the model's own: base, beside an adapter, with it switched off, and learning."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import IA3Config, LoraConfig, get_peft_model
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from core.engine import kernels
from core.engine.kernels import mlp

pytestmark = pytest.mark.usefixtures("capability")
IDS = torch.tensor([[1, 5, 9, 2, 7, 7, 3], [4, 4, 8, 1, 0, 2, 6]])
SIZES = {"vocab_size": 32, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}


def llama(**more) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2, initializer_range=0.3, **more)).eval()


def same(one: torch.Tensor, two: torch.Tensor) -> None:
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("fuses", [False, True])
def test_a_plain_model(bias, fuses, monkeypatch):
    monkeypatch.setattr(mlp, "_fuses", lambda: fuses)
    plain = llama(mlp_bias=bias)
    if bias:
        for name, parameter in plain.named_parameters():
            if "mlp" in name and "bias" in name:
                torch.nn.init.normal_(parameter)
    fast = copy.deepcopy(plain)
    kernels.install(fast)
    assert type(fast.model.layers[0].mlp).__name__ == "FastMLP"
    with torch.no_grad():
        same(fast(IDS).logits, plain(IDS).logits)


def test_large_sums_are_no_other_computation():
    """Trained models have outputs of hundreds, whose rounding is larger than that of small ones."""
    plain = llama()
    with torch.no_grad():
        for parameter in plain.model.layers[0].mlp.parameters():
            parameter.mul_(40)
    mlp.install(plain)
    assert type(plain.model.layers[0].mlp).__name__ == "FastMLP"


def test_this_pytorch_fuses(capability):
    """Where it stops doing so, scoring is slower and nothing is wrong: then this test says so. With AVX2 alone it is
    not asked to."""
    assert mlp._fuses() == (capability == "AVX512")


@pytest.mark.parametrize("kind", ["lora", "ia3"])
def test_an_adapter_on_and_off(kind):
    config = {
        "lora": LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False),
        "ia3": IA3Config(
            target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"], init_ia3_weights=False
        ),
    }[kind]
    plain = get_peft_model(llama(), config).eval()
    fast = copy.deepcopy(plain)
    kernels.install(fast)
    with torch.no_grad():
        on = fast(IDS).logits
        same(on, plain(IDS).logits)
        with fast.disable_adapter(), plain.disable_adapter():
            off = fast(IDS).logits
            same(off, plain(IDS).logits)
        same(fast(IDS).logits, on)
    assert not torch.allclose(on, off, atol=1e-3)
    if kind == "lora":
        fast.merge_adapter()
        with torch.no_grad():
            same(fast(IDS).logits, on)
            with fast.disable_adapter():  # PEFT takes the adapter out of the weights again
                same(fast(IDS).logits, off)


def test_what_learns_is_left_to_the_model():
    plain = llama()
    fast = copy.deepcopy(plain)
    kernels.install(fast)
    for model in (plain, fast):
        model(IDS, labels=IDS).loss.backward()
    for (name, one), two in zip(plain.named_parameters(), fast.parameters(), strict=True):
        assert torch.allclose(one.grad, two.grad, rtol=1e-4, atol=1e-5), name


def test_other_activations_and_layers_stay():
    gemma = Gemma2ForCausalLM(Gemma2Config(**SIZES, num_key_value_heads=2, head_dim=6)).eval()  # GELU
    torch.nn.init.normal_(gemma.model.layers[0].mlp.gate_proj.weight)
    gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=24, n_layer=1, n_head=4, vocab_size=32)).eval()  # no gate
    for model in (gemma, gpt2):
        mlp.install(model)
    assert type(gemma.model.layers[0].mlp).__name__ == "Gemma2MLP"
    assert not any(type(m).__name__ == "FastMLP" for m in gpt2.modules())
