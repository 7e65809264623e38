"""What both sides' answers to the test rows are worth: metrics of their texts, written beside the texts themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.evaluation.heldout import classification, metrics, semantic, slices
from core.evaluation.heldout.loss import Losses
from core.evaluation.heldout.result import Texts
from core.files import written_atomically
from core.statistics import intervals
from core.statistics.intervals import Compared
from core.types import SIDES, Example, Generation


def measured_texts(
    folder: Path,
    models: Path,
    examples: list[Example],
    measured: Losses,
    pairs: list[tuple[Generation, Generation]],
    labels: list[str] | None,
) -> Texts | None:
    """Write generations.jsonl and rows.jsonl; returns what all pairs of answers are worth, None where there are none.

    `labels` are the names of the labels of a label task.
    """
    with written_atomically(folder / "generations.jsonl") as file:
        for pair in pairs:
            file.writelines(json.dumps(g.to_dict(), ensure_ascii=False) + "\n" for g in pair)
    (folder / "answers.partial.jsonl").unlink(missing_ok=True)
    if not pairs:
        return None
    targets = {e.id: e.target for e in examples}
    scored: list[dict[str, Any]] = [
        {g.side: {k: f(g.text, targets[g.example_id]) for k, f in metrics.METRICS.items()} for g in pair}
        | {"id": pair[0].example_id}
        for pair in pairs
    ]
    note = _similarity(models, pairs, targets, scored)
    write_rows(folder, examples, measured, scored)
    compared = {metric: _compared(scored, metric) for metric in scored[0]["base"]}
    of_labels = None
    if labels:
        base, tuned = ([pair[n].text for pair in pairs] for n in (0, 1))
        of_labels = classification.report(labels, [targets[p[0].example_id] for p in pairs], base, tuned)
    f1 = {row["id"]: (row["base"]["token_f1"], row["tuned"]["token_f1"]) for row in scored}
    return Texts(
        **compared,
        labels=of_labels,
        slices=slices.report(measured, labels, f1),
        signatures=metrics.signatures(),
        notes=(note,),
    )


def _compared(scored: list[dict[str, Any]], metric: str) -> Compared:
    base, tuned = ([row[side][metric] for row in scored] for side in SIDES)
    return Compared(intervals.mean(base), intervals.mean(tuned), intervals.paired_difference(base, tuned))


def _similarity(
    models: Path,
    pairs: list[tuple[Generation, Generation]],
    targets: dict[str, str],
    scored: list[dict[str, Any]],
) -> str:
    """Add "semantic" to the scored rows where an embedding model is here; returns which, or why not, in a sentence."""
    embedding, about = semantic.find(models)
    if embedding is None:
        return f"Similarity in meaning was not measured: {about}."
    references = [targets[pair[0].example_id] for pair in pairs]
    try:
        similarities = {
            side: semantic.similarities(embedding, [pair[n].text for pair in pairs], references)
            for n, side in enumerate(SIDES)
        }
    except UserError as e:
        return f"Similarity in meaning was not measured: {e}."
    for side, values in similarities.items():
        for row, value in zip(scored, values, strict=True):
            row[side]["semantic"] = value
    return f"Similarity in meaning: cosine of sentence embeddings by {about}."


def write_rows(folder: Path, examples: list[Example], measured: Losses, scored: list[dict[str, Any]]) -> None:
    """rows.jsonl: each example's loss per token and text metrics on both sides, as far as they were measured."""
    losses = zip(measured.rows.examples, measured.rows.tokens, measured.base, measured.tuned, strict=True)
    by_id = {e.id: (n, {"base": base / n, "tuned": tuned / n}) for e, n, base, tuned in losses}
    texts = {row["id"]: row for row in scored}
    with written_atomically(folder / "rows.jsonl") as file:
        for e in examples:
            n, loss = by_id.get(e.id, (0, {}))
            sides = {side: ({"loss": loss[side]} if loss else {}) | texts.get(e.id, {}).get(side, {}) for side in SIDES}
            file.write(json.dumps({"id": e.id, "row": e.row, "tokens": n, **sides}) + "\n")
