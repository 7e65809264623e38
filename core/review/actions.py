"""What the Error review and the command `review` do, for whoever may open the project."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from core.errors import UserError
from core.jobs.answers import Answers
from core.review import blind, labels, leases, queue
from core.review.exporting import LABEL_FORMATS, export_labels
from core.review.looks import Known, looks
from core.store.turns import reading, writing
from core.store.workspace import Job, Workspace
from core.types import SIDES, Example, Generation, LabelEvent, Side, Suggestion

__all__ = ["LABEL_FORMATS", "LONGEST", "Item", "Stored", "add_label", "export_labels", "item", "reading_order", "store"]

LONGEST = 100_000
"""Characters of a correction or a note."""


class Stored(NamedTuple):
    """A label in the database."""

    event: LabelEvent
    said: str
    """What its author should know of it, in sentences; empty where all is as they think."""


@dataclass(frozen=True)
class Item:
    """What one annotator is shown of one pair of answers."""

    example: Example
    generations: dict[str, Generation]
    """side → its answer."""
    suggestions: dict[str, list[Suggestion]]
    """side → what detectors say of it; empty lists where `hints_hidden`."""
    order: tuple[Side, Side]
    """The sides from left to right, where they are shown blind: to be stored as `shown_order`."""
    hints_hidden: bool
    """One of those on which anchoring is measured: what detectors found is not to be shown."""
    stored: LabelEvent | None
    """What the annotator said last of it and did not take back."""
    newest: int
    """Id of their last event on it, taken back or not; 0 where there is none: `store` takes it as `seen`."""


def item(workspace: Workspace, evaluation: Job, example_id: str, annotator: str | None = None) -> Item:
    """One pair of answers as an annotator is shown it; theirs who owns the workspace where none is named.

    Raises UserError where the evaluation has no such row.
    """
    return shown(workspace, workspace.job(evaluation.id), example_id, annotator or workspace.owner)


def shown(workspace: Workspace, evaluation: Job, example_id: str, annotator: str) -> Item:
    """`item`, of an evaluation that is known to be the owner's: a `Guest` has one."""
    read = _read(Known(Answers(workspace, evaluation)), example_id)
    hidden = blind.hints_hidden(evaluation.id, example_id, annotator)
    mine = [e for e in labels.history(workspace.engine, evaluation.id, example_id) if e.annotator == annotator]
    said = [e for e in labels.of_each(mine) if e.act != "adjudicate"]
    return Item(
        example=read.example,
        generations=dict(read.generations),
        suggestions={side: [] if hidden else list(read.suggestions[side]) for side in SIDES},
        order=blind.sides(evaluation.id, example_id, annotator),
        hints_hidden=hidden,
        stored=said[-1] if said else None,
        newest=mine[-1].id if mine else 0,
    )


class _Read(NamedTuple):
    """What is in files of an item, whoever looks at it."""

    example: Example
    generations: dict[str, Generation]
    suggestions: dict[str, list[Suggestion]]


@lru_cache(maxsize=128)  # an item is shown and then stored, often to several people at once
def _read(known: Known, example_id: str) -> _Read:
    generations = known.answers.of(example_id)
    found = known.answers.examples([example_id])
    if not generations or not found:
        raise _no_such_row()
    return _Read(found[0], generations, {side: known.answers.suggestions(generations[side]) for side in SIDES})


def store(
    workspace: Workspace, evaluation: Job, event: LabelEvent, seen: int | None = None, overlap: int | None = None
) -> Stored:
    """Store one act of labelling. The evaluation must be the owner's and hold the example.

    Whatever happened meanwhile, the label is stored, and `said` tells: the answers are others by now; the same person
    labelled the row elsewhere after `seen`, the newest event that the page knew; or the time for which they held the
    row was over, and it has its `overlap` labels.
    """
    return keep(workspace, workspace.job(evaluation.id), event, seen, overlap)


