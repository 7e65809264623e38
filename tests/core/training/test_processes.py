"""Several processes share each step: same losses and adapter as one; stopped together, ended together."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import psutil
import pytest

from core.errors import UserError
from core.jobs import queue
from core.jobs.events import read
from core.jobs.follow import wait
from core.jobs.kinds import ALLOCATOR
from core.training import actions as training_actions
from core.training import methods, trainer
from tests.core.training.test_training import SETTINGS, curve, prepared, train_here  # noqa: F401 (a fixture)

TWO = replace(SETTINGS, processes=2, dropout=0.0, epochs=2)


def weights(folder) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_two_processes_learn_what_one_does(workspace, prepared):  # noqa: F811
    import torch

    project_id, spec = prepared
    _, one, _ = train_here(workspace, project_id, replace(spec, settings=replace(TWO, processes=1)))
    job = training_actions.start_training(workspace, project_id, replace(spec, settings=TWO))
    ended = wait(workspace, job)
    assert ended.state == "finished", ended.message
    two = workspace.folder(job)
    for name in ("loss", "validation_loss"):
        assert list(curve(two, name).values()) == pytest.approx(list(curve(one, name).values()), rel=1e-5)
    assert curve(two).keys() == curve(one).keys()
    here, there = weights(one), weights(two)
    assert here.keys() == there.keys()
    assert all(torch.allclose(here[name], there[name], atol=1e-5) for name in here)
    run = json.loads((two / "run.json").read_text())
    assert run["processes"] == 2
    assert run["allocator"] == ALLOCATOR
    numbers = [e.n for e in read(two / "events.jsonl")[0]]
    assert numbers == list(range(1, len(numbers) + 1))  # one of them writes


def test_stopped_together_and_resumed(workspace, prepared):  # noqa: F811
    project_id, spec = prepared
    long = replace(spec, settings=replace(TWO, epochs=30))
    job = training_actions.start_training(workspace, project_id, long)
    folder = workspace.folder(job)
    until(lambda: len(curve(folder)) >= 3)
    queue.stop(workspace, job)
    stopped = wait(workspace, job)
    assert stopped.state == "stopped", stopped.message
    queue.resume(workspace, job)
    until(lambda: len(curve(folder)) > stopped.outcome.step)
    launcher = psutil.Process(json.loads((folder / "process.json").read_text())["pid"])
    several = launcher.children(recursive=True)
    assert len(several) >= 2
    os.kill(launcher.pid, signal.SIGKILL)  # nobody is left to end them
    until(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in several))
    died = wait(workspace, job)
    assert died.state == "failed"
    assert "resume" in died.message.lower()


def test_rows_that_do_not_divide_count_once(monkeypatch):
    rows = [([i, 5, 6], [False, True, True]) for i in range(11)]
    assert trainer._evened(rows, TWO) == rows
    monkeypatch.setenv("WORLD_SIZE", "2")
    filled = trainer._evened(rows, TWO)
    assert len(filled) == 16
    assert filled[:11] == rows
    assert not any(any(trained) for _, trained in filled[11:])
    assert TWO.micro_batch(100, 2) == 4


def test_what_cannot_be_shared_is_said():
    with pytest.raises(UserError, match="3 processes cannot share a batch of 8 rows evenly. Set Batch size to 9"):
        methods.check(replace(TWO, processes=3))
    with pytest.raises(UserError, match="Preference training runs in one process"):
        methods.check(replace(TWO, objective="dpo"))


def until(condition, seconds: float = 90) -> None:
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "it did not happen in time"
        time.sleep(0.2)
