"""The time of a run, as earlier runs took."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.jobs.events import EventLog, Progress
from core.training import pace
from core.training.settings import TrainSettings
from core.training.spec import RunSpec

TWO_EPOCHS = TrainSettings(epochs=2)


@pytest.fixture
def project(workspace):
    return workspace.create_project("Mine")


def add_run(workspace, project, monkeypatch, steps: int, model: str = "m", settings: TrainSettings = TWO_EPOCHS):
    """A run whose steps took half a second each."""
    job = workspace.add_job(project.id, "train", "quick", RunSpec(model, "v", "rows", settings).to_dict())
    workspace.folder(job).mkdir(parents=True, exist_ok=True)
    log = EventLog(workspace.folder(job) / "events.jsonl")
    for step in range(1, steps + 1):
        monkeypatch.setattr("time.time", lambda step=step: 1000 + step / 2)
        log.write(Progress(step=step, steps=steps), step)
    log.close()
    monkeypatch.undo()
    return job


def test_an_earlier_run_tells_how_long_this_one_takes(workspace, project, monkeypatch):
    add_run(workspace, project, monkeypatch, 10)
    assert pace.seconds(workspace, project.id, "m", TWO_EPOCHS, 80) == pytest.approx(0.5 * 10 * 2)
    assert pace.seconds(workspace, project.id, "m", replace(TWO_EPOCHS, epochs=6), 80) == pytest.approx(0.5 * 10 * 6)


def test_what_cannot_tell_is_passed_over(workspace, project, monkeypatch):
    assert pace.seconds(workspace, project.id, "m", TWO_EPOCHS, 80) is None
    add_run(workspace, project, monkeypatch, 10)
    add_run(workspace, project, monkeypatch, 1)  # ended at its first step
    add_run(workspace, project, monkeypatch, 10, model="another")
    assert pace.seconds(workspace, project.id, "m", TWO_EPOCHS, 80) == pytest.approx(10)
    assert pace.seconds(workspace, project.id, "m", replace(TWO_EPOCHS, method="full"), 80) is None
    assert pace.seconds(workspace, project.id, "third", TWO_EPOCHS, 80) is None
