"""An invitation opens the labelling of one review, for whom and as long as it says; and nothing of the project."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from core.errors import UserError
from core.review import actions, guests, invitations, labels, leases
from core.store import tables
from core.types import LabelEvent

PAST = "2020-01-01T00:00:00.000000Z"


def joined(workspace, review, name="Ada", **more):
    """A guest of a new invitation, and the invitation's id."""
    id_, secret = invitations.invite(workspace, review, **more)
    return invitations.guest(workspace, invitations.join(workspace, secret, name)), id_


def said(item, **changes) -> LabelEvent:
    ids = {side: g.id for side, g in item.generations.items()}
    marks = {"base": {"repetition": "present"}}
    event = LabelEvent("", item.example.id, "", "tuned", marks, "", "", ids, item.order, not item.hints_hidden)
    return replace(event, **changes)


def let_expire(workspace, table) -> None:
    with workspace.engine.begin() as db:
        db.execute(table.update().values(expires=PAST))


def test_who_is_invited_labels_under_the_name_they_chose(workspace, review):
    guest, id_ = joined(workspace, review, "  Ada  Lovelace ", places=2)
    [item] = guests.next_items(guest)
    stored = guests.store(guest, said(item, annotator="somebody", act="adjudicate", evaluation_id="another"))
    assert (stored.event.annotator, stored.event.act, stored.event.evaluation_id) == (
        "Ada Lovelace",
        "label",
        review.id,
    )
    assert stored.said == ""
    assert guests.item(guest, item.example.id).stored == stored.event
    assert guests.labelled(guest) == [item.example.id]
    assert guests.progress(guest).mine == 1 and guests.progress(guest).left == 19
    [told] = invitations.invitations(workspace, review)
    assert (told.id, told.people, told.state) == (id_, ("Ada Lovelace",), "open")


def test_a_secret_is_stored_as_its_hash_alone(workspace, review):
    _, secret = invitations.invite(workspace, review)
    own = invitations.join(workspace, secret, "Ada")
    with workspace.engine.connect() as db:
        kept = repr([db.execute(sa.select(t)).all() for t in (tables.invitations, tables.annotators)])
    assert secret not in kept and own not in kept
    # A link is no person, and a person no link.
    for open_, wrong in ((invitations.guest, secret), (invitations.look, own)):
        with pytest.raises(UserError):
            open_(workspace, wrong)


@pytest.mark.parametrize("wrong", ["", None, 7, ["x"], "x" * 43, "' OR 1=1 --", "é" * 43, "x" * 100_000])
def test_what_was_never_given_opens_nothing(workspace, review, wrong):
    for ask in (invitations.look, invitations.guest, lambda w, s: invitations.join(w, s, "Ada")):
        with pytest.raises(UserError, match="opens nothing|does not know you"):
            ask(workspace, wrong)


def test_names_are_each_somebodys(workspace, review):
    _, secret = invitations.invite(workspace, review, places=5)
    invitations.join(workspace, secret, "Ada")
    why = {"ADA ": "labels here already", "local": "of the app itself", "": "1 to 80", "a\0b": "cannot be stored"}
    for name, because in why.items():
        with pytest.raises(UserError, match=because):
            invitations.join(workspace, secret, name)
    with pytest.raises(UserError, match="of the app itself"):
        invitations.join(workspace, secret, "visitor-0123")


def test_no_more_people_come_than_there_are_places(workspace, review):
    _, secret = invitations.invite(workspace, review, places=3)

    def come(n: int) -> str:
        try:
            invitations.join(workspace, secret, f"Person {n}")
        except UserError as e:
            return str(e)
        return ""

    with ThreadPoolExecutor(4) as pool:
        refused = [why for why in pool.map(come, range(8)) if why]
    assert len(refused) == 5 and all("This link is for 3" in why for why in refused)
    assert invitations.invitations(workspace, review)[0].state == "full"


def test_what_is_taken_back_opens_nothing_and_the_labels_stay(workspace, review):
    _, secret = invitations.invite(workspace, review, places=2)
    own = invitations.join(workspace, secret, "Ada")
    guest = invitations.guest(workspace, own)
    [item] = guests.next_items(guest)
    guests.store(guest, said(item))
    [told] = invitations.invitations(workspace, review)
    invitations.revoke(workspace, review, told.id)
    with pytest.raises(UserError, match="taken back. What you labelled is stored"):
        invitations.guest(workspace, own)
    with pytest.raises(UserError, match="taken back"):
        invitations.join(workspace, secret, "Bob")
    assert labels.labelled(workspace.engine, review.id) == {item.example.id: 1}
    assert invitations.invitations(workspace, review)[0].state == "revoked"


