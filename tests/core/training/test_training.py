"""A run on a tiny model: it learns, saves, reloads to the same loss; a killed one goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import pytest

from core.data import actions as data_actions
from core.errors import UserError
from core.jobs import follow, queue
from core.jobs.events import EventLog, read
from core.jobs.follow import wait
from core.jobs.status import status_of
from core.training import actions as training_actions
from core.training import worker
from core.training.settings import TrainSettings
from core.training.spec import RunSpec

SETTINGS = TrainSettings(epochs=4, learning_rate=3e-3, max_length=128, rank=4, alpha=8, evaluations_per_epoch=2)


@pytest.fixture
def prepared(workspace, rows_file, tiny_model_folder):
    """(project id, spec) of forty rows and a tiny model."""
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    spec = RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), SETTINGS)
    return project.id, spec


def train_here(workspace, project_id: str, spec: RunSpec):
    """Train in this process; returns the job's folder and outcome."""
    job = workspace.add_job(project_id, "train", "t", spec.to_dict())
    queue.stop(workspace, job)  # taken from the queue: no process is to start it
    folder = workspace.folder(job)
    log = EventLog(folder / "events.jsonl")
    outcome = worker.train(folder, workspace.models, log)
    log.close()
    return job, folder, outcome


def curve(folder, name: str = "loss") -> dict[int, float]:
    """Step → value; a step that was done twice counts as it was done last."""
    events, _ = read(folder / "events.jsonl")
    points = [(e.step, getattr(e.payload, name)) for e in events if e.kind == "metric"]
    return {step: value for step, value in points if value is not None}


def checkpoints(folder) -> list[int]:
    return sorted(int(p.name.removeprefix("checkpoint-")) for p in (folder / "checkpoints").glob("checkpoint-*"))


def test_a_run_learns_and_says_how(workspace, prepared):
    project_id, spec = prepared
    _, folder, outcome = train_here(workspace, project_id, spec)
    validation = curve(folder, "validation_loss")
    assert outcome.state == "finished"
    assert outcome.step == outcome.steps == SETTINGS.steps(32) == len(curve(folder))
    assert validation[0] > outcome.best_validation_loss
    assert outcome.best_validation_loss == pytest.approx(min(validation.values()))
    run = json.loads((folder / "run.json").read_text())
    assert run["rows"] == {"train": 32, "validation": 4}
    assert run["packed"] is True
    assert run["versions"]["torch"]


@pytest.mark.parametrize("kept", [1, 2])
def test_the_newest_checkpoints_are_kept_besides_the_best(workspace, prepared, kept):
    project_id, spec = prepared
    # Far too high a rate: the run ends early, three validations after its best step.
    settings = replace(SETTINGS, epochs=50, learning_rate=0.05, patience=3, checkpoints_kept=kept)
    _, folder, outcome = train_here(workspace, project_id, replace(spec, settings=settings))
    last, every = outcome.step, settings.evaluate_every(32)
    newest = [last - every * i for i in reversed(range(kept))]
    assert outcome.best_step == last - 3 * every
    assert checkpoints(folder) == [outcome.best_step, *newest]


def test_without_validation_only_the_newest_checkpoints_are_kept(workspace, prepared):
    project_id, spec = prepared
    version = workspace.add_version(project_id, "rows", workspace.examples(spec.dataset_version, "train"), {})
    spec = replace(spec, dataset_version=version.id, rows_file=str(workspace.rows_file(version.id)))
    _, folder, outcome = train_here(workspace, project_id, spec)
    assert outcome.best_step is None
    assert checkpoints(folder) == [14, 16]


