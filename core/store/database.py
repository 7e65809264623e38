"""The database of a home: opened once a process, and brought up to date by migrations."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from core.store.turns import ONLY_READS

if TYPE_CHECKING:
    import sqlite3


@lru_cache(maxsize=8)
def opened(url: str, home: str) -> sa.Engine:
    """The engine of a home's database, which exists and has the tables of the code."""
    from filelock import FileLock

    for form in ("postgres://", "postgresql://"):  # the first is what hosting services give; psycopg 3 is the driver
        if url.startswith(form):
            url = "postgresql+psycopg://" + url.removeprefix(form)
    # Kept as they are: a connection of PostgreSQL is a process, and beyond SQLAlchemy's five each would be made anew.
    engine = sa.create_engine(url, pool_size=20)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    with FileLock(Path(home) / "migration.lock"):
        migrate(engine)
    return engine


def _begin_sqlite(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get(ONLY_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


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
