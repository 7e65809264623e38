"""The estimate of memory: parameters as PEFT counts them, bytes within a factor of two of a real worker's."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from core.data import actions as data_actions
from core.errors import UserError
from core.models import loading
from core.training import memory, methods
from core.training.settings import TrainSettings
from core.training.shape import by_arithmetic
from core.training.spec import RunSpec

ROOT = Path(__file__).resolve().parents[3]
TINY = TrainSettings(rank=4, block_size=8, virtual_tokens=5, max_length=128)
GIB = 1024**3


@pytest.mark.parametrize("method", memory.METHODS)
def test_parameters_are_those_that_training_counts(method, tiny_model_folder, tmp_path):
    settings = replace(TINY, method=method)
    model = methods.attach(loading.load(str(tiny_model_folder), tmp_path), settings)
    real = sum(p.numel() for p in model.parameters() if p.requires_grad)
    estimate = memory.estimate(str(tiny_model_folder), tmp_path, settings)
    assert estimate.problem == ""
    assert estimate.trainable == real
    assert estimate.activations > 0
    if hasattr(model, "get_nb_trainable_parameters"):
        assert estimate.trainable == model.get_nb_trainable_parameters()[0]


LAYOUTS = {
    "a llama with as many keys as queries": ("llama", {"num_key_value_heads": 4}),
    "a llama with grouped keys": ("llama", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "a llama whose heads are wider than it": ("llama", {"num_key_value_heads": 2, "head_dim": 32}),
    "a qwen2, with biases": ("qwen2", {"num_key_value_heads": 2}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_arithmetic_counts_what_the_model_itself_has(name):
    """Each number, for each method, with and without dropout, against the model built on the meta device."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind, changes = LAYOUTS[name]
    sizes = {"hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = AutoConfig.for_model(kind, vocab_size=300, **(sizes | changes))
    with torch.device("meta"):
        base = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for method in memory.METHODS:
        for dropout in (0.0, 0.1):
            settings = TrainSettings(method=method, dropout=dropout, rank=4, block_size=8, virtual_tokens=5)
            assert by_arithmetic(config.to_dict(), settings) == memory.count(base, settings), (method, dropout)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "gpt2"},
        {"hidden_act": "gelu"},
        {"num_key_value_heads": 1},
        {"attention_bias": True},
        {"quantization_config": {"quant_method": "gptq"}},
        {"num_key_value_heads": None},
    ],
)
def test_arithmetic_says_nothing_of_what_it_does_not_know(changes, tiny_model_folder):
    config = json.loads((tiny_model_folder / "config.json").read_text())
    assert by_arithmetic(config, TINY) is not None
    assert by_arithmetic(config | changes, TINY) is None


def test_any_other_model_is_built_in_a_process(tiny_model, tmp_path):
    tiny_model("gpt2", 300).save_pretrained(tmp_path)
    estimate = memory.estimate(str(tmp_path), tmp_path, TINY)
    assert (estimate.problem, estimate.trainable > 0, estimate.activations > 0) == ("", True, True)
    assert estimate.parameters == sum(p.numel() for p in tiny_model("gpt2", 300).parameters())


def test_every_method_of_the_form_has_a_size():
    field = TrainSettings.__dataclass_fields__["method"]
    assert list(memory.METHODS) == list(field.metadata["options"])


def test_frozen_layers_train_less(tiny_model_folder, tmp_path):
    of = lambda n: memory.estimate(  # noqa: E731
        str(tiny_model_folder), tmp_path, replace(TINY, method="full", frozen_layers=n)
    )
    assert of(0).trainable == of(0).parameters
    assert of(1).trainable < of(0).trainable
    assert of(1).learning < of(0).learning


def test_what_saves_memory_is_seen_to_save_it(tiny_model_folder, tmp_path):
    size = lambda **changes: memory.estimate(str(tiny_model_folder), tmp_path, replace(TINY, **changes))  # noqa: E731
    usual = size()
    assert size(activation_checkpointing="yes").activations < usual.activations
    assert size(micro_batch_size=1).activations < usual.activations / 4
    assert size(max_length=32).activations < usual.activations / 3
    assert size(precision="bf16").activations < usual.activations
    assert size(quantization="4bit").weights < size(quantization="8bit").weights < usual.weights
    states = [size(method="full", optimizer=o).learning for o in ("adamw", "adamw_8bit", "adafactor", "sgd")]
    assert states == sorted(states, reverse=True)
    assert size(method="full", objective="dpo").weights == 2 * usual.weights  # with its frozen reference


