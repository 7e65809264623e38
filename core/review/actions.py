"""What the Error review and the commands `review`, `learn` and `export labels` do."""

from __future__ import annotations

import csv
import io
import json
from functools import lru_cache
from typing import Any

from core import cells
from core.errors import UserError
from core.jobs.answers import Answers
from core.review import labels
from core.review import queue as review_queue
from core.store.workspace import Job, Workspace
from core.types import LabelEvent

LONGEST = 100_000
"""Characters of a correction or a note."""
LABEL_FORMATS = (".jsonl", ".csv")


def add_label(workspace: Workspace, evaluation: Job, event: LabelEvent) -> LabelEvent:
    """Store one act of labelling. The evaluation must be the owner's and hold the example."""
    workspace.job(evaluation.id)
    if not Answers(workspace, evaluation).of(event.example_id):
        raise UserError("This row is not part of the evaluation. Choose a row from its list.")
    for what, written in (("correction", event.correction), ("note", event.note)):
        if len(written) > LONGEST:
            raise UserError(f"The {what} has {len(written):,} characters. Shorten it to {LONGEST:,}.")
    workspace.require_room(len(event.correction) + len(event.note), "Another label")
    return labels.add(workspace.engine, evaluation.project_id, event)


def reading_order(workspace: Workspace, evaluation: Job) -> list[str]:
    """Ids of the examples to review, in the order to read them: see core/review/queue.py."""
    answers = Answers(workspace, evaluation)
    done = set(labels.current(workspace.engine, evaluation.id, workspace.owner))
    ids = answers.ids()
    return review_queue.order(ids, _interest(_Known(answers)), done, seed=evaluation.spec["seed"]).ids


class _Known:
    """Answers that are the same for `lru_cache` until there are more of them."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and self.answers.state == other.answers.state

    def __hash__(self) -> int:
        return hash(self.answers.state)


@lru_cache(maxsize=8)
def _interest(known: _Known) -> dict[str, float]:
    """Of each example how much it is worth a look. Reads every answer once, one after the other."""
    worth = {}
    for id_ in known.answers.ids():
        generations = known.answers.of(id_)
        flags = {side: sum(s.flagged for s in known.answers.suggestions(g)) for side, g in generations.items()}
        worth[id_] = review_queue.interest(generations, flags)
    return worth


def export_labels(workspace: Workspace, evaluation: Job, ending: str = ".jsonl") -> str:
    """All labelled rows of an evaluation, what each annotator said last of each; `ending` is one of LABEL_FORMATS."""
    workspace.job(evaluation.id)
    newest = {(e.example_id, e.annotator): e for e in labels.history(workspace.engine, evaluation.id)}
    answers = Answers(workspace, evaluation)
    ids = list({example_id for example_id, _ in newest})
    generations = [generation for id_ in ids for generation in answers.of(id_).values()]
    suggested = [suggestion for generation in generations for suggestion in answers.suggestions(generation)]
    rows = labels.export_rows(answers.examples(ids), generations, suggested, newest.values())
    if ending == ".csv":
        return _as_csv(rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _as_csv(rows: list[dict[str, Any]]) -> str:
    """A table with a line of names, also where no row is labelled yet."""
    nothing = LabelEvent("", "", "", "none", {}, "", "", {}, (), False)
    [names] = labels.export_rows([], [], [], [nothing])
    text = io.StringIO()
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows({name: cells.as_text(value) for name, value in row.items()} for row in rows)
    return text.getvalue()
