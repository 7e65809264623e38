"""When a job was started last, and how much memory it is expected to take: the queue's order is made of them. And the
secret that a visitor of before was given in the place of an id that stands in files.
"""

import sqlalchemy as sa
from alembic import op

revision = "m003"
down_revision = "m002"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("started", sa.String(32)))
    op.add_column("jobs", sa.Column("memory", sa.BigInteger()))
    op.add_column("visitors", sa.Column("secret", sa.String(64)))
