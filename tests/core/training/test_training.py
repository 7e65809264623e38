"""A run on a tiny model: it learns, saves, reloads to the same loss; a killed one goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import pytest

from core import loop
from core.data import importing
from core.jobs import supervisor
from core.jobs.events import EventLog, read
from core.training import worker
from core.training.spec import RunSpec, TrainSettings

SETTINGS = TrainSettings(epochs=4, learning_rate=3e-3, max_length=128, rank=4, alpha=8, evaluations_per_epoch=2)


@pytest.fixture
def prepared(workspace, rows_file, tiny_model_folder):
    """(project id, spec) of forty rows and a tiny model."""
    project = workspace.create_project("p")
    version, _ = importing.import_file(workspace, project.id, rows_file)
    spec = RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), SETTINGS)
    return project.id, spec


def train_here(workspace, project_id: str, spec: RunSpec):
    """Train in this process; returns the job's folder and outcome."""
    job = workspace.add_job(project_id, "train", "t", spec.to_dict())
    supervisor.stop(workspace, job)  # taken from the queue: no process is to start it
    folder = workspace.folder(job)
    log = EventLog(folder / "events.jsonl")
    outcome = worker.train(folder, workspace.models, log)
    log.close()
    return job, folder, outcome


def curve(folder, name: str = "loss") -> dict[int, float]:
    """Step → value; a step that was done twice counts as it was done last."""
    events, _ = read(folder / "events.jsonl")
    return {e.step: e.payload[name] for e in events if e.kind == "metric" and name in e.payload}


def test_a_run_learns_and_says_how(workspace, prepared):
    project_id, spec = prepared
    _, folder, outcome = train_here(workspace, project_id, spec)
    validation = curve(folder, "validation_loss")
    assert outcome["state"] == "finished"
    assert outcome["step"] == outcome["steps"] == SETTINGS.steps(32) == len(curve(folder))
    assert validation[0] > outcome["best_validation_loss"]
    assert outcome["best_validation_loss"] == pytest.approx(min(validation.values()))
    run = json.loads((folder / "run.json").read_text())
    assert run["rows"] == {"train": 32, "validation": 4}
    assert run["packed"] is True
    assert run["versions"]["torch"]
    assert len(list((folder / "checkpoints").glob("checkpoint-*"))) <= 3


def test_the_saved_adapter_gives_the_validation_loss_again(workspace, prepared):
    from core.evaluation.scorer import score
    from core.models import loading
    from core.training.rows import to_rows

    project_id, spec = prepared
    _, folder, outcome = train_here(workspace, project_id, spec)
    sides = loading.load_sides(spec.model, folder / "adapter", workspace.models)
    tokenizer = loading.tokenizer(spec.model, workspace.models)
    rows = to_rows(workspace.examples(spec.dataset_version, "validation"), tokenizer, 128).rows
    losses = {}
    for side in ("base", "tuned"):
        with sides.use(side) as model:
            scores = score(model, rows)
        losses[side] = -sum(s.logprob_sum for s in scores) / sum(s.tokens for s in scores)
    assert losses["tuned"] == pytest.approx(outcome["best_validation_loss"], rel=1e-5)
    assert losses["base"] == pytest.approx(curve(folder, "validation_loss")[0], rel=1e-5)
    assert sides.proof["adapter_sha256"] == outcome["adapter_sha256"]
    assert sides.proof["largest_logit_difference_base_to_plain"] == 0.0
    assert sides.proof["largest_logit_difference_tuned_to_base"] > 0
    assert sides.proof["base_weights_sha256"] == json.loads((folder / "run.json").read_text())["base_weights_sha256"]


