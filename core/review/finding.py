"""Which rows of a review are wanted: by label, by detectors, by who labelled them, by a text; and how far it is.

For whoever may open the project; a guest is handed items and finds none by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.jobs.answers import Answers
from core.review import labels, queue
from core.review.looks import Looks, looks
from core.review.settled import Voices, voices
from core.store.search import as_searched
from core.store.workspace import Job, Workspace

ENOUGH = 20
"""Labelled rows without a new kind of error, after which a review may stop."""


@dataclass(frozen=True)
class Wanted:
    """Empty fields want all."""

    label: str = ""
    """People say that it is present, on either side."""
    suggested: str = ""
    """A detector flagged it, on either side."""
    labelled: Literal["", "no", "mine", "anybody"] = ""
    """`no`: not by the owner of the workspace."""
    annotator: str = ""
    """This person labelled it."""
    verdict: str = ""
    """Somebody said so, or it was settled so."""
    disagreement: bool = False
    """Annotators disagree, and nothing is settled."""
    drawn: bool = False
    """Of the random stratum."""
    text: str = ""
    """That the prompt, the reference or an answer holds, whatever its case."""


def find(workspace: Workspace, evaluation: Job, wanted: Wanted) -> list[str]:
    """Ids of the rows that are wanted, in the order to read them."""
    workspace.job(evaluation.id)
    known = looks(workspace, evaluation)
    mine = labels.labelled(workspace.engine, evaluation.id, workspace.owner)
    ids = known.drawn if wanted.drawn else known.ids
    for keep in _sets(workspace, evaluation, known, wanted, mine):
        ids = [id_ for id_ in ids if id_ in keep]
    if wanted.labelled == "no":
        ids = [id_ for id_ in ids if id_ not in mine]
    if wanted.text.strip():
        holding = _holding(workspace, evaluation, ids, wanted.text.strip())
        ids = [id_ for id_ in ids if id_ in holding]
    return queue.unlabelled_first(ids, mine)


def _sets(workspace: Workspace, evaluation: Job, known: Looks, wanted: Wanted, mine: dict[str, int]) -> list[set[str]]:
    """Those that each of the filters leaves."""
    found = []
    if wanted.suggested:
        found.append(known.flagged(wanted.suggested))
    if wanted.labelled == "mine":
        found.append(set(mine))
    if wanted.labelled == "anybody":
        found.append(set(labels.labelled(workspace.engine, evaluation.id)))
    if wanted.annotator:
        found.append(set(labels.labelled(workspace.engine, evaluation.id, wanted.annotator)))
    if wanted.label or wanted.verdict or wanted.disagreement:
        said = voices(workspace, evaluation)
        found.append({id_ for id_, item in said.items() if _says(item, wanted)})
    return found


def _says(item: Voices, wanted: Wanted) -> bool:
    counting = [item.settled] if item.settled else item.each
    verdict = not wanted.verdict or any(event.verdict == wanted.verdict for event in counting)
    marked = not wanted.label or any(of.get(wanted.label) == "present" for e in counting for of in e.labels.values())
    return verdict and marked and (item.disagrees or not wanted.disagreement)


def _holding(workspace: Workspace, evaluation: Job, ids: list[str], text: str) -> set[str]:
    """Those of the items that hold a text. Reads the answers once, line by line."""
    sought, answers = as_searched(text), Answers(workspace, evaluation)
    found = {id_ for id_, answer in answers.texts() if sought in as_searched(answer)}
    for start in range(0, len(ids), 1000):
        for example in answers.examples(ids[start : start + 1000]):
            if sought in as_searched(f"{example.prompt}\x1f{example.target}"):
                found.add(example.id)
    return found


@dataclass(frozen=True)
class Progress:
    """How far a review is."""

    items: int
    mine: int
    """Labelled by the owner of the workspace."""
    anybody: int
    """Labelled by whomever."""
    drawn: int
    """Items of the random stratum."""
    drawn_done: int
    """Of these, labelled by whomever."""
    people: dict[str, int]
    """Who labelled how many."""
    kinds: int
    """Kinds of errors that were found, on whichever side."""
    since_new: int
    """Items that were labelled since the last one that brought a new kind of error."""

    @property
    def enough(self) -> bool:
        """May one stop? The last ENOUGH items brought no new kind of error."""
        return self.since_new >= ENOUGH


def progress(workspace: Workspace, evaluation: Job) -> Progress:
    """Counts of a review. Reads the marks of all labels, no text."""
    workspace.job(evaluation.id)
    engine, known = workspace.engine, looks(workspace, evaluation)
    done = labels.labelled(engine, evaluation.id)
    counted = labels.of_each(labels.history(engine, evaluation.id, texts=False))
    people: dict[str, int] = {}
    kinds: set[str] = set()
    seen: set[str] = set()
    since = 0
    for event in counted:
        if event.act != "adjudicate":
            people[event.annotator] = people.get(event.annotator, 0) + 1
        found = {label for of in event.labels.values() for label, mark in of.items() if mark == "present"}
        since += event.example_id not in seen
        if found - kinds:
            since = 0
        seen.add(event.example_id)
        kinds |= found
    return Progress(
        items=len(known.numbers),
        mine=people.get(workspace.owner, 0),
        anybody=len(done),
        drawn=len(known.drawn),
        drawn_done=sum(id_ in done for id_ in known.drawn),
        people=people,
        kinds=len(kinds),
        since_new=since,
    )