def test_short_rows_take_less_than_the_maximum_length_would(tiny_model_folder, tmp_path):
    unknown = memory.estimate(str(tiny_model_folder), tmp_path, TINY)
    short = memory.estimate(str(tiny_model_folder), tmp_path, TINY, [(10, 16)] * 40)
    assert short.activations < unknown.activations / 7


def test_what_does_not_go_together_is_said(tiny_model_folder, tmp_path):
    for changes, sentence in (
        ({"method": "full", "quantization": "4bit"}, "quantized weights cannot be changed"),
        ({"method": "prefix", "activation_checkpointing": "yes"}, "Prefix tuning cannot recompute activations"),
        ({"method": "full", "frozen_layers": 2}, "2 layers are to stay frozen, but the model has 2"),
    ):
        assert sentence in memory.estimate(str(tiny_model_folder), tmp_path, replace(TINY, **changes)).problem


def test_fits():
    estimate = memory.Estimate("lora", weights=10 * GIB - memory.LIBRARIES)
    assert [estimate.fits(n * GIB) for n in (9, 11, 13)] == ["does not fit", "tight", "fits"]
    assert memory.available() > 0


def test_a_model_that_is_nowhere_is_a_calm_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for _ in range(2):
        with pytest.raises(UserError, match="is not on this machine, and the Hub does not answer"):
            memory.estimate("nobody/no-such-model", tmp_path, TINY)


def test_the_starter_model_before_and_after_it_is_fetched(tmp_path):
    unfetched = memory.estimate("starter", tmp_path, TrainSettings())
    assert unfetched.parameters == 134_515_008 and unfetched.at_most
    assert not memory.estimate("starter", tmp_path, TrainSettings(), [(3, 20)]).at_most
    assert not list(tmp_path.iterdir())


@pytest.mark.starter
def test_the_starter_model_is_as_it_was_said_to_be(starter_models, tmp_path):
    assert memory.estimate("starter", starter_models, TINY) == memory.estimate("starter", tmp_path, TINY)


@pytest.fixture(scope="module")
def small_model(tmp_path_factory, tiny_tokenizer) -> Path:
    """About 30 million random parameters."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("small-llama")
    sizes = {"vocab_size": 8000, "hidden_size": 512, "intermediate_size": 1408, "num_hidden_layers": 8}
    LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=8, tie_word_embeddings=True)).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


PEAK = "next(l for l in open('/proc/self/status') if l.startswith('VmHWM:')).split()[1]"
IDLE = f"import core.training.trainer, datasets, peft; print({PEAK})"
TRAIN = f"""
import sys
from pathlib import Path
from core.jobs.events import EventLog
from core.training import worker
folder = Path(sys.argv[1])
worker.train(folder, folder, EventLog(folder / "events.jsonl"))
print({PEAK})
"""


def peak_of(code: str, *arguments: str) -> int:
    """Bytes that a process of its own had resident at most."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=-1, check=True, text=True)
    return int(done.stdout.split()[-1]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="The peak of a process is read from /proc.")
@pytest.mark.parametrize("method", ["lora", "dora", "full"])
def test_a_real_run_takes_what_was_estimated(method, workspace, small_model, tmp_path):
    from core.training import actions as training_actions

    words = "the cat sat on the mat and the dog ran to the user "
    rows = [{"instruction": f"{i} {words * (i % 3 + 2)}", "output": f"{words * 8}{i}"} for i in range(24)]
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, path)
    settings = TrainSettings(method=method, epochs=1, batch_size=8, evaluations_per_epoch=1)
    folder = tmp_path / "job"
    folder.mkdir()
    spec = RunSpec(str(small_model), version.id, str(workspace.rows_file(version.id)), settings)
    (folder / "spec.json").write_text(json.dumps(spec.to_dict()))

    idle = peak_of(IDLE)
    assert memory.LIBRARIES / 2 < idle < memory.LIBRARIES * 2
    measured = peak_of(TRAIN, str(folder)) - idle
    estimates = {
        e.method: e for e in training_actions.memory_by_method(workspace, str(small_model), version.id, settings)
    }
    estimate = estimates[method]
    estimated = estimate.total - memory.LIBRARIES
    print(f"{method}: idle {idle / 1e6:.0f} MB, measured {measured / 1e6:.0f} MB, estimated {estimated / 1e6:.0f} MB")
    assert measured / 2 < estimated < measured * 2, (measured, estimated)
