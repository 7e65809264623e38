"""What became of a job, as its folder and its process say.

A process is named by its pid and start time. It belongs to nobody: when the app that started it dies, it goes on, and
the next app finds it by its folder.
"""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from core import disk
from core.errors import UserError
from core.files import read_json
from core.jobs import admission, events, stopping
from core.jobs.alive import is_alive
from core.jobs.alive import this_process as this_process  # for whoever asks about jobs
from core.jobs.heartbeat import Health, health_of
from core.jobs.kinds import BESIDE
from core.jobs.outcome import Outcome, outcome_of
from core.store.workspace import Job, Workspace

DISK_FULL = 28
"""Exit status of a job's process that could not write how it ended."""

NOTHING = 100_000
"""Bytes: with as few free, the disk is why a job ended without a word."""

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
    stuck: bool = False
    """Does its process live, but not get on? The message says how that is known."""

    @property
    def over(self) -> bool:
        return self.state in ("finished", "stopped", "failed")


def status_of(workspace: Workspace, job: Job) -> Status:
    """What the job's folder says now. Never writes; of a folder that is damaged or gone it says so."""
    folder = workspace.folder(job)
    try:
        if not folder.is_dir():
            return Status("failed", f"Its folder is gone: {folder}. Restore it, or start the job again.")
        return _said_by(workspace, job, folder)
    except UserError as e:
        return Status("failed", f"Its files are damaged: {e}")
    except OSError as e:
        return Status("failed", f"Its files cannot be read. {disk.trouble(e, folder) or e}")


def _said_by(workspace: Workspace, job: Job, folder: Path) -> Status:
    if outcome := outcome_of(folder):
        return Status(outcome.state, outcome.message, outcome)
    process = process_of(folder)
    if process is None:
        return _waiting(workspace, job)
    if is_alive(process):
        return _at_work(job, folder, process)
    # Since the first look it may have written its outcome and gone.
    if outcome := outcome_of(folder):
        return Status(outcome.state, outcome.message, outcome)
    return Status(*death_of(job, folder))


def _waiting(workspace: Workspace, job: Job) -> Status:
    if workspace.job(job.id).state == "ended":
        return Status("failed", "It could not be started, and its folder takes no files that would say why.")
    ahead = admission.ahead(workspace, job)
    waiting = f"Waiting: {ahead} job{'s' if ahead != 1 else ''} before it." if ahead else "Starting …"
    return Status("queued", waiting)


def _at_work(job: Job, folder: Path, process: dict[str, Any]) -> Status:
    health = health_of_job(job, folder, process)
    if (folder / stopping.FILE).exists():
        about = health.text if health.stuck else ""
        return Status("stopping", f"{about} {stopping.said(folder, health)}".strip(), stuck=health.stuck)
    return Status("running", health.text, stuck=health.stuck)


def health_of_job(job: Job, folder: Path, process: dict[str, Any]) -> Health:
    """Does the living process of a job get on?"""
    several = job.spec.get("settings", {}).get("processes", 1) > 1
    return health_of(folder, process, several, waits=job.kind == "chat" or job.kind in BESIDE)


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


def death_of(job: Job, folder: Path) -> tuple[Literal["stopped", "failed"], str]:
    """State and message of a job whose process is gone without a word."""
    if (folder / stopping.FILE).exists() and _exit_code(job) == -signal.SIGTERM:
        # It was still loading its libraries: later it takes the signal for a request to save.
        return "stopped", f"It ended when it was told to (SIGTERM). {what_is_left(folder)}".rstrip()
    return "failed", how_it_died(job, folder)


def how_it_died(job: Job, folder: Path) -> str:
    try:
        log, _ = events.tail(folder / "events.jsonl")
    except (UserError, OSError):  # of a newer release, or no file at all
        log = []
    step = next((e.step for e in reversed(log) if e.step is not None), None)
    where = f"Ended at step {step}" if step is not None else "Ended before its first step"
    if job.kind == "chat" or job.kind in BESIDE:  # they have no steps
        where = "The process ended"
    code = _exit_code(job)
    if code == DISK_FULL:
        where += f": the disk took not even the reason. {disk.what_could_go(folder)}"
    elif code is not None and code < 0:
        where += f": killed by signal {-code} ({signal.Signals(-code).name})"
    elif code:
        where += f": exit status {code}"
    elif disk.free_bytes(folder) < NOTHING:
        where += f" without a last word, and the disk is full. {disk.what_could_go(folder)}"
    else:
        where += " without a last word: it was killed, or the machine was switched off"
    return f"{where.removesuffix('.')}. {what_is_left(folder)}".rstrip()


def what_is_left(folder: Path) -> str:
    """From which step a run can be resumed, as a sentence; empty where from none."""
    saved = max(checkpoints_of(folder), default=None)
    return f"It can be resumed from step {saved}." if saved is not None else ""


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
    """Steps of the checkpoints that are complete: Trainer writes its state last, and a full disk may cut it short."""
    complete = (path for path in folder.glob("checkpoints/checkpoint-*/trainer_state.json") if _is_whole(path))
    numbers = (path.parent.name.removeprefix("checkpoint-") for path in complete)
    return [int(number) for number in numbers if number.isdecimal()]


def _is_whole(path: Path) -> bool:
    """Does a file end as a JSON object does?"""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - 20))
            return file.read().rstrip().endswith(b"}")
    except OSError:
        return False