def test_the_saved_adapter_gives_the_validation_loss_again(workspace, prepared):
    from core.engine.scoring import score
    from core.models import loading
    from core.models.sides import load_sides
    from core.tokens.rows import to_rows

    project_id, spec = prepared
    _, folder, outcome = train_here(workspace, project_id, spec)
    sides = load_sides(spec.model, folder / "adapter", workspace.models)
    tokenizer = loading.tokenizer(spec.model, workspace.models)
    rows = to_rows(workspace.examples(spec.dataset_version, "validation"), tokenizer, 128).rows
    losses = {}
    for side in ("base", "tuned"):
        with sides.use(side) as model:
            scores = score(model, rows)
        losses[side] = -sum(s.logprob_sum for s in scores) / sum(s.tokens for s in scores)
    assert losses["tuned"] == pytest.approx(outcome.best_validation_loss, rel=1e-5)
    assert losses["base"] == pytest.approx(curve(folder, "validation_loss")[0], rel=1e-5)
    assert sides.proof["adapter_sha256"] == outcome.adapter_sha256
    assert sides.proof["largest_logit_difference_base_to_plain"] == 0.0
    assert sides.proof["largest_logit_difference_tuned_to_base"] > 0
    assert sides.proof["base_weights_sha256"] == json.loads((folder / "run.json").read_text())["base_weights_sha256"]


def test_every_setting_reaches_the_trainer(workspace, prepared):
    """Change one field at a time: the trainer, its arguments, the model or the rows must differ from the default's."""
    from transformers import set_seed

    from core.models import loading
    from core.tokens import rows
    from core.training import methods
    from core.training.trainer import packed_trainer

    project_id, spec = prepared
    examples = workspace.examples(spec.dataset_version)
    tokenizer = loading.tokenizer(spec.model, workspace.models)
    folder = workspace.settings.home

    def seen(settings: TrainSettings):
        set_seed(0)
        base = loading.load(spec.model, workspace.models, None, settings.quantization, settings.precision)
        model = methods.attach(base, settings)
        parts = {s: [e for e in examples if e.split == s] for s in ("train", "validation")}
        made = {s: rows.to_rows(part, tokenizer, settings.max_length) for s, part in parts.items()}
        trainer = packed_trainer(folder, replace(spec, settings=settings), model, made, EventLog(folder / "e.jsonl"))
        arguments = {k: v for k, v in trainer.args.to_dict().items() if k not in ("output_dir", "logging_dir")}
        config = model.peft_config["default"].to_dict() if hasattr(model, "peft_config") else {}
        config = {k: sorted(v) if isinstance(v, set) else v for k, v in config.items()}
        stops = [getattr(c, "early_stopping_patience", None) for c in trainer.callback_handler.callbacks]
        hooks = len(model.get_input_embeddings()._forward_hooks)
        trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
        kinds = {type(m).__name__ for m in model.modules()}
        return arguments, config, stops, hooks, trained, kinds, trainer.packed, trainer.smoothing, made["train"].rows

    changed = {
        "method": "dora", "epochs": 5, "learning_rate": 1e-4, "batch_size": 4, "max_length": 38,
        "quantization": "8bit", "rank": 2, "alpha": 3, "dropout": 0.3, "optimizer": "sgd", "schedule": "linear",
        "warmup": 0.2, "weight_decay": 0.1, "gradient_clip": 0.5, "neftune": 5.0, "label_smoothing": 0.1, "seed": 5,
        "evaluations_per_epoch": 1, "patience": 2, "checkpoints_kept": 4, "micro_batch_size": 2, "packing": "padded",
        "activation_checkpointing": "yes",
    }  # fmt: skip
    default = seen(SETTINGS)
    for name, value in changed.items():
        assert seen(replace(SETTINGS, **{name: value})) != default, name
    written = {"answers": "last", "thinking": "never", "system": "fold", "refused": "leave-out"}
    for name, value in written.items():  # what each does to rows: tests/core/engine/test_templates.py
        assert replace(spec, settings=replace(SETTINGS, **{name: value})).rendering != spec.rendering, name
    changed |= written
    for method, name, value in (
        ("oft", "block_size", 4),
        ("prompt", "virtual_tokens", 3),
        ("full", "frozen_layers", 1),
    ):
        usual = replace(SETTINGS, method=method, block_size=8)
        assert seen(replace(usual, **{name: value})) != seen(usual), name
    # The tests below, test_preference.py, test_processes.py
    elsewhere = {"precision", "kernels", "objective", "preference_beta", "processes"}
    covered = {*changed, "block_size", "virtual_tokens", "frozen_layers", *elsewhere}
    assert covered == set(vars(SETTINGS))


