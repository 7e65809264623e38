"""What several people together say of an item: what was settled, else the majority.

Only labels of the answers that are there now: a label of an answer that was made anew stays in the history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from core.jobs.answers import Answers
from core.review import labels
from core.store.workspace import Job, Workspace
from core.types import LabelEvent, Mark

Key = tuple[str, str]
"""(side, label)"""


@dataclass
class Voices:
    """All that counts of one item: what each annotator said last, and what was settled."""

    each: list[LabelEvent] = field(default_factory=list)
    """One of an annotator, oldest first."""
    settled: LabelEvent | None = None

    @property
    def marks(self) -> dict[Key, Mark]:
        """What counts of each side and label: settled, else what most say; `unsure` where as many say otherwise."""
        if self.settled:
            return {(side, label): mark for side, of in self.settled.labels.items() for label, mark in of.items()}
        return {key: _majority(votes) for key, votes in self.votes.items()}

    @property
    def votes(self) -> dict[Key, list[Mark]]:
        found: dict[Key, list[Mark]] = {}
        for event in self.each:
            for side, of_side in event.labels.items():
                for label, mark in of_side.items():
                    found.setdefault((side, label), []).append(mark)
        return found

    @property
    def disagrees(self) -> bool:
        """Do two say otherwise of a label, or of which side is better, and is it not settled?"""
        if self.settled:
            return False
        verdicts = {e.verdict for e in self.each if e.verdict != "none"}
        return len(verdicts) > 1 or any({"present", "absent"} <= set(votes) for votes in self.votes.values())


def _majority(votes: list[Mark]) -> Mark:
    counts = Counter(vote for vote in votes if vote != "unsure")
    if not counts or counts["present"] == counts["absent"]:
        return "unsure"
    return "present" if counts["present"] > counts["absent"] else "absent"


def voices(workspace: Workspace, evaluation: Job) -> dict[str, Voices]:
    """Example → who says what of the answers that are there now. Reads all labels; no text of people is kept."""
    workspace.job(evaluation.id)
    answers = Answers(workspace, evaluation)
    found: dict[str, Voices] = {}
    for event in _of_now(answers, labels.of_each(labels.history(workspace.engine, evaluation.id, texts=False))):
        item = found.setdefault(event.example_id, Voices())
        if event.act == "adjudicate":
            item.settled = event
        else:
            item.each.append(event)
    return found


def _of_now(answers: Answers, events: Iterable[LabelEvent]) -> Iterator[LabelEvent]:
    """Events whose answers are those of today. An event that says not of which it is counts as it stands."""
    for event in events:
        if answers.are_there(event.generation_ids.values()):
            yield event


def disagreements(workspace: Workspace, evaluation: Job) -> list[str]:
    """Ids of the items on which annotators disagree and nothing is settled yet, those labelled first ahead."""
    return [id_ for id_, item in voices(workspace, evaluation).items() if item.disagrees]
