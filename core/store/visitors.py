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
    """The secret that this browser is to keep: the one it has where it came from here, else a new one."""
    if _is_known(workspace, secret):
        return secret
    drawn = secrets.token_hex(HALF // 2)
    return drawn + _signature(workspace, drawn)


def owner_of(workspace: Workspace, secret: Any) -> str:
    """The owner whom a secret names. Raises UserError for one that was not made here."""
    if not _is_known(workspace, secret):
        raise UserError("This page has lost its visitor, or the server has. Reload it.")
    return pseudonym(secret)


def pseudonym(secret: str) -> str:
    return f"visitor-{hashlib.sha256(secret.encode()).hexdigest()[:32]}"


def _is_known(workspace: Workspace, secret: Any) -> bool:
    # A client may send anything in the place of a secret.
    if not (isinstance(secret, str) and 2 * HALF >= len(secret) >= HALF and secret.isascii() and secret.isalnum()):
        return False
    signed = len(secret) == 2 * HALF and hmac.compare_digest(secret[HALF:], _signature(workspace, secret[:HALF]))
    return signed or _stands(workspace.engine, secret)


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
