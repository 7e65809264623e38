"""What people said about outputs: an append-only table, and what is derived from it.

Nothing is changed or removed; a second thought is a second event, and the newest one counts. Whether the caller may see
the project is the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from core.errors import UserError
from core.store.tables import label_events
from core.types import ERROR_LABELS, SIDES, Example, Generation, LabelEvent, Suggestion

MARKS = ("present", "absent", "unsure")
VERDICTS = (*SIDES, "tie", "both_bad", "none")
LONGEST_TEXT = 100_000
LONGEST_NAME = 128


def add(engine: sa.Engine, project_id: str, event: LabelEvent) -> LabelEvent:
    """Append an event; returns it with its id and time. Raises UserError for a verdict, label or mark there is not."""
    _validate(event)
    event = replace(event, created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    values = {name: value for name, value in event.to_dict().items() if name not in ("id", "schema")}
    values |= {"shown_order": list(event.shown_order), "suggestions_visible": int(event.suggestions_visible)}
    with engine.begin() as db:
        result = db.execute(label_events.insert().values(project_id=project_id, **values))
        return replace(event, id=result.inserted_primary_key[0])  # type: ignore[index]


def history(engine: sa.Engine, evaluation_id: str, example_id: str | None = None) -> list[LabelEvent]:
    """All events of an evaluation (or of one of its examples), oldest first."""
    query = sa.select(label_events).where(label_events.c.evaluation_id == evaluation_id)
    if example_id is not None:
        query = query.where(label_events.c.example_id == example_id)
    with engine.connect() as db:
        return [_event(row) for row in db.execute(query.order_by(label_events.c.id))]


def current(engine: sa.Engine, evaluation_id: str, annotator: str | None = None) -> dict[str, LabelEvent]:
    """The newest event of each example: of one annotator, or of whoever came last."""
    events = history(engine, evaluation_id)
    return {e.example_id: e for e in events if annotator is None or e.annotator == annotator}


def summary(events: Iterable[LabelEvent]) -> dict[str, Any]:
    """Counts over events: verdicts, marks by side and label, corrections, notes. Give it current events."""
    events = list(events)
    marks: dict[str, dict[str, dict[str, int]]] = {
        side: {label: dict.fromkeys(MARKS, 0) for label in ERROR_LABELS} for side in SIDES
    }
    for event in events:
        for side, labels in event.labels.items():
            for label, mark in labels.items():
                marks[side][label][mark] += 1
    return {
        "examples": len({e.example_id for e in events}),
        "annotators": len({e.annotator for e in events}),
        "verdicts": {verdict: sum(e.verdict == verdict for e in events) for verdict in VERDICTS},
        "labels": marks,
        "corrections": sum(bool(e.correction.strip()) for e in events),
        "notes": sum(bool(e.note.strip()) for e in events),
    }


def export_rows(
    examples: Iterable[Example],
    generations: Iterable[Generation],
    suggestions: Iterable[Suggestion],
    events: Iterable[LabelEvent],
) -> list[dict[str, Any]]:
    """One flat row per event, with the texts it is about. Every row has the same keys; None: not known, not judged.

    `<side>_<label>` is the person's mark, `…_suggested` what the detector said of that very output, `…_agreed` whether
    both say the same (None while the person is unsure).
    """
    by_example = {e.id: e for e in examples}
    texts = {g.id: g.text for g in generations}
    flagged = {(s.generation_id, s.label): s.flagged for s in suggestions}
    return [_row(event, by_example.get(event.example_id), texts, flagged) for event in events]


def _row(
    event: LabelEvent, example: Example | None, texts: dict[str, str], flagged: dict[tuple[str, str], bool]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "evaluation_id": event.evaluation_id,
        "example_id": event.example_id,
        "split": example.split if example else None,
        "row": example.row if example else None,
        **({"turn": example.turn.number} if example and example.turn else {}),
        "prompt": example.prompt if example else None,
        "reference": example.target if example else None,
        **{side: texts.get(event.generation_ids.get(side, "")) for side in SIDES},
        "verdict": event.verdict,
    }
    for side in SIDES:
        for label in ERROR_LABELS:
            row |= _mark(event, side, label, flagged)
    return row | {
        "correction": event.correction,
        "note": event.note,
        "annotator": event.annotator,
        "created": event.created,
        "shown_order": ",".join(event.shown_order),
        "suggestions_visible": event.suggestions_visible,
    }


def _mark(event: LabelEvent, side: str, label: str, flagged: dict[tuple[str, str], bool]) -> dict[str, Any]:
    mark = event.labels.get(side, {}).get(label)
    suggested = flagged.get((event.generation_ids.get(side, ""), label))
    judged = suggested is not None and mark in ("present", "absent")
    name = f"{side}_{label}"
    agreed = (mark == "present") == suggested if judged else None
    return {name: mark, f"{name}_suggested": suggested, f"{name}_agreed": agreed}


def _event(row: sa.Row[Any]) -> LabelEvent:
    values = {name: value for name, value in row._mapping.items() if name != "project_id"}
    values |= {"shown_order": tuple(row.shown_order), "suggestions_visible": bool(row.suggestions_visible)}
    return LabelEvent(**values)


def _validate(event: LabelEvent) -> None:
    _require("verdict", event.verdict, VERDICTS)
    for side, labels in event.labels.items():
        _require("side", side, SIDES)
        for label, mark in labels.items():
            _require("label", label, ERROR_LABELS)
            _require("mark", mark, MARKS)
    for side in (*event.generation_ids, *event.shown_order):
        _require("side", side, SIDES)
    _require_text("correction", event.correction, LONGEST_TEXT)
    _require_text("note", event.note, LONGEST_TEXT)
    _require_text("annotator's name", event.annotator, LONGEST_NAME)
    if not event.annotator.strip():
        raise UserError("The label has no annotator. Enter your name first.")


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
