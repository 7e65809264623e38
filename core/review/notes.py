"""Notes that say alike, and a label made of them: so the list of errors grows out of what people saw."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from core.errors import UserError
from core.jobs.answers import Answers
from core.questions import canonical
from core.review import labels, own
from core.review.own import OwnLabel
from core.store.workspace import Job, Workspace
from core.types import Act, LabelEvent, Side

ALIKE = 0.5
"""Share of their words that two notes have in common, of those that either has (Jaccard 1912)."""
MOST = 500
"""Groups that are looked through for one that a note is like; a note that comes later stands by itself."""
_WORDS = re.compile(r"\w+")


@dataclass(frozen=True)
class Notes:
    """Notes of one review that say alike."""

    title: str
    """The first of them, as it was written: what the label could be called."""
    events: tuple[int, ...]
    """Ids of the events that have them, of each annotator's last word of an item."""
    examples: tuple[str, ...]
    """Ids of their items."""


def grouped(workspace: Workspace, evaluation: Job) -> list[Notes]:
    """Notes that say alike, the most frequent first: by their words, whatever their case, order and marks."""
    workspace.job(evaluation.id)
    groups: list[tuple[frozenset[str], list[LabelEvent]]] = []
    for event in labels.of_each(labels.history(workspace.engine, evaluation.id)):
        if event.note.strip():
            words = frozenset(_WORDS.findall(canonical(event.note)))
            there = next((events for kept, events in groups[:MOST] if _alike(kept, words)), None)
            if there is None:
                groups.append((words, [event]))
            else:
                there.append(event)
    groups.sort(key=lambda group: -len(group[1]))
    return [
        Notes(events[0].note, tuple(e.id for e in events), tuple(dict.fromkeys(e.example_id for e in events)))
        for _, events in groups
    ]


def _alike(first: frozenset[str], second: frozenset[str]) -> bool:
    either = first | second
    return len(first & second) >= ALIKE * len(either) if either else True


def promote(
    workspace: Workspace, evaluation: Job, events: Collection[int], title: str, side: Side = "tuned"
) -> tuple[OwnLabel, int]:
    """Make a label of notes: one of the project's own, or the one of this title that it has. Returns it, and how many
    labels carry it now.

    Of each of `events` (ids, as `grouped` gives them) a further one is appended in which the label is present on
    `side`, and all else as its author said it. Done twice, it is stored once. Raises UserError where no such note is
    left.
    """
    evaluation = workspace.job(evaluation.id)
    standing = labels.of_each(labels.history(workspace.engine, evaluation.id))
    chosen = [e for e in standing if e.id in set(events) and e.note.strip()]
    if not chosen:
        raise UserError("These notes were changed or taken back meanwhile. Look at the notes again.")
    answers = Answers(workspace, evaluation)
    there = own.offered(workspace.engine, evaluation.project_id)
    label = next((each for each in there if each.title.casefold() == title.strip().casefold()), None)
    label = label or own.add(workspace, evaluation.project_id, title)
    carried = 0
    for event in chosen:
        if answers.of(event.example_id):
            marks = {**event.labels, side: {**event.labels.get(side, {}), label.id: "present"}}
            act: Act = "adjudicate" if event.act == "adjudicate" else "label"
            key = f"promoted {event.id} {label.id}"[:64]
            further = replace(event, labels=marks, key=key, seconds=0.0, act=act)
            labels.add(workspace.engine, evaluation.project_id, further)
            carried += 1
    return label, carried
