"""Who works on which item: claims that expire, so that several people at once do nothing twice.

A lease only decides what is handed out next. A label whose lease has expired is stored all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from core.review.labels import counting
from core.store.tables import jobs, leases
from core.store.turns import reading, writing

MINUTES = 10
CHUNK = 100
"""Items that are looked at together, in order."""
_full: dict[tuple[str, int], int] = {}
"""(review, overlap) → before which place all items had their labels when they were looked at last. Only where to begin:
what was taken back since is found when nothing is left behind it."""


def claim(
    engine: sa.Engine, evaluation_id: str, annotator: str, ordered: Sequence[str], overlap: int = 1, most: int = 1
) -> list[str]:
    """At most `most` items for an annotator, theirs for MINUTES: the first of `ordered` that want one more person.

    What they hold already comes first, and is theirs for as long again; what they have labelled is not handed out to
    them again. An item wants `overlap` people; one who holds it counts as one who has labelled it.
    """
    now = datetime.now(UTC)
    with writing(engine) as db:
        # One claim at a time: SQLite's transactions begin with the lock, PostgreSQL is given one.
        db.execute(sa.select(jobs.c.id).where(jobs.c.id == evaluation_id).with_for_update())
        # Leases before labels: who stores one between the two is counted twice for a moment, and not missed.
        held, own = _held(db, evaluation_id, annotator, _text(now))
        done = {id_ for id_, _ in counting(db, evaluation_id, annotator, own)} if own else set()
        chosen = sorted(own - done)[:most]
        begin = _full.get((evaluation_id, overlap), 0)
        for at in (*range(begin, len(ordered), CHUNK), *range(0, begin, CHUNK)):
            if len(chosen) == most:
                break
            chunk = ordered[at : at + CHUNK]
            taken = dict(counting(db, evaluation_id, examples=chunk))
            there = [i for i in chunk if i in taken]
            mine = {i for i, _ in counting(db, evaluation_id, annotator, there)} if overlap > 1 and there else set()
            if at == begin and all(taken.get(id_, 0) >= overlap for id_ in chunk):
                begin = _full[evaluation_id, overlap] = at + CHUNK
            wanting = (i for i in chunk if i not in mine and i not in own)
            chosen += [i for i in wanting if taken.get(i, 0) + held.get(i, 0) < overlap][: most - len(chosen)]
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
    with writing(engine) as db:
        _put(db, evaluation_id, example_id, annotator, _text(datetime.now(UTC) + timedelta(minutes=MINUTES)))


def release(db: sa.Connection, evaluation_id: str, example_id: str, annotator: str) -> str | None:
    """The item is labelled, or left to others. Returns when the lease expires or did; None where there was none."""
    gone = leases.delete().where(_of(evaluation_id, example_id, annotator)).returning(leases.c.expires)
    expires: str | None = db.execute(gone).scalar()
    return expires


def give_back(engine: sa.Engine, evaluation_id: str, example_id: str, annotator: str) -> None:
    """Leave an item to others before its time has run out."""
    with writing(engine) as db:
        release(db, evaluation_id, example_id, annotator)


def theirs(engine: sa.Engine, evaluation_id: str, example_id: str, annotator: str) -> bool:
    """Was this item handed to the annotator: do they hold it, in time or late, or have they labelled it?"""
    with reading(engine) as db:
        held = db.execute(sa.select(leases.c.expires).where(_of(evaluation_id, example_id, annotator))).first()
        return held is not None or any(counting(db, evaluation_id, annotator, [example_id]))


def at_work(engine: sa.Engine, evaluation_id: str) -> dict[str, str]:
    """Annotator → when their last lease expires, of those that have not."""
    live = (leases.c.evaluation_id == evaluation_id) & (leases.c.expires > _text(datetime.now(UTC)))
    query = sa.select(leases.c.annotator, sa.func.max(leases.c.expires)).where(live).group_by(leases.c.annotator)
    with reading(engine) as db:
        return {annotator: expires for annotator, expires in db.execute(query)}


def expired(expires: str) -> bool:
    return expires <= _text(datetime.now(UTC))


def _of(evaluation_id: str, example_id: str, annotator: str) -> sa.ColumnElement[bool]:
    where = leases.c
    return sa.and_(where.evaluation_id == evaluation_id, where.example_id == example_id, where.annotator == annotator)


def _text(moment: datetime) -> str:
    """As times stand in the database: they sort as text."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
