"""Who visits a Space: a secret that the server makes and the browser keeps; the database knows its hash.

The hash names the owner of projects and the author of labels, in files too. Whoever reads it cannot arrive as them. A
secret is known by its signature, so that whoever only arrives leaves nothing; the first thing that a visitor makes
puts the hash into the database (core/store/workspace.py), and from then on it is known by that, too.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from core.errors import UserError
from core.files import write_atomically
from core.store import tables
from core.store.workspace import Workspace

KEY = "visitors.key"
"""In the home: with it anybody can make a new visitor, as anybody who opens the page can, and nobody an earlier one."""
HALF = 32
"""Hexadecimal digits of what is drawn, and of its signature behind it."""


def arrive(workspace: Workspace, secret: Any) -> str:
    """The secret that this browser is to keep: the one it has where it came from here, else a new one.

    An id of before the server signed its secrets may stand in a file: whoever has it is given another in its place.
    """
    if _is_signed(workspace, secret):
        return secret
    drawn = secrets.token_hex(HALF // 2)
    new = drawn + _signature(workspace, drawn)
    if _could_be_one(secret):
        visitors = tables.visitors
        unchanged = (visitors.c.owner == pseudonym(secret)) & visitors.c.secret.is_(None)
        with workspace.engine.begin() as db:
            db.execute(visitors.update().where(unchanged).values(secret=_hash(new)))
        _owner_in.cache_clear()
    return new


def owner_of(workspace: Workspace, secret: Any) -> str:
    """The owner whom a secret names. Raises UserError for one that was not made here."""
    owner = _known(workspace, secret)
    if owner is None:
        raise UserError("This page has lost its visitor, or the server has. Reload it.")
    return owner


def pseudonym(secret: str) -> str:
    return f"visitor-{_hash(secret)[:32]}"


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _known(workspace: Workspace, secret: Any) -> str | None:
    """The owner whom the database or the signature knows a secret by."""
    # A client may send anything in the place of a secret.
    if not _could_be_one(secret):
        return None
    try:
        return _owner_in(workspace.engine, secret)
    except LookupError:
        return pseudonym(secret) if _is_signed(workspace, secret) else None


def _could_be_one(secret: Any) -> bool:
    return isinstance(secret, str) and HALF <= len(secret) <= 2 * HALF and secret.isascii() and secret.isalnum()


def _is_signed(workspace: Workspace, secret: Any) -> bool:
    if not _could_be_one(secret) or len(secret) != 2 * HALF:
        return False
    return hmac.compare_digest(secret[HALF:], _signature(workspace, secret[:HALF]))


def _signature(workspace: Workspace, drawn: str) -> str:
    return hmac.new(_key(workspace.settings.home), drawn.encode(), hashlib.sha256).hexdigest()[:HALF]


@lru_cache(maxsize=8)
def _key(home: Path) -> bytes:
    """The server's own, made at the first arrival."""
    from filelock import FileLock

    path = home / KEY
    with FileLock(home / "migration.lock"):
        if not path.is_file():
            write_atomically(path, secrets.token_hex(32))
            path.chmod(0o600)
    return path.read_bytes()


@lru_cache(maxsize=4096)
def _owner_in(engine: sa.Engine, secret: str) -> str:
    """Raises LookupError for an unknown one, which is never remembered."""
    visitors = tables.visitors
    given = visitors.c.secret == _hash(secret)
    first = (visitors.c.owner == pseudonym(secret)) & visitors.c.secret.is_(None)
    with engine.connect() as db:
        owner = db.execute(sa.select(visitors.c.owner).where(given | first)).scalar()
    if owner is None:
        raise LookupError
    return owner