def test_a_label_that_was_being_written_when_the_invitation_ended_is_stored(workspace, review):
    _, secret = invitations.invite(workspace, review, places=2)
    own = invitations.join(workspace, secret, "Ada")
    first, second = guests.next_items(invitations.guest(workspace, own), most=2)
    let_expire(workspace, tables.invitations)
    let_expire(workspace, tables.leases)
    guest = invitations.guest(workspace, own)
    assert guest.late
    with pytest.raises(UserError, match="ended on 2020-01-01"):
        guests.next_items(guest)
    stored = guests.store(guest, said(first, note="typed for an hour"))
    assert stored.event.note == "typed for an hour" and "has ended. This label is stored" in stored.said
    held = {first.example.id, second.example.id}
    another = next(id_ for id_ in actions.reading_order(workspace, review) if id_ not in held)
    with pytest.raises(UserError, match="was not handed to you"):
        guests.store(guest, said(first, example_id=another))
    with pytest.raises(UserError, match="ended on"):
        invitations.join(workspace, secret, "Bob")


def test_an_invitation_is_the_owners_business(workspace, review):
    other = workspace.as_owner("somebody")
    id_, _ = invitations.invite(workspace, review)
    for attempt in (
        lambda: invitations.invite(other, review),
        lambda: invitations.invitations(other, review),
        lambda: invitations.revoke(other, review, id_),
        lambda: actions.item(other, review, actions.reading_order(workspace, review)[0]),
        lambda: actions.reading_order(other, review),
        lambda: actions.undo(other, review, "x"),
    ):
        with pytest.raises(UserError):
            attempt()
    with pytest.raises(UserError, match="no such invitation"):
        invitations.revoke(workspace, review, "another")
    for wrong in ({"places": 0}, {"overlap": 11}, {"days": 365}):
        with pytest.raises(UserError, match="An invitation can be for 1 to"):
            invitations.invite(workspace, review, **wrong)


def test_nobody_does_what_another_does_unless_it_is_wanted(workspace, review):
    _, secret = invitations.invite(workspace, review, places=3, overlap=2)
    people = [invitations.guest(workspace, invitations.join(workspace, secret, name)) for name in ("Ada", "Bob", "Eve")]
    held = [[item.example.id for item in guests.next_items(guest, most=5)] for guest in people]
    assert held[0] == held[1] and not set(held[2]) & set(held[0])  # two want each, the third gets others
    assert [item.example.id for item in guests.next_items(people[0], most=5)] == sorted(
        held[0]
    )  # asked again: the same
    let_expire(workspace, tables.leases)
    assert [item.example.id for item in guests.next_items(people[2], most=5)] == held[0]


def test_all_is_handed_out_once_and_then_nothing(workspace, review):
    _, secret = invitations.invite(workspace, review, places=4)
    people = [invitations.guest(workspace, invitations.join(workspace, secret, f"P{n}")) for n in range(4)]

    def work(guest) -> list[str]:
        done = []
        while items := guests.next_items(guest):
            guests.store(guest, said(items[0]))
            done.append(items[0].example.id)
        return done

    with ThreadPoolExecutor(4) as pool:
        done = [id_ for of in pool.map(work, people) for id_ in of]
    assert sorted(done) == sorted(actions.reading_order(workspace, review)) and len(set(done)) == 20
    assert guests.progress(people[0]).left == 0
    assert leases.at_work(workspace.engine, review.id) == {}


def test_a_lease_that_ran_out_while_typing_loses_nothing(workspace, review):
    ada, _ = joined(workspace, review, "Ada")
    bob, _ = joined(workspace, review, "Bob")
    [item] = guests.next_items(ada)
    let_expire(workspace, tables.leases)
    [same] = guests.next_items(bob)
    assert same.example.id == item.example.id
    assert guests.store(bob, said(same)).said == ""
    late = guests.store(ada, said(item, note="slow"))
    assert "10 minutes for this row were over, and somebody else labelled it. Both labels are kept." in late.said
    assert labels.labelled(workspace.engine, review.id)[item.example.id] == 2


def test_who_takes_a_label_back_has_the_item_again(workspace, review):
    ada, _ = joined(workspace, review, "Ada")
    bob, _ = joined(workspace, review, "Bob")
    [item] = guests.next_items(ada)
    guests.store(ada, said(item))
    assert guests.undo(ada, item.example.id).act == "clear"
    assert guests.undo(ada, item.example.id) is None
    assert guests.next_items(bob)[0].example.id != item.example.id
    assert guests.next_items(ada)[0].example.id == item.example.id
    assert guests.store(ada, said(item)).event.id


def test_others_labels_are_hidden(workspace, review):
    ada, _ = joined(workspace, review, "Ada", overlap=2)
    bob, _ = joined(workspace, review, "Bob", overlap=2)
    [item] = guests.next_items(ada)
    guests.store(ada, said(item))
    [same] = guests.next_items(bob)
    assert same.example.id == item.example.id
    assert same.stored is None and same.newest == 0
    assert guests.labelled(bob) == []
