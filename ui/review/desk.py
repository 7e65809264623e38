"""What a desk asks for: the next items, and that what a person says of them is stored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.errors import UserError
from core.review import actions, finding, guests, labels, own
from core.review.actions import Item
from core.review.finding import Wanted
from core.review.invitations import Guest
from core.review.looks import looks
from core.review.settled import voices
from core.store.workspace import Job, Workspace
from core.types import REFERENCE, REFERENCE_WRONG, SUGGESTED_LABELS, LabelEvent, Mark, Side
from ui import text
from ui.html import review as html
from ui.review import item as items

MOST = 10
"""Items that are handed out at a time."""
MOST_HELD = 100
"""Items that a guest's page has in hand."""


@dataclass(frozen=True)
class Reader:
    """Who reads which answers."""

    workspace: Workspace
    """Of the owner."""
    job: Job
    annotator: str
    guest: Guest | None = None

    @property
    def titles(self) -> dict[str, str]:
        """label → what people call it: the built-in ones, then the project's own."""
        mine = own.offered(self.workspace.engine, self.job.project_id)
        return text.ERROR_LABELS | {label.id: label.title for label in mine}

    def item(self, example_id: str) -> Item:
        if self.guest:
            return guests.item(self.guest, example_id)
        return actions.item(self.workspace, self.job, example_id)


def filters(reader: Reader) -> list[tuple[str, str]]:
    """(value, title) of what can be chosen to be read."""
    if reader.guest:
        return [("todo", "Not labelled yet"), ("done", "Labelled by me")]
    return [
        *(("todo", "Not labelled by me"), ("nobody", "Not labelled by anybody"), ("all", "All")),
        *(("done", "Labelled by me"), ("disagreement", "To settle: people disagree"), ("drawn", "The random sample")),
        *((f"label:{name}", f"Labelled: {title.lower()}") for name, title in reader.titles.items()),
        *((f"hint:{name}", f"Hint: {text.ERROR_LABELS[name].lower()}") for name in SUGGESTED_LABELS),
        *((f"verdict:{name}", title) for name, title in text.VERDICTS.items()),
    ]


def empty_desk(reader: Reader, visitor: str = "") -> str:
    """The desk before the script fills it. `visitor`: the secret of the browser that it is made for."""
    about = {"job": reader.job.id, "visitor": visitor, "annotator": reader.annotator}
    if reader.guest:
        about = {"job": reader.job.id, "annotator": reader.annotator, "guest": "1"}
    return html.desk(list(reader.titles.items()), about, filters(reader), guest=reader.guest is not None)


