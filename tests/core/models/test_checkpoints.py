"""Checkpoints in the place of the final adapter: the numbers of each alone, and the final one as it was."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from core.data import actions as data_actions
from core.errors import UserError
from core.evaluation.heldout import loss as heldout_loss
from core.models import checkpoints, loading
from core.models.sides import load_sides
from tests.core.evaluation.as_json import evaluate
from tests.core.training.test_methods import settings_of
from tests.core.training.test_training import train_here


@pytest.fixture
def trained(workspace, rows_file, tiny_model_folder):
    """trained(method): the job of a finished run on a tiny model, with three checkpoints."""
    from core.training.spec import RunSpec

    def train(method: str, quantization: str = "none"):
        project = workspace.create_project(f"{method} {quantization}")
        version, _ = data_actions.import_file(workspace, project.id, rows_file)
        settings = settings_of(method, quantization, checkpoints_kept=3)
        spec = RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), settings)
        job, folder, outcome = train_here(workspace, project.id, spec)
        assert outcome.state == "finished"
        outcome.write(folder)
        return job, folder

    return train


def evaluate_here(workspace, job, target, **more) -> dict:
    """The report of an evaluation with checkpoints, made in this process."""
    target.mkdir()
    spec = {
        **{"model": job.spec["model"], "revision": None, "adapter": str(workspace.folder(job) / "adapter")},
        **{"split": "test", "max_length": 128, "decoding": {"max_new_tokens": 4}, "benchmarks": []},
        **{"checkpoints": True, **more},
    }
    examples = workspace.examples(job.spec["dataset_version"], "test")
    return evaluate(target, spec, workspace.models, lambda s: examples, lambda *a, **k: None, lambda: False)


def loss(sides, rows) -> list[float]:
    with sides.use("tuned") as model:
        return heldout_loss.losses_of(model, rows, None)


@pytest.mark.parametrize(
    ("method", "quantization"),
    [*((m, "none") for m in ("lora", "dora", "pissa", "ia3", "oft", "prompt", "prefix", "full")), ("lora", "4bit")],
)
def test_each_checkpoint_is_measured_as_if_alone(workspace, trained, tiny_model_folder, method, quantization):
    job, folder = trained(method, quantization)
    load = lambda adapter: load_sides(  # noqa: E731
        str(tiny_model_folder), adapter, workspace.models, quantization=quantization
    )
    sides = load(folder / "adapter")
    tokenizer = loading.tokenizer(str(tiny_model_folder), workspace.models)
    rows = heldout_loss.rows_of(workspace.examples(job.spec["dataset_version"], "test"), tokenizer, 128)
    final = loss(sides, rows)
    found = {}
    for step, path in checkpoints.find(folder):
        with checkpoints.loaded(sides, path) as model:
            found[step] = heldout_loss.losses_of(model, rows, None)
        if method != "pissa":  # as it stands, it has no meaning on the base
            assert found[step] == pytest.approx(loss(load(path), rows), rel=1e-5)
    assert len(found) > 1
    assert len({round(sum(losses), 4) for losses in found.values()}) == len(found)
    # The final adapter is the best checkpoint's; for PiSSA this says that the conversion is right.
    assert found[checkpoints.step_of_final(folder)] == pytest.approx(final, rel=1e-4)
    assert loss(sides, rows) == final
    with sides.use("base") as model:
        base = heldout_loss.losses_of(model, rows, None)
    plain = loading.load(str(tiny_model_folder), workspace.models, None, quantization)
    assert base == heldout_loss.losses_of(plain, rows, None)


def test_in_a_whole_evaluation(workspace, trained, tmp_path):
    job, folder = trained("lora")
    steps = [step for step, _ in checkpoints.find(folder)]
    broken = dict(checkpoints.find(folder))[steps[0]]
    shutil.copy(broken / "adapter_model.safetensors", tmp_path / "kept")
    (broken / "adapter_model.safetensors").write_bytes(b"not it")
    report = evaluate_here(workspace, job, tmp_path / "evaluation")
    found = report["checkpoints"]
    assert [c["step"] for c in found] == [*steps[1:], checkpoints.step_of_final(folder)]
    assert [c["final"] for c in found] == [False] * (len(steps) - 1) + [True]
    assert found[-1]["difference_to_base"] == report["heldout"]["difference"]
    assert found[-1]["loss"]["mean"] == report["heldout"]["tuned"]["loss"]
    (problem,) = report["problems"]
    assert f"The checkpoint of step {steps[0]} was not measured." in problem["what"]


def test_a_checkpoint_of_another_base_is_refused(workspace, trained, tiny_model_folder, tmp_path):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from core.training import methods

    _, folder = trained("lora")
    config = AutoConfig.from_pretrained(tiny_model_folder)
    config.hidden_size, config.head_dim = 16, None
    torch.manual_seed(0)
    settings = replace(settings_of("lora"))
    other = methods.attach(AutoModelForCausalLM.from_config(type(config)(**{**config.to_dict()})), settings)
    other.save_pretrained(tmp_path / "checkpoint-1")
    sides = load_sides(str(tiny_model_folder), folder / "adapter", workspace.models)
    with (
        pytest.raises(UserError, match="trained on another base"),
        checkpoints.loaded(sides, tmp_path / "checkpoint-1"),
    ):
        pass
    assert sides.model.active_adapters == ["default"]
    assert list(sides.model.peft_config) == ["default"]


def test_a_run_without_checkpoints(workspace, trained, tmp_path):
    job, folder = trained("lora")
    shutil.rmtree(folder / "checkpoints")
    report = evaluate_here(workspace, job, tmp_path / "evaluation")
    assert [c["final"] for c in report["checkpoints"]] == [True]
    assert report["problems"][0]["what"] == "The run kept no checkpoints."
