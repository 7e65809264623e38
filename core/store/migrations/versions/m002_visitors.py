"""Visitors of a Space are known by the hash of their secret; before, the secret itself was the name of the owner."""

import sqlalchemy as sa
from alembic import op

from core.store.visitors import pseudonym

revision = "m002"
down_revision = "m001"


def upgrade() -> None:
    visitors = op.create_table(
        "visitors",
        sa.Column("owner", sa.String(128), primary_key=True),
        sa.Column("created", sa.String(32), nullable=False),
    )
    db = op.get_bind()
    names = {}
    for table, column in (("projects", "owner"), ("label_events", "annotator")):
        named = db.execute(sa.text(f"SELECT DISTINCT {column} FROM {table} WHERE {column} LIKE 'visitor-%'"))
        for (old,) in named.all():
            names[old] = pseudonym(old.removeprefix("visitor-"))
            text = sa.text(f"UPDATE {table} SET {column} = :new WHERE {column} = :old")
            db.execute(text, {"new": names[old], "old": old})
    for owner in names.values():
        db.execute(visitors.insert().values(owner=owner, created=""))
