"""Threads give way to other programs: beside a busy one a second, idle team is held."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import psutil

from core.engine.kernels import threads


def idle_teams() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "idle team"]


def until(condition, seconds: float = 30) -> None:
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_held_team_ends_when_it_is_let_go():
    before = len(idle_teams())
    done = threads.hold_team()
    assert len(idle_teams()) == before + 1
    done.set()
    until(lambda: len(idle_teams()) == before)


def test_work_of_others_is_told_from_our_own():
    own = psutil.Process()
    began, end = threads._times(psutil, own), time.time() + 1
    while time.time() < end:
        pass
    now = threads._times(psutil, own)
    assert 0.2 < now[1] - began[1] < 1.5
    assert now[0] - began[0] > 0.2


def test_a_busy_program_is_noticed():
    before = len(idle_teams())
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        watching = threads.watch(every=0.1)
        until(lambda: len(idle_teams()) > before)
        assert watching.is_alive()
    finally:
        for process in busy:
            process.kill()
            process.wait()