def hand(reader: Reader, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The next items. `asked`: `from` (the place that is known, null at the beginning), `step` (1 or -1), `n`, `blind`,
    `filter`, `search`, `have` (ids that the page has); or `only`: the id of the one item."""
    blind, titles = reader.guest is not None or bool(asked.get("blind")), reader.titles
    if asked.get("only"):
        only = str(asked["only"])
        ids = [] if reader.guest else looks(reader.workspace, reader.job).ids
        found: list[tuple[int | None, str]] = [(ids.index(only) if only in ids else None, only)]
    elif reader.guest:
        found = _handed(reader.guest, asked)
    else:
        found = _places(reader, asked)
    settling = voices(reader.workspace, reader.job) if asked.get("filter") == "disagreement" else {}
    given = []
    for place, id_ in found:
        said = settling.get(id_)
        one = items.shown(reader.item(id_), blind, titles, said)
        asks = one["asks"] if reader.guest else f"{one['asks']} · {reader.job.title}"
        given.append({**one, "asks": asks, "place": place})
    return {"items": given, "progress": progress(reader)}


def progress(reader: Reader) -> dict[str, Any]:
    """How many are labelled by whoever reads, of how many."""
    if reader.guest:
        far = guests.progress(reader.guest)
        return {"done": far.mine, "of": far.mine + far.left}
    mine = labels.labelled(reader.workspace.engine, reader.job.id, reader.annotator)
    return {"done": len(mine), "of": len(looks(reader.workspace, reader.job).numbers)}


def enough(reader: Reader) -> dict[str, Any]:
    """A sentence where the review may stop, else an empty one."""
    if reader.guest:
        return {"sentence": ""}
    far = finding.progress(reader.workspace, reader.job)
    return {"sentence": text.enough(far.since_new) if far.enough else ""}


def _places(reader: Reader, asked: Mapping[str, Any]) -> list[tuple[int | None, str]]:
    """(place, id) of the next items that are wanted, by their places while nothing is labelled: these do not move."""
    workspace, job = reader.workspace, reader.job
    ids = looks(workspace, job).ids
    name, _, value = str(asked.get("filter") or "todo").partition(":")
    words = str(asked.get("search") or "")
    wanted = {
        "todo": Wanted(labelled="no", text=words),
        "done": Wanted(labelled="mine", text=words),
        "disagreement": Wanted(disagreement=True, text=words),
        "drawn": Wanted(drawn=True, text=words),
        "label": Wanted(label=value, text=words),
        "hint": Wanted(suggested=value if value in SUGGESTED_LABELS else SUGGESTED_LABELS[0], text=words),
        "verdict": Wanted(verdict=value, text=words),
    }.get(name, Wanted(text=words))
    keep = set(finding.find(workspace, job, wanted))
    if name == "nobody":
        keep -= set(labels.labelled(workspace.engine, job.id))
    return _next(ids, keep, asked)


def _handed(guest: Guest, asked: Mapping[str, Any]) -> list[tuple[int | None, str]]:
    """What a guest is handed: items of their own for ten minutes; or what they have labelled."""
    if asked.get("filter") == "done":
        there = guests.labelled(guest)
        return _next(there, set(there), asked)
    if asked.get("step") == -1:
        return []
    have = [str(id_) for id_ in asked.get("have") or ()][-MOST_HELD:]
    n = min(max(int(asked.get("n") or 1), 1), MOST)
    theirs = guests.claim(guest, n + len(have))
    found: list[tuple[int | None, str]] = [(None, id_) for id_ in theirs if id_ not in have]
    return found[:n]


def _next(ids: list[str], keep: set[str], asked: Mapping[str, Any]) -> list[tuple[int | None, str]]:
    step, n = (-1 if asked.get("step") == -1 else 1), min(max(int(asked.get("n") or 1), 1), MOST)
    at = asked.get("from")
    place = (at + step) if isinstance(at, int) else 0
    found: list[tuple[int | None, str]] = []
    while 0 <= place < len(ids) and len(found) < n:
        if ids[place] in keep:
            found.append((place, ids[place]))
        place += step
    return found


def store(reader: Reader, told: Mapping[str, Any]) -> dict[str, Any]:
    """Store what a desk says of an item, or take back its last word where it says `undo`.

    Returns `since` (the id of the event that counts now), `stored` (when), `names` (once there is a verdict), `notice`
    where something else happened meanwhile; after an undo also `said`.
    """
    example_id, blind = str(told["item"]), reader.guest is not None or bool(told.get("blind"))
    before = reader.item(example_id)
    sides = items.order(before, blind)
    since = int(told.get("since") or 0)
    if told.get("undo"):
        return _undo(reader, before, sides, since)
    event = _event(reader, before, sides, told)
    if told.get("settles") and not reader.guest:
        event = actions.adjudicate(reader.workspace, reader.job, event)
        return _stored(event, sides, "Settled. This counts before what each of them said.")
    stored = _store(reader, event, since)
    made = time.time() - min(max(float(told.get("age") or 0), 0.0), 1e9)
    earlier = before.stored
    if (
        earlier
        and before.newest > since
        and stored.event.id > before.newest
        and made < datetime.fromisoformat(earlier.created).timestamp()
    ):
        # It waited in a browser while the same person went on elsewhere: what they said last counts.
        again = replace(earlier, key=f"{event.key[:50]}-kept", act="label", seconds=0.0)
        when = earlier.created[11:16]
        notice = f"You labelled this row in another place at {when} UTC, after this. That counts; both are kept."
        return _stored(_store(reader, again, stored.event.id).event, sides, notice)
    return _stored(stored.event, sides, stored.said)


def _store(reader: Reader, event: LabelEvent, since: int) -> actions.Stored:
    if reader.guest:
        return guests.store(reader.guest, event, since)
    return actions.store(reader.workspace, reader.job, event, since)


def _stored(event: LabelEvent, sides: tuple[Side, Side], notice: str) -> dict[str, Any]:
    names = items.names(sides) if event.verdict != "none" else None
    return {"since": event.id, "stored": event.created[11:16], "names": names, "notice": notice}


def _undo(reader: Reader, before: Item, sides: tuple[Side, Side], since: int) -> dict[str, Any]:
    # Sent again after an answer that was lost, it is taken back already.
    if before.newest == since:
        if reader.guest:
            guests.undo(reader.guest, before.example.id)
        else:
            actions.undo(reader.workspace, reader.job, before.example.id)
    now = reader.item(before.example.id)
    done = {"since": now.newest, "stored": time.strftime("%H:%M", time.gmtime()), "names": None, "notice": ""}
    return {**done, "undone": True, "said": items.as_shown(now.stored, sides)}


def _event(reader: Reader, item: Item, sides: tuple[Side, Side], told: Mapping[str, Any]) -> LabelEvent:
    """An event of what a desk sent. What is no label, mark or place is refused by core."""
    side_of: dict[str, str] = {**dict(zip(html.LEFT_RIGHT, sides, strict=True)), REFERENCE: REFERENCE}
    said = told.get("said")
    if not isinstance(said, Mapping):
        raise UserError("Nothing was said of this item. Reload the page, and label it again.")
    marks: dict[str, dict[str, Mark]] = {}
    spans: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for place, side in side_of.items():
        names = (REFERENCE_WRONG,) if side == REFERENCE else tuple(reader.titles)
        given = _mapping(_mapping(said.get("labels")).get(place))
        marks[side] = {name: given.get(name, "absent") for name in {**dict.fromkeys(names), **given}}
        found = _mapping(_mapping(said.get("spans")).get(place))
        if places := {str(name): [(int(a), int(b)) for a, b in each] for name, each in found.items() if each}:
            spans[side] = places
    verdict: Any = said.get("verdict") or "none"
    version = [str(v) for v in told.get("version") or ()][:2]
    return LabelEvent(
        evaluation_id=reader.job.id,
        example_id=item.example.id,
        annotator=reader.annotator,
        verdict=side_of.get(verdict, verdict) if isinstance(verdict, str) else "none",  # type: ignore[arg-type]
        labels=marks,
        correction=str(said.get("correction") or "").strip(),
        note=str(said.get("note") or "").strip(),
        generation_ids=dict(zip(sides, version, strict=False)),
        shown_order=sides,
        suggestions_visible=bool(told.get("hints")) and not item.hints_hidden,
        spans=spans,
        seconds=min(max(float(told.get("seconds") or 0), 0.0), 86_400.0),
        blind=reader.guest is not None or bool(told.get("blind")),
        key=str(told.get("key") or "")[:64],
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def history(reader: Reader, asked: Mapping[str, Any]) -> dict[str, Any]:
    """All that was ever said of an item, for the owner."""
    if reader.guest:
        raise UserError("What others said is for the owner of this review alone.")
    events = labels.history(reader.workspace.engine, reader.job.id, str(asked.get("item") or ""))
    return {"html": items.history(events, reader.titles)}


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
