"""Stopping a job: it is asked, after a minute told (SIGTERM), and then killed with all that it started; each is said.

A job that gets on is given the time that its steps take: killing it would lose what they computed. Whoever looks after
the queue carries this out, so it goes on when the page that asked is closed.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from core import disk
from core.errors import UserError
from core.files import read_json, write_atomically
from core.jobs import alive
from core.jobs.alive import boot
from core.jobs.heartbeat import Health, last_beat

FILE = "stop"
ASKED = 60.0
"""Seconds from asking to SIGTERM."""
TOLD = 20.0
"""Seconds from SIGTERM to SIGKILL."""
MOST = 1800.0
"""Seconds that a job which gets on is given at most."""


def ask(folder: Path) -> None:
    """Ask a job's process to finish its step, save, and exit. Asked again it is as if it had been asked once."""
    path = folder / FILE
    if path.exists():
        return
    try:
        write_atomically(path, json.dumps({"boot": boot(), "asked": time.monotonic()}))
    except OSError as e:
        try:
            path.touch()  # an empty file may go where the disk is full
        except OSError:
            raise UserError(f"It cannot be told to stop. {disk.trouble(e, folder) or f'{e.strerror}: {path}.'}") from e


def seconds_asked(folder: Path) -> float | None:
    """How long ago a job was asked to stop, without the time that the machine slept; None where it was not."""
    path = folder / FILE
    try:
        raw = read_json(path)
    except UserError:  # it is empty: of an earlier version, a full disk, or a SIGTERM from elsewhere
        raw = {}
    if raw is None:
        return None
    asked = raw.get("asked")
    if isinstance(asked, int | float) and raw.get("boot") == boot():
        return max(0.0, time.monotonic() - asked)
    with suppress(OSError):
        return max(0.0, time.time() - path.stat().st_mtime)
    return None


def patience(folder: Path, health: Health) -> float:
    """Seconds from asking to SIGTERM: longer for a job that gets on, as long as it was ever silent, twice."""
    beat = last_beat(folder)
    return ASKED if health.stuck or beat is None else min(MOST, max(ASKED, 2 * beat.longest))


def said(folder: Path, health: Health) -> str:
    """What a job that was asked to stop is doing about it."""
    asked = seconds_asked(folder) or 0.0
    left = patience(folder, health) - asked
    if left <= 0:
        kill = max(0, round(left + TOLD))
        return f"It did not stop by itself and was told to end (SIGTERM); in {kill} s it is killed. {SAVED}"
    if asked < ASKED and not health.stuck:
        return "Stopping after this step …"
    return f"Asked to stop {asked:.0f} s ago; in {left:.0f} s it is told to end (SIGTERM), then killed. {SAVED}"


SAVED = "What was saved is kept."


def escalate(folder: Path, process: dict[str, Any], health: Health) -> str:
    """Do what is due to the living process of a job that was asked to stop; returns how it was killed, once it was."""
    asked = seconds_asked(folder)
    if asked is None:
        return ""
    due = patience(folder, health)
    if alive.is_suspended(process, several=True):
        alive.let_go_on(process)  # first of all: suspended it can neither hear nor save
    if asked > due + TOLD:
        alive.kill(process)
        return f"It did not stop within {asked:.0f} s, not even when told to end (SIGTERM), and was killed (SIGKILL)."
    if asked > due:
        alive.tell_to_end(process)
    return ""
