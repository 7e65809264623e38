"""What both sides' answers to the test rows are worth: metrics of their texts, written beside the texts themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.evaluation.heldout import classification, metrics, semantic, slices, turns
from core.evaluation.heldout.loss import Losses
from core.evaluation.heldout.result import Published, Texts
from core.files import written_atomically
from core.reasoning import answer_of, split
from core.statistics import tests
from core.statistics.intervals import Compared, Interval
from core.types import SIDES, Example, Generation, Side

At = Mapping[str, Callable[[float], Interval]]
"""Measure → its difference with the interval of a level."""


def measured_texts(
    folder: Path,
    models: Path,
    examples: list[Example],
    measured: Losses,
    pairs: list[tuple[Generation, Generation]],
    labels: list[str] | None,
    headline: tuple[str, ...] = (),
) -> Texts | None:
    """Write generations.jsonl and rows.jsonl; returns what all pairs of answers are worth, None where there are none.

    `labels` are the names of the labels of a label task; `headline` is the specification's.
    """
    with written_atomically(folder / "generations.jsonl") as file:
        for pair in pairs:
            file.writelines(json.dumps(g.to_dict(), ensure_ascii=False) + "\n" for g in pair)
    (folder / "answers.partial.jsonl").unlink(missing_ok=True)
    if not pairs:
        return None
    answers = {side: [answer_of(pair[n].text) for pair in pairs] for n, side in enumerate(SIDES)}
    by_id = {e.id: e for e in examples}
    asked = [by_id[pair[0].example_id] for pair in pairs]
    right = [[answer_of(text) for text in (e.target, *e.references)] for e in asked]
    scored: list[dict[str, Any]] = [
        {"id": e.id} | {side: metrics.closest(answers[side][i], right[i]) for side in SIDES}
        for i, e in enumerate(asked)
    ]
    notes = (*_notes(pairs, right), _similarity(models, answers, right, scored))
    write_rows(folder, examples, measured, scored)
    of = turns.conversations(asked)
    compared = {metric: _compared(scored, metric, of) for metric in scored[0]["base"]}
    at, of_labels = _at(scored, of), None
    if labels:
        given = labels, [e.target for e in asked], answers["base"], answers["tuned"]
        of_labels = classification.report(*given, of=of)
        at |= classification.differences(*given, of=of)
    differences = corrected(at, headline)
    compared = {name: _with(measure, differences.get(name)) for name, measure in compared.items()}
    if of_labels:
        of_labels = replace(
            of_labels,
            accuracy=_with(of_labels.accuracy, differences.get("labels.accuracy")),
            macro_f1=_with(of_labels.macro_f1, differences.get("labels.macro_f1")),
        )
    f1 = {row["id"]: (row["base"]["token_f1"], row["tuned"]["token_f1"]) for row in scored}
    return Texts(
        **compared,
        labels=of_labels,
        cut={side: sum(pair[n].finish == "length" for pair in pairs) for n, side in enumerate(SIDES)},
        answered=len(pairs),
        published=_published(answers, right, scored),
        slices=slices.report(measured, labels, f1),
        signatures=metrics.signatures(),
        notes=notes,
    )


def corrected(at: At, headline: tuple[str, ...]) -> dict[str, Interval]:
    """The differences of all measures of the same answers but the headline, corrected together by Holm's method.

    Holm's needs no drawing at random, takes whatever interval serves a metric, and is right however the metrics hang
    together; a simultaneous bootstrap would be a little narrower, and covers too little where few answers changed. A
    judge, who may be asked later, has a place among them where no headline waits for one: see report/measures.py.
    Evaluations of before had no headline, and nothing of theirs is corrected.
    """
    first = next((name for name in headline if name in at), None)
    others = {name: measure for name, measure in at.items() if name != first}
    return tests.holm_intervals(others, besides="judge" not in headline) if headline else {}


def _at(scored: list[dict[str, Any]], of: list[str] | None) -> dict[str, Callable[[float], Interval]]:
    column = lambda name, side: [row[side][name] for row in scored]  # noqa: E731
    return {
        name: partial(turns.paired_difference, column(name, "base"), column(name, "tuned"), of)
        for name in scored[0]["base"]
    }


def _with(measure: Compared, difference: Interval | None) -> Compared:
    return replace(measure, difference=difference) if difference else measure


def _published(
    answers: dict[Side, list[str]], right: list[list[str]], scored: list[dict[str, Any]]
) -> dict[str, Published]:
    theirs = {side: [metrics.published(*pair) for pair in zip(answers[side], right, strict=True)] for side in SIDES}
    return {
        name: Published(
            sum(row[name] for row in theirs["base"]) / len(scored),
            sum(row[name] for row in theirs["tuned"]) / len(scored),
            sum(
                abs(t[name] - ours[side][name]) > 1e-9
                for side in SIDES
                for t, ours in zip(theirs[side], scored, strict=True)
            ),
        )
        for name in theirs["base"][0]
    }


def _compared(scored: list[dict[str, Any]], metric: str, of: list[str] | None) -> Compared:
    base, tuned = ([row[side][metric] for row in scored] for side in SIDES)
    return turns.compared(base, tuned, of)


def _notes(pairs: list[tuple[Generation, Generation]], right: list[list[str]]) -> Iterator[str]:
    """How the texts were compared, and what of them was not."""
    yield metrics.NORMALISATION
    several = sum(len(texts) > 1 for texts in right)
    if several:
        yield f"{several:,} of {len(right):,} rows have more than one right answer; the closest counts."
    for n, side in enumerate(SIDES):
        reasoned = [split(pair[n].text) for pair in pairs]
        thought = sum(answer != pair[n].text for (_, answer), pair in zip(reasoned, pairs, strict=True))
        unfinished = sum(bool(reasoning) and not answer.strip() for reasoning, answer in reasoned)
        if thought:
            yield (
                f"The {side} model reasoned before {thought:,} of {len(pairs):,} answers; compared is what follows the "
                f"reasoning. {unfinished:,} ended within their reasoning and count as no answer."
            )


def _similarity(
    models: Path, answers: dict[Side, list[str]], right: list[list[str]], scored: list[dict[str, Any]]
) -> str:
    """Add "semantic" to the scored rows where an embedding model is here; returns which, or why not, in a sentence."""
    embedding, about = semantic.find(models)
    if embedding is None:
        return f"Similarity in meaning was not measured: {about}."
    row_of = [i for i, texts in enumerate(right) for _ in texts]
    references = [text for texts in right for text in texts]
    try:
        for side, texts in answers.items():
            similarities = semantic.similarities(embedding, [texts[i] for i in row_of], references)
            for i, value in zip(row_of, similarities, strict=True):
                scored[i][side]["semantic"] = max(value, scored[i][side].get("semantic", value))
    except UserError as e:
        return f"Similarity in meaning was not measured: {e}."
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
            turn = {"turn": e.turn.number} if e.turn else {}
            file.write(json.dumps({"id": e.id, "row": e.row, **turn, "tokens": n, **sides}) + "\n")
