"""What a desk asks for: the next items, and that what a person says of them is stored.

A desk knows its two answers as left and right, `a` and `b`. Which of them is the tuned one it is told after the verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from core.errors import UserError
from core.jobs.answers import Answers
from core.review import actions, labels, own
from core.store.workspace import Job, Workspace
from core.types import ERROR_LABELS, REFERENCE, REFERENCE_WRONG, SIDES, Example, LabelEvent, Mark, Side, content_hash
from ui import text
from ui.html import review as html

NAMES: dict[str, str] = {"base": "Base", "tuned": "Tuned"}
MOST = 10
"""Items that are handed out at a time."""
LONGEST_SEARCH = 200
Said = dict[str, Any]


@dataclass(frozen=True)
class Reader:
    """Who reads which answers."""

    workspace: Workspace
    """Of the owner."""
    job: Job
    annotator: str
    guest: bool = False

    @property
    def titles(self) -> dict[str, str]:
        """label → what people call it: the built-in ones, then the project's own."""
        mine = own.offered(self.workspace.engine, self.job.project_id)
        return text.ERROR_LABELS | {label.id: label.title for label in mine}


def order(reader: Reader, example_id: str, blind: bool) -> tuple[Side, Side]:
    """The sides from left to right: drawn for each annotator and item, and the same ever after; not blind, the base
    stands left."""
    drawn = int(content_hash([reader.annotator, example_id])[:8], 16) % 2
    return ("tuned", "base") if blind and drawn else SIDES


