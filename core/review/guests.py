"""All that a guest can do: read the items handed to them, label them, take that back. No other way leads to a project.

Nothing here tells them what others said, nor what the project is called.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.errors import UserError
from core.review import actions, labels, leases
from core.review.actions import Item, Stored
from core.review.invitations import Guest
from core.review.looks import looks
from core.store.turns import reading
from core.types import LabelEvent


@dataclass(frozen=True)
class GuestProgress:
    mine: int
    """Items that the guest has labelled."""
    left: int
    """Items that want a label still, of whomever."""
    expires: str
    """When the invitation ends, UTC."""


def next_items(guest: Guest, most: int = 1) -> list[Item]:
    """As `claim`, with all that is shown of them."""
    return [actions.shown(guest.workspace, guest.evaluation, id_, guest.annotator) for id_ in claim(guest, most)]


def claim(guest: Guest, most: int = 1) -> list[str]:
    """Ids of at most `most` items, the guest's own for ten minutes; none where all are labelled or at work by others.

    Asked again, first the same that they have not labelled yet. Raises UserError where the invitation has ended.
    """
    if guest.late:
        raise UserError(
            f"Your invitation ended on {guest.expires[:10]} at {guest.expires[11:16]} UTC. What you labelled is "
            "stored. Ask whoever invited you for a new link."
        )
    engine, evaluation = guest.workspace.engine, guest.evaluation
    ids = looks(guest.workspace, evaluation).ids
    return leases.claim(engine, evaluation.id, guest.annotator, ids, guest.overlap, most)


def item(guest: Guest, example_id: str) -> Item:
    """An item that the guest holds or has labelled. Raises UserError for any other."""
    _require_theirs(guest, example_id)
    return actions.shown(guest.workspace, guest.evaluation, example_id, guest.annotator)


def store(guest: Guest, event: LabelEvent, seen: int | None = None) -> Stored:
    """Store what a guest says of an item that they were handed, as theirs, whoever `event` names: see `actions.store`.

    It is stored, too, where the ten minutes for it are over, and where the invitation ended while they had it.
    """
    _require_theirs(guest, event.example_id)
    event = replace(event, annotator=guest.annotator, act="label")
    stored = actions.keep(guest.workspace, guest.evaluation, event, seen, guest.overlap)
    if guest.late:
        ended = "Your invitation has ended. This label is stored; ask for a new link to go on."
        return Stored(stored.event, f"{stored.said} {ended}".strip())
    return stored


def undo(guest: Guest, example_id: str) -> LabelEvent | None:
    """Take back what they said last of an item. None where nothing is left to take back."""
    engine, evaluation_id = guest.workspace.engine, guest.evaluation.id
    event = labels.undo(engine, evaluation_id, example_id, guest.annotator)
    if event and event.act == "clear":
        leases.hold(engine, evaluation_id, example_id, guest.annotator)
    return event


def labelled(guest: Guest) -> list[str]:
    """Items that the guest has labelled, to go back to."""
    return list(labels.labelled(guest.workspace.engine, guest.evaluation.id, guest.annotator))


def progress(guest: Guest) -> GuestProgress:
    engine, evaluation_id = guest.workspace.engine, guest.evaluation.id
    with reading(engine) as db:
        full, mine, both = labels.far(db, evaluation_id, guest.annotator, guest.overlap)
    left = len(looks(guest.workspace, guest.evaluation).numbers) - full - mine + both
    return GuestProgress(mine, max(left, 0), guest.expires)


def _require_theirs(guest: Guest, example_id: str) -> None:
    if not leases.theirs(guest.workspace.engine, guest.evaluation.id, example_id, guest.annotator):
        raise UserError("This row was not handed to you. Reload the page to get the next one.")
