"""A process that is stopped or hangs is noticed and said; one that is only slow is not called stuck."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from core.cli import common
from core.jobs import alive, events, heartbeat
from core.jobs.alive import is_alive
from core.jobs.events import EventLog
from core.jobs.heartbeat import Beat, Heart, health_of, last_beat
from core.jobs.status import status_of
from ui import watching

IDLE = "import sys; sys.stdin.read()"
BUSY = "while True: pass"


@pytest.fixture
def started():
    """Starts processes that end with the test."""
    living = []

    def start(code: str) -> dict:
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, start_new_session=True)
        living.append(process)
        return alive.named(process.pid)

    yield start
    for process in living:
        process.kill()
        process.communicate()


@pytest.fixture
def job(workspace):
    project = workspace.create_project("Garden")
    return workspace.add_job(project.id, "evaluate", "of run 1", {}, state="started")


def beat(folder, process, age=0.0, worked=0.0, said=0.0) -> None:
    """As if the process had beaten, worked and spoken so many seconds ago."""
    now = time.monotonic()
    cpu = alive.cpu_seconds(alive.family(process))
    heartbeat._write(folder / heartbeat.FILE, Beat(alive.boot(), now - age, now - worked, now - said, 1.0, cpu))


def test_a_process_that_is_stopped_is_said_on_the_page_and_by_runs(workspace, job, started):
    process = started(IDLE)
    (workspace.folder(job) / "process.json").write_text(json.dumps(process))
    watched, status, *_ = watching.look(workspace, job, watching.Watched())
    assert (status.state, status.message, status.stuck) == ("running", "", False)
    os.kill(process["pid"], signal.SIGSTOP)
    _until(lambda: status_of(workspace, job).stuck)
    watched, status, changed, _ = watching.look(workspace, job, watched)
    assert changed and status.state == "running"
    bar = watching.bar(job, status, watched)
    assert "is stopped (SIGSTOP)" in bar and "tw-warning" in bar and "it does not get on" in bar
    described = common.describe(workspace, job)
    assert f"kill -CONT {process['pid']}" in described["message"]
    os.kill(process["pid"], signal.SIGCONT)
    _until(lambda: not status_of(workspace, job).stuck)
    assert watching.look(workspace, job, watched)[2]  # the page is told that it goes on


@pytest.mark.parametrize(
    ("code", "ago", "said", "stuck"),
    [
        (IDLE, {}, "", False),
        (IDLE, {"age": 50}, "", False),  # a busy machine delays a beat
        (IDLE, {"age": 190, "worked": 190}, "has not been heard of for 3 minutes", True),
        (IDLE, {"worked": 250}, "has done nothing for 4 minutes", True),
        (IDLE, {"worked": 100}, "", False),
        (IDLE, {"said": 400}, "Nothing new for 6 minutes, but it is computing", False),
        (IDLE, {"said": 200}, "", False),
    ],
)
def test_hanging_and_slow_are_told_apart(tmp_path, started, code, ago, said, stuck):
    process = started(code)
    beat(tmp_path, process, **ago)
    health = health_of(tmp_path, process)
    assert (said in health.text, bool(health.text), health.stuck) == (True, bool(said), stuck)


def test_what_keeps_its_threads_from_beating_but_computes_is_not_stuck(tmp_path, started):
    """A long call of a library may hold Python's lock for minutes."""
    process = started(BUSY)
    beat(tmp_path, process, age=200, worked=200, said=200)
    _until(lambda: alive.cpu_seconds(alive.family(process)) > last_beat(tmp_path).cpu + 1.05)
    assert health_of(tmp_path, process) == heartbeat.Health()


def test_waiting_is_the_work_of_chats_and_judges(tmp_path, started):
    process = started(IDLE)
    beat(tmp_path, process, worked=4000, said=4000)
    assert not health_of(tmp_path, process, waits=True).text
    beat(tmp_path, process, age=4000)
    assert health_of(tmp_path, process, waits=True).stuck


def test_damaged_and_foreign_beats_say_nothing(tmp_path, started):
    process = started(IDLE)
    beat(tmp_path, process, age=4000)
    whole = (tmp_path / heartbeat.FILE).read_text()
    for text in (
        "",
        "{",
        "[]",
        whole.replace(alive.boot(), "another boot"),
        whole.replace("time", "thyme"),
        "\x00" * 9,
    ):
        (tmp_path / heartbeat.FILE).write_text(text)
        assert health_of(tmp_path, process) == heartbeat.Health()
    (tmp_path / heartbeat.FILE).unlink()
    (tmp_path / heartbeat.FILE).mkdir()
    assert health_of(tmp_path, process) == heartbeat.Health()


def test_a_clock_that_is_set_changes_nothing(tmp_path, started, monkeypatch):
    """Nor does a laptop that slept: only the clock on the wall goes on then."""
    process = started(IDLE)
    beat(tmp_path, process)
    clock = time.time
    create_time = psutil.Process.create_time
    for hours in (-30, 30):
        monkeypatch.setattr(time, "time", lambda hours=hours: clock() + 3600 * hours)
        monkeypatch.setattr(psutil.Process, "create_time", lambda self, hours=hours: create_time(self) + 3600 * hours)
        assert is_alive(process) and not health_of(tmp_path, process).text
    monkeypatch.undo()
    assert not is_alive({**process, "ticks": process["ticks"] + 1})  # another process of that number
    assert not is_alive({**process, "boot": "another"})
    old = {"pid": process["pid"], "started": process["started"]}  # as earlier versions wrote it
    assert is_alive(old) and not is_alive({**old, "started": old["started"] - 5})


def test_a_heart_sees_work_and_the_lack_of_it(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    heart = Heart(tmp_path, log)
    try:
        first = last_beat(tmp_path)
        time.sleep(0.02)
        heart.beat()
        still = last_beat(tmp_path)
        assert still.time > first.time and still.worked == first.worked
        until = time.process_time() + 1.2 * heartbeat.COMPUTES * heartbeat.EVERY
        while time.process_time() < until:
            pass
        heart.beat()
        busy = last_beat(tmp_path)
        assert busy.worked == busy.time > still.worked
        time.sleep(0.05)
        log.write(events.Log("Still here."))
        heart.beat()
        spoken = last_beat(tmp_path)
        assert spoken.said > busy.said and spoken.worked >= spoken.said and spoken.longest >= 0.05
        time.sleep(0.02)
        (tmp_path / "download").write_bytes(b"\0" * (2 * heartbeat.MOVES))
        heart.beat()
        assert last_beat(tmp_path).worked > spoken.worked
    finally:
        heart.stop()


def _until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
