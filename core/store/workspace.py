"""One folder and one database: projects, dataset versions and jobs, each belonging to an owner.

Every read and write goes through a `Workspace`, which carries the owner: what belongs to somebody else does not exist
for it. Files are written beside their place and renamed, so a crash leaves either the old state or the new one.

    home/projects/<project>/datasets/<version>/rows.parquet, manifest.json, source.*
    home/projects/<project>/jobs/<job>/            a training run or an evaluation: see core/jobs
    home/models/                                   the starter model
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from core import disk
from core.errors import UserError
from core.files import whole_folder, write_atomically
from core.settings import Settings
from core.store import tables
from core.store.datasets import Written, copy_rows, read_rows, write_rows
from core.store.queries import Rows
from core.types import DatasetVersion, Example, Split

if TYPE_CHECKING:
    import sqlite3

LOCAL_OWNER = "local"


KINDS = {"train": "Run", "evaluate": "Evaluation", "chat": "Chat", "judge": "Judgement"}
"""Kinds of jobs, and what people call one."""


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

    @property
    def title(self) -> str:
        return f"{KINDS[self.kind]} {self.number} · {self.name}"


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

    # projects

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time: for what depends on what is there, as the next version or the only chat."""
        from filelock import FileLock

        with FileLock(self.settings.home / "workspace.lock"):
            yield

    def projects(self) -> list[Project]:
        query = sa.select(tables.projects).where(tables.projects.c.owner == self.owner)
        with self.engine.connect() as db:
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
        if any(p.name.casefold() == name.casefold() for p in self.projects()):
            raise UserError(f"There is already a project called “{name}”. Choose another name.")
        project = Project(new_id(), self.owner, name, now())
        with self.engine.begin() as db:
            db.execute(tables.projects.insert().values(**vars(project)))
        return project

    # dataset versions

    def versions(self, project_id: str) -> list[DatasetVersion]:
        """Versions of a project, oldest first."""
        self.project(project_id)
        table = tables.dataset_versions
        query = sa.select(table).where(table.c.project_id == project_id).order_by(table.c.number)
        with self.engine.connect() as db:
            return [DatasetVersion(**row._mapping) for row in db.execute(query)]

    def version(self, version_id: str) -> DatasetVersion:
        table = tables.dataset_versions
        with self.engine.connect() as db:
            row = db.execute(sa.select(table).where(table.c.id == version_id)).first()
        if row is None:
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

        def write(path: Path) -> tuple[Written, dict[str, Any]]:
            return copy_rows(source, path, changed, added), manifest

        return self.add_written(parent.project_id, parent.name, write, parent_id=parent.id)

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
        with _or_gone(self._version_folder(project_id, version_id)), self.engine.begin() as db:
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
        with self.engine.connect() as db:
            return [Job(**row._mapping) for row in db.execute(query.order_by(table.c.created.desc(), table.c.id))]

    def job(self, job_id: str | None) -> Job:
        """A job of this owner. Raises UserError where there is none of that id."""
        table = tables.jobs
        with self.engine.connect() as db:
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
    ) -> Job:
        """Put a job into the queue. Its folder and spec.json exist before the queue shows it.

        `finished` is a folder with all that the job leaves behind, on the same disk: it becomes the job's folder, and
        the job is over when it appears. With the state `beside` it waits in no queue: see
        core.jobs.launch.start_beside.
        """
        self.project(project_id)
        job_id = new_id()
        folder = self.job_folder(project_id, job_id)
        table = tables.jobs
        mine = (table.c.project_id == project_id) & (table.c.kind == kind)
        with _or_gone(folder):
            if finished is None:
                folder.mkdir(parents=True)
            else:
                finished.rename(folder)
            write_atomically(folder / "spec.json", json.dumps(spec, ensure_ascii=False, indent=2))
            with self.engine.begin() as db:
                newest = db.execute(sa.select(sa.func.max(table.c.number)).where(mine)).scalar()
                state = state if finished is None else "ended"
                job = Job(job_id, project_id, kind, (newest or 0) + 1, name, run_id, spec, state, now())
                db.execute(table.insert().values(**vars(job)))
        return job

    def folder(self, job: Job) -> Path:
        return self.job_folder(job.project_id, job.id)

    def job_folder(self, project_id: str, job_id: str) -> Path:
        return self.settings.home / "projects" / project_id / "jobs" / job_id


@contextmanager
def _or_gone(folder: Path) -> Iterator[None]:
    """What stands in a new folder goes again where the block fails: no folder without its line in the database."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def open_workspace(settings: Settings, owner: str = LOCAL_OWNER) -> Workspace:
    """The workspace of `settings`, its folder and database created or brought up to date.

    Raises UserError where the disk refuses that.
    """
    with disk.told(settings.home):
        settings.home.mkdir(parents=True, exist_ok=True)
        return Workspace(settings, _engine(settings.url, str(settings.home)), owner)


@lru_cache(maxsize=8)
def _engine(url: str, home: str) -> sa.Engine:
    from filelock import FileLock

    if url.startswith("postgres://"):  # the form that hosting services give
        url = "postgresql://" + url.removeprefix("postgres://")
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with FileLock(Path(home) / "migration.lock"):
        migrate(engine)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions itself, see the `begin` listener
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=15000"):
        connection.execute(f"PRAGMA {pragma}")


def migrate(engine: sa.Engine) -> None:
    """Apply Alembic's migrations up to the newest. It takes half a second to load, so only where one is missing."""
    folder = Path(__file__).with_name("migrations")
    newest = max(path.stem.split("_")[0] for path in folder.glob("versions/m*.py"))
    with engine.connect() as connection:
        versioned = sa.inspect(connection).has_table("alembic_version")
        if versioned and connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == newest:
            return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(folder))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


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
