"""Rotary embeddings turn queries and keys as the model's own function does, forward and backward."""

from __future__ import annotations

import pytest
import torch
from transformers.models.cohere import modeling_cohere
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.llama import modeling_llama

from core.engine.kernels import rotary


def turned(function, q, k, cos, sin, grads):
    """Values and gradients of queries and keys."""
    given = [x.clone().requires_grad_() for x in (q, k)]
    made = function(*given, cos, sin)
    return [*made, *torch.autograd.grad(made, given, grads)]


@pytest.mark.parametrize("alike", [True, False], ids=["equal halves", "other halves"])
def test_values_and_gradients_are_the_models_own(alike):
    torch.manual_seed(0)
    q, k = torch.randn(2, 5, 6, 16).transpose(1, 2), torch.randn(2, 5, 3, 16).transpose(1, 2)
    angles = torch.randn(2, 5, 16)
    angles = torch.cat((angles[..., :8],) * 2, -1) if alike else angles
    grads = torch.randn_like(q), torch.randn_like(k)
    own = modeling_llama.apply_rotary_pos_emb
    expected = turned(own, q, k, angles.cos(), angles.sin(), grads)
    found = turned(rotary._or(own), q, k, angles.cos(), angles.sin(), grads)
    for one, two in zip(expected, found, strict=True):
        torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-6)


def test_a_model_gets_it_and_another_of_the_same_file_does_not(monkeypatch):
    config = modeling_llama.LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=20
    )
    model, other = modeling_llama.LlamaForCausalLM(config).eval(), modeling_llama.LlamaForCausalLM(config).eval()
    other.load_state_dict(model.state_dict())
    rotary.install(model)
    attention = model.model.layers[0].self_attn
    kind = type(attention)
    assert kind is not modeling_llama.LlamaAttention and isinstance(attention, modeling_llama.LlamaAttention)
    rotary.install(model)
    assert type(attention) is kind

    calls = []
    plain = rotary._turned
    monkeypatch.setattr(rotary, "_turned", lambda *given: calls.append(1) or plain(*given))
    ids = torch.tensor([[3, 4, 5, 6]])
    torch.testing.assert_close(model(ids).logits, other(ids).logits, rtol=1e-5, atol=1e-6)
    assert len(calls) == 2  # queries and keys of one layer, of one model


def test_a_function_that_computes_something_else_stays():
    """Cohere turns neighbours, not halves."""
    kind = modeling_cohere.CohereAttention
    assert rotary._fast(kind) is kind


def test_a_method_of_that_name_is_the_models_own():
    class Attention(torch.nn.Module):
        def apply_rotary_pos_emb(self, q):
            return q

        def forward(self, q):
            return self.apply_rotary_pos_emb(q)

    layer = Attention()
    rotary.install(layer)
    assert type(layer) is Attention


def test_what_does_not_suit_is_left_to_the_model():
    own = modeling_gpt_neox.apply_rotary_pos_emb
    ours = rotary._or(own)
    q, k = torch.randn(1, 2, 3, 8), torch.randn(1, 2, 3, 8)
    angles = torch.randn(1, 3, 4)  # a quarter of each head is turned by itself
    for cast in (q.dtype, torch.bfloat16):
        given = [x.to(cast) for x in (q, k, angles.cos(), angles.sin())]
        assert all(torch.equal(x, y) for x, y in zip(ours(*given), own(*given), strict=True))
    q, k, angles = torch.randn(1, 3, 2, 8), torch.randn(1, 3, 2, 8), torch.randn(1, 3, 8)
    given = (q, k, angles.cos(), angles.sin())  # heads after positions
    assert all(torch.equal(x, y) for x, y in zip(ours(*given, unsqueeze_dim=2), own(*given, 2), strict=True))