def keep(workspace: Workspace, evaluation: Job, event: LabelEvent, seen: int | None, overlap: int | None) -> Stored:
    """`store`, in an evaluation that is known to be the owner's: a `Guest` has one."""
    event = replace(event, evaluation_id=evaluation.id)
    generations = _read(Known(Answers(workspace, evaluation)), event.example_id).generations
    for what, written in (("correction", event.correction), ("note", event.note)):
        if len(written) > LONGEST:
            raise UserError(f"The {what} has {len(written):,} characters. Shorten it to {LONGEST:,}.")
    seen_texts = {side: g for side, g in generations.items() if event.generation_ids.get(side) == g.id}
    _require_inside(event, seen_texts)
    workspace.require_room(len(event.correction) + len(event.note), "Another label")
    engine = workspace.engine
    labels.require_sound(engine, evaluation.project_id, event)

    def stored_once() -> tuple[LabelEvent, tuple[int, str] | None, str | None]:
        with writing(engine) as db:
            before = labels.newest(db, event)
            stored = labels.append(db, evaluation.project_id, event)
            return stored, before, leases.release(db, event.evaluation_id, event.example_id, event.annotator)

    stored, before, held = labels.once(stored_once)
    if before and stored.id <= before[0]:
        return Stored(stored, "")  # sent twice
    said = []
    if set(event.generation_ids) - set(seen_texts):
        said.append(
            "This row was answered anew while you labelled it. Your label is stored, for the answers that you saw; "
            "open the row again to label the new ones."
        )
    if seen is not None and before and before[0] > seen:
        said.append(
            f"You labelled this row in another place too, at {before[1][11:16]} UTC. Both are kept; what you said now "
            "counts."
        )
    if overlap and held and leases.expired(held) and _labelled(workspace, event) > overlap:
        said.append(
            f"Your {leases.MINUTES} minutes for this row were over, and somebody else labelled it. Both labels "
            "are kept."
        )
    return Stored(stored, " ".join(said))


def _labelled(workspace: Workspace, event: LabelEvent) -> int:
    """How many people have labelled the item of an event."""
    with reading(workspace.engine) as db:
        return sum(n for _, n in labels.counting(db, event.evaluation_id, examples=[event.example_id]))


def add_label(workspace: Workspace, evaluation: Job, event: LabelEvent) -> LabelEvent:
    """`store`, where nobody waits for what it says."""
    return store(workspace, evaluation, event).event


def undo(workspace: Workspace, evaluation: Job, example_id: str) -> LabelEvent | None:
    """Take back what the owner of the workspace said last of a row: see `labels.undo`. None where nothing is left."""
    return labels.undo(workspace.engine, workspace.job(evaluation.id).id, example_id, workspace.owner)


def adjudicate(workspace: Workspace, evaluation: Job, event: LabelEvent) -> LabelEvent:
    """Settle a row on which annotators disagree: this counts before all labels of it, whoever labels it later."""
    return store(workspace, evaluation, replace(event, act="adjudicate", annotator=workspace.owner)).event


def reading_order(workspace: Workspace, evaluation: Job) -> list[str]:
    """Ids of the examples to review, in the order to read them: see core/review/queue.py."""
    workspace.job(evaluation.id)
    done = labels.labelled(workspace.engine, evaluation.id, workspace.owner)
    return queue.unlabelled_first(looks(workspace, evaluation).ids, done)


def next_items(workspace: Workspace, evaluation: Job, overlap: int = 1, most: int = 1) -> list[str]:
    """The next rows for the owner of the workspace where others label, too: theirs for ten minutes. See `leases`."""
    workspace.job(evaluation.id)
    return leases.claim(
        workspace.engine, evaluation.id, workspace.owner, looks(workspace, evaluation).ids, overlap, most
    )


def _require_inside(event: LabelEvent, shown: dict[str, Generation]) -> None:
    """Marked places must be of the text that they are in, where that text is still known."""
    for side, of_side in event.spans.items():
        longest = len(shown[side].text) if side in shown else None
        for label, found in of_side.items():
            if longest is not None and any(end > longest for _, end in found):
                raise UserError(
                    f"A place marked as {label} ends behind the {side} answer, which has {longest:,} characters. Mark "
                    "it again."
                )


def _no_such_row() -> UserError:
    return UserError("This row is not part of the evaluation. Choose a row from its list.")
