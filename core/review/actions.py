"""What the Error review and the commands `review`, `learn` and `export labels` do."""

from __future__ import annotations

import json

from core.errors import UserError
from core.jobs.answers import generations, reviewed_examples, suggestions
from core.store.workspace import Job, Workspace
from core.types import LabelEvent


def add_label(workspace: Workspace, evaluation: Job, event: LabelEvent) -> LabelEvent:
    """Store one act of labelling. The evaluation must be the owner's and hold the example."""
    from core.review import labels

    workspace.job(evaluation.id)
    if event.example_id not in generations(workspace, evaluation):
        raise UserError("This row is not part of the evaluation. Choose a row from its list.")
    return labels.add(workspace.engine, evaluation.project_id, event)


def export_labels(workspace: Workspace, evaluation: Job) -> str:
    """All labelled rows of an evaluation as JSON lines: what each annotator said last of each row."""
    from core.review import labels

    workspace.job(evaluation.id)
    newest = {(e.example_id, e.annotator): e for e in labels.history(workspace.engine, evaluation.id)}
    rows = labels.export_rows(
        reviewed_examples(workspace, evaluation),
        [made for sides in generations(workspace, evaluation).values() for made in sides.values()],
        [found for of_one in suggestions(workspace, evaluation).values() for found in of_one],
        newest.values(),
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
