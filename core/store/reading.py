"""Connections that only read. SQLite's others begin with the lock of the one writer, and would wait for each other."""

from __future__ import annotations

import sqlalchemy as sa

ONLY_READS = "only_reads"
"""Execution option of connections that are told to SQLite as readers: see `_engine` in core/store/workspace.py."""


def reading(engine: sa.Engine) -> sa.Connection:
    """A connection that sees one state of the database, and neither waits for a writer nor makes one wait."""
    return engine.execution_options(**{ONLY_READS: True}).connect()
