"""Starts a job's process, detached, and ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import sqlalchemy as sa

from core.errors import UserError
from core.files import write_atomically
from core.jobs import alive, gpus, heartbeat, stopping
from core.jobs.alive import is_alive
from core.jobs.kinds import ALLOCATOR, WORKERS
from core.jobs.process import REASON
from core.jobs.status import children, how_it_died, is_running, process_of, write_outcome
from core.store import tables
from core.store.workspace import Job, Workspace


def start_beside(workspace: Workspace, job: Job, **environment: str) -> None:
    """Start a job of the state `beside` at once, again where it is over. `environment` is the process's own.

    Raises UserError while it runs.
    """
    folder = workspace.folder(job)
    if is_running(workspace, job):
        raise UserError(f"{job.title} is running already.")
    if (folder / "process.json").exists() and not (folder / "outcome.json").exists():
        write_outcome(folder, "failed", how_it_died(job, folder))
    put_outcome_aside(folder)
    start_process(workspace, job, environment)


def owners_beside(workspace: Workspace, kind: str) -> list[str]:
    """Whose jobs of a kind that waits in no queue run now, of all visitors. To be asked under `Workspace.locked`, with
    which another is started.
    """
    jobs, projects = tables.jobs, tables.projects
    of_kind = (jobs.c.kind == kind) & (jobs.c.state == "beside")
    with workspace.engine.connect() as db:
        rows = db.execute(sa.select(jobs, projects.c.owner).join_from(jobs, projects).where(of_kind)).all()
    living = []
    for row in rows:
        job = Job(**{column.name: row._mapping[column] for column in jobs.c})
        if not (workspace.folder(job) / "outcome.json").exists() and is_running(workspace, job):
            living.append(row.owner)
    return living


def require_place_beside(workspace: Workspace, kind: str, noun: str, most: int) -> None:
    """Raise UserError where a visitor of a Space has a job of such a kind going on, or `most` others have one."""
    if not workspace.bounded:
        return
    owners = owners_beside(workspace, kind)
    if workspace.owner in owners:
        article = "An" if noun[0] in "aeiou" else "A"
        raise UserError(f"{article} {noun} of yours is going on. Wait for its end, or cancel it.")
    if len(owners) >= most:
        raise UserError(f"{len(owners)} {noun}s are going on, as many as this Space takes at a time. Try again later.")


def end(workspace: Workspace, job: Job, patience: float = 10.0) -> None:
    """Ask a job's process to stop and wait until it is gone; after `patience` seconds it is killed.

    Raises UserError where not even that ends it.
    """
    folder = workspace.folder(job)
    try:
        process = process_of(folder)
    except UserError:  # damaged, and nobody works there
        return
    if process is None or not is_alive(process):
        return
    with suppress(OSError):  # where the disk does not even take that, it is killed
        (folder / stopping.FILE).touch()
    if alive.is_suspended(process):
        alive.let_go_on(process)
    began, killed = time.monotonic(), False
    while is_alive(process):
        waited = time.monotonic() - began
        if waited > patience and not killed:
            alive.kill(process)
            killed = True
        if waited > patience + UNKILLABLE:
            raise UserError(f"{job.title} cannot be ended: its process {process['pid']} does not even die when killed.")
        time.sleep(0.02)
    if not (folder / "outcome.json").exists():
        write_outcome(folder, "stopped", "Ended to free the memory.")


UNKILLABLE = 30.0
"""Seconds after SIGKILL: a process that waits for a disk which does not answer dies only with that."""


def put_outcome_aside(folder: Path) -> None:
    """Make a job's folder ready for another start; how it ended before is kept under a number."""
    attempt = len(list(folder.glob("outcome.*.json"))) + 1
    if (folder / "outcome.json").exists():
        (folder / "outcome.json").rename(folder / f"outcome.{attempt}.json")
    for name in (stopping.FILE, REASON, "process.json", heartbeat.FILE):
        (folder / name).unlink(missing_ok=True)


def start_process(workspace: Workspace, job: Job, more: dict[str, str] | None = None) -> None:
    folder = workspace.folder(job)
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    processes = job.spec.get("settings", {}).get("processes", 1)
    if processes > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    else:
        environment |= gpus.chosen()
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
    children[job.id] = process
    try:
        name = alive.named(process.pid)
    except psutil.NoSuchProcess:
        name = {"pid": process.pid, "started": time.time()}
    write_atomically(folder / "process.json", json.dumps(name))


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
