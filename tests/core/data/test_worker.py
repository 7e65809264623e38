"""A large file is read by a process of its own: the same comes of it, and Cancel leaves nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from core.data import actions as data_actions
from core.data import worker
from core.data.columns.choice import Columns
from core.errors import UserError
from core.jobs import beside


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "LARGE", 0)
    monkeypatch.setattr(beside, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not list(tmp_path.rglob(".beside-*"))


def last(steps) -> worker.Step:
    *before, step = steps
    assert all(s.draft is None and not s.version_id and 0 <= s.share <= 1 for s in before)
    return step


def test_a_process_says_what_an_import_would_give_and_imports(workspace, rows_file):
    workspace = workspace.as_owner("somebody")
    project = workspace.create_project("p")
    step = last(worker.run(workspace, rows_file, {"chosen": None}, lambda: False))
    assert step.draft == data_actions.inspect(rows_file, workspace)
    request = {"project_id": project.id, "chosen": step.draft.columns.to_dict(), "validation": 0.2, "test": 0.1}
    step = last(worker.run(workspace, rows_file, request, lambda: False))
    [version] = workspace.versions(project.id)
    assert (version.id, version.counts) == (step.version_id, {"train": 28, "validation": 8, "test": 4})


def test_columns_that_do_not_serve_are_told_with_those_that_are_there(workspace, rows_file):
    chosen = Columns("instruction").to_dict()
    draft = last(worker.run(workspace, rows_file, {"chosen": chosen}, lambda: False)).draft
    assert "No column for the answer" in draft.refused
    assert draft.there == ("instruction", "output")


def test_what_is_wrong_with_a_file_is_a_sentence(workspace, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"a": 1}\n{"a": ', encoding="utf-8")
    with pytest.raises(UserError, match="line 2, character"):
        last(worker.run(workspace, path, {"chosen": None}, lambda: False))


def test_a_cancelled_process_leaves_nothing(workspace, tmp_path):
    project = workspace.create_project("p")
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"prompt": f"q{i}", "answer": "a" * 200}) for i in range(20_000)]
    path.write_text("\n".join(lines), encoding="utf-8")
    before = sorted(p for p in workspace.settings.home.rglob("*") if "tunewright.db" not in p.name)
    request = {"project_id": project.id, "validation": 0.1, "test": 0.1}
    with pytest.raises(worker.Cancelled):
        last(worker.run(workspace, path, request, lambda: True))
    assert workspace.versions(project.id) == []
    assert sorted(p for p in workspace.settings.home.rglob("*") if "tunewright.db" not in p.name) == before


@pytest.fixture
def silent(monkeypatch):
    """The process that reads does nothing at all; returns it, once it is started."""
    started = []

    def start(workspace, module, folder):
        (folder / "worker.log").touch()
        started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
        return started[0]

    monkeypatch.setattr(beside, "start", start)
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_stopped_process_is_said_and_can_be_cancelled(workspace, rows_file, monkeypatch, silent):
    monkeypatch.setattr(beside, "PATIENCE", 0.2)
    cancel = []
    steps = worker.run(workspace, rows_file, {"chosen": None}, lambda: bool(cancel))
    assert next(steps).what == "Reading the file …"
    silent[0].send_signal(signal.SIGSTOP)
    until = time.monotonic() + 20
    while "is stopped (SIGSTOP): cancel, or continue it" not in next(steps).what:
        assert time.monotonic() < until
    cancel.append(True)
    with pytest.raises(worker.Cancelled):
        last(steps)
    assert silent[0].returncode == -signal.SIGKILL
    assert not list(workspace.settings.home.glob(".*.partial"))


def test_what_a_killed_process_had_half_written_is_swept(workspace, rows_file, silent):
    steps = worker.run(workspace, rows_file, {"chosen": None}, lambda: False)
    next(steps)
    left = workspace.settings.home / f".version.{silent[0].pid}.partial"
    left.mkdir()
    silent[0].kill()
    with pytest.raises(UserError, match="was ended by signal 9"):
        last(steps)
    assert not left.exists()
