"""Whole runs of models that are not like Llama: with experts, with a tower for images, with state-space layers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from transformers import AutoConfig, AutoModelForCausalLM

from core.data import actions as data_actions
from core.jobs.events import read
from core.models.sides import load_sides
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from tests.core.models import multimodal
from tests.core.training.test_training import train_here

pytestmark = pytest.mark.slow

SIZES = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 8},
    **{"num_key_value_heads": 2, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    **{"max_position_embeddings": 512, "pad_token_id": 0},
}
MAMBA = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_heads": 4, "head_dim": 16, "expand": 2, "state_size": 16},
    "n_groups": 1,
}


def saved(kind: str, where, tokenizer) -> str:
    """A tiny model of the kind in a folder, with the tests' tokenizer."""
    import torch

    if kind in multimodal.FAMILIES:
        return str(multimodal.folder(kind, where, tokenizer))
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **(MAMBA if kind == "mamba2" else SIZES))
    AutoModelForCausalLM.from_config(config).save_pretrained(where)
    tokenizer.save_pretrained(where)
    return str(where)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("qwen3_moe", "Its experts are trained too, without dropout"),
        ("gemma3", "Only its language model is trained"),
        ("qwen3_vl", "Only its language model is trained"),
        ("mamba2", "Left out: out_proj"),
    ],
)
def test_a_run_at_the_default_settings(workspace, rows_file, tmp_path, tiny_tokenizer, kind, sentence):
    """Trained by the worker, what is left out in its log, and its adapter loaded for an evaluation."""
    model = saved(kind, tmp_path / "model", tiny_tokenizer)
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    settings = replace(TrainSettings(), epochs=1, max_length=128)
    spec = RunSpec(model, version.id, str(workspace.rows_file(version.id)), settings)
    _, folder, outcome = train_here(workspace, project.id, spec)
    assert outcome.state == "finished", outcome.message
    told = [e.payload.text for e in read(folder / "events.jsonl")[0] if e.kind == "log"]
    assert any(sentence in text for text in told)
    run = json.loads((folder / "run.json").read_text())
    sides = load_sides(model, folder / "adapter", workspace.models, None, run["base_weights_sha256"])
    assert sides.proof["largest_logit_difference_base_to_plain"] == 0.0
    assert sides.proof["largest_logit_difference_tuned_to_base"] > 0
