"""The way back of the loop: what people wrote in the Error review becomes rows of the next version."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from core.errors import UserError
from core.jobs.answers import Answers
from core.store.datasets import SPLITS
from core.store.queries import Rows
from core.store.workspace import Job, Workspace
from core.types import DatasetVersion, Example


@dataclass(frozen=True)
class Lessons:
    """A dataset version's rows with corrections in them, before they are frozen."""

    parent: DatasetVersion
    changed: dict[int, Example]
    """Rows of the parent that are changed, by their place: corrected, or moved to the training rows."""
    added: tuple[Example, ...]
    """New rows, behind the last."""
    corrected: tuple[Example, ...]
    """Rows whose answer is now the corrected one; all of them are trained."""
    moved: int
    """Rows that left validation or test: the corrected ones, and those that ask the same."""
    counts: dict[str, int]
    """Rows by split, as they would be."""

    @property
    def sentence(self) -> str:
        n, whole, left = len(self.corrected), self.parent.counts["test"], self.counts.get("test", 0)
        answers = "1 corrected answer is" if n == 1 else f"{n:,} corrected answers are"
        them = "it" if n == 1 else "them"
        rest = f"{left:,} of {whole:,} test rows remain." if left < whole else f"The {left:,} test rows stay."
        return f"{answers} not trained yet. With {them}, {self.counts['train']:,} rows are trained. {rest}"


def look(workspace: Workspace, evaluation: Job) -> Lessons | None:
    """What `learn` would make of the newest corrections of an evaluation; None where there is nothing new to learn."""
    from core.review import labels

    newest = labels.current(workspace.engine, workspace.job(evaluation.id).id)
    written = {id_: event.correction.strip() for id_, event in newest.items() if event.correction.strip()}
    if not written:
        return None
    reviewed = Answers(workspace, evaluation).examples(list(written))
    parent = workspace.versions(evaluation.project_id)[-1]
    return merged(parent, workspace.rows(parent.id), [(e, written[e.id]) for e in reviewed])


def learn(workspace: Workspace, evaluation: Job) -> tuple[DatasetVersion, Lessons]:
    """Freeze the project's next version: its newest one, with the corrected rows among the training rows.

    A corrected row is no longer fit to test: whoever wrote its answer saw what the model said. So it leaves the test
    rows, and every row that asks the same, or nearly, goes with it. Raises UserError where nothing new was corrected,
    or where no row would be left to test or to validate with.
    """
    with workspace.locked():
        lesson = look(workspace, evaluation)
        if lesson is None:
            raise UserError(
                f"{evaluation.title} has no correction that the newest rows lack. Write one under “The answer as it "
                "should have been” in Error review."
            )
        if gone := [
            split for split in ("test", "validation") if lesson.parent.counts[split] and not lesson.counts.get(split)
        ]:
            raise UserError(
                f"All {lesson.parent.counts[gone[0]]:,} {gone[0]} rows would become training rows, and nothing would "
                "be left to measure with. Import more rows first."
            )
        change = {
            "corrected": [e.id for e in lesson.corrected],
            "moved_to_train": lesson.moved,
            "why": f"corrected in the review of {evaluation.title}",
        }
        manifest = {**lesson.parent.manifest, "changes": [*lesson.parent.manifest.get("changes", []), change]}
        return workspace.add_changed(lesson.parent, manifest, lesson.changed, lesson.added), lesson


def _whole(rows: Rows, reviewed: Example) -> int | None:
    """The place of the conversation that an earlier answer was reviewed of; None for a row's last answer, and where the
    conversation is not there any more: then what was reviewed becomes a row of its own."""
    if not reviewed.turn or reviewed.turn.number == reviewed.turn.of:
        return None
    places = np.flatnonzero(rows.numbers("id") == np.uint64(int(reviewed.turn.conversation, 16)))
    return int(places[0]) if len(places) else None


def _answered(conversation: Example, place: int, answer: str) -> Example:
    """The conversation with another answer at this place, which is trained whatever the setting."""
    message = {**conversation.messages[place], "content": answer, "train": True}
    messages = (*conversation.messages[:place], message, *conversation.messages[place + 1 :])
    return replace(conversation, messages=messages)


def merged(parent: DatasetVersion, rows: Rows, corrections: list[tuple[Example, str]]) -> Lessons | None:
    """`rows` with each (reviewed row, its corrected answer) in the reviewed row's place, or at the end for a new row.

    None where the rows train all of these answers already.
    """
    new: dict[int, Example] = {}
    corrected: list[int] = []
    asking: dict[tuple[str, ...], list[int]] = {}
    given = parent.manifest.get("last_row", 0) if parent else 0  # a number that a row had is not given again
    size, last = len(rows), max(int(rows.numbers("row").max(initial=0)), given)
    for reviewed, answer in corrections:
        whole = _whole(rows, reviewed)
        if whole is not None:
            place = len(reviewed.messages)
            old = new.get(whole) or rows[whole]
            if old.messages[place]["content"] != answer or old.split != "train":
                corrected.append(whole)
                new[whole] = _answered(old, place, answer)
            continue
        if reviewed.asks not in asking:
            asking[reviewed.asks] = rows.asking(reviewed.asks)
        same = asking[reviewed.asks]
        there = [new.get(place, e) for place, e in zip(same, rows.take(same), strict=True)]
        if any(e.target == answer and e.split == "train" for e in there):
            continue
        # A row that was corrected before has another id: it is found by what it asks.
        at = next((place for place, e in zip(same, rows.take(same), strict=True) if e.id == reviewed.id), None)
        if at is None:
            at = same[0] if same else size + len([place for place in new if place >= size])
        if at >= size:
            last += 1
            old = replace(reviewed, row=last)
        else:
            old = new.get(at) or rows[at]
        corrected.append(at)
        new[at] = replace(old, target=answer, good=True if old.good is not None else None, turn=None)
    if not corrected:
        return None
    asked = {e.asks for e in new.values()} | {e.asks for e in rows.take([at for at in new if at < size])}
    places = {place for asks in asked for place in rows.together(asks)}
    present = dict(zip(places, rows.take(places), strict=True))
    moved = sum(e.split != "train" for e in present.values())
    changed = {place: replace(new.get(place, e), split="train") for place, e in present.items()}
    changed = {place: e for place, e in changed.items() if e != present[place]}
    added = tuple(replace(e, split="train") for place, e in sorted(new.items()) if place >= size)
    counts = Counter(parent.counts if parent else {s: len(rows.of_split(s)) for s in SPLITS})
    for e in present.values():
        counts[e.split] -= 1
    counts["train"] += len(present) + len(added)
    behind = dict(enumerate(added, start=size))
    return Lessons(
        *(parent, changed, added),
        tuple(changed.get(i) or behind.get(i) or replace(new[i], split="train") for i in corrected),
        *(moved, {split: n for split, n in counts.items() if n}),
    )
