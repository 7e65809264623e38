"""What a run on a Space may ask for: each setting within its limit, and a model that fits, or no job."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import pytest

from core.errors import UserError
from core.models import starter
from core.models.hardware import Hardware, total_memory
from core.settings import Limits, Settings
from core.store.workspace import open_workspace
from core.training import actions, limits, memory
from core.training.settings import TrainSettings
from core.training.spec import RunSpec

BOUNDS = Limits(max_epochs=5, max_steps=100, max_length=1024)


@pytest.fixture
def space(tmp_path, tiny_model_folder):
    """A visitor's workspace; the starter is a tiny model."""
    settings = Settings(home=tmp_path / "space", mode="space", limits=BOUNDS)
    workspace = open_workspace(settings, "visitor-ann")
    shutil.copytree(tiny_model_folder, starter.folder(workspace.models))
    (starter.folder(workspace.models) / "source.json").write_text("{}")
    return workspace


@pytest.mark.parametrize(
    ("rows", "settings", "sentence"),
    [
        (80, {"epochs": 6}, "at most 5 epochs, not 6. Lower them."),
        (80, {"max_length": 1025}, "is 1,024 tokens, not 1,025. Lower it"),
        (
            161,
            {"epochs": 5},
            "5 × 161 rows, 8 a step, are 105 steps; a run on this Space has at most 100. Lower",
        ),
        (80, {"processes": 64}, f"64 processes are asked for; this machine has {os.cpu_count()} cores and no GPU. Set"),
    ],
)
def test_settings_have_limits(rows, settings, sentence, monkeypatch):
    monkeypatch.setattr(limits, "hardware", lambda: Hardware())
    with pytest.raises(UserError, match=sentence):
        limits.check_settings(BOUNDS, TrainSettings(**settings), rows)


def test_as_many_processes_as_there_are_gpus(monkeypatch):
    monkeypatch.setattr(limits, "hardware", lambda: Hardware(gpu=True))
    monkeypatch.setattr(limits.gpus, "gpus", lambda: [1, 2])
    limits.check_settings(BOUNDS, TrainSettings(processes=2, epochs=1), 80)
    with pytest.raises(UserError, match="this machine has 2 GPUs. Set 2 or fewer: each takes one GPU"):
        limits.check_settings(BOUNDS, TrainSettings(processes=3, epochs=1), 80)


def test_what_is_within_its_limits_passes():
    limits.check_settings(BOUNDS, TrainSettings(epochs=5, max_length=1024), 160)


def test_memory_that_is_not_there_is_said_with_both_numbers(space, monkeypatch):
    assert total_memory() > 1e9
    monkeypatch.setattr(limits, "total_memory", lambda: 500_000_000)
    with pytest.raises(UserError, match=r"takes about 0\.7 GB of memory; this Space has 0\.5 GB. Choose"):
        limits.check_model(space, starter.STARTER, TrainSettings(), None)


def test_long_rows_count_as_they_are(space, monkeypatch):
    """Before its first row it fits; the longest rows in one pass do not."""
    settings = TrainSettings(max_length=1024, micro_batch_size=512, batch_size=512)
    bare = memory.estimate(starter.STARTER, space.models, settings, [(1, 2)]).total
    monkeypatch.setattr(limits, "total_memory", lambda: bare + 50_000_000)
    limits.check_model(space, starter.STARTER, settings, None)
    limits.check_model(space, starter.STARTER, settings, None, [(1, 2)] * 600)
    with pytest.raises(UserError, match="lower the maximum length"):
        limits.check_model(space, starter.STARTER, settings, None, [(1, 1024)] * 600)


def test_checkpoints_that_do_not_fit_are_said_before(space):
    estimate = memory.estimate(starter.STARTER, space.models, TrainSettings(method="full"))
    assert limits.checkpoint_bytes(estimate, TrainSettings(method="full")) == 12 * estimate.trainable
    small = replace(space, settings=replace(space.settings, limits=replace(BOUNDS, owner_mb=1)))
    with pytest.raises(
        UserError, match="A run with 2 checkpoints kept, [01] MB each takes 2 MB, and you keep 0 MB of the 1"
    ):
        limits.check_model(small, starter.STARTER, TrainSettings(method="full"), None)


def test_nothing_of_what_is_refused_is_left(space, rows_file):
    from core.data.actions import import_file

    project = space.create_project("Garden")
    version, _ = import_file(space, project.id, rows_file)
    spec = RunSpec(starter.STARTER, version.id, "/etc/passwd", TrainSettings(epochs=6))
    with pytest.raises(UserError, match="at most 5 epochs"):
        actions.start_training(space, project.id, spec)
    assert space.jobs(project.id) == []
    assert not (space.settings.home / "projects" / project.id / "jobs").exists()


def test_rows_are_read_from_where_they_are_and_nowhere_else(space, rows_file, monkeypatch):
    from core.data.actions import import_file
    from core.jobs import queue

    monkeypatch.setattr(queue, "start_process", lambda *_: None)  # what it would train is what is looked at
    project = space.create_project("Garden")
    version, _ = import_file(space, project.id, rows_file)
    spec = RunSpec(starter.STARTER, version.id, str(space.rows_file(version.id)), TrainSettings(epochs=1))
    job = actions.start_training(space, project.id, replace(spec, rows_file="/etc/passwd"))
    written = json.loads((space.folder(job) / "spec.json").read_text())
    assert written["rows_file"] == str(space.rows_file(version.id))


def test_a_configuration_that_could_never_be_built_is_refused(tmp_path):
    for config in ({"num_hidden_layers": 10**7}, {"text_config": {"num_experts": 10**6}}, {"n_layer": 10**5}):
        with pytest.raises(UserError, match="No model has as many"):
            memory._check_counts("some/model", config)
    memory._check_counts("some/model", {"num_hidden_layers": 126, "num_experts": 512, "vocab_size": 10**6})
