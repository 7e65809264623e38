"""Who works on which item: claims that expire, so that several people at once do nothing twice.

A lease only decides what is handed out next. A label whose lease has expired is stored all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from core.review.labels import counting
from core.store.tables import jobs, leases

MINUTES = 10


def claim(
    engine: sa.Engine, evaluation_id: str, annotator: str, ordered: Iterable[str], overlap: int = 1, most: int = 1
) -> list[str]:
    """At most `most` items for an annotator, theirs for MINUTES: the first of `ordered` that want one more person.

    What they hold already comes first, and is theirs for as long again; what they have labelled is not handed out to
    them again. An item wants `overlap` people; one who holds it counts as one who has labelled it.
    """
    now = datetime.now(UTC)
    with engine.begin() as db:
        # One claim at a time: SQLite's transactions begin with the lock, PostgreSQL is given one.
        db.execute(sa.select(jobs.c.id).where(jobs.c.id == evaluation_id).with_for_update())
        # Leases before labels: who stores one between the two is counted twice for a moment, and not missed.
        held, own = _held(db, evaluation_id, annotator, _text(now))
        taken = dict(counting(db, evaluation_id))
        mine = {id_ for id_, _ in counting(db, evaluation_id, annotator)}
        chosen: list[str] = []
        for id_ in (*sorted(own - mine), *ordered):
            if len(chosen) == most:
                break
            if id_ in mine or id_ in chosen:
                continue
            if id_ in own or taken.get(id_, 0) + held.get(id_, 0) < overlap:
                chosen.append(id_)
        for id_ in chosen:
            _put(db, evaluation_id, id_, annotator, _text(now + timedelta(minutes=MINUTES)))
    return chosen


def _held(db: sa.Connection, evaluation_id: str, annotator: str, now: str) -> tuple[dict[str, int], set[str]]:
    """(item → others who hold it and have not labelled it, items that the annotator holds)"""
    there = (leases.c.evaluation_id == evaluation_id) & (leases.c.expires > now)
    held: dict[str, int] = {}
    own = set()
    for row in db.execute(sa.select(leases.c.example_id, leases.c.annotator).where(there)):
        if row.annotator == annotator:
            own.add(row.example_id)
        else:
            held[row.example_id] = held.get(row.example_id, 0) + 1
    return held, own


def _put(db: sa.Connection, evaluation_id: str, example_id: str, annotator: str, expires: str) -> None:
    key = _of(evaluation_id, example_id, annotator)
    if not db.execute(leases.update().where(key).values(expires=expires)).rowcount:
        values = {"evaluation_id": evaluation_id, "example_id": example_id, "annotator": annotator}
        db.execute(leases.insert().values(**values, expires=expires))


def hold(engine: sa.Engine, evaluation_id: str, example_id: str, annotator: str) -> None:
    """The annotator's for MINUTES from now on, whoever else holds it: they have just taken their label of it back."""
    with engine.begin() as db:
        _put(db, evaluation_id, example_id, annotator, _text(datetime.now(UTC) + timedelta(minutes=MINUTES)))


def release(db: sa.Connection, evaluation_id: str, example_id: str, annotator: str) -> str | None:
    """The item is labelled, or left to others. Returns when the lease expires or did; None where there was none."""
    key = _of(evaluation_id, example_id, annotator)
    expires: str | None = db.execute(sa.select(leases.c.expires).where(key)).scalar()
    if expires is not None:
        db.execute(leases.delete().where(key))
    return expires


def give_back(engine: sa.Engine, evaluation_id: str, example_id: str, annotator: str) -> None:
    """Leave an item to others before its time has run out."""
    with engine.begin() as db:
        release(db, evaluation_id, example_id, annotator)


def theirs(engine: sa.Engine, evaluation_id: str, example_id: str, annotator: str) -> bool:
    """Was this item handed to the annotator: do they hold it, in time or late, or have they labelled it?"""
    with engine.connect() as db:
        held = db.execute(sa.select(leases.c.expires).where(_of(evaluation_id, example_id, annotator))).first()
        return held is not None or any(counting(db, evaluation_id, annotator, example_id))


def at_work(engine: sa.Engine, evaluation_id: str) -> dict[str, str]:
    """Annotator → when their last lease expires, of those that have not."""
    live = (leases.c.evaluation_id == evaluation_id) & (leases.c.expires > _text(datetime.now(UTC)))
    query = sa.select(leases.c.annotator, sa.func.max(leases.c.expires)).where(live).group_by(leases.c.annotator)
    with engine.connect() as db:
        return {annotator: expires for annotator, expires in db.execute(query)}


def expired(expires: str) -> bool:
    return expires <= _text(datetime.now(UTC))


def _of(evaluation_id: str, example_id: str, annotator: str) -> sa.ColumnElement[bool]:
    where = leases.c
    return sa.and_(where.evaluation_id == evaluation_id, where.example_id == example_id, where.annotator == annotator)


def _text(moment: datetime) -> str:
    """As times stand in the database: they sort as text."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