@pytest.mark.parametrize(
    ("gpu", "bf16", "precision", "taken"),
    [
        (True, True, "auto", "bf16"),
        (True, False, "auto", "fp32"),
        (False, True, "auto", "fp32"),
        (True, True, "fp32", "fp32"),
        (True, True, "bf16", "bf16"),
        (False, True, "bf16", "bf16"),
        (True, True, "fp16", "fp16"),
    ],
)
def test_the_precision_is_what_is_set_or_what_the_hardware_is_made_for(
    workspace, tiny_model_folder, monkeypatch, gpu, bf16, precision, taken
):
    import torch

    from core.models import loading
    from core.training import trainer

    here = loading.load(str(tiny_model_folder), workspace.models, precision="fp32")  # as on a machine without bf16
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16 or including_emulation)
    monkeypatch.setattr(trainer, "_cpu_has_bf16", lambda: bf16)
    settings = replace(SETTINGS, precision=precision)
    made = trainer.arguments(workspace.settings.home, settings, 32, 100, True, here.dtype)
    assert {name for name in ("bf16", "fp16") if made[name]} == {taken} - {"fp32"}
    assert made["use_cpu"] is not gpu


def test_kernels_are_ligers_where_they_are_chosen_and_there(workspace, monkeypatch):
    import importlib.util

    import torch

    from core.training.trainer import arguments

    def taken(kernels: str) -> bool:
        settings = replace(SETTINGS, kernels=kernels)
        return arguments(workspace.settings.home, settings, 32, 100, True, torch.float32)["use_liger_kernel"]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    found = {"liger_kernel": True}
    monkeypatch.setattr(importlib.util, "find_spec", found.get)
    assert (taken("torch"), taken("liger")) == (False, True)
    found.clear()
    with pytest.raises(UserError, match="need the package liger-kernel"):
        taken("liger")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"precision": "bf16"}, "this machine computes it in software"),
        ({"precision": "fp16"}, "fp16 needs a GPU"),
        ({"kernels": "liger"}, "need a GPU"),
    ],
)
def test_what_the_hardware_has_not_is_refused(monkeypatch, setting, sentence):
    import torch

    from core.training import trainer

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(trainer, "_cpu_has_bf16", lambda: False)
    with pytest.raises(UserError, match=sentence):
        trainer.check_hardware(replace(SETTINGS, **setting))


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "adamw_8bit"},
        {"optimizer": "adafactor"},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"activation_checkpointing": "yes"},
        {"neftune": 5.0, "label_smoothing": 0.1},
        {"packing": "padded", "micro_batch_size": 2},
        {"schedule": "inverse_sqrt"},
    ],
    ids=lambda change: "-".join(map(str, change.values())),
)
def test_a_run_with_other_settings_learns(workspace, prepared, change):
    project_id, spec = prepared
    _, folder, outcome = train_here(workspace, project_id, replace(spec, settings=replace(SETTINGS, **change)))
    assert outcome.best_validation_loss < curve(folder, "validation_loss")[0]