def test_every_setting_reaches_the_trainer(workspace, prepared, monkeypatch):
    """Change one field at a time: TrainingArguments, the adapter or the rows must differ from the default run's."""
    import torch

    from core.models import loading
    from core.training import methods, rows

    project_id, spec = prepared
    examples = workspace.examples(spec.dataset_version)
    tokenizer = loading.tokenizer(spec.model, workspace.models)

    def seen(settings: TrainSettings, folder):
        torch.manual_seed(0)
        model = methods.attach(loading.load(spec.model, workspace.models), settings)
        parts = {s: [e for e in examples if e.split == s] for s in ("train", "validation")}
        made = {s: rows.to_rows(part, tokenizer, settings.max_length) for s, part in parts.items()}
        trainer = worker._trainer(folder, replace(spec, settings=settings), model, made, EventLog(folder / "e.jsonl"))
        arguments = {k: v for k, v in trainer.args.to_dict().items() if k not in ("output_dir", "logging_dir")}
        return arguments, model.peft_config["default"].to_dict(), made["train"].rows

    folder = workspace.settings.home
    default = seen(SETTINGS, folder)
    changed = {
        "epochs": 5, "learning_rate": 1e-4, "rows_per_step": 4, "max_length": 38, "method": "dora", "rank": 2,
        "alpha": 3, "dropout": 0.3, "schedule": "linear", "warmup": 0.2, "weight_decay": 0.1, "gradient_clip": 0.5,
        "evaluations_per_epoch": 1, "seed": 5,
    }  # fmt: skip
    assert set(changed) == set(vars(SETTINGS))
    for name, value in changed.items():
        assert seen(replace(SETTINGS, **{name: value}), folder) != default, name


def wait_for_step(workspace, job, step: int) -> None:
    until = time.time() + 120
    while time.time() < until:
        supervisor.tick(workspace)
        events, _ = loop.new_events(workspace, job)
        if any(e.step is not None and e.step >= step for e in events):
            return
        assert not supervisor.status(workspace, job).over, supervisor.status(workspace, job).message
        time.sleep(0.05)
    raise AssertionError(f"no step {step} within two minutes")


def test_a_killed_run_says_so_and_resumes_to_the_same_curve(workspace, prepared):
    project_id, spec = prepared
    spec = replace(spec, settings=replace(SETTINGS, epochs=20))
    _, whole, _ = train_here(workspace, project_id, spec)
    job = loop.start_training(workspace, project_id, spec)
    folder = workspace.folder(job)
    wait_for_step(workspace, job, 25)
    os.kill(json.loads((folder / "process.json").read_text())["pid"], signal.SIGKILL)
    dead = supervisor.wait(workspace, job)
    assert dead.state == "failed"
    assert "signal 9 (SIGKILL)" in dead.message
    assert "can be resumed from step" in dead.message
    supervisor.resume(workspace, job)
    ended = supervisor.wait(workspace, job)
    assert ended.state == "finished", ended.message
    before, after = curve(whole), curve(folder)
    assert list(after) == list(before)
    assert list(after.values()) == pytest.approx(list(before.values()), rel=1e-5)
    assert len(list(folder.glob("outcome.*.json"))) == 1  # how the first attempt ended is kept


def test_stop_saves_and_the_queue_goes_on(workspace, prepared):
    project_id, spec = prepared
    long = replace(spec, settings=replace(SETTINGS, epochs=50, evaluations_per_epoch=1))
    first = loop.start_training(workspace, project_id, long)
    second = loop.start_training(workspace, project_id, long)
    third = loop.start_training(workspace, project_id, long)
    assert supervisor.status(workspace, second).message == "Waiting: 1 job before it."
    wait_for_step(workspace, first, 3)
    supervisor.stop(workspace, third)
    supervisor.stop(workspace, first)
    ended = supervisor.wait(workspace, first)
    assert ended.state == "stopped", ended.message
    assert (workspace.folder(first) / "adapter" / "adapter_model.safetensors").is_file()
    assert supervisor.status(workspace, third).message == "Taken from the queue before it started."
    wait_for_step(workspace, second, 1)
    supervisor.stop(workspace, second)
    assert supervisor.wait(workspace, second).state == "stopped"


def test_what_a_person_can_put_right_is_a_sentence(workspace, prepared):
    project_id, spec = prepared
    job = loop.start_training(workspace, project_id, replace(spec, settings=replace(SETTINGS, max_length=4096)))
    ended = supervisor.wait(workspace, job)
    assert ended.state == "failed"
    assert ended.message == "The maximum length is 4,096 tokens, but the model takes 512. Lower it."
