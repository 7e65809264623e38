"""What people said about outputs: an append-only table, and what is derived from it.

Nothing is changed or removed; a second thought is a second event, and the newest one counts. Whether the caller may see
the project is the caller's business.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa

from core.errors import UserError
from core.review import own
from core.store.tables import label_events
from core.store.turns import reading, writing
from core.types import (
    ERROR_LABELS,
    REFERENCE,
    REFERENCE_WRONG,
    SIDES,
    LabelEvent,
    Spans,
)

T = TypeVar("T")
MARKS = ("present", "absent", "unsure")
VERDICTS = (*SIDES, "tie", "both_bad", "none")
ACTS = ("label", "undo", "clear", "adjudicate")
LONGEST_TEXT = 100_000
LONGEST_NAME = 128
LONGEST_KEY = 64
MOST_SPANS = 1000


def add(engine: sa.Engine, project_id: str, event: LabelEvent) -> LabelEvent:
    """Append an event; returns it with its id and time.

    One whose `key` this annotator sent before is not stored again: what was stored then is returned. Raises UserError
    for a verdict, label or mark there is not.
    """
    require_sound(engine, project_id, event)

    def stored() -> LabelEvent:
        with writing(engine) as db:
            return append(db, project_id, event)

    return once(stored)


def once(store: Callable[[], T]) -> T:
    """What `store` returns, where it appends an event. Sent twice at once, PostgreSQL lets both look for its key first;
    then the second finds it when it is asked again."""
    try:
        return store()
    except sa.exc.IntegrityError:
        return store()


def require_sound(engine: sa.Engine, project_id: str, event: LabelEvent) -> None:
    """Raise UserError for a verdict, label or mark there is not, and for what cannot be stored."""
    _validate(event, own.known(engine, project_id, event))


def append(db: sa.Connection, project_id: str, event: LabelEvent) -> LabelEvent:
    """`add`, of an event that is known to be sound, in a transaction that `once` begins."""
    event = replace(event, created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return (_of_key(db, event) if event.key else None) or _insert(db, project_id, event)


def _insert(db: sa.Connection, project_id: str, event: LabelEvent) -> LabelEvent:
    values = {name: value for name, value in event.to_dict().items() if name not in ("id", "schema")}
    values |= {"shown_order": list(event.shown_order), "suggestions_visible": int(event.suggestions_visible)}
    values |= {"blind": int(event.blind), "key": event.key or None}
    result = db.execute(label_events.insert().values(project_id=project_id, **values))
    return replace(event, id=result.inserted_primary_key[0])  # type: ignore[index]


def _of_key(db: sa.Connection, event: LabelEvent) -> LabelEvent | None:
    table = label_events.c
    same = (table.evaluation_id == event.evaluation_id) & (table.annotator == event.annotator)
    row = db.execute(sa.select(label_events).where(same & (table.key == event.key))).first()
    return _event(row) if row else None


def undo(engine: sa.Engine, evaluation_id: str, example_id: str, annotator: str) -> LabelEvent | None:
    """Take back the annotator's last word on an item: a new event, with the values of the one before.

    Its act is `undo`, or `clear` where nothing was before it: then the item is not labelled. Whoever goes on undoes the
    one before that. None where nothing is left to take back.
    """
    with writing(engine) as db:
        table = label_events.c
        mine = (table.evaluation_id == evaluation_id) & (table.example_id == example_id)
        query = sa.select(label_events).where(mine & (table.annotator == annotator)).order_by(table.id)
        rows = db.execute(query).all()
        said = _standing(_event(row) for row in rows)
        if not said:
            return None
        nothing = replace(
            *(said[-1],),
            **{"verdict": "none", "labels": {}, "correction": "", "note": "", "spans": {}, "act": "clear"},
        )
        before = replace(said[-2], act="undo") if len(said) > 1 else nothing
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return _insert(db, rows[0].project_id, replace(before, created=created, seconds=0.0, key=""))


def _standing(events: Iterable[LabelEvent]) -> list[LabelEvent]:
    """What one annotator said of one item and did not take back, the last word last."""
    said: list[LabelEvent] = []
    for event in events:
        if event.act == "label":
            said.append(event)
        elif event.act in ("undo", "clear") and said:
            said.pop()
    return said


def history(
    engine: sa.Engine, evaluation_id: str, example_id: str | None = None, texts: bool = True
) -> list[LabelEvent]:
    """All events of an evaluation (or of one of its examples), oldest first: who said what when, undone or not.

    Without `texts`, corrections, notes and spans are left empty: what counts many labels needs none of them.
    """
    query = sa.select(label_events).where(label_events.c.evaluation_id == evaluation_id)
    if not texts:
        empty = [sa.literal("").label("correction"), sa.literal("").label("note"), sa.literal(None).label("spans")]
        query = query.with_only_columns(
            *(c for c in label_events.c if c.name not in ("correction", "note", "spans")), *empty
        )
    if example_id is not None:
        query = query.where(label_events.c.example_id == example_id)
    with reading(engine) as db:
        return [_event(row) for row in db.execute(query.order_by(label_events.c.id))]


def newest(db: sa.Connection, event: LabelEvent) -> tuple[int, str] | None:
    """(id, time) of what the annotator said last of the item of `event`; None where they said nothing."""
    table = label_events.c
    mine = (table.evaluation_id == event.evaluation_id) & (table.annotator == event.annotator)
    query = sa.select(table.id, table.created).where(mine & (table.example_id == event.example_id))
    row = db.execute(query.order_by(table.id.desc()).limit(1)).first()
    return (row.id, row.created) if row else None


def counting(
    db: sa.Connection, evaluation_id: str, annotator: str | None = None, examples: Collection[str] | None = None
) -> list[tuple[str, int]]:
    """(example, how many people have labelled it), of an annotator's or of all; from the index alone, no label is read.

    What was taken back whole does not count, nor does an adjudication.
    """
    given = {"evaluation": evaluation_id, "annotator": annotator, "examples": examples}
    wanted = {name: value for name, value in given.items() if value is not None}
    rows = db.execute(_counting(annotator is not None, examples is not None), wanted)
    return [(row[0], row[1]) for row in rows]


def far(db: sa.Connection, evaluation_id: str, annotator: str, overlap: int) -> tuple[int, int, int]:
    """How many examples `overlap` people have labelled, how many the annotator has, and how many both is true of."""
    row = db.execute(_far(), {"evaluation": evaluation_id, "annotator": annotator, "overlap": overlap}).one()
    return row[0] or 0, row[1] or 0, row[2] or 0


# Statements that are asked at every label are built once: SQLAlchemy takes longer to build one than SQLite to answer.


@lru_cache(maxsize=4)
def _counting(of_annotator: bool, among_examples: bool) -> sa.Select[Any]:
    each = _people(of_annotator, among_examples).subquery()
    return sa.select(each.c.example_id, sa.func.count()).group_by(each.c.example_id)


@lru_cache(maxsize=1)
def _far() -> sa.Select[Any]:
    each = _people().subquery()
    mine = sa.func.max(sa.case((each.c.annotator == sa.bindparam("annotator"), 1), else_=0))
    people = sa.select(sa.func.count().label("n"), mine.label("mine")).group_by(each.c.example_id).subquery()
    full = sa.case((people.c.n >= sa.bindparam("overlap"), 1), else_=0)
    total = sa.func.sum
    return sa.select(total(full), total(people.c.mine), total(full * people.c.mine))


def _people(of_annotator: bool = False, among_examples: bool = False) -> sa.Select[Any]:
    """(example, annotator) of each label that counts and was not taken back whole."""
    table = label_events.c
    cleared = sa.func.max(sa.case((table.act == "clear", table.id), else_=0))
    said = sa.func.max(sa.case((table.act.in_(("label", "undo")), table.id), else_=0))
    where = table.evaluation_id == sa.bindparam("evaluation")
    if of_annotator:
        where &= table.annotator == sa.bindparam("annotator")
    if among_examples:
        where &= table.example_id.in_(sa.bindparam("examples", expanding=True))
    people = sa.select(table.example_id, table.annotator).where(where)
    return people.group_by(table.example_id, table.annotator).having(said > cleared)


def labelled(engine: sa.Engine, evaluation_id: str, annotator: str | None = None) -> dict[str, int]:
    """`counting`, as a dictionary: example → how many people have labelled it."""
    with reading(engine) as db:
        return dict(counting(db, evaluation_id, annotator))


def current(engine: sa.Engine, evaluation_id: str, annotator: str | None = None) -> dict[str, LabelEvent]:
    """The event of each example that counts: of one annotator, or of all.

    Of all, what an adjudication settled comes first, then who came last. What was taken back does not count.
    """
    events = of_each(history(engine, evaluation_id))
    if annotator is not None:
        return {e.example_id: e for e in events if e.annotator == annotator and e.act != "adjudicate"}
    return {e.example_id: e for e in sorted(events, key=lambda e: (e.act == "adjudicate", e.id))}


def of_each(events: Iterable[LabelEvent]) -> list[LabelEvent]:
    """What each annotator said last of each item and did not take back, and what was settled last, oldest first.

    `events`: oldest first. An adjudication is nobody's label: who settles an item may have labelled it, too.
    """
    newest: dict[tuple[str, str, bool], LabelEvent] = {}
    for event in events:
        newest[event.example_id, event.annotator if event.act != "adjudicate" else "", event.act == "adjudicate"] = (
            event
        )
    return sorted((e for e in newest.values() if e.act != "clear"), key=lambda e: e.id)


def summary(events: Iterable[LabelEvent]) -> dict[str, Any]:
    """Counts over events: verdicts, marks by side and label, corrections, notes. Give it current events."""
    events = list(events)
    marks: dict[str, dict[str, dict[str, int]]] = {
        side: {label: dict.fromkeys(MARKS, 0) for label in ERROR_LABELS} for side in SIDES
    }
    for event in events:
        for side, labels in event.labels.items():
            for label, mark in labels.items():
                marks.setdefault(side, {}).setdefault(label, dict.fromkeys(MARKS, 0))[mark] += 1
    return {
        "examples": len({e.example_id for e in events}),
        "annotators": len({e.annotator for e in events}),
        "verdicts": {verdict: sum(e.verdict == verdict for e in events) for verdict in VERDICTS},
        "labels": marks,
        "corrections": sum(bool(e.correction.strip()) for e in events),
        "notes": sum(bool(e.note.strip()) for e in events),
    }


def _event(row: sa.Row[Any]) -> LabelEvent:
    values = {name: value for name, value in row._mapping.items() if name != "project_id"}
    spans = {
        side: {label: [(a, b) for a, b in found] for label, found in of_side.items()}
        for side, of_side in (row.spans or {}).items()
    }
    values |= {"shown_order": tuple(row.shown_order), "suggestions_visible": bool(row.suggestions_visible)}
    return LabelEvent(**values | {"spans": spans, "blind": bool(row.blind), "key": row.key or ""})


def _validate(event: LabelEvent, own_labels: Collection[str]) -> None:
    _require("verdict", event.verdict, VERDICTS)
    _require("act", event.act, ACTS)
    for side, labels in event.labels.items():
        _require("side", side, (*SIDES, REFERENCE))
        known = (REFERENCE_WRONG,) if side == REFERENCE else (*ERROR_LABELS, *own_labels)
        for label, mark in labels.items():
            _require("label", label, known)
            _require("mark", mark, MARKS)
    _require_spans(event.spans, own_labels)
    for side in (*event.generation_ids, *event.shown_order):
        _require("side", side, SIDES)
    _require_text("correction", event.correction, LONGEST_TEXT)
    _require_text("note", event.note, LONGEST_TEXT)
    _require_text("annotator's name", event.annotator, LONGEST_NAME)
    _require_text("event's key", event.key, LONGEST_KEY)
    if not event.annotator.strip():
        raise UserError("The label has no annotator. Enter your name first.")


def _require_spans(spans: Spans, own_labels: Collection[str]) -> None:
    for side, of_side in spans.items():
        _require("side", side, (*SIDES, REFERENCE))
        for label, found in of_side.items():
            _require("label", label, (*ERROR_LABELS, REFERENCE_WRONG, *own_labels))
            if len(found) > MOST_SPANS:
                raise UserError(f"{len(found):,} places are marked as {label}. Mark at most {MOST_SPANS:,}.")
            if not all(0 <= start < end for start, end in found):
                raise UserError(f"A marked place of {label} is empty or begins before the text. Mark it again.")


def _require(what: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f"“{value}” is no {what}. Choose one of: {', '.join(allowed)}.")


def _require_text(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise UserError(f"The {what} has {len(text):,} characters. Shorten it to {longest:,}.")
    # PostgreSQL stores no NUL, and no database a half of a surrogate pair.
    bad = next((c for c in text if c == "\0" or "\ud800" <= c <= "\udfff"), None)
    if bad is not None:
        raise UserError(f"The {what} contains the character U+{ord(bad):04X}, which cannot be stored. Remove it.")
