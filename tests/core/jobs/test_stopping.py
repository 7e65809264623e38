"""Stop is carried through: asked, told, killed with all that was started; what was saved is kept, and each is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import sqlalchemy as sa

from core.jobs import alive, follow, heartbeat, queue, status, stopping
from core.jobs.heartbeat import Beat, Health
from core.jobs.status import process_of, status_of, write_outcome
from core.store import tables
from tests.small_disk import fill, mounted

HEARS = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
(folder / "ready").touch()
while not (folder / "stop").exists():
    time.sleep(0.01)
(folder / "outcome.json").write_text('{"state": "stopped", "message": "Stopped at step 7 of 9."}')
"""
DEAF = """
import pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
(pathlib.Path(sys.argv[1]) / "child").write_text(str(child.pid))
(pathlib.Path(sys.argv[1]) / "ready").touch()
time.sleep(600)
"""
TOLD = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
(pathlib.Path(sys.argv[1]) / "ready").touch()
time.sleep(600)
"""


@pytest.fixture
def start(workspace):
    """Starts a job whose process runs some code; its Job."""
    project = workspace.create_project("Garden")

    def begin(code: str, kind: str = "train", state: str = "started"):
        job = workspace.add_job(project.id, kind, "quick", {}, state=state)
        folder = workspace.folder(job)
        process = subprocess.Popen([sys.executable, "-c", code, str(folder)], start_new_session=True)
        status.children[job.id] = process
        (folder / "process.json").write_text(json.dumps(alive.named(process.pid)))
        until(lambda: (folder / "ready").exists())
        return job

    yield begin
    for child in list(status.children.values()):
        child.kill()
        child.wait()
    status.children.clear()


def until(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def over(workspace, job) -> bool:
    queue.tick(workspace)
    return status_of(workspace, job).over


def state(workspace, job) -> str:
    with workspace.engine.connect() as db:
        return db.execute(sa.select(tables.jobs.c.state).where(tables.jobs.c.id == job.id)).scalar()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(stopping, "ASKED", 0.4)
    monkeypatch.setattr(stopping, "TOLD", 0.4)


@pytest.mark.parametrize(("kind", "first"), [("train", "started"), ("judge", "beside")])
def test_who_hears_nothing_is_killed_with_what_it_started(workspace, start, impatient, kind, first):
    job = start(DEAF, kind, first)
    folder = workspace.folder(job)
    checkpoint = folder / "checkpoints" / "checkpoint-30"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}\n")
    child = int((folder / "child").read_text())
    queue.stop(workspace, job)
    assert status_of(workspace, job).state == "stopping"
    said = set()
    until(lambda: said.add(status_of(workspace, job).message) or over(workspace, job))
    assert any("was told to end (SIGTERM)" in text for text in said)
    now = status_of(workspace, job)
    assert now.state == "stopped" and "was killed (SIGKILL)" in now.message
    assert "can be resumed from step 30" in now.message and now.outcome.resumable
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    until(lambda: over(workspace, job) and state(workspace, job) == "ended")


def test_who_hears_sigterm_is_not_killed(workspace, start, impatient, monkeypatch):
    monkeypatch.setattr(stopping, "TOLD", 60.0)
    job = start(TOLD)
    queue.stop(workspace, job)
    until(lambda: over(workspace, job))
    assert "exit status 3" in status_of(workspace, job).message


def test_a_stopped_process_is_continued_so_that_it_saves(workspace, start):
    job = start(HEARS)
    process = process_of(workspace.folder(job))
    os.kill(process["pid"], signal.SIGSTOP)
    until(lambda: status_of(workspace, job).stuck)
    said = []

    def say(text: str) -> None:
        said.append(text)
        queue.stop(workspace, job)

    assert follow.follow(workspace, job, say).message == "Stopped at step 7 of 9."
    assert "is stopped (SIGSTOP)" in said[0]  # who follows at a terminal is told, once
    assert len(said) <= 2


def test_a_process_that_stops_itself_again_is_ended_all_the_same(workspace, start, impatient):
    code = HEARS.replace("import pathlib, sys, time", "import os, pathlib, signal, sys, time")
    job = start(code.replace("while not", "while True:\n    os.kill(os.getpid(), signal.SIGSTOP)\nwhile not"))
    queue.stop(workspace, job)
    until(lambda: over(workspace, job))
    now = status_of(workspace, job)
    assert (now.state, now.message) == ("stopped", "It ended when it was told to (SIGTERM).")


@pytest.mark.parametrize(
    ("longest", "stuck", "seconds"), [(0.0, False, 60), (400.0, False, 800), (9000.0, False, 1800), (400.0, True, 60)]
)
def test_a_long_step_is_given_its_time_and_a_hanging_one_is_not(tmp_path, longest, stuck, seconds):
    now = time.monotonic()
    heartbeat._write(tmp_path / heartbeat.FILE, Beat(alive.boot(), now, now, now, longest, 1.0))
    assert stopping.patience(tmp_path, Health("x", stuck)) == seconds


def test_what_is_said_while_it_is_waited_for(tmp_path):
    stop = tmp_path / stopping.FILE
    for ago, stuck, said in (
        (3, False, "Stopping after this step …"),
        (3, True, "Asked to stop 3 s ago; in 57 s it is told to end"),
        (65, True, "told to end (SIGTERM); in 15 s it is killed. What was saved is kept."),
    ):
        stop.write_text(json.dumps({"boot": alive.boot(), "asked": time.monotonic() - ago}))
        assert said in stopping.said(tmp_path, Health("", stuck))
    for text in ("", "[]", '{"asked": "x"}', '{"boot": "another", "asked": 5}'):  # of earlier versions, and damaged
        stop.write_text(text)
        os.utime(stop, (time.time() - 30, time.time() - 30))
        assert stopping.seconds_asked(tmp_path) == pytest.approx(30, abs=5)
    stop.unlink()
    assert stopping.seconds_asked(tmp_path) is None


def test_asking_twice_does_not_begin_anew(tmp_path):
    stopping.ask(tmp_path)
    first = (tmp_path / stopping.FILE).read_text()
    stopping.ask(tmp_path)
    assert (tmp_path / stopping.FILE).read_text() == first


def test_it_can_be_asked_on_a_full_disk(tmp_path):
    with mounted(tmp_path / "disk", 200) as disk:
        fill(disk)
        stopping.ask(disk)
        assert 0 <= stopping.seconds_asked(disk) < 5


def test_a_process_that_hangs_on_its_way_out_does_not_stop_the_queue(workspace, start, monkeypatch):
    monkeypatch.setattr(queue, "LEAVING", 0.3)
    job = start(DEAF)
    write_outcome(workspace.folder(job), "finished", "Finished.")
    os.kill(process_of(workspace.folder(job))["pid"], signal.SIGSTOP)
    until(lambda: over(workspace, job) and state(workspace, job) == "ended")
    assert status_of(workspace, job).message == "Finished."


def test_a_process_that_is_gone_was_not_killed_by_us(workspace, start):
    job = start(HEARS)
    folder = workspace.folder(job)
    os.kill(process_of(folder)["pid"], signal.SIGKILL)
    until(lambda: not alive.is_alive(process_of(folder)))
    long_ago = time.monotonic() - 5000
    (folder / stopping.FILE).write_text(json.dumps({"boot": alive.boot(), "asked": long_ago}))
    queue.stop(workspace, job)
    until(lambda: over(workspace, job))
    assert "Ended before its first step: killed by signal 9" in status_of(workspace, job).message


def test_only_the_process_that_is_named_is_ended(workspace, start, impatient):
    """The number of a process that is gone may be another one's by now, and this process is nobody's job."""
    bystander = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    try:
        for name in ({**alive.named(bystander.pid), "ticks": 5}, alive.this_process()):
            alive.kill(name)
            alive.tell_to_end(name)
        time.sleep(0.1)
        assert bystander.poll() is None
    finally:
        bystander.communicate()
