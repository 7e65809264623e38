"""The database schema, as SQLAlchemy Core tables. The migrations create exactly these (a test compares).

Rows, logs and weights live in files (core/store/workspace.py); the database holds what is listed, filtered and counted.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
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
    Column("spans", JSON, nullable=False, server_default="{}"),
    Column("seconds", Double, nullable=False, server_default="0"),
    Column("act", String(16), nullable=False, server_default="label"),  # label | undo | clear | adjudicate
    Column("blind", Integer, nullable=False, server_default="0"),
    Column("key", String(64)),  # of the sender: an event that is sent twice is stored once; null: none
    Index("uq_label_events_key", "evaluation_id", "annotator", "key", unique=True),
    # With `act` and `id` in it, who has labelled what is counted without reading a label.
    Index("ix_label_events_state", "evaluation_id", "example_id", "annotator", "act", "id"),
)

# Labels that a project has besides the built-in ones, as events: the newest one of a label counts.
project_labels = Table(
    "project_labels",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("project_id", String(32), ForeignKey("projects.id"), nullable=False, index=True),
    Column("label", String(64), nullable=False),
    Column("title", String(80), nullable=False),
    Column("act", String(16), nullable=False),  # add | retire
    Column("annotator", String(128), nullable=False),
    Column("created", String(32), nullable=False),
)

# A link by which people label one review, and nothing else: see core/review/invitations.py.
invitations = Table(
    "invitations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("project_id", String(32), ForeignKey("projects.id"), nullable=False),
    Column("evaluation_id", String(32), nullable=False, index=True),
    Column("secret", String(64), nullable=False, unique=True),  # hash of it
    Column("places", Integer, nullable=False),  # how many people may come
    Column("overlap", Integer, nullable=False),  # how many people are to label an item
    Column("created", String(32), nullable=False),
    Column("expires", String(32), nullable=False),
    Column("revoked", String(32)),  # when; null: not
)

# Who came by an invitation, under the name that they chose.
annotators = Table(
    "annotators",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("invitation_id", String(32), ForeignKey("invitations.id"), nullable=False),
    Column("evaluation_id", String(32), nullable=False),
    Column("name", String(80), nullable=False),
    Column("folded", String(160), nullable=False),  # the name as names are compared
    Column("secret", String(64), nullable=False, unique=True),  # hash of what their browser keeps
    Column("created", String(32), nullable=False),
    UniqueConstraint("evaluation_id", "folded", name="uq_annotators_name"),
)

# Who is at work on which item, until when. No label depends on it: one that comes late is stored all the same.
leases = Table(
    "leases",
    metadata,
    Column("evaluation_id", String(32), primary_key=True),
    Column("example_id", String(16), primary_key=True),
    Column("annotator", String(128), primary_key=True),
    Column("expires", String(32), nullable=False),
)
