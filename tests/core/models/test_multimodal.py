"""Checkpoints that also see or hear load as models of text; adapters stay off their towers and fit the whole model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.engine.packing import forward, takes_packs
from core.errors import UserError
from core.models import loading, text
from core.models.sides import load_sides
from core.training import memory, methods
from core.training.settings import TrainSettings
from tests.core.models import multimodal

IDS = torch.tensor([[3 + (7 * i) % 60 for i in range(30)]])
SETTINGS = TrainSettings(rank=4, alpha=8, dropout=0.0, block_size=4, virtual_tokens=4)


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS, use_cache=False).logits


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Within what float32 rounds in Gemma 4: in float64 its tiny model differs from itself by 1e-4 of the largest."""
    return (one - other).abs().max().item() < 2e-3 * other.abs().max().item()


def taught(model, steps: int = 2) -> list[float]:
    """Losses of a few steps on two rows, packed where the model takes packs."""
    rows = [
        ([3 + (5 * i) % 50 for i in range(20)] + tail, [False] * 15 + [True] * 8) for tail in ([5, 9, 4], [8, 6, 5])
    ]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    packed, losses = takes_packs(model), []
    for _ in range(steps):
        with torch.enable_grad():
            out, target, _ = forward(model.train(), rows, packed)
            loss = torch.nn.functional.cross_entropy(out, target)
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("family", multimodal.FAMILIES)
def test_a_checkpoint_loads_trains_and_its_adapter_fits_the_whole_model(family, tmp_path):
    from peft import PeftModel

    whole = multimodal.built(family)
    whole.save_pretrained(tmp_path / "model")
    own = logits(whole)
    loaded = loading.load(str(tmp_path / "model"), tmp_path)
    assert type(loaded) is type(whole)
    assert close(logits(loaded), own)

    senses = {name: p.clone() for name, p in loaded.named_parameters()}
    model = methods.attach(loaded, SETTINGS)
    language = next(name for name, m in loaded.named_modules() if m is text.language_part(loaded))
    beside = {name for name, p in model.named_parameters() if p.requires_grad}
    assert beside
    assert all(name.startswith(f"base_model.model.{language}.") for name in beside)
    losses = taught(model)
    assert losses[-1] < losses[0]
    frozen = {n.removeprefix("base_model.model.").replace(".base_layer", ""): p for n, p in model.named_parameters()}
    assert all(torch.equal(frozen[name], p) for name, p in senses.items())

    model.save_pretrained(tmp_path / "adapter")
    again = PeftModel.from_pretrained(type(whole).from_pretrained(tmp_path / "model"), tmp_path / "adapter")
    assert close(logits(again), logits(model))
    assert not close(logits(again), own)


@pytest.mark.parametrize("method", ["lora", "dora", "ia3", "oft", "prompt", "prefix", "full"])
def test_every_method_leaves_the_tower_alone(method, tmp_path, tiny_tokenizer):
    where = multimodal.folder("gemma3", tmp_path / "model", tiny_tokenizer)
    model = methods.attach(loading.load(str(where), tmp_path), replace(SETTINGS, method=method))
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert not [name for name in trained if "vision" in name or "projector" in name]
    taught(model)
    methods.save(model, tiny_tokenizer, tmp_path / "adapter", replace(SETTINGS, method=method), tmp_path)
    sides = load_sides(str(where), tmp_path / "adapter", tmp_path)
    assert sides.proof["largest_logit_difference_tuned_to_base"] > 0


def test_a_prefix_for_keys_of_two_widths_is_refused_before_a_run():
    with torch.device("meta"):
        shapes = multimodal.built("gemma4")
    with pytest.raises(UserError, match="keys of different widths, and a prefix has one. Choose LoRA"):
        memory.count(shapes, replace(SETTINGS, method="prefix"))


def test_weights_that_are_missing_are_no_random_numbers(tmp_path):
    from safetensors.torch import load_file, save_file

    multimodal.built("llava").save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in weights if "self_attn.q_proj" in name and "language" in name)
    save_file({n: w for n, w in weights.items() if n != gone}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"1 weights of the model .* are missing from its files.*q_proj"):
        loading.load(str(tmp_path), tmp_path)


def test_what_reads_and_writes_apart_is_refused(tmp_path):
    from transformers import T5Config, T5ForConditionalGeneration

    small = T5Config(vocab_size=60, d_model=16, d_kv=4, d_ff=32, num_layers=1, num_heads=2)
    T5ForConditionalGeneration(small).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"\(t5\) reads with one half and writes with another"):
        loading.load(str(tmp_path), tmp_path)
