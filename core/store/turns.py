"""Who waits for whom at the database: readers for nobody, writers of one process for their turn.

SQLite has one writer at a time, and who finds it at work looks again some milliseconds later: of fifty who label at
once somebody is unlucky for seconds. On PostgreSQL whoever waits for a row keeps a connection, until none is left for
those who read. So writers of one process queue here first.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

ONLY_READS = "only_reads"
"""Execution option of connections that SQLite is told of as readers: see `_engine` in core/store/workspace.py."""
_turn = threading.Lock()


def reading(engine: sa.Engine) -> sa.Connection:
    """A connection that sees one state of the database, and neither waits for a writer nor makes one wait."""
    return engine.execution_options(**{ONLY_READS: True}).connect()


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction, as `engine.begin()`, for what many people do at once. Not to be begun inside another."""
    with _turn, engine.begin() as db:
        yield db
