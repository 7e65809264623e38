"""Starts queued jobs as detached processes, one at a time, and says truthfully what became of each.

A process is named by its pid and start time. It belongs to nobody: when the app that started it dies, it goes on, and
the next app finds it by its folder. A job that ended without saying so is closed with what is known.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from core import tables
from core.jobs import events
from core.types import UserError
from core.workspace import Job, Workspace, write_atomically

log = logging.getLogger("tunewright")

WORKERS = {
    "train": "core.training.worker",
    "evaluate": "core.evaluation.worker",
    "chat": "core.evaluation.chat",
    "judge": "core.evaluation.judge",
}

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "4000000000", "MALLOC_MMAP_THRESHOLD_": "4000000000"}
"""For glibc: a process that trains or measures keeps the memory that a step frees, and the next step need not ask for
it page by page.

Measured on two cores with the starter model, in tokens/s: TRL's packed batches, whose logits are large, 154 without
and 192 with it; ours, which have few large tensors, 700 either way.
"""

# Children of this process, by job id: only a parent learns the signal that killed a process.
_children: dict[str, subprocess.Popen] = {}


@dataclass(frozen=True)
class Status:
    state: str
    """queued | running | stopping | finished | stopped | failed"""
    message: str
    """One sentence for a person."""
    outcome: dict[str, Any]

    @property
    def over(self) -> bool:
        return self.state in ("finished", "stopped", "failed")


def status(workspace: Workspace, job: Job) -> Status:
    """What the job's folder says now. Never writes."""
    folder = workspace.folder(job)
    if outcome := _read_json(folder / "outcome.json"):
        return Status(outcome["state"], outcome["message"], outcome)
    process = _read_json(folder / "process.json")
    if process is None:
        ahead = _jobs_ahead(workspace, job)
        waiting = f"Waiting: {ahead} job{'s' if ahead != 1 else ''} before it." if ahead else "Starting …"
        return Status("queued", waiting, {})
    if is_alive(process):
        stopping = (folder / "stop").exists()
        return Status("stopping" if stopping else "running", "Stopping after this step …" if stopping else "", {})
    # Since the first look it may have written its outcome and gone.
    if outcome := _read_json(folder / "outcome.json"):
        return Status(outcome["state"], outcome["message"], outcome)
    return Status("failed", _how_it_died(job, folder), {})


def tick(workspace: Workspace) -> None:
    """Close what died, start what is due. Safe to call from several processes at once, as often as one likes."""
    table = tables.jobs
    with workspace.engine.connect() as db:
        started = [Job(**r._mapping) for r in db.execute(sa.select(table).where(table.c.state == "started"))]
    for job in started:
        _close_if_over(workspace, job)
    _make_way(workspace)
    _start_next(workspace)


def watch(workspace: Workspace, every: float = 1.0) -> threading.Thread:
    """Tick in the background for as long as this process lives. Jobs do not depend on it, only the queue does."""

    def keep_ticking() -> None:
        while True:
            try:
                tick(workspace)
            except Exception:  # a locked database or a full disk must not end the watch
                log.exception("The queue could not be looked after; trying again.")
            time.sleep(every)

    thread = threading.Thread(target=keep_ticking, name="supervisor", daemon=True)
    thread.start()
    return thread


def stop(workspace: Workspace, job: Job) -> None:
    """Ask a job to finish its step, save, and exit. A queued job is taken from the queue."""
    folder = workspace.folder(job)
    table = tables.jobs
    with workspace.engine.begin() as db:
        waiting = (table.c.id == job.id) & (table.c.state == "queued")
        taken = db.execute(table.update().where(waiting).values(state="ended")).rowcount
    if taken:
        write_outcome(folder, "stopped", "Taken from the queue before it started.")
    else:
        (folder / "stop").touch()


def resume(workspace: Workspace, job: Job) -> None:
    """Queue a stopped or failed job again. Raises UserError otherwise.

    A run continues from its newest checkpoint; an evaluation measures what its folder does not hold yet.
    """
    now = status(workspace, job)
    folder = workspace.folder(job)
    if not now.over or now.state == "finished":
        raise UserError(f"{job.title} is {now.state}; only a stopped or failed run can be resumed.")
    if job.kind == "train" and not _checkpoints(folder):
        raise UserError(f"{job.title} has no checkpoint to resume from. Start a new run.")
    _close_if_over(workspace, job)
    _put_outcome_aside(folder)
    with workspace.engine.begin() as db:
        db.execute(tables.jobs.update().where(tables.jobs.c.id == job.id).values(state="queued"))
    tick(workspace)