def hand(reader: Reader, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The next items. `asked`: `from` (the place that is known, null at the beginning), `step` (1 or -1), `n`, `blind`,
    `filter`, `search`; or `only`: the id of the one item."""
    known = Answers(reader.workspace, reader.job)
    mine = labels.current(reader.workspace.engine, reader.job.id, reader.annotator)
    ids = actions.reading_order(reader.workspace, reader.job)
    step, n = (-1 if asked.get("step") == -1 else 1), min(max(int(asked.get("n") or 1), 1), MOST)
    at = asked.get("from")
    place = (at + step) if isinstance(at, int) else 0
    blind = bool(asked.get("blind"))
    if asked.get("only") in ids:
        place, asked, n = ids.index(str(asked["only"])), {"filter": "all"}, 1
    wanted = _filter(reader, known, mine, asked)
    items = []
    while 0 <= place < len(ids) and len(items) < n:
        if wanted(ids[place]):
            one = item(reader, known, ids[place], blind, mine.get(ids[place]))
            items.append({**one, "place": place})
        place += step
    return {"items": items, "progress": {"done": len(mine), "of": len(ids)}}


def _filter(
    reader: Reader, known: Answers, mine: Mapping[str, LabelEvent], asked: Mapping[str, Any]
) -> Callable[[str], bool]:
    name = str(asked.get("filter") or "todo")
    words = str(asked.get("search") or "")[:LONGEST_SEARCH].casefold().strip()

    def wanted(id_: str) -> bool:
        event = mine.get(id_)
        if name == "todo" and event or name == "done" and not event:
            return False
        if name.startswith("label:"):
            marks = event.labels.values() if event else ()
            if not any(of_side.get(name[6:]) in ("present", "unsure") for of_side in marks):
                return False
        generated = known.of(id_) if words or name == "suggested" else {}
        if name == "suggested" and not any(s.flagged for g in generated.values() for s in known.suggestions(g)):
            return False
        if words:
            [example] = known.examples([id_])
            texts = (example.prompt, example.target, *(g.text for g in generated.values()))
            return any(words in each.casefold() for each in texts)
        return True

    return wanted


def item(reader: Reader, known: Answers, example_id: str, blind: bool, said: LabelEvent | None) -> dict[str, Any]:
    """One item as a desk shows it: HTML by place, and what this annotator last said of it."""
    [example] = known.examples([example_id])
    generated = known.of(example_id)
    shown = order(reader, example_id, blind)
    parts: dict[str, Any] = {
        "prompt": {"html": html.exact(example.prompt)},
        REFERENCE: {"html": html.exact(example.target), "empty": _emptiness(example.target)},
    }
    for place, side in zip(html.LEFT_RIGHT, shown, strict=True):
        one, found = generated[side], known.suggestions(generated[side])
        parts[place] = {
            "html": html.told(one.text, found),
            "reasons": html.reasons(found, reader.titles),
            "suggested": [s.label for s in found if s.flagged],
            "detail": f"{one.tokens:,} tokens" + (", cut there" if one.finish == "length" else ""),
            "empty": _emptiness(one.text),
        }
    return {
        "id": example_id,
        "asks": _asks(example),
        "parts": parts,
        "blind": blind,
        "names": _names(shown) if not blind or (said and said.verdict != "none") else None,
        "version": [generated[side].id for side in shown],
        **_as_shown(said, shown),
    }


def _as_shown(said: LabelEvent | None, shown: tuple[Side, ...]) -> dict[str, Any]:
    """What was said, in the desk's words."""
    if said is None:
        return {"since": 0, "said": None}
    place = {**dict(zip(shown, html.LEFT_RIGHT, strict=True)), REFERENCE: REFERENCE}
    return {
        "since": said.id,
        "said": {
            "verdict": place.get(said.verdict, said.verdict),
            "labels": {place[side]: marks for side, marks in said.labels.items()},
            "spans": {place[side]: spans for side, spans in said.spans.items()},
            "correction": said.correction,
            "note": said.note,
        },
    }


def store(reader: Reader, told: Mapping[str, Any]) -> dict[str, Any]:
    """Store what a desk says of an item, or take back its last word where it says `undo`.

    Returns `since` (the id of the event that counts now), `stored` (when), `names` (once there is a verdict), `notice`
    where something else happened meanwhile; after an undo also `said`.
    """
    example_id, blind = str(told["item"]), bool(told.get("blind"))
    shown = order(reader, example_id, blind)
    engine, job = reader.workspace.engine, reader.job
    generated = Answers(reader.workspace, job).of(example_id)
    before = _current(reader, example_id)
    if told.get("undo"):
        return _undo(reader, example_id, shown, before, int(told.get("since") or 0))
    notice = ""
    version = [str(v) for v in told.get("version") or ()][:2]
    if generated and version != [generated[side].id for side in shown]:
        notice = "This item was answered anew meanwhile. What you said of the earlier answers is kept with them."
    event = _event(reader, example_id, shown, dict(zip(shown, version, strict=False)), told)
    age = min(max(float(told.get("age") or 0), 0.0), 1e9)
    late = before is not None and before.id != int(told.get("since") or 0) and before.key != event.key
    event = actions.add_label(reader.workspace, job, event)
    if late and before is not None and event.id > before.id:
        when = f"{before.created[11:16]} UTC"
        if time.time() - age < datetime.fromisoformat(before.created).timestamp():
            again = replace(before, key=f"{event.key[:50]}-kept"[:64], act="label", seconds=0.0)
            event = actions.add_label(reader.workspace, job, again)
            notice = f"You labelled this item at {when} in another window, after this. That one counts; both are kept."
        else:
            notice = f"You labelled this item at {when} in another window. This later one counts; both are kept."
    names = _names(shown) if event.verdict != "none" else None
    return {"since": event.id, "stored": event.created[11:16], "names": names, "notice": notice}


def _current(reader: Reader, example_id: str) -> LabelEvent | None:
    """What this annotator said last of an item, and did not take back."""
    events = labels.of_each(labels.history(reader.workspace.engine, reader.job.id, example_id))
    return next((e for e in events if e.annotator == reader.annotator and e.act != "adjudicate"), None)


def _undo(
    reader: Reader, example_id: str, shown: tuple[Side, Side], before: LabelEvent | None, since: int
) -> dict[str, Any]:
    engine, job = reader.workspace.engine, reader.job
    # Sent again after an answer that was lost: it is undone already.
    if before is not None and before.id == since:
        labels.undo(engine, job.id, example_id, reader.annotator)
        before = _current(reader, example_id)
    now = datetime.now(UTC).strftime("%H:%M")
    return {"stored": now, "names": None, "notice": "", "undone": True, **_as_shown(before, shown)}


def _event(
    reader: Reader, example_id: str, shown: tuple[Side, Side], version: dict[str, str], told: Mapping[str, Any]
) -> LabelEvent:
    """An event of what a desk sent. What is no label, mark or place is refused by `labels.add`."""
    side_of = {**dict(zip(html.LEFT_RIGHT, shown, strict=True)), REFERENCE: REFERENCE}
    said = told.get("said")
    if not isinstance(said, Mapping):
        raise UserError("Nothing was said of this item. Reload the page, and label it again.")
    marks: dict[str, dict[str, Mark]] = {s: {} for s in SIDES}
    spans: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for place, side in side_of.items():
        names = (REFERENCE_WRONG,) if side == REFERENCE else tuple(reader.titles)
        given = _mapping(_mapping(said.get("labels")).get(place))
        marks[side] = {name: given.get(name, "absent") for name in {**dict.fromkeys(names), **given}}
        found = _mapping(_mapping(said.get("spans")).get(place))
        spans[side] = {str(name): [(int(a), int(b)) for a, b in each] for name, each in found.items() if each}
    verdict: Any = said.get("verdict") or "none"
    return LabelEvent(
        evaluation_id=reader.job.id,
        example_id=example_id,
        annotator=reader.annotator,
        verdict=side_of.get(verdict, verdict) if verdict != REFERENCE else verdict,  # type: ignore[arg-type]
        labels=marks,
        correction=str(said.get("correction") or "").strip(),
        note=str(said.get("note") or "").strip(),
        generation_ids=version,
        shown_order=shown,
        suggestions_visible=bool(told.get("hints")),
        spans={side: each for side, each in spans.items() if each},
        seconds=min(max(float(told.get("seconds") or 0), 0.0), 86_400.0),
        blind=bool(told.get("blind")),
        key=str(told.get("key") or "")[:64],
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(shown: tuple[Side, ...]) -> dict[str, str]:
    return {place: NAMES[side] for place, side in zip(html.LEFT_RIGHT, shown, strict=True)}


def _asks(example: Example) -> str:
    turn = example.turn
    return f"Row {example.row}" + (f", answer {turn.number} of {turn.of} in its conversation" if turn else "")


def _emptiness(answer: str) -> str:
    """What to write in the place of an answer that shows nothing."""
    if answer.strip():
        return ""
    return f"(only white space: {len(answer):,} characters)" if answer else "(empty)"


def edits(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a correction changes of the text that it began with."""
    before, after = (str(asked.get(name) or "") for name in ("before", "after"))
    if max(len(before), len(after)) > actions.LONGEST:
        raise UserError(f"A correction has at most {actions.LONGEST:,} characters. Shorten it.")
    return {"html": html.edits(before, after)}


def add_label(reader: Reader, asked: Mapping[str, Any]) -> dict[str, Any]:
    """A label of the project's own."""
    if reader.guest:
        raise UserError("Only the owner of this review adds labels. Write a note; it can become a label.")
    label = own.add(reader.workspace, reader.job.project_id, str(asked.get("title") or ""))
    return {"label": label.id, "html": html.label(label.id, label.title)}


FILTERS = (("todo", "Not labelled yet"), ("all", "All"), ("done", "Labelled"), ("suggested", "Hints"))


def empty_desk(reader: Reader, visitor: str = "") -> str:
    """The desk before the script fills it. `visitor`: the secret of the browser that it is made for."""
    titles = reader.titles
    chosen = [(f"label:{name}", f"Labelled: {title.lower()}") for name, title in titles.items()]
    about = {"job": reader.job.id, "visitor": visitor, "builtin": str(len(ERROR_LABELS))}
    return html.desk(list(titles.items()), about, [*FILTERS, *chosen])
