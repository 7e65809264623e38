"""Whose turn it is: which job starts next, and which has had its time.

Turns go round between owners: the next job is of the owner who was given a turn least recently, so that many jobs of
one do not keep another waiting. One owner's jobs start in the order in which they were queued. On a Space an
evaluation, which takes minutes, need not wait for a training, which takes hours: it starts beside it where the memory
suffices.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from core.jobs import gpus
from core.settings import Limits
from core.store import tables
from core.store.workspace import Job, Workspace

NEVER = ""
"""Before every time."""


def in_order(db: sa.Connection) -> list[Job]:
    """The jobs that wait, in the order in which they will start."""
    jobs, projects = tables.jobs, tables.projects
    query = sa.select(jobs, projects.c.owner).join_from(jobs, projects)
    rows = db.execute(query.where(jobs.c.state == "queued").order_by(jobs.c.created, jobs.c.id)).all()
    turns = sa.select(projects.c.owner, sa.func.max(jobs.c.started)).join_from(jobs, projects)
    served = {owner: started or NEVER for owner, started in db.execute(turns.group_by(projects.c.owner))}
    waiting = [(row.owner, Job(**{c.name: row._mapping[c] for c in jobs.c})) for row in rows]
    ordered: list[Job] = []
    while waiting:
        # `min` takes the first of equals: who was queued first.
        owner, job = min(waiting, key=lambda one: served[one[0]])
        waiting.remove((owner, job))
        served[owner] = f"~{len(ordered):09}"  # after every time, and after those before it
        ordered.append(job)
    return ordered


def next_job(db: sa.Connection, beside: int) -> Job | None:
    """The job that is to start now. `beside`: free bytes for an evaluation beside a training; 0: none may start so."""
    jobs = tables.jobs
    started = db.execute(sa.select(jobs.c.kind).where(jobs.c.state == "started")).scalars().all()
    waiting = in_order(db)
    if _only_trains(started):
        waiting = [job for job in waiting if job.kind == "evaluate" and job.memory and job.memory <= beside]
    elif started:
        return None
    return waiting[0] if waiting else None


def free_beside(workspace: Workspace) -> int:
    """Bytes for `next_job`: 0 unless an evaluation waits for a training alone, on a Space."""
    if not workspace.settings.shared:
        return 0
    jobs = tables.jobs
    with workspace.engine.connect() as db:
        rows = db.execute(sa.select(jobs.c.kind, jobs.c.state).where(jobs.c.state.in_(("started", "queued")))).all()
    waits = any(row.state == "queued" and row.kind == "evaluate" for row in rows)
    if not waits or not _only_trains([row.kind for row in rows if row.state == "started"]):
        return 0
    return free_memory()


def _only_trains(started: Sequence[str]) -> bool:
    return list(started) == ["train"]


def free_memory() -> int:
    """Bytes that another job could take now: of the emptiest GPU where there is one, else of machine or container."""
    import psutil

    if here := gpus.gpus():
        return max(gpu.free for gpu in here)
    free = psutil.virtual_memory().available
    try:
        group = Path("/sys/fs/cgroup")
        most, taken = ((group / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        return min(free, int(most) - int(taken))
    except (OSError, ValueError):  # no container, or one without a limit
        return free


def ahead(workspace: Workspace, job: Job) -> int:
    """Jobs that run, or start, before one that waits."""
    jobs = tables.jobs
    running = sa.select(sa.func.count()).select_from(jobs).where((jobs.c.state == "started") & (jobs.c.id != job.id))
    with workspace.engine.connect() as db:
        ids = [other.id for other in in_order(db)]
        return (db.execute(running).scalar() or 0) + (ids.index(job.id) if job.id in ids else 0)


def time_is_up(job: Job, limits: Limits) -> bool:
    """Has a started job had all the time that a Space gives to one?"""
    if job.started is None:  # by a release that did not note it
        return False
    began = datetime.fromisoformat(job.started)
    return datetime.now(UTC) - began > timedelta(hours=limits.max_hours)


def time_sentence(limits: Limits) -> str:
    return f"This Space gives one job {limits.max_hours:g} hours. Resume it to go on when its turn comes again."
