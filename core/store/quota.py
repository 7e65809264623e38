"""What a visitor of a Space may keep, and all of them together: projects, jobs that wait, bytes. Elsewhere no bound.

Every sentence says how much is used of how much, and what can be deleted. Asked where something is about to be made,
never by a page's clock: it walks the owner's folders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from core.errors import UserError
from core.settings import Limits
from core.store import tables

BLOCK = 4096
"""Bytes that the smallest file takes, and by which files grow."""
OF_A_LABEL = 1000
"""Bytes that a label takes beside what people write."""


@dataclass(frozen=True)
class Used:
    """Bytes that an owner keeps."""

    projects: dict[str, int]
    """Name of each → its datasets, runs, evaluations and chats."""
    labels: int

    @property
    def total(self) -> int:
        return sum(self.projects.values()) + self.labels


def used(home: Path, engine: sa.Engine, owner: str) -> Used:
    projects, events = tables.projects, tables.label_events
    written = sa.func.length(events.c.correction) + sa.func.length(events.c.note) + OF_A_LABEL
    with engine.connect() as db:
        own = db.execute(sa.select(projects.c.id, projects.c.name).where(projects.c.owner == owner)).all()
        labels = db.execute(sa.select(sa.func.sum(written)).where(events.c.annotator == owner)).scalar()
    return Used({name: size_of(home / "projects" / id_) for id_, name in own}, labels or 0)


def size_of(folder: Path) -> int:
    """Bytes on disk of all files below a folder; 0 where there is none. What goes away meanwhile is not counted."""
    return sum(-(-size // BLOCK) * BLOCK for _, size, _ in files_below(folder))


def files_below(folder: Path) -> Iterator[tuple[Path, int, float]]:
    """(file, bytes, time of its last change in seconds since the epoch) of each; links are not followed."""
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            try:
                about = path.lstat()
            except OSError:
                continue
            yield path, about.st_size, about.st_mtime


def require_room(limits: Limits, home: Path, engine: sa.Engine, owner: str, more: int, what: str) -> None:
    """Raise UserError where `more` bytes for `what` (a sentence's subject) exceed what an owner or all may keep."""
    kept = used(home, engine, owner)
    if kept.total + more > limits.owner_mb * 1_000_000:
        largest = sorted(kept.projects.items(), key=lambda item: -item[1])[:3]
        named = ", ".join(f"“{name}” {megabytes(size)}" for name, size in largest) or "no project"
        raise UserError(
            f"{what} takes {megabytes(more)}, and you keep {megabytes(kept.total)} of the {limits.owner_mb:,} MB that "
            f"a visitor of this Space may keep ({named}). Delete a project that you no longer need, or go on in a copy "
            "of the Space or on a machine of your own."
        )
    together = size_of(home / "projects")
    if together + more > limits.total_mb * 1_000_000:
        raise UserError(
            f"{what} takes {megabytes(more)}, and the visitors of this Space keep {megabytes(together)} of "
            f"{limits.total_mb:,} MB together. Delete a project that you no longer need, or go on in a copy of the "
            "Space or on a machine of your own."
        )


def require_another_project(limits: Limits, there: int) -> None:
    if there >= limits.max_projects:
        raise UserError(
            f"You have {there} projects, as many as a visitor of this Space may have. Delete one that you do not need."
        )


def require_turn(db: sa.Connection, owner: str) -> None:
    """Raise UserError where a job of the owner waits already: one waits, beside the one that runs.

    To be asked in the transaction that queues another.
    """
    jobs, projects = tables.jobs, tables.projects
    mine = (projects.c.owner == owner) & (jobs.c.state == "queued")
    query = sa.select(jobs.c.kind, jobs.c.number, jobs.c.name).join_from(jobs, projects).where(mine).limit(1)
    if waiting := db.execute(query).first():
        raise UserError(
            f"{tables.KINDS[waiting.kind]} {waiting.number} · {waiting.name} waits already, and a visitor of this "
            "Space has one place in the queue. Wait until it starts, or stop it to give its place to another."
        )


def in_words(limits: Limits, kept: Used) -> str:
    """What a visitor keeps of what they may keep, in a line."""
    return (
        f"A file has at most {limits.upload_mb:,} MB on this Space. You keep {megabytes(kept.total)} of "
        f"{limits.owner_mb:,} MB; a project that you delete makes room."
    )


def megabytes(size: int) -> str:
    """1,234 MB"""
    return f"{size / 1e6:,.0f} MB"