def test_batching_accumulation_and_recomputation_change_the_time_but_not_the_curve(workspace, prepared, tmp_path):
    project_id, spec = prepared
    # Answers of very different lengths: an average of the passes' averages would be another loss.
    rows = [{"instruction": f"Count to {i % 9}.", "output": " ".join(map(str, range(1 + i % 9)))} for i in range(40)]
    (tmp_path / "uneven.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, project_id, tmp_path / "uneven.jsonl")
    spec = replace(spec, dataset_version=version.id, rows_file=str(workspace.rows_file(version.id)))
    settings = replace(SETTINGS, dropout=0.0, epochs=1)
    curves = [
        curve(train_here(workspace, project_id, replace(spec, settings=replace(settings, **change)))[1])
        for change in ({}, {"packing": "padded"}, {"micro_batch_size": 2}, {"activation_checkpointing": "yes"})
    ]
    for other in curves[1:]:
        assert list(other.values()) == pytest.approx(list(curves[0].values()), rel=1e-5)


def test_sparing_walks_over_modules_changes_neither_mode_nor_gradients():
    import torch

    from core.training.trainer import _spare_walks

    inner = torch.nn.Linear(3, 3).eval()  # a base model is loaded so; the adapter's wrapper is not
    model = torch.nn.Sequential(inner, torch.nn.Dropout(0.5))
    _spare_walks(model)
    for mode in (True, True, False, True):
        model.train(mode)
        assert all(m.training == mode for m in model.modules())
    model(torch.ones(1, 3)).sum().backward()
    model.zero_grad()
    assert inner.weight.grad is None and inner.bias.grad is None


def test_a_run_that_no_longer_improves_stops_early(workspace, prepared):
    project_id, spec = prepared
    settings = replace(SETTINGS, epochs=50, learning_rate=0.05, patience=2)
    _, folder, outcome = train_here(workspace, project_id, replace(spec, settings=settings))
    assert outcome.step < outcome.steps
    losses = list(curve(folder, "validation_loss").values())
    assert min(losses) == pytest.approx(min(losses[:-2]))


def wait_for_step(workspace, job, step: int) -> None:
    until = time.time() + 120
    while time.time() < until:
        queue.tick(workspace)
        events, _ = follow.new_events(workspace, job)
        if any(e.step is not None and e.step >= step for e in events):
            return
        assert not status_of(workspace, job).over, status_of(workspace, job).message
        time.sleep(0.05)
    raise AssertionError(f"no step {step} within two minutes")


def test_a_killed_run_says_so_and_resumes_to_the_same_curve(workspace, prepared):
    project_id, spec = prepared
    spec = replace(spec, settings=replace(SETTINGS, epochs=20))
    _, whole, _ = train_here(workspace, project_id, spec)
    job = training_actions.start_training(workspace, project_id, spec)
    folder = workspace.folder(job)
    wait_for_step(workspace, job, 25)
    os.kill(json.loads((folder / "process.json").read_text())["pid"], signal.SIGKILL)
    dead = wait(workspace, job)
    assert dead.state == "failed"
    assert "signal 9 (SIGKILL)" in dead.message
    assert "can be resumed from step" in dead.message
    queue.resume(workspace, job)
    ended = wait(workspace, job)
    assert ended.state == "finished", ended.message
    before, after = curve(whole), curve(folder)
    assert list(after) == list(before)
    assert list(after.values()) == pytest.approx(list(before.values()), rel=1e-5)
    assert len(list(folder.glob("outcome.*.json"))) == 1  # how the first attempt ended is kept


def test_stop_saves_and_the_queue_goes_on(workspace, prepared):
    project_id, spec = prepared
    long = replace(spec, settings=replace(SETTINGS, epochs=50, evaluations_per_epoch=1))
    first = training_actions.start_training(workspace, project_id, long)
    second = training_actions.start_training(workspace, project_id, long)
    third = training_actions.start_training(workspace, project_id, long)
    assert status_of(workspace, second).message == "Waiting: 1 job before it."
    wait_for_step(workspace, first, 3)
    queue.stop(workspace, third)
    queue.stop(workspace, first)
    ended = wait(workspace, first)
    assert ended.state == "stopped", ended.message
    assert (workspace.folder(first) / "adapter" / "adapter_model.safetensors").is_file()
    assert status_of(workspace, third).message == "Taken from the queue before it started."
    wait_for_step(workspace, second, 1)
    queue.stop(workspace, second)
    assert wait(workspace, second).state == "stopped"


def test_what_a_person_can_put_right_is_a_sentence(workspace, prepared):
    project_id, spec = prepared
    job = training_actions.start_training(
        workspace, project_id, replace(spec, settings=replace(SETTINGS, max_length=4096))
    )
    ended = wait(workspace, job)
    assert ended.state == "failed"
    assert ended.message == "The maximum length is 4,096 tokens, but the model takes 512. Lower it."