def start_beside(workspace: Workspace, job: Job, **environment: str) -> None:
    """Start a job of the state `beside` at once, again where it is over. `environment` is the process's own.

    Raises UserError while it runs.
    """
    folder = workspace.folder(job)
    if is_running(workspace, job):
        raise UserError(f"{job.title} is running already.")
    if (folder / "process.json").exists() and not (folder / "outcome.json").exists():
        write_outcome(folder, "failed", _how_it_died(job, folder))
    _put_outcome_aside(folder)
    _launch(workspace, job, environment)


def is_running(workspace: Workspace, job: Job) -> bool:
    """Is the job's process alive? A process that has written its outcome, and is on its way out, counts as alive."""
    process = _read_json(workspace.folder(job) / "process.json")
    return process is not None and is_alive(process)


def end(workspace: Workspace, job: Job, patience: float = 10.0) -> None:
    """Ask a job's process to stop and wait until it is gone; after `patience` seconds it is killed."""
    folder = workspace.folder(job)
    process = _read_json(folder / "process.json")
    if process is None or not is_alive(process):
        return
    (folder / "stop").touch()
    until = time.time() + patience
    while is_alive(process):
        if time.time() > until:
            with suppress(psutil.NoSuchProcess):  # it ended at this very moment
                psutil.Process(process["pid"]).kill()
            until = time.time() + patience
        time.sleep(0.02)
    if not (folder / "outcome.json").exists():
        write_outcome(folder, "stopped", "Ended to free the memory.")


def wait(workspace: Workspace, job: Job, on_event=lambda event: None, every: float = 0.3) -> Status:
    """Follow a job to its end, calling `on_event` for each event. For the command line and tests."""
    offset = 0
    path = workspace.folder(job) / "events.jsonl"
    while True:
        tick(workspace)
        now = status(workspace, job)
        new, offset = events.read(path, offset)
        for event in new:
            on_event(event)
        if now.over and not new:
            return now
        time.sleep(every)


def write_outcome(folder: Path, state: str, message: str, **more: Any) -> None:
    outcome = {"schema": 1, "state": state, "message": message, "time": time.time(), **more}
    write_atomically(folder / "outcome.json", json.dumps(outcome, ensure_ascii=False, indent=2))


def _put_outcome_aside(folder: Path) -> None:
    """Make a job's folder ready for another start; how it ended before is kept under a number."""
    attempt = len(list(folder.glob("outcome.*.json"))) + 1
    if (folder / "outcome.json").exists():
        (folder / "outcome.json").rename(folder / f"outcome.{attempt}.json")
    for name in ("stop", "process.json"):
        (folder / name).unlink(missing_ok=True)


def _make_way(workspace: Workspace) -> None:
    """Before a job starts, every chat on this machine ends: the job wants the memory."""
    table = tables.jobs
    with workspace.engine.connect() as db:
        if not db.execute(sa.select(table.c.id).where(table.c.state == "queued").limit(1)).first():
            return
        if db.execute(sa.select(table.c.id).where(table.c.state == "started").limit(1)).first():
            return
        chats = [Job(**r._mapping) for r in db.execute(sa.select(table).where(table.c.kind == "chat"))]
    for job in chats:
        end(workspace, job)


def _start_next(workspace: Workspace) -> None:
    table = tables.jobs
    with workspace.engine.begin() as db:  # BEGIN IMMEDIATE: of two supervisors, one sees the other's claim
        if db.execute(sa.select(table.c.id).where(table.c.state == "started")).first():
            return
        first = sa.select(table).where(table.c.state == "queued").order_by(table.c.created, table.c.id).limit(1)
        row = db.execute(first).first()
        if row is None:
            return
        db.execute(table.update().where(table.c.id == row.id).values(state="started"))
    _launch(workspace, Job(**row._mapping))


