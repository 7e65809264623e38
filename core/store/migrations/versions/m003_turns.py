"""When a job was started last, and how much memory it is expected to take: the queue's order is made of them."""

import sqlalchemy as sa
from alembic import op

revision = "m003"
down_revision = "m002"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("started", sa.String(32)))
    op.add_column("jobs", sa.Column("memory", sa.BigInteger()))
