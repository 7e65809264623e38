"""The database schema, as SQLAlchemy Core tables. The migrations create exactly these (a test compares).

Rows, logs and weights live in files (core/store/workspace.py); the database holds what is listed, filtered and counted.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# Visitors of a Space, by the hash of what their browser keeps: see core/store/visitors.py.
visitors = Table(
    "visitors",
    metadata,
    Column("owner", String(128), primary_key=True),
    Column("created", String(32), nullable=False),
    Column("secret", String(64)),  # hash of the secret that took the place of the one that `owner` is of; null: none
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(128), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("created", String(32), nullable=False),
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("project_id", String(32), ForeignKey("projects.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("parent_id", String(32)),
    Column("content_hash", String(64), nullable=False),
    Column("name", String(200), nullable=False),
    Column("counts", JSON, nullable=False),
    Column("manifest", JSON, nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint("project_id", "number"),
)

KINDS = {"train": "Run", "evaluate": "Evaluation", "chat": "Chat", "judge": "Judgement", "augment": "Augmentation"}
"""Kinds of jobs, and what people call one."""

# A job is a training run, an evaluation, a chat, a judgement or an augmentation: a folder, and a detached process that
# writes into it.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("project_id", String(32), ForeignKey("projects.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # train | evaluate | chat | judge | augment
    Column("number", Integer, nullable=False),  # 1, 2, 3 … within project and kind
    Column("name", String(200), nullable=False),
    Column("run_id", String(32)),  # what it is of: a training run; judge: an evaluation
    Column("spec", JSON, nullable=False),
    Column("state", String(16), nullable=False),  # queued | started | ended; beside: of no queue
    Column("created", String(32), nullable=False),
    Column("started", String(32)),  # when it was given its turn last
    Column("memory", BigInteger),  # bytes that it is expected to take; null: not known
    UniqueConstraint("project_id", "kind", "number"),
    Index("ix_jobs_state", "state"),
)

label_events = Table(
    "label_events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("project_id", String(32), ForeignKey("projects.id"), nullable=False),
    Column("evaluation_id", String(32), nullable=False),
    Column("example_id", String(16), nullable=False),
    Column("annotator", String(128), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("correction", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("generation_ids", JSON, nullable=False),
    Column("shown_order", JSON, nullable=False),
    Column("suggestions_visible", Integer, nullable=False),
    Column("created", String(32), nullable=False),
    Index("ix_label_events_item", "evaluation_id", "example_id", "annotator"),
)
