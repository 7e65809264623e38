"""Invitations to label one review, and who came by them.

An invitation is a link with a secret that the server makes; the database knows its hash. Who opens it chooses a name,
and their browser is given a secret of its own, by which `guest` knows them from then on. Either secret opens the
labelling of this one review, and nothing else: a `Guest` can do what core/review/guests.py offers. Whoever may open the
project may invite, see who came, and revoke; then both kinds of secret open nothing any more.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from core.errors import UserError
from core.store import tables
from core.store.turns import reading
from core.store.workspace import LOCAL_OWNER, NOBODY, SAMPLE_OWNER, Job, Workspace, clean_name, new_id, now

MOST_PLACES, MOST_OVERLAP, MOST_DAYS = 200, 10, 90
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
PAGE = "/label"
"""Where the app shows the labelling page, and nothing else, to guests."""
TAKEN = (LOCAL_OWNER, SAMPLE_OWNER, NOBODY)


@dataclass(frozen=True)
class Invitation:
    """A link that was given out, as whoever made it sees it."""

    id: str
    evaluation_id: str
    places: int
    """How many people may come by it."""
    overlap: int
    """How many people are to label an item."""
    created: str
    expires: str
    revoked: str | None
    people: tuple[str, ...]
    """Names of who came by it."""

    @property
    def state(self) -> Literal["open", "full", "expired", "revoked"]:
        """`full`: nobody more may come; who came goes on."""
        if self.revoked:
            return "revoked"
        if self.expires <= now():
            return "expired"
        return "full" if len(self.people) >= self.places else "open"


@dataclass(frozen=True)
class Guest:
    """Who labels by invitation. Made by `guest` alone."""

    workspace: Workspace
    """Of whoever invited them: never to be shown to them."""
    evaluation: Job
    annotator: str
    """The name that they chose."""
    overlap: int
    expires: str
    late: bool
    """The invitation has expired: what they hold may still be stored, nothing more is handed out."""


def invite(workspace: Workspace, evaluation: Job, places: int = 1, overlap: int = 1, days: int = 7) -> tuple[str, str]:
    """Make an invitation; returns (its id, its secret), which is told this once and can be read nowhere.

    Raises UserError for numbers that cannot be, and where the evaluation is somebody else's.
    """
    evaluation = workspace.job(evaluation.id)
    for what, number, most in (
        ("people", places, MOST_PLACES),
        ("labels for each row", overlap, MOST_OVERLAP),
        ("days", days, MOST_DAYS),
    ):
        if not 1 <= number <= most:
            raise UserError(f"An invitation can be for 1 to {most} {what}, not for {number:,}.")
    secret = secrets.token_urlsafe(32)
    expires = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    values = {"id": new_id(), "project_id": evaluation.project_id, "evaluation_id": evaluation.id}
    values |= {"secret": _hash(secret), "created": now(), "expires": expires}
    with workspace.engine.begin() as db:
        db.execute(tables.invitations.insert().values(**values, places=places, overlap=overlap))
    return values["id"], secret


def invitations(workspace: Workspace, evaluation: Job) -> list[Invitation]:
    """All of a review, oldest first, with who came by each."""
    workspace.job(evaluation.id)
    table, people = tables.invitations, tables.annotators
    with reading(workspace.engine) as db:
        rows = db.execute(
            sa.select(table).where(table.c.evaluation_id == evaluation.id).order_by(table.c.created)
        ).all()
        query = sa.select(people.c.invitation_id, people.c.name).where(people.c.evaluation_id == evaluation.id)
        came: dict[str, list[str]] = {}
        for invitation_id, name in db.execute(query.order_by(people.c.created)):
            came.setdefault(invitation_id, []).append(name)
    return [
        Invitation(
            r.id, r.evaluation_id, r.places, r.overlap, r.created, r.expires, r.revoked, tuple(came.get(r.id, ()))
        )
        for r in rows
    ]


def revoke(workspace: Workspace, evaluation: Job, invitation_id: str) -> None:
    """From now on the link opens nothing, nor does what the browsers of its people keep. Their labels stay."""
    if invitation_id not in {invitation.id for invitation in invitations(workspace, evaluation)}:
        raise UserError("There is no such invitation to this review. Reload the page to see those there are.")
    table = tables.invitations
    with workspace.engine.begin() as db:
        open_still = (table.c.id == invitation_id) & table.c.revoked.is_(None)
        db.execute(table.update().where(open_still).values(revoked=now()))


def look(workspace: Workspace, secret: Any) -> str:
    """When an invitation that can be accepted expires. Raises UserError with what is wrong with it."""
    with reading(workspace.engine) as db:
        found = _open(db, secret)
        _require_place(db, found)
        expires: str = found.expires
        return expires


def join(workspace: Workspace, secret: Any, name: str) -> str:
    """Accept an invitation under a name; returns the secret that the browser is to keep.

    Raises UserError for a name that somebody has in this review already, and for a secret that opens nothing (more).
    """
    name = clean_name(name, "name")
    if any(ord(c) < 32 or "\ud800" <= c <= "\udfff" for c in name):
        raise UserError("The name contains a character that cannot be stored. Write it in letters.")
    folded = name.casefold()[:160]
    if folded in TAKEN or folded.startswith("visitor-"):
        raise UserError(f"“{name}” is a name of the app itself. Choose another name.")
    own, people = secrets.token_urlsafe(32), tables.annotators
    with workspace.engine.begin() as db:
        found = _open(db, secret, lock=True)
        _require_place(db, found)
        same = (people.c.evaluation_id == found.evaluation_id) & (people.c.folded == folded)
        if db.execute(sa.select(people.c.id).where(same)).first():
            raise UserError(
                f"“{name}” labels here already. If that is you, go on in the browser that you began in; else choose "
                "another name."
            )
        values = {"id": new_id(), "invitation_id": found.id, "evaluation_id": found.evaluation_id, "created": now()}
        db.execute(people.insert().values(**values, name=name, folded=folded, secret=_hash(own)))
    return own


def guest(workspace: Workspace, secret: Any) -> Guest:
    """Who this browser is, by the secret that `join` gave it. `workspace`: of any owner.

    Raises UserError where the secret opens nothing: never given, or revoked. One of an expired invitation still names
    its guest, who is `late`.
    """
    table, people, projects = tables.invitations, tables.annotators, tables.projects
    row = None
    if _could_be_one(secret):
        query = (
            sa.select(table, people.c.name, projects.c.owner)
            .join_from(people, table, people.c.invitation_id == table.c.id)
            .join(projects, projects.c.id == table.c.project_id)
            .where(people.c.secret == _hash(secret))
        )
        with reading(workspace.engine) as db:
            row = db.execute(query).first()
    if row is None or row.owner == NOBODY:
        raise UserError("This page does not know you. Open the link of your invitation again.")
    if row.revoked:
        raise UserError(
            "Your invitation was taken back. What you labelled is stored. Ask whoever invited you for a new link."
        )
    with reading(workspace.engine) as db:
        job = Job(**db.execute(sa.select(tables.jobs).where(tables.jobs.c.id == row.evaluation_id)).one()._mapping)
    return Guest(workspace.as_owner(row.owner), job, row.name, row.overlap, row.expires, row.expires <= now())


def _open(db: sa.Connection, secret: Any, lock: bool = False) -> sa.Row[Any]:
    """The invitation of a secret that has neither expired nor was revoked."""
    table, projects = tables.invitations, tables.projects
    found = None
    if _could_be_one(secret):
        query = sa.select(table).join(projects, projects.c.id == table.c.project_id)
        query = query.where((table.c.secret == _hash(secret)) & (projects.c.owner != NOBODY))
        found = db.execute(query.with_for_update() if lock else query).first()
    if found is None:
        raise UserError("This link opens nothing. Check that it is whole, or ask whoever invited you for a new one.")
    if found.revoked:
        raise UserError("This invitation was taken back. Ask whoever invited you for a new link.")
    if found.expires <= now():
        raise UserError(
            f"This invitation ended on {found.expires[:10]} at {found.expires[11:16]} UTC. Ask whoever invited you "
            "for a new link."
        )
    return found


def _require_place(db: sa.Connection, invitation: sa.Row[Any]) -> None:
    people = tables.annotators
    came = db.execute(sa.select(sa.func.count()).where(people.c.invitation_id == invitation.id)).scalar() or 0
    if came >= invitation.places:
        raise UserError(
            f"This link is for {invitation.places}, and {came} came. If you are one of them, go on in the browser "
            "that you began in; else ask whoever invited you for a new link."
        )


def _could_be_one(secret: Any) -> bool:
    """A client may send anything in the place of a secret."""
    return isinstance(secret, str) and SECRET.fullmatch(secret) is not None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def link(address: str, secret: str) -> str:
    """What to send: the labelling page of an app at `address`, with the secret where no server's log has it."""
    return f"{address.rstrip('/')}{PAGE}#{secret}"
