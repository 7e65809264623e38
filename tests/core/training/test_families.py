"""Families of models with every method: it trains, or it is refused in a sentence before a run is made.

One row a family; docs/architectures.md has the table. One family of each kind is tried with every method here, all of
them where TUNEWRIGHT_ALL_FAMILIES is set: that takes a quarter of an hour more.
"""

from __future__ import annotations

import os

import pytest
import torch

from core.engine import kernels
from core.engine.packing import forward, takes_packs
from core.errors import UserError
from core.training import memory, methods, targets
from core.training.method_table import METHODS
from core.training.settings import PROMPT_LIKE, TrainSettings
from tests.core.engine.test_architectures import PACKED, PADDED, built

pytestmark = pytest.mark.slow

REFUSED = {
    "gpt2": {"oft"},  # its linear layers are kept transposed
    "gpt_bigcode": {"prefix"},  # one head of keys for all queries
    "gemma3n_text": {"oft", "prompt"},  # each token again in every layer
    "jetmoe": {"ia3"},
    "gemma4_text": {"prompt", "prefix"},  # each token again in every layer; heads of two widths
    "falcon": {"prefix"},  # one head of keys for all queries, which PEFT counts as many
    **{family: {"prefix"} for family in ("qwen3_5_text", "qwen3_5_moe_text", "qwen3_next", "lfm2_moe")},
    **{family: {"prefix"} for family in ("granitemoehybrid", "bamba", "jamba", "falcon_h1", "nemotron_h")},
    **{family: {"prompt", "prefix"} for family in ("mpt", "xglm")},  # PEFT finds no number of heads
    **{family: {"prefix"} for family in ("minimax", "recurrent_gemma", "olmo_hybrid", "lfm3")},
    "deepseek_v3": {"oft", "prefix"},  # latents that may be empty; keys and values of different widths
    "rwkv": {"ia3", "prompt", "prefix"},
    "xlstm": {"ia3", "prefix"},
    "mamba": {"ia3", "prompt", "prefix"},
    "mamba2": {"ia3", "prefix"},
}
EXPERTS = (
    *("qwen3_moe", "mixtral", "olmoe", "qwen3_next", "minimax", "minimax_m2", "afmoe", "deepseek_v3", "ernie4_5_moe"),
    *("glm4_moe", "solar_open", "mellum", "hunyuan_v1_moe", "flex_olmo", "exaone_moe"),
)
"""Families whose experts LoRA trains: PEFT takes them for what `all-linear` means there."""
ROWS = [
    ([3 + (7 * i) % 60 for i in range(30)] + tail, [False] * 25 + [True] * (5 + len(tail)))
    for tail in ([5, 9, 4], [5, 9], [8, 6, 5], [])
]


def settings_of(method: str) -> TrainSettings:
    """The defaults, at sizes that fit these models."""
    return TrainSettings(method=method, rank=2, alpha=4, block_size=4, virtual_tokens=4)


def steps(model, packed: bool, count: int = 2) -> list[float]:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-3)
    losses = []
    for _ in range(count):
        with torch.enable_grad():
            logits, target, _ = forward(model.train(), ROWS, packed)
            loss = torch.nn.functional.cross_entropy(logits, target)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


KINDS = (
    *("llama", "qwen2", "gpt2", "gemma3_text", "gemma4_text", "falcon", "mpt", "qwen3_moe", "deepseek_v3"),
    *("qwen3_5_text", "mamba", "mamba2", "jamba", "rwkv", "lfm2"),
)


@pytest.mark.parametrize("family", [*PACKED, *PADDED] if os.environ.get("TUNEWRIGHT_ALL_FAMILIES") else KINDS)
def test_every_method_trains_a_family_or_is_refused_before_a_run(family):
    refused = {}
    for method in METHODS:
        settings = settings_of(method)
        base = built(family)
        with torch.device("meta"):
            shapes = type(base)(base.config)
        try:
            memory.count(shapes, settings)
        except UserError as refusal:  # what the page and the command say at Start
            refused[method] = str(refusal)
            continue
        kernels.install(base)
        model = methods.attach(base, settings)
        kernels.install(model)
        losses = steps(model, method not in PROMPT_LIKE and takes_packs(model))
        assert all(torch.tensor(losses).isfinite()), method
        assert losses[0] != losses[1], method
    assert set(refused) == REFUSED.get(family, set())
    assert all("does not suit this model" in sentence for sentence in refused.values())


@pytest.mark.parametrize("family", [*PACKED, *PADDED])
def test_an_adapter_reaches_all_that_it_stands_beside_and_is_saved_whole(family, tmp_path):
    """No router, no dropout on experts, nothing whose weight is read past it; reloaded it gives the same numbers."""
    from peft import PeftModel

    base = built(family)
    base.save_pretrained(tmp_path / "base")
    chosen = targets.of(base, "lora")
    model = methods.attach(base, settings_of("lora"))
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert not [name for name in trained if "router" in name or ".gate." in name or "shared_expert_gate" in name]
    assert bool([name for name in trained if ".experts." in name]) is (family in EXPERTS)
    assert bool(chosen.experts) is (family in EXPERTS)
    for name, layer in model.named_modules():
        if hasattr(layer, "lora_dropout"):
            drops = any(getattr(part, "p", 0) for part in layer.lora_dropout.values())
            assert drops is not hasattr(layer, "parameter_name"), name
    steps(model, False)
    still = [name for name, p in trained.items() if "lora_B" in name and not p.any()]
    assert not still or family in ("gemma3n_text", "doge"), (
        still
    )  # a part of it is multiplied with zeros before any training
    model.save_pretrained(tmp_path / "adapter")
    again = PeftModel.from_pretrained(type(base).from_pretrained(tmp_path / "base"), tmp_path / "adapter")
    ids = torch.tensor([ROWS[0][0]])
    with torch.no_grad():
        one, other = (m.eval()(input_ids=ids, use_cache=False).logits for m in (model, again))
    assert torch.allclose(one, other, atol=1e-4 * one.abs().max().item())
