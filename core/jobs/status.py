"""What became of a job, as its folder and its process say.

A process is named by its pid and start time. It belongs to nobody: when the app that started it dies, it goes on, and
the next app finds it by its folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from core.errors import UserError
from core.files import read_json
from core.jobs import admission, events
from core.jobs.outcome import Outcome, outcome_of
from core.store.workspace import Job, Workspace

# Children of this process, by job id: only a parent learns the signal that killed a process.
children: dict[str, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Status:
    state: str
    """queued | running | stopping | finished | stopped | failed"""
    message: str
    """One sentence for a person."""
    outcome: Outcome | None = None
    """What outcome.json says; None while the job is not over, or where it died without a word."""

    @property
    def over(self) -> bool:
        return self.state in ("finished", "stopped", "failed")


def status_of(workspace: Workspace, job: Job) -> Status:
    """What the job's folder says now. Never writes; of a folder that is damaged or gone it says so."""
    folder = workspace.folder(job)
    if not folder.is_dir():
        return Status("failed", f"Its folder is gone: {folder}. Restore it, or start the job again.")
    try:
        return _said_by(workspace, job, folder)
    except UserError as e:
        return Status("failed", f"Its files are damaged: {e}")


def _said_by(workspace: Workspace, job: Job, folder: Path) -> Status:
    if outcome := outcome_of(folder):
        return Status(outcome.state, outcome.message, outcome)
    process = process_of(folder)
    if process is None:
        ahead = admission.ahead(workspace, job)
        waiting = f"Waiting: {ahead} job{'s' if ahead != 1 else ''} before it." if ahead else "Starting …"
        return Status("queued", waiting)
    if is_alive(process):
        stopping = (folder / "stop").exists()
        return Status("stopping" if stopping else "running", "Stopping after this step …" if stopping else "")
    # Since the first look it may have written its outcome and gone.
    if outcome := outcome_of(folder):
        return Status(outcome.state, outcome.message, outcome)
    return Status("failed", how_it_died(job, folder))


def is_running(workspace: Workspace, job: Job) -> bool:
    """Is the job's process alive? A process that has written its outcome, and is on its way out, counts as alive."""
    try:
        process = process_of(workspace.folder(job))
    except UserError:  # damaged, and no process works in this folder
        return False
    return process is not None and is_alive(process)


def process_of(folder: Path) -> dict[str, Any] | None:
    """The process that works in a job's folder, or did, as `is_alive` takes it; None where none was started.

    Raises UserError where process.json is damaged and no living process names the folder among its arguments.
    """
    try:
        process = read_json(folder / "process.json")
        if process is None or (_is_pid(process.get("pid")) and isinstance(process.get("started"), int | float)):
            return process
    except UserError:
        pass
    if living := process_in(folder):
        return living
    raise UserError("process.json is damaged: it names no process.")


def process_in(folder: Path) -> dict[str, Any] | None:
    """The living process that was started for a job's folder, found by its arguments: slow, for damaged folders."""
    for process in psutil.process_iter(["pid", "cmdline", "create_time"]):
        if str(folder) in (process.info["cmdline"] or ()):
            return {"pid": process.info["pid"], "started": process.info["create_time"]}
    return None


def _is_pid(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def write_outcome(folder: Path, state: Literal["finished", "stopped", "failed"], message: str, **more: Any) -> None:
    """`more` are further parts of an Outcome."""
    Outcome(state, message, **more).write(folder)


def this_process() -> dict[str, Any]:
    """What `is_alive` knows this process by."""
    return {"pid": os.getpid(), "started": psutil.Process().create_time()}


def is_alive(process: dict[str, Any]) -> bool:
    """Is the process with that `pid`, which began at the time `started`, still running?"""
    try:
        running = psutil.Process(process["pid"])
        same = abs(running.create_time() - process["started"]) < 1.0
        return same and running.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, OverflowError):  # no pid is as large
        return False


def how_it_died(job: Job, folder: Path) -> str:
    try:
        log, _ = events.read(folder / "events.jsonl")
    except (UserError, OSError):  # of a newer release, or no file at all
        log = []
    step = next((e.step for e in reversed(log) if e.step is not None), None)
    where = f"Ended at step {step}" if step is not None else "Ended before its first step"
    if job.kind in ("chat", "judge"):  # they have no steps
        where = "The process ended"
    code = _exit_code(job)
    if code is not None and code < 0:
        where += f": killed by signal {-code} ({signal.Signals(-code).name})"
    elif code:
        where += f": exit status {code}"
    else:
        where += " without a last word: it was killed, or the machine was switched off"
    saved = max(checkpoints_of(folder), default=None)
    return where + (f". It can be resumed from step {saved}." if saved is not None else ".")


def _exit_code(job: Job) -> int | None:
    """Exit status of a child of this process; None where another process was its parent."""
    child = children.get(job.id)
    if child is None:
        return None
    try:
        return child.wait(timeout=10)  # its main thread is gone; the others may still be on their way out
    except subprocess.TimeoutExpired:
        return None


def checkpoints_of(folder: Path) -> list[int]:
    """Steps of the checkpoints that are complete."""
    complete = folder.glob("checkpoints/checkpoint-*/trainer_state.json")
    numbers = (path.parent.name.removeprefix("checkpoint-") for path in complete)
    return [int(number) for number in numbers if number.isdecimal()]
