"""Several people label one review: spans, time and act of an event, labels of a project's own, invitations, leases."""

import sqlalchemy as sa
from alembic import op

revision = "m004"
down_revision = "m003"


def upgrade() -> None:
    with op.batch_alter_table("label_events", recreate="never") as events:
        events.add_column(sa.Column("spans", sa.JSON, nullable=False, server_default="{}"))
        events.add_column(sa.Column("seconds", sa.Double, nullable=False, server_default="0"))
        events.add_column(sa.Column("act", sa.String(16), nullable=False, server_default="label"))
        events.add_column(sa.Column("blind", sa.Integer, nullable=False, server_default="0"))
        events.add_column(sa.Column("key", sa.String(64)))
    # SQLite adds no constraint to a table that is there; to both databases a unique index is the same.
    op.create_index("uq_label_events_key", "label_events", ["evaluation_id", "annotator", "key"], unique=True)
    op.drop_index("ix_label_events_item", "label_events")
    state = ["evaluation_id", "example_id", "annotator", "act", "id"]
    op.create_index("ix_label_events_state", "label_events", state)
    op.create_table(
        "project_labels",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("project_id", sa.String(32), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("title", sa.String(80), nullable=False),
        sa.Column("act", sa.String(16), nullable=False),
        sa.Column("annotator", sa.String(128), nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_index("ix_project_labels_project_id", "project_labels", ["project_id"])
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("project_id", sa.String(32), sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("evaluation_id", sa.String(32), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False, unique=True),
        sa.Column("places", sa.Integer, nullable=False),
        sa.Column("overlap", sa.Integer, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.Column("expires", sa.String(32), nullable=False),
        sa.Column("revoked", sa.String(32)),
    )
    op.create_index("ix_invitations_evaluation_id", "invitations", ["evaluation_id"])
    op.create_table(
        "annotators",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("invitation_id", sa.String(32), sa.ForeignKey("invitations.id"), nullable=False),
        sa.Column("evaluation_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("folded", sa.String(160), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False, unique=True),
        sa.Column("created", sa.String(32), nullable=False),
        sa.UniqueConstraint("evaluation_id", "folded", name="uq_annotators_name"),
    )
    op.create_table(
        "leases",
        sa.Column("evaluation_id", sa.String(32), primary_key=True),
        sa.Column("example_id", sa.String(16), primary_key=True),
        sa.Column("annotator", sa.String(128), primary_key=True),
        sa.Column("expires", sa.String(32), nullable=False),
    )