def _launch(workspace: Workspace, job: Job, more: dict[str, str] | None = None) -> None:
    folder = workspace.folder(job)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    processes = job.spec.get("settings", {}).get("processes", 1)
    if processes > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    if job.kind in ("train", "evaluate"):
        environment = ALLOCATOR | environment
    environment |= more or {}
    with open(folder / "worker.log", "ab") as log:
        # Output goes to a file, never to a pipe that somebody must read; a new session outlives the terminal.
        process = subprocess.Popen(
            [sys.executable, *_launcher(processes), "-m", WORKERS[job.kind], str(folder), str(workspace.models)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=root,
            env=environment,
        )
    _children[job.id] = process
    try:
        started = psutil.Process(process.pid).create_time()
    except psutil.NoSuchProcess:
        started = time.time()
    write_atomically(folder / "process.json", json.dumps({"pid": process.pid, "started": started}))


def _launcher(processes: int) -> list[str]:
    """`accelerate launch` for more than one process: with what `accelerate config` wrote, or else plain DDP."""
    if processes == 1:
        return []
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    configured = any((home / "accelerate" / f"default_config.{kind}").is_file() for kind in ("yaml", "yml", "json"))
    # Without a GPU the same launcher starts processes that talk by gloo.
    plain = [] if configured else ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no"]
    own = ["--num_processes", str(processes), "--main_process_port", "0", "--dynamo_backend", "no"]
    return ["-m", "accelerate.commands.launch", *plain, *own]


def _close_if_over(workspace: Workspace, job: Job) -> None:
    folder = workspace.folder(job)
    child = _children.get(job.id)
    if not (folder / "outcome.json").exists():
        process = _read_json(folder / "process.json")
        if process is not None and is_alive(process):
            return
        if process is None and _just_claimed(folder):
            return  # another process is launching it at this moment
        if not (folder / "outcome.json").exists():  # since the first look it may have written it and gone
            write_outcome(folder, "failed", _how_it_died(job, folder), resumable=bool(_checkpoints(folder)))
    if child is not None:
        child.wait()
        if _children.get(job.id) is child:
            _children.pop(job.id, None)
    table = tables.jobs
    with workspace.engine.begin() as db:
        # While its process went away, somebody may have resumed it: then its outcome is put aside, and it stays queued.
        if (folder / "outcome.json").exists():
            ours = (table.c.id == job.id) & (table.c.state == "started")
            db.execute(table.update().where(ours).values(state="ended"))


def _just_claimed(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime < 30


def this_process() -> dict[str, Any]:
    """What `is_alive` knows this process by."""
    return {"pid": os.getpid(), "started": psutil.Process().create_time()}


def is_alive(process: dict[str, Any]) -> bool:
    """Is the process with that `pid`, which began at the time `started`, still running?"""
    try:
        found = psutil.Process(process["pid"])
        same = abs(found.create_time() - process["started"]) < 1.0
        return same and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _how_it_died(job: Job, folder: Path) -> str:
    seen, _ = events.read(folder / "events.jsonl")
    step = next((e.step for e in reversed(seen) if e.step is not None), None)
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
    saved = max(_checkpoints(folder), default=None)
    return where + (f". It can be resumed from step {saved}." if saved is not None else ".")


def _exit_code(job: Job) -> int | None:
    """Exit status of a child of this process; None where another process was its parent."""
    child = _children.get(job.id)
    if child is None:
        return None
    try:
        return child.wait(timeout=10)  # its main thread is gone; the others may still be on their way out
    except subprocess.TimeoutExpired:
        return None


def _checkpoints(folder: Path) -> list[int]:
    """Steps of the checkpoints that are complete."""
    found = folder.glob("checkpoints/checkpoint-*/trainer_state.json")
    return [int(path.parent.name.removeprefix("checkpoint-")) for path in found]


def _jobs_ahead(workspace: Workspace, job: Job) -> int:
    table = tables.jobs
    before = (table.c.state == "started") | ((table.c.state == "queued") & (table.c.created < job.created))
    query = sa.select(sa.func.count()).select_from(table).where(before & (table.c.id != job.id))
    with workspace.engine.connect() as db:
        return db.execute(query).scalar() or 0


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
