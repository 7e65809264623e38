"""Who visits a Space: a secret that the server makes and the browser keeps; the database knows its hash.

The hash names the owner of projects and the author of labels, in files too. Whoever reads it cannot arrive as them.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from core.errors import UserError
from core.store import tables


def arrive(engine: sa.Engine, secret: Any) -> str:
    """The secret that this browser is to keep: the one it has where it came from here, else a new one."""
    if _is_known(engine, secret):
        return secret
    secret = secrets.token_hex(32)
    from core.store.workspace import now

    with engine.begin() as db:
        db.execute(tables.visitors.insert().values(owner=pseudonym(secret), created=now()))
    return secret


def owner_of(engine: sa.Engine, secret: Any) -> str:
    """The owner whom a secret names. Raises UserError for one that was not made here."""
    if not _is_known(engine, secret):
        raise UserError("This page has lost its visitor, or the server has. Reload it.")
    return pseudonym(secret)


def pseudonym(secret: str) -> str:
    return f"visitor-{hashlib.sha256(secret.encode()).hexdigest()[:32]}"


def _is_known(engine: sa.Engine, secret: Any) -> bool:
    # A client may send anything in the place of a secret.
    return isinstance(secret, str) and 16 <= len(secret) <= 128 and secret.isalnum() and _stands(engine, secret)


@lru_cache(maxsize=4096)
def _known(engine: sa.Engine, secret: str) -> bool:
    owner = tables.visitors.c.owner
    with engine.connect() as db:
        if db.execute(sa.select(owner).where(owner == pseudonym(secret))).first() is None:
            raise LookupError
    return True


def _stands(engine: sa.Engine, secret: str) -> bool:
    try:
        return _known(engine, secret)  # that one is not known is never remembered
    except LookupError:
        return False
