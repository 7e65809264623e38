"""A disk that takes no more: every library's way to say so becomes one sentence, and nothing half done is left."""

from __future__ import annotations

import errno
import json
import signal
import sqlite3

import gradio as gr
import pytest

from core import disk
from core.data import worker as data_worker
from core.errors import UserError
from core.files import append_lines, written_atomically
from core.jobs import events, queue
from core.jobs.events import EventLog
from core.jobs.outcome import Outcome, outcome_of
from core.jobs.process import run_job
from core.jobs.status import status_of, this_process
from core.review import labels
from core.settings import Settings
from core.store.workspace import open_workspace
from core.types import LabelEvent
from tests.small_disk import fill, largest_file, mounted
from ui.page import guarded


@pytest.fixture(autouse=True)
def nobodys_handler():
    """A job's process takes SIGTERM for a request to save; the tests' own process must not go on doing so."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def small(tmp_path):
    with mounted(tmp_path / "disk", 3000) as path:
        yield path


@pytest.fixture
def at_home(small):
    """A workspace on a small disk that has a run with a large checkpoint."""
    workspace = open_workspace(Settings(home=small / "home"))
    project = workspace.create_project("Garden")
    run = workspace.add_job(project.id, "train", "quick", {}, state="started")
    checkpoint = workspace.folder(run) / "checkpoints" / "checkpoint-30"
    checkpoint.mkdir(parents=True)
    (checkpoint / "optimizer.pt").write_bytes(b"\0" * 200_000)
    (checkpoint / "trainer_state.json").write_text("{}\n")
    yield workspace, project, run
    workspace.engine.dispose()


def _python(path):
    (path / "a").write_bytes(b"\0" * 5_000_000)


def _sqlite(path):
    database = sqlite3.connect(path / "a.db")
    try:
        database.execute("create table a (b)")
        database.execute("insert into a values (zeroblob(5000000))")
        database.commit()
    finally:
        database.close()


def _safetensors(path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(2_000_000)}, path / "a.safetensors")


def _torch(path):
    import torch

    torch.save(torch.zeros(2_000_000), path / "a.pt")


def _arrow(path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": np.random.default_rng(0).random(1_000_000)}), path / "a.parquet")


WRITERS = (_python, _sqlite, _safetensors, _torch, _arrow)


@pytest.mark.parametrize("write", WRITERS)
def test_every_librarys_full_disk_is_the_same_sentence(small, write):
    full = r"The disk is full: \d+ kB of 3 MB are free in"
    more = "does not fit on the disk: more is needed than the 3 MB"
    with pytest.raises(UserError, match=f"({full}|{more}).*Free some"), disk.told(small):
        write(small)


@pytest.mark.parametrize("write", WRITERS)
def test_a_limit_on_the_size_of_files_is_told(tmp_path, write):
    said = r"takes no file as large|a limit of this process|The disk answers"  # torch and SQLite know no more
    with pytest.raises(UserError, match=said), disk.told(tmp_path), largest_file(500_000):
        write(tmp_path)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EDQUOT, "quota", "/home/x/a"), "its quota"),
        (OSError(errno.EROFS, "read-only", "/mnt/a"), "can only be read, not written: /mnt/a"),
        (PermissionError(errno.EACCES, "denied", "/mnt/a"), "no permission for it: /mnt/a"),
        (OSError(errno.EIO, "I/O", "/mnt/a"), "may be failing"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "set TMPDIR"),
    ],
)
def test_its_siblings_are_sentences_too(tmp_path, error, said):
    assert said in (disk.trouble(error, tmp_path) or "")


@pytest.mark.parametrize("error", [ValueError("no"), PermissionError(13, "denied"), OSError("x"), KeyError(28)])
def test_what_is_no_fault_of_the_disk_stays_a_bug(tmp_path, error):
    assert disk.trouble(error, tmp_path) is None


def test_what_could_go_is_named_by_size(at_home, monkeypatch):
    workspace, _, run = at_home
    said = disk.what_could_go(workspace.settings.home)
    assert f"200 kB: {workspace.folder(run)}/checkpoints" in said and "TUNEWRIGHT_HOME" in said
    assert "/checkpoints" not in disk.what_could_go(workspace.folder(run))  # it goes on from there
    with pytest.raises(UserError, match=r"the checkpoint takes 50 MB, and .* are free in .*Then resume\."):
        disk.require_room(workspace.folder(run), 50e6, "the checkpoint", "Then resume.")
    monkeypatch.setenv("SPACE_ID", "x/y")
    assert "Only the owner of this Space" in disk.what_could_go(workspace.folder(run))  # paths are nobody's business


@pytest.mark.parametrize("large", [data_worker.LARGE, 0])
def test_an_import_leaves_nothing_and_says_what_to_free(at_home, rows_file, monkeypatch, large):
    """Here, and in a process of its own."""
    workspace, project, _ = at_home
    monkeypatch.setattr(data_worker, "LARGE", large)
    before = sorted(p for p in workspace.settings.home.rglob("*") if "tunewright.db" not in p.name)
    junk = fill(workspace.settings.home, leave=24_000)  # that it takes more is seen only while it is written
    request = {"project_id": project.id, "validation": 0.1, "test": 0.1}
    with pytest.raises(UserError, match=r"disk.*checkpoints"):
        list(data_worker.run(workspace, rows_file, request, lambda: False))
    junk.unlink()
    assert workspace.versions(project.id) == []
    assert sorted(p for p in workspace.settings.home.rglob("*") if "tunewright.db" not in p.name) == before
    list(data_worker.run(workspace, rows_file, request, lambda: False))
    assert len(workspace.versions(project.id)) == 1


def test_a_job_says_why_it_ended_on_a_disk_without_a_byte(at_home):
    workspace, _, run = at_home
    folder = workspace.folder(run)

    def work(log: EventLog) -> Outcome:
        fill(workspace.settings.home)
        for _ in range(1000):
            log.write(events.Log("what happens " * 20))
        return Outcome("finished", "Finished.")

    assert run_job(folder, work, "Training") == 1
    outcome = outcome_of(folder)
    assert outcome is not None and outcome.state == "failed" and outcome.resumable
    assert "Training ended" in outcome.message and "The disk is full: 0 kB of 3 MB" in outcome.message
    assert "resumed from step 30" in outcome.message and status_of(workspace, run).message == outcome.message
    log, _ = events.read(folder / "events.jsonl")
    assert [e.n for e in log] == list(range(1, len(log) + 1))  # no half line among them


def test_a_disk_that_takes_not_even_the_reason(at_home):
    """Then whoever looks at the dead process's folder says it."""
    workspace, _, run = at_home
    folder = workspace.folder(run)
    (folder / "process.json").write_text(json.dumps({**this_process(), "ticks": 1}))
    fill(workspace.settings.home)
    assert run_job(folder, lambda log: Outcome("finished", "Finished."), "Training") == 28
    now = status_of(workspace, run)
    assert now.state == "failed" and "the disk is full" in now.message and "from step 30" in now.message


