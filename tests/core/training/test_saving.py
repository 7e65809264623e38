"""Checkpoints on a disk without room: none is begun that does not fit, and the last good one is kept."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest

from core.data import actions as data_actions
from core.errors import UserError
from core.jobs import queue
from core.jobs.events import EventLog
from core.jobs.outcome import outcome_of
from core.jobs.process import run_job
from core.jobs.status import checkpoints_of, status_of
from core.models import checkpoints
from core.settings import Settings
from core.store.workspace import open_workspace
from core.training import saving, worker
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from tests.small_disk import fill, largest_file, mounted

SETTINGS = TrainSettings(epochs=3, learning_rate=3e-3, max_length=128, rank=4, alpha=8, evaluations_per_epoch=1)


@pytest.fixture(autouse=True)
def nobodys_handler():
    """A job's process takes SIGTERM for a request to save; the tests' own process must not go on doing so."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def prepared(workspace, rows_file, model) -> RunSpec:
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    return RunSpec(str(model), version.id, str(workspace.rows_file(version.id)), SETTINGS)


def queued(workspace, spec: RunSpec):
    job = workspace.add_job(workspace.version(spec.dataset_version).project_id, "train", "t", spec.to_dict())
    queue.stop(workspace, job)  # taken from the queue: no process is to start it
    folder = workspace.folder(job)
    (folder / "outcome.json").unlink()
    return job, folder


def test_a_run_ends_where_a_checkpoint_does_not_fit_and_goes_on_when_it_does(
    tmp_path, rows_file, tiny_model_folder, monkeypatch
):
    with mounted(tmp_path / "disk", 4000) as disk:
        workspace = open_workspace(Settings(home=disk / "home"))
        job, folder = queued(workspace, prepared(workspace, rows_file, tiny_model_folder))
        junk = []
        write = EventLog.write

        def fill_after_the_first_checkpoint(log, payload, step=None):
            write(log, payload, step)
            if "Checkpoint of step" in str(getattr(payload, "text", "")) and not junk:
                junk.append(fill(disk, leave=60_000))

        monkeypatch.setattr(EventLog, "write", fill_after_the_first_checkpoint)
        assert run_job(folder, lambda log: worker.train(folder, workspace.models, log), "Training") == 1
        now = status_of(workspace, job)
        assert (now.state, now.outcome.resumable) == ("failed", True)
        assert "The disk is nearly full: the checkpoint of step 8 takes" in now.message
        assert "Then resume. It can be resumed from step 4." in now.message
        assert checkpoints_of(folder) == [4]
        assert [p.name for p in (folder / "checkpoints").iterdir()] == ["checkpoint-4"]
        junk[0].unlink()
        (folder / "outcome.json").unlink()
        assert run_job(folder, lambda log: worker.train(folder, workspace.models, log), "Training") == 0
        ended = outcome_of(folder)
        assert (ended.state, ended.step) == ("finished", 12)
        workspace.engine.dispose()


def test_a_checkpoint_that_could_not_be_written_to_its_end_is_gone(workspace, rows_file, tiny_model_folder):
    """Where nobody may mount a disk: no file may grow beyond what the optimizer's state takes."""
    spec = prepared(workspace, rows_file, tiny_model_folder)
    _, folder = queued(workspace, replace(spec, settings=replace(SETTINGS, epochs=1, rank=8)))
    with largest_file(70_000):
        assert run_job(folder, lambda log: worker.train(folder, workspace.models, log), "Training") == 1
    outcome = outcome_of(folder)
    assert "Training ended, and what was saved before is kept." in outcome.message and not outcome.resumable
    assert list((folder / "checkpoints").iterdir()) == [] and not (folder / "adapter").exists()


def test_room_is_asked_for_before_there_is_a_first_checkpoint(tmp_path, monkeypatch):
    import torch

    model = torch.nn.Linear(1000, 1000, bias=False)
    assert saving.expected_bytes(tmp_path, model, SETTINGS) == 12_000_000  # the weights, and Adam's two moments
    model.requires_grad_(False)
    assert saving.expected_bytes(tmp_path, model, SETTINGS) == 0
    monkeypatch.setattr("core.disk.free_bytes", lambda where: 5_000_000)
    with pytest.raises(UserError, match=r"takes 12 MB, and 5 MB are free in .*Then start the run again\."):
        saving.require_room(tmp_path, 12_000_000, "one checkpoint of this run")


@pytest.mark.parametrize("state", [None, "", '{"log_history": [{"loss"'])
def test_half_a_checkpoint_counts_nowhere(tmp_path, state):
    for step, text in ((4, json.dumps({"global_step": 4}) + "\n"), (8, state)):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "optimizer.pt").write_bytes(b"\0" * 1000)
        if text is not None:
            (folder / "trainer_state.json").write_text(text)
    assert checkpoints_of(tmp_path) == [4] and [step for step, _ in checkpoints.find(tmp_path)] == [4]
    assert saving.newest_checkpoint(tmp_path).name == "checkpoint-4"
    saving.sweep(tmp_path)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["checkpoint-4"]
