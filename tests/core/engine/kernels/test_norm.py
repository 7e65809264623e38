"""The normalization layers compute as the model's own, forward and backward; others keep their class."""

from __future__ import annotations

import pytest
import torch
from transformers.models.gemma.modeling_gemma import GemmaRMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from core.engine.kernels import norm


@pytest.mark.parametrize("trained", [False, True])
def test_values_and_gradients_are_the_models_own(trained):
    torch.manual_seed(0)
    plain, fast = LlamaRMSNorm(48, eps=1e-5), LlamaRMSNorm(48, eps=1e-5)
    with torch.no_grad():
        fast.weight.copy_(plain.weight.normal_())
    norm.install(fast)
    assert type(fast) is not LlamaRMSNorm and isinstance(fast, LlamaRMSNorm)
    x = torch.randn(2, 5, 48) * torch.tensor([1e-4, 1e-2, 1.0, 30.0, 1e3])[:, None]
    grad = torch.randn(2, 5, 48)
    found = []
    for layer in (plain, fast):
        layer.weight.requires_grad_(trained)
        given = x.clone().requires_grad_()
        out = layer(given)
        out.backward(grad)
        found.append((out, given.grad, layer.weight.grad))
    for one, two in zip(*found, strict=True):
        if one is None:
            assert two is None
        else:
            torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-5 * one.abs().max().item())


def test_layers_that_compute_something_else_stay_as_they_are():
    class OddRMSNorm(LlamaRMSNorm):
        def forward(self, x):
            return super().forward(x) + 0.01

    for layer in (GemmaRMSNorm(16), OddRMSNorm(16), LlamaRMSNorm(16).bfloat16(), torch.nn.LayerNorm(16)):
        kind = type(layer)
        norm.install(layer)
        assert type(layer) is kind


def test_installing_twice_changes_nothing():
    layer = LlamaRMSNorm(16)
    norm.install(layer)
    kind = type(layer)
    norm.install(layer)
    assert type(layer) is kind


def test_other_precisions_are_left_to_the_model():
    torch.manual_seed(0)
    plain, fast = LlamaRMSNorm(16), LlamaRMSNorm(16)
    norm.install(fast)
    x = torch.randn(3, 16, dtype=torch.bfloat16)
    assert torch.equal(fast(x), plain(x))
    assert not torch.equal(norm._RMSNorm.apply(x, fast.weight, 1e-6), plain(x))  # it would have been another value
