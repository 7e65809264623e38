"""One folder and one database: projects, dataset versions and jobs, each belonging to an owner.

Every read and write goes through a `Workspace`, which carries the owner: what belongs to somebody else does not exist
for it. Files are written beside their place and renamed, so a crash leaves either the old state or the new one.

    home/projects/<project>/project.json           what people wrote for the whole project: its system prompt
    home/projects/<project>/datasets/<version>/rows.parquet, manifest.json, source.*
    home/projects/<project>/jobs/<job>/            a training run or an evaluation: see core/jobs
    home/models/                                   the starter model
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core import disk
from core.errors import UserError
from core.files import or_gone, whole_folder, write_atomically
from core.settings import Settings
from core.store import database, quota, tables
from core.store.datasets import Written, copy_rows, read_rows, write_rows
from core.store.queries import Rows
from core.store.turns import reading
from core.types import DatasetVersion, Example, Split

LOCAL_OWNER = "local"
SAMPLE_OWNER = "sample"
"""Of the sample project that a Space lends to every visitor who has none of their own."""
NOBODY = "deleted"
"""Owner of projects whose files were deleted."""


@dataclass(frozen=True)
class Project:
    id: str
    owner: str
    name: str
    created: str


@dataclass(frozen=True)
class Job:
    """A row of the jobs table. What the process did since is in its folder: see core/jobs/status.py."""

    id: str
    project_id: str
    kind: str
    number: int
    name: str
    run_id: str | None
    spec: dict[str, Any]
    state: str
    created: str
    started: str | None = None
    """When it was given its turn last."""
    memory: int | None = None
    """Bytes that it is expected to take; None: not known."""

    @property
    def title(self) -> str:
        return f"{tables.KINDS[self.kind]} {self.number} · {self.name}"


@dataclass(frozen=True)
class Workspace:
    settings: Settings
    engine: sa.Engine
    owner: str = LOCAL_OWNER

    @property
    def models(self) -> Path:
        return self.settings.home / "models"

    def as_owner(self, owner: str) -> Workspace:
        return replace(self, owner=owner)

    @property
    def bounded(self) -> bool:
        """Is its owner a visitor of a Space, who has no more than their share of it?"""
        return self.settings.shared and self.owner not in (LOCAL_OWNER, SAMPLE_OWNER)

    # projects

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time: for what depends on what is there, as the next version or the only chat.

        Who has it may ask for it again: whatever makes something of the sample that is lent takes it first.
        """
        from filelock import FileLock

        with FileLock(self.settings.home / "workspace.lock", is_singleton=True):
            yield

    def projects(self) -> list[Project]:
        """The owner's, oldest first; a visitor of a Space who has none yet finds the sample, as if it were theirs."""
        own = self._own_projects()
        return own or [replace(p, id=self._mine(p.id), owner=self.owner) for p in self._lent_projects()]

    def _own_projects(self) -> list[Project]:
        query = sa.select(tables.projects).where(tables.projects.c.owner == self.owner)
        with reading(self.engine) as db:
            rows = db.execute(query.order_by(tables.projects.c.created, tables.projects.c.id))
            return [Project(**row._mapping) for row in rows]

    def project(self, project_id: str | None) -> Project:
        """Raises UserError when there is no such project of this owner."""
        project = next((p for p in self.projects() if p.id == project_id), None)
        if project is None:
            raise UserError("This project does not exist, or is somebody else's. Choose one from the list.")
        return project

    def create_project(self, name: str) -> Project:
        name = clean_name(name, "project")
        self.take_sample()
        there = self.projects()
        if any(p.name.casefold() == name.casefold() for p in there):
            raise UserError(f"There is already a project called “{name}”. Choose another name.")
        if self.bounded:
            quota.require_another_project(self.settings.limits, len(there))
        project = Project(new_id(), self.owner, name, now())
        with self.engine.begin() as db:
            self._insert(db, [project])
        return project

    # the sample that a Space lends: until its borrower makes something, nothing of them is stored

    def _lent_projects(self) -> list[Project]:
        if not self.bounded:
            return []
        sample = self.as_owner(SAMPLE_OWNER)
        return [p for p in sample._own_projects() if sample.versions(p.id)]

    def _mine(self, lent_id: str) -> str:
        """The id that a lent project or version has for this owner, now and when it is theirs."""
        return hashlib.sha256(f"{self.owner} {lent_id}".encode()).hexdigest()[:32]

    def _lent_versions(self) -> dict[str, DatasetVersion]:
        """Id for this owner → the version that is lent; empty as soon as they have projects of their own."""
        if self._own_projects():
            return {}
        sample = self.as_owner(SAMPLE_OWNER)
        return {self._mine(v.id): v for p in self._lent_projects() for v in sample.versions(p.id)}

    def _as_mine(self, lent: DatasetVersion) -> DatasetVersion:
        return replace(lent, id=self._mine(lent.id), project_id=self._mine(lent.project_id))

    def take_sample(self) -> None:
        """Make the sample that is lent the owner's own, under the same ids: what they make belongs to it."""
        if not self._lent_projects() or self._own_projects():
            return
        with self.locked():
            lent, projects = self._lent_versions(), self.projects()
            if self._own_projects():
                return  # since the first look
            for id_, version in lent.items():
                folder = self._version_folder(self._mine(version.project_id), id_)
                with whole_folder(folder, self.settings.home) as partial:
                    shutil.copytree(self._version_folder(version.project_id, version.id), partial, dirs_exist_ok=True)
            with self.engine.begin() as db:
                self._insert(db, projects)
                for version in lent.values():
                    db.execute(tables.dataset_versions.insert().values(**vars(self._as_mine(version))))

    def _insert(self, db: sa.Connection, projects: list[Project]) -> None:
        """Projects, and their owner where it is a visitor who had none: from now on they are known."""
        visitors = tables.visitors
        known = db.execute(sa.select(visitors).where(visitors.c.owner == self.owner)).first()
        if self.bounded and not known:
            db.execute(visitors.insert().values(owner=self.owner, created=now()))
        for project in projects:
            db.execute(tables.projects.insert().values(**vars(project)))

    def forget_project(self, project_id: str) -> None:
        """Delete a project's files, and let it be nobody's; no process may work in it: see core.jobs.deletion."""
        project = self.project(project_id)
        with self.engine.begin() as db:
            projects = tables.projects
            db.execute(projects.update().where(projects.c.id == project.id).values(owner=NOBODY))
        shutil.rmtree(self.settings.home / "projects" / project.id, ignore_errors=True)

    # dataset versions

    def versions(self, project_id: str) -> list[DatasetVersion]:
        """Versions of a project, oldest first."""
        self.project(project_id)
        table = tables.dataset_versions
        query = sa.select(table).where(table.c.project_id == project_id).order_by(table.c.number)
        with reading(self.engine) as db:
            own = [DatasetVersion(**row._mapping) for row in db.execute(query)]
        return own or [
            self._as_mine(v) for v in self._lent_versions().values() if self._mine(v.project_id) == project_id
        ]

    def version(self, version_id: str) -> DatasetVersion:
        table = tables.dataset_versions
        with reading(self.engine) as db:
            row = db.execute(sa.select(table).where(table.c.id == version_id)).first()
        if row is None:
            if lent := self._lent_versions().get(version_id):
                return self._as_mine(lent)
            raise UserError("This dataset version does not exist. Import the rows again.")
        self.project(row.project_id)
        return DatasetVersion(**row._mapping)

    def add_version(
        self,
        project_id: str,
        name: str,
        examples: Iterable[Example],
        manifest: dict[str, Any],
        source: Path | None = None,
        parent_id: str | None = None,
    ) -> DatasetVersion:
        """Freeze examples as the project's next version. The uploaded file is kept beside the rows."""

        def write(path: Path) -> tuple[Written, dict[str, Any]]:
            return write_rows(path, examples), manifest

        return self.add_written(project_id, name, write, source, parent_id)

    def add_changed(
        self,
        parent: DatasetVersion,
        manifest: dict[str, Any],
        changed: Mapping[int, Example],
        added: Iterable[Example] = (),
    ) -> DatasetVersion:
        """Freeze a version's rows, some changed (by their place) and others added, as the project's next version."""
        source = self.rows_file(parent.id)
        self.require_room(quota.size_of(source.parent), "Another version")

        def write(path: Path) -> tuple[Written, dict[str, Any]]:
            return copy_rows(source, path, changed, added), manifest

        return self.add_written(parent.project_id, parent.name, write, parent_id=parent.id)

    def add_copy(self, source: DatasetVersion, manifest: dict[str, Any], parent_id: str) -> DatasetVersion:
        """Freeze the rows of a version once more, as the project's next one, with all that was found in them."""
        folder = self.rows_file(source.id).parent
        self.require_room(quota.size_of(folder), "Another version")

        def write(path: Path) -> tuple[Written, dict[str, Any]]:
            besides = shutil.ignore_patterns("manifest.json", "source.*", "*.partial")
            shutil.copytree(folder, path.parent, dirs_exist_ok=True, ignore=besides)
            return Written(sum(source.counts.values()), Counter(source.counts), source.content_hash), manifest

        return self.add_written(source.project_id, source.name, write, parent_id=parent_id)

    def add_written(
        self,
        project_id: str,
        name: str,
        write: Callable[[Path], tuple[Written, dict[str, Any]]],
        source: Path | None = None,
        parent_id: str | None = None,
    ) -> DatasetVersion:
        """Freeze what `write` writes to the path it is given as the next version; it returns its manifest, too.

        Whatever ends it before, nothing is left of it.
        """
        self.take_sample()
        self.project(project_id)
        version_id = new_id()
        with whole_folder(self._version_folder(project_id, version_id), self.settings.home) as partial:
            written, manifest = write(partial / "rows.parquet")
            text = json.dumps(manifest, ensure_ascii=False, indent=2)
            (partial / "manifest.json").write_text(text, encoding="utf-8")
            if source is not None:
                shutil.copyfile(source, partial / f"source{source.suffix.lower()}")
        counts = {split: written.counts[split] for split in ("train", "validation", "test")}
        table = tables.dataset_versions
        with or_gone(self._version_folder(project_id, version_id)), self.engine.begin() as db:
            self._one_at_a_time(db, project_id)
            newest = db.execute(sa.select(sa.func.max(table.c.number)).where(table.c.project_id == project_id)).scalar()
            version = DatasetVersion(
                *(version_id, project_id, (newest or 0) + 1, parent_id, written.content_hash),
                *(name, counts, manifest, now()),
            )
            db.execute(table.insert().values(**vars(version)))
        return version

    def examples(self, version_id: str, split: Split | None = None) -> list[Example]:
        """All rows of a version, in the order of the file: for workers and commands. Pages ask `rows`."""
        return read_rows(self.rows_file(version_id), split)

    def rows(self, version_id: str) -> Rows:
        """The rows of a version, which stay on disk."""
        return Rows(self.rows_file(version_id))

    def rows_file(self, version_id: str) -> Path:
        version = self.version(version_id)
        version = self._lent_versions().get(version.id, version)
        return self._version_folder(version.project_id, version.id) / "rows.parquet"

    def _version_folder(self, project_id: str, version_id: str) -> Path:
        return self.settings.home / "projects" / project_id / "datasets" / version_id

    # jobs

    def jobs(self, project_id: str | None, kind: str | None = None) -> list[Job]:
        """Jobs of a project, newest first."""
        self.project(project_id)
        table = tables.jobs
        query = sa.select(table).where(table.c.project_id == project_id)
        if kind:
            query = query.where(table.c.kind == kind)
        with reading(self.engine) as db:
            return [Job(**row._mapping) for row in db.execute(query.order_by(table.c.created.desc(), table.c.id))]

    def job(self, job_id: str | None) -> Job:
        """A job of this owner. Raises UserError where there is none of that id."""
        table = tables.jobs
        with reading(self.engine) as db:
            row = db.execute(sa.select(table).where(table.c.id == job_id)).first()
        if row is None:
            raise UserError("This run does not exist. Choose one from the list.")
        self.project(row.project_id)
        return Job(**row._mapping)

    def add_job(
        self,
        project_id: str,
        kind: str,
        name: str,
        spec: dict[str, Any],
        run_id: str | None = None,
        finished: Path | None = None,
        state: str = "queued",
        memory: int | None = None,
    ) -> Job:
        """Put a job into the queue. Its folder and spec.json exist before the queue shows it.

        `finished` is a folder with all that the job leaves behind, on the same disk: it becomes the job's folder, and
        the job is over when it appears. With the state `beside` it waits in no queue: see
        core.jobs.launch.start_beside. `memory`: bytes that it is expected to take. Raises UserError where a visitor of
        a Space has no room, or no place in the queue.
        """
        self.take_sample()
        self.project(project_id)
        self.require_room(quota.size_of(finished) if finished else 0, f"Another {tables.KINDS[kind].lower()}")
        job_id = new_id()
        folder = self.job_folder(project_id, job_id)
        state = state if finished is None else "ended"
        with or_gone(folder):
            if finished is None:
                folder.mkdir(parents=True)
            else:
                finished.rename(folder)
            write_atomically(folder / "spec.json", json.dumps(spec, ensure_ascii=False, indent=2))
            return self._insert_job(Job(job_id, project_id, kind, 0, name, run_id, spec, state, now(), None, memory))

    def _insert_job(self, job: Job) -> Job:
        """With the next number of its kind."""
        table = tables.jobs
        mine = (table.c.project_id == job.project_id) & (table.c.kind == job.kind)
        with self.engine.begin() as db:
            self._one_at_a_time(db, job.project_id)
            if job.state == "queued":
                self.require_turn(db)
            newest = db.execute(sa.select(sa.func.max(table.c.number)).where(mine)).scalar()
            job = replace(job, number=(newest or 0) + 1)
            db.execute(table.insert().values(**vars(job)))
        return job

    @staticmethod
    def _one_at_a_time(db: sa.Connection, project_id: str) -> None:
        """Until the transaction ends nobody else gives a number in this project. SQLite has one writer anyway."""
        projects = tables.projects.c
        db.execute(sa.select(projects.id).where(projects.id == project_id).with_for_update())

    def require_room(self, more: int, what: str) -> None:
        """Raise UserError where `more` bytes for `what` exceed what a visitor of a Space may keep."""
        if self.bounded:
            quota.require_room(self.settings.limits, self.settings.home, self.engine, self.owner, more, what)

    def kept(self) -> quota.Used:
        """Bytes that its owner keeps on disk."""
        return quota.used(self.settings.home, self.engine, self.owner)

    def require_turn(self, db: sa.Connection) -> None:
        """Raise UserError where a job of a visitor waits already. In the transaction that queues another."""
        if self.bounded:
            quota.require_turn(db, self.owner)

    def folder(self, job: Job) -> Path:
        return self.job_folder(job.project_id, job.id)

    def job_folder(self, project_id: str, job_id: str) -> Path:
        return self.settings.home / "projects" / project_id / "jobs" / job_id


def open_workspace(settings: Settings, owner: str = LOCAL_OWNER) -> Workspace:
    """The workspace of `settings`, its folder and database created or brought up to date.

    Raises UserError where the disk refuses that.
    """
    with disk.told(settings.home):
        settings.home.mkdir(parents=True, exist_ok=True)
        return Workspace(settings, database.opened(settings.url, str(settings.home)), owner)


def clean_name(name: str, what: str) -> str:
    """A person's name for something: trimmed, one line, 1 to 80 characters. Raises UserError."""
    name = re.sub(r"\s+", " ", name or "").strip()
    if not 1 <= len(name) <= 80:
        raise UserError(f"A {what} needs a name of 1 to 80 characters; this one has {len(name)}.")
    return name


def new_id() -> str:
    """128 random bits as 32 hexadecimal digits: not guessable, safe as a folder's name."""
    return secrets.token_hex(16)


def now() -> str:
    """UTC, ISO 8601, microseconds: sorts as text."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
