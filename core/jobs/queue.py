"""Starts queued jobs as detached processes, one at a time, and says truthfully what became of each.

A process is named by its pid and start time. It belongs to nobody: when the app that started it dies, it goes on, and
the next app finds it by its folder. A job that ended without saying so is closed with what is known.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from core import disk
from core.errors import UserError
from core.jobs import admission, alive, stopping
from core.jobs.alive import is_alive
from core.jobs.kinds import BESIDE
from core.jobs.launch import end, put_outcome_aside, start_process
from core.jobs.outcome import outcome_of
from core.jobs.process import REASON
from core.jobs.status import (
    checkpoints_of,
    children,
    death_of,
    health_of_job,
    process_in,
    process_of,
    status_of,
    what_is_left,
    write_outcome,
)
from core.store import tables
from core.store.workspace import Job, Workspace, now

log = logging.getLogger("tunewright")


def tick(workspace: Workspace) -> None:
    """Close what died, start what is due. Safe to call from several processes at once, as often as one likes."""
    table = tables.jobs
    # What asks an endpoint waits in no queue, but somebody must see to its end.
    due = table.c.state.in_(("started", "queued")) | ((table.c.state == "beside") & table.c.kind.in_(BESIDE))
    with workspace.engine.connect() as db:
        open_jobs = db.execute(sa.select(table).where(due)).all()
    if not open_jobs:
        return  # once a second nearly always, so it is one question and no more
    for row in open_jobs:
        if row.state != "queued":
            job = Job(**row._mapping)
            try:
                _close_if_over(workspace, job)
                _stop_in_time(workspace, job)
            except (UserError, OSError, ValueError) as e:
                if not disk.full(e):  # that is no damage: its end is told, and written when there is room
                    _close_damaged(workspace, job, e)
    _make_way(workspace)
    _start_next(workspace)


def watch(workspace: Workspace, every: float = 1.0) -> threading.Thread:
    """Tick in the background for as long as this process lives. Jobs do not depend on it, only the queue does."""

    def keep_ticking() -> None:
        logged = ""
        while True:
            try:
                tick(workspace)
                logged = ""
            except Exception as e:  # a locked database or a full disk must not end the watch, nor fill the log
                if str(e) != logged:
                    log.exception("The queue could not be looked after; trying again every %g s.", every)
                logged = str(e)
            time.sleep(every)

    thread = threading.Thread(target=keep_ticking, name="supervisor", daemon=True)
    thread.start()
    return thread


def stop(workspace: Workspace, job: Job) -> None:
    """Ask a job to finish its step, save, and exit: see core.jobs.stopping. A queued job is taken from the queue."""
    folder = workspace.folder(job)
    table = tables.jobs
    with workspace.engine.begin() as db:
        waiting = (table.c.id == job.id) & (table.c.state == "queued")
        taken = db.execute(table.update().where(waiting).values(state="ended")).rowcount
    if not taken:
        stopping.ask(folder)
        _see_to_its_end(job, folder)
        return
    try:
        write_outcome(folder, "stopped", "Taken from the queue before it started.")
    except OSError as e:
        raise UserError(f"{job.title} was taken from the queue. {disk.trouble(e, folder) or e.strerror}") from e


def resume(workspace: Workspace, job: Job) -> None:
    """Queue a stopped or failed job again. Raises UserError otherwise.

    A run continues from its newest checkpoint; an evaluation measures what its folder does not hold yet.
    """
    status = status_of(workspace, job)
    folder = workspace.folder(job)
    if not status.over or status.state == "finished":
        raise UserError(f"{job.title} is {status.state}; only a stopped or failed run can be resumed.")
    if job.kind == "train" and not checkpoints_of(folder):
        raise UserError(f"{job.title} has no checkpoint to resume from. Start a new run.")
    workspace.require_room(0, "Going on")
    with workspace.locked():
        enqueue(workspace, job)
    tick(workspace)


def enqueue(workspace: Workspace, job: Job) -> None:
    """Put a job that is over, or has not begun, into the queue; to be asked under `Workspace.locked`.

    Raises UserError where a visitor of a Space has no place in it.
    """
    with workspace.engine.begin() as db:
        workspace.require_turn(db)
    _close_if_over(workspace, job)
    put_outcome_aside(workspace.folder(job))
    with workspace.engine.begin() as db:
        db.execute(tables.jobs.update().where(tables.jobs.c.id == job.id).values(state="queued"))


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
        try:
            end(workspace, job)
        except (UserError, OSError, ValueError):  # a chat whose folder is damaged must not stop the queue
            log.exception("%s could not be ended.", job.title)


def _start_next(workspace: Workspace) -> None:
    table = tables.jobs
    beside = admission.free_beside(workspace)
    with workspace.engine.begin() as db:  # BEGIN IMMEDIATE: of two supervisors, one sees the other's claim
        job = admission.next_job(db, beside)
        if job is None:
            return
        db.execute(table.update().where(table.c.id == job.id).values(state="started", started=now()))
    try:
        start_process(workspace, job)
    except (OSError, UserError) as e:
        _close_damaged(workspace, job, e)


def _close_damaged(workspace: Workspace, job: Job, error: Exception) -> None:
    """End a job whose files cannot be read or written, truthfully, so that the others go on."""
    folder = workspace.folder(job)
    log.error("%s is closed: %s", job.title, error)
    if living := process_in(folder):
        alive.kill(living)  # what it computes has nowhere to go, or nobody who could know it
    with suppress(OSError):
        damaged = folder / "outcome.json"
        if damaged.exists():
            damaged.rename(folder / f"outcome.damaged.{len(list(folder.glob('outcome.damaged.*'))) + 1}")
        why = disk.trouble(error, folder) or f"Its files are damaged: {error}"
        write_outcome(folder, "failed", why, resumable=bool(checkpoints_of(folder)))
    child = children.pop(job.id, None)
    if child is not None:
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=LEAVING)
    _end(workspace, job)


def _close_if_over(workspace: Workspace, job: Job) -> None:
    folder = workspace.folder(job)
    child = children.get(job.id)
    if not folder.is_dir():
        raise UserError(f"its folder is gone: {folder}")
    outcome_of(folder)  # a damaged one is no outcome
    if not (folder / "outcome.json").exists():
        process = process_of(folder)
        if process is not None and is_alive(process):
            _see_to_its_end(job, folder)
            return
        if process is None and _just_claimed(folder):
            return  # another process is launching it at this moment
        if not (folder / "outcome.json").exists():  # since the first look it may have written it and gone
            write_outcome(folder, *death_of(job, folder), resumable=bool(checkpoints_of(folder)))
    if child is not None and not _has_left(folder, child):
        return  # it still has the memory
    if children.get(job.id) is child:
        children.pop(job.id, None)
    # While its process went away, somebody may have resumed it: then its outcome is put aside, and it stays queued.
    if (folder / "outcome.json").exists():
        _end(workspace, job)


LEAVING = 10.0
"""Seconds that a process has from its outcome until it is gone; then it is killed."""


def _has_left(folder: Path, child: subprocess.Popen[bytes]) -> bool:
    """Wait for a process that has written its outcome. One that hangs on its way out must not stop the queue."""
    try:
        child.wait(timeout=LEAVING)
    except subprocess.TimeoutExpired:
        log.warning("The process %d had ended its work but did not exit: it is killed.", child.pid)
        process = process_of(folder)
        if process is not None and process["pid"] == child.pid:
            alive.kill(process)
        return False
    return True


def _see_to_its_end(job: Job, folder: Path) -> None:
    """Of a living job that was asked to stop: do what is due, and once it was killed write that down."""
    process = process_of(folder)
    if process is None or not is_alive(process) or not (folder / stopping.FILE).exists():
        return
    killed = stopping.escalate(folder, process, health_of_job(job, folder, process))
    if killed and not (folder / "outcome.json").exists():
        kept = "What was measured until then is kept." if job.kind == "evaluate" else what_is_left(folder)
        saved = kept or "Nothing had been saved before."
        write_outcome(folder, "stopped", f"{killed} {saved}", resumable=bool(checkpoints_of(folder)))


def _end(workspace: Workspace, job: Job) -> None:
    table = tables.jobs
    with workspace.engine.begin() as db:
        ours = (table.c.id == job.id) & table.c.state.in_(("started", "beside"))
        db.execute(table.update().where(ours).values(state="ended"))


def _stop_in_time(workspace: Workspace, job: Job) -> None:
    """On a Space a job that has had its time is asked to stop; the reason stands beside."""
    limits, folder = workspace.settings.limits, workspace.folder(job)
    if workspace.settings.shared and admission.time_is_up(job, limits) and not (folder / stopping.FILE).exists():
        (folder / REASON).write_text(admission.time_sentence(limits), encoding="utf-8")
        stopping.ask(folder)


def _just_claimed(folder: Path) -> bool:
    return 0 <= time.time() - folder.stat().st_mtime < 30  # less than 0: the clock was set back since