def test_lines_are_appended_whole_or_not_at_all(small):
    path = small / "lines.jsonl"
    append_lines(path, ["one"])
    junk = fill(small, leave=3000)
    with pytest.raises(OSError, match="No space"):
        append_lines(path, ["x" * 20_000])
    with pytest.raises(OSError, match="No space"), written_atomically(small / "whole.json") as file:
        file.write("y" * 20_000)
    junk.unlink()
    append_lines(path, ["two"])
    assert path.read_text() == "one\ntwo\n" and {p.name for p in small.iterdir()} == {"lines.jsonl"}
    path.write_text("one\nhal")  # of a process that was killed
    append_lines(path, ["three"])
    assert path.read_text() == "one\nhal\nthree\n"


def test_a_label_that_the_database_cannot_take_is_refused_and_nothing_of_it_stays(at_home, monkeypatch):
    workspace, project, run = at_home
    event = LabelEvent(run.id, "00", "me", "tie", {}, "c" * 90_000, "", {}, ("base", "tuned"), True)
    junk = fill(workspace.settings.home)
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(workspace.settings.home))
    label = guarded(lambda: [labels.add(workspace.engine, project.id, event) for _ in range(100)])
    with pytest.raises(gr.Error, match="The disk is full.*/checkpoints"):
        label()
    stored = labels.history(workspace.engine, run.id)
    junk.unlink()
    assert labels.history(workspace.engine, run.id) == stored
    labels.add(workspace.engine, project.id, event)
    assert len(labels.history(workspace.engine, run.id)) == len(stored) + 1


def test_a_job_that_cannot_be_added_leaves_no_folder(at_home):
    workspace, project, _ = at_home
    there = sorted((workspace.settings.home / "projects" / project.id / "jobs").iterdir())
    junk = fill(workspace.settings.home)
    with pytest.raises(UserError, match="The disk is full"), disk.told(workspace.settings.home):
        workspace.add_job(project.id, "train", "quick", {"text": "x" * 50_000})
    junk.unlink()
    assert sorted((workspace.settings.home / "projects" / project.id / "jobs").iterdir()) == there
    assert len(workspace.jobs(project.id)) == 1


def test_a_job_can_be_stopped_on_a_full_disk(at_home):
    workspace, _, run = at_home
    (workspace.folder(run) / "process.json").write_text(json.dumps(this_process()))
    fill(workspace.settings.home)
    queue.stop(workspace, run)
    assert status_of(workspace, run).state == "stopping"
