"""Does a job's process get on? What it writes down of itself every few seconds, and what others make of that.

That a thread beats proves that the process lives, not that it gets on. So beside each beat stands when the job last did
anything (computed, or moved bytes) and when it last said anything. Times are of the monotonic clock, which all
processes share: a laptop that sleeps and a clock that is set do not count.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from core.errors import UserError
from core.files import read_json
from core.jobs.alive import boot, cpu_seconds, family, is_suspended, moved_bytes
from core.jobs.events import EventLog
from core.wording import count

FILE = "heartbeat.json"
EVERY = 5.0
"""Seconds between two beats."""
LATE = 60.0
"""Seconds without a beat until it is said: a machine that has too much to do delays one."""
IDLE = 120.0
"""Seconds without anything done until it is said."""
QUIET = 300.0
"""Seconds without a word, though it computes, until that is said."""
COMPUTES = 0.02
"""Of a processor: less is what the beating itself takes."""
MOVES = 50_000
"""Bytes between two beats: less is what the beating itself reads."""
BYTES = 300
"""Of the file, which is written over in its place: that goes on where the disk is full."""


@dataclass(frozen=True)
class Beat:
    """Times in seconds of the monotonic clock."""

    boot: str
    time: float
    worked: float
    """When the job was last seen to compute, to move bytes, or to say something."""
    said: float
    """When its log last grew."""
    longest: float
    """Seconds of its longest silence so far."""
    cpu: float
    """Seconds of processors that it had used."""


@dataclass(frozen=True)
class Health:
    """Whether a running job gets on."""

    text: str = ""
    """A sentence or two where a person should know; else empty."""
    stuck: bool = False
    """Is nothing to be expected of it? One that is merely slow is not stuck."""


class Heart:
    """Beats in a thread of its own for as long as the job's process lives."""

    def __init__(self, folder: Path, log: EventLog) -> None:
        self.path, self.log = folder / FILE, log
        self.worked = time.monotonic()
        self.members = _job_processes()
        self.cpu, self.moved = cpu_seconds(self.members), moved_bytes(self.members)
        self.beat()
        self._over = threading.Event()
        threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True).start()

    def _keep_beating(self) -> None:
        while not self._over.wait(EVERY):
            self.beat()

    def stop(self) -> None:
        self._over.set()

    def beat(self) -> None:
        now = time.monotonic()
        self.members = _job_processes()
        cpu, moved = cpu_seconds(self.members), moved_bytes(self.members)
        if cpu - self.cpu > COMPUTES * EVERY or moved - self.moved > MOVES:
            self.worked = now
        self.worked = max(self.worked, self.log.said)
        self.cpu, self.moved = cpu, moved
        longest = max(self.log.longest, now - self.log.said)
        _write(self.path, Beat(boot(), now, self.worked, self.log.said, longest, cpu))


def health_of(folder: Path, process: dict[str, Any], several: bool = False, waits: bool = False) -> Health:
    """Whether the living process of a job gets on.

    `several` processes work together; `waits`: that it does nothing is its work, as a chat's that nobody asks.
    """
    if is_suspended(process, several):
        return Health(
            f"Its process is stopped (SIGSTOP) and computes nothing until it is continued: “kill -CONT "
            f"{process['pid']}” does. Stop continues it too, so that it can save.",
            stuck=True,
        )
    beat = last_beat(folder)
    if beat is None:  # it has just begun, or is of an earlier version
        return Health()
    now = time.monotonic()
    worked = beat.worked
    if now - beat.time > LATE and cpu_seconds(family(process)) - beat.cpu > 1:
        worked = now  # something long keeps its threads from beating
    elif now - beat.time > LATE:
        return Health(f"It has not been heard of for {_minutes(now - beat.time)}, and computes nothing. {REMEDY}", True)
    if not waits and now - worked > IDLE:
        return Health(
            f"It has done nothing for {_minutes(now - worked)}: no computing, no reading, no writing. Perhaps a "
            f"download, a network drive or a GPU does not answer. {REMEDY}",
            stuck=True,
        )
    if not waits and now - beat.said > QUIET:
        return Health(f"Nothing new for {_minutes(now - beat.said)}, but it is computing: this step takes long.")
    return Health()


REMEDY = "Wait if you know why; else press Stop: what was saved is kept."


def last_beat(folder: Path) -> Beat | None:
    """The newest beat since the machine was started; None where there is none that can be read."""
    try:
        raw = read_json(folder / FILE) or {}
    except UserError:
        return None
    numbers = [f.name for f in fields(Beat) if f.name != "boot"]
    if raw.get("boot") != boot() or not all(isinstance(raw.get(name), int | float) for name in numbers):
        return None
    return Beat(raw["boot"], *(float(raw[name]) for name in numbers))


def _write(path: Path, beat: Beat) -> None:
    """Over what stood there: the same bytes on the disk, so that a full one takes it."""
    text = json.dumps({name: round(v, 2) if isinstance(v, float) else v for name, v in asdict(beat).items()})
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.write(handle, text.ljust(BYTES).encode())
        finally:
            os.close(handle)
    except OSError:
        pass  # the disk refuses even that: what the job writes will say it


def _job_processes() -> list[psutil.Process]:
    """This process and those it started; of several that train together, all."""
    try:
        first = psutil.Process(os.getppid() if "LOCAL_RANK" in os.environ else None)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _minutes(seconds: float) -> str:
    return count(max(1, int(seconds / 60)), "minute")
