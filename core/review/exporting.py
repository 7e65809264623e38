"""Labels as files: flat rows (JSONL, CSV, Parquet), and what Argilla and Label Studio import."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from core import cells
from core.errors import UserError
from core.files import new_file
from core.jobs.answers import Answers
from core.review import labelling_tools, labels, own
from core.store.workspace import Job, Workspace
from core.types import ERROR_LABELS, REFERENCE, REFERENCE_WRONG, SIDES, Example, Generation, LabelEvent, Suggestion

FORMATS = {
    "jsonl": ("JSON lines", ".jsonl"),
    "csv": ("Table (CSV)", ".csv"),
    "parquet": ("Parquet", ".parquet"),
    "argilla": ("Argilla records", ".json"),
    "label-studio": ("Label Studio tasks", ".json"),
}
"""Name → (what people call it, ending of its file)."""
LABEL_FORMATS = (".jsonl", ".csv", ".parquet")
"""Endings that say by themselves which of FORMATS is meant."""
BATCH = 1000


def write_labels(workspace: Workspace, evaluation: Job, path: Path, form: str) -> None:
    """Write all labels of an evaluation, what each annotator said last of each row and what was settled, as `form`.

    Raises UserError for a form there is not, where the file is there, and where the evaluation is somebody else's.
    """
    if form not in FORMATS:
        raise UserError(f"“{form}” is no format of labels. Choose one of: {', '.join(FORMATS)}.")
    workspace.job(evaluation.id)
    with new_file(path) as partial:
        if form in ("jsonl", "csv"):
            # The mark at its beginning tells a spreadsheet that a table is UTF-8.
            with open(partial, "w", encoding="utf-8-sig" if form == "csv" else "utf-8", newline="") as file:
                file.writelines(_lines(workspace, evaluation, form))
        elif form == "parquet":
            _write_parquet(workspace, evaluation, partial)
        else:
            make = labelling_tools.argilla_record if form == "argilla" else labelling_tools.label_studio_task
            _write_list(partial, (make(*item) for item in _items(workspace, evaluation)))


def export_labels(workspace: Workspace, evaluation: Job, ending: str = ".jsonl") -> str:
    """As `write_labels`, a text: JSON lines, or CSV for the ending `.csv`."""
    workspace.job(evaluation.id)
    return "".join(_lines(workspace, evaluation, ending.removeprefix(".")))


def label_studio_config(workspace: Workspace, evaluation: Job) -> str:
    """The labelling interface (XML) of a Label Studio project into which `write_labels` can be imported."""
    return labelling_tools.label_studio_config([*ERROR_LABELS, *_own(workspace, evaluation)])


def _own(workspace: Workspace, evaluation: Job) -> list[str]:
    return [label.id for label in own.every(workspace.engine, evaluation.project_id)]


def _lines(workspace: Workspace, evaluation: Job, form: str) -> Iterator[str]:
    rows = _flat(workspace, evaluation)
    if form == "jsonl":
        yield from (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return
    yield from as_csv(rows, _own(workspace, evaluation))


def as_csv(rows: Iterable[dict[str, Any]], own_labels: Collection[str] = ()) -> Iterator[str]:
    """Lines of a table, the first of names, also where no row is labelled yet."""
    text = io.StringIO()
    table = csv.DictWriter(text, _names(own_labels), lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: cells.as_text(value) for name, value in row.items()})
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def _names(own_labels: Collection[str]) -> list[str]:
    nothing = LabelEvent("", "", "", "none", {}, "", "", {}, (), False)
    [row] = export_rows([], [], [], [nothing], own_labels)
    return list(row)


def _write_parquet(workspace: Workspace, evaluation: Job, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"row": pa.int64(), "turn": pa.int64(), "seconds": pa.float64(), "blind": pa.bool_()}
    truth = ("_suggested", "_agreed", "suggestions_visible")
    names = _names(_own(workspace, evaluation))
    schema = pa.schema([(n, types.get(n) or (pa.bool_() if n.endswith(truth) else pa.string())) for n in names])
    rows = _flat(workspace, evaluation)
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(rows, BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def _write_list(path: Path, records: Iterator[dict[str, Any]]) -> None:
    """A JSON document that is a list, record by record."""
    with open(path, "w", encoding="utf-8") as file:
        between = "[\n"
        for record in records:
            file.write(between + json.dumps(record, ensure_ascii=False))
            between = ",\n"
        file.write("[]\n" if between == "[\n" else "\n]\n")


def _flat(workspace: Workspace, evaluation: Job) -> Iterator[dict[str, Any]]:
    own_labels = _own(workspace, evaluation)
    for example, generations, suggestions, events in _items(workspace, evaluation):
        found = [s for of_side in suggestions.values() for s in of_side]
        known = [example] if example else []
        yield from export_rows(known, generations.values(), found, events, own_labels)


def _items(workspace: Workspace, evaluation: Job) -> Iterator[labelling_tools.Labelled]:
    """Each labelled item, in the order in which they were labelled first: its texts are read when it is its turn."""
    answers = Answers(workspace, evaluation)
    by_item: dict[str, list[LabelEvent]] = {}
    for event in labels.of_each(labels.history(workspace.engine, evaluation.id)):
        by_item.setdefault(event.example_id, []).append(event)
    ids = iter(by_item)
    while batch := list(islice(ids, BATCH)):
        examples = {e.id: e for e in answers.examples(batch)}
        for id_ in batch:
            generations = answers.of(id_)
            suggested = {side: answers.suggestions(g) for side, g in generations.items()}
            yield examples.get(id_), generations, suggested, by_item[id_]


def export_rows(
    examples: Iterable[Example],
    generations: Iterable[Generation],
    suggestions: Iterable[Suggestion],
    events: Iterable[LabelEvent],
    own_labels: Collection[str] = (),
) -> list[dict[str, Any]]:
    """One flat row per event, with the texts it is about. Every row has the same keys; None: not known, not judged.

    `<side>_<label>` is the person's mark, `…_suggested` what the detector said of that very output, `…_agreed` whether
    both say the same (None while the person is unsure). Marked places are a JSON text.
    """
    by_example = {e.id: e for e in examples}
    texts = {g.id: g.text for g in generations}
    flagged = {(s.generation_id, s.label): s.flagged for s in suggestions}
    return [_row(event, by_example.get(event.example_id), texts, flagged, own_labels) for event in events]


def _row(
    event: LabelEvent,
    example: Example | None,
    texts: dict[str, str],
    flagged: dict[tuple[str, str], bool],
    own_labels: Collection[str],
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "evaluation_id": event.evaluation_id,
        "example_id": event.example_id,
        "split": example.split if example else None,
        "row": example.row if example else None,
        "turn": example.turn.number if example and example.turn else None,
        "prompt": example.prompt if example else None,
        "reference": example.target if example else None,
        **{side: texts.get(event.generation_ids.get(side, "")) for side in SIDES},
        "verdict": event.verdict,
    }
    for side in SIDES:
        for label in ERROR_LABELS:
            row |= _mark(event, side, label, flagged)
        row |= {f"{side}_{label}": event.labels.get(side, {}).get(label) for label in own_labels}
    return row | {
        REFERENCE_WRONG: event.labels.get(REFERENCE, {}).get(REFERENCE_WRONG),
        "spans": json.dumps(event.spans, ensure_ascii=False) if event.spans else None,
        "correction": event.correction,
        "note": event.note,
        "annotator": event.annotator,
        "act": event.act,
        "created": event.created,
        "seconds": event.seconds,
        "shown_order": ",".join(event.shown_order),
        "blind": event.blind,
        "suggestions_visible": event.suggestions_visible,
    }


def _mark(event: LabelEvent, side: str, label: str, flagged: dict[tuple[str, str], bool]) -> dict[str, Any]:
    mark = event.labels.get(side, {}).get(label)
    suggested = flagged.get((event.generation_ids.get(side, ""), label))
    judged = suggested is not None and mark in ("present", "absent")
    name = f"{side}_{label}"
    agreed = (mark == "present") == suggested if judged else None
    return {name: mark, f"{name}_suggested": suggested, f"{name}_agreed": agreed}
