"""Where was it gained, and where lost: the held-out measures by label, by length of the prompt and by source.

The intervals of slices are not corrected for their number: of many slices some differ by chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.evaluation.heldout import turns
from core.evaluation.heldout.loss import Losses
from core.evaluation.heldout.result import Slice
from core.types import Example

SMALL = 10
"""Slices of fewer rows are marked."""
MOST = 20
"""A column with more values is no source."""
SOURCES = (
    *("source", "dataset", "subset", "origin", "domain", "category", "topic", "task", "task_type", "type"),
    *("language", "lang"),
)
"""Columns that say where a row comes from, in order of preference; compared in lower case."""
KINDS = {
    "answer": "a prompt and an answer",
    "preference": "a preferred answer",
    "marked": "an answer marked good",
    "text": "plain text",
}


def report(
    measured: Losses, names: Sequence[str] | None = None, f1: dict[str, tuple[float, float]] | None = None
) -> dict[str, tuple[Slice, ...]]:
    """label | length | source → its slices, each only where there are several.

    `names` are the labels of a label task; `f1` is, by the id of a row, the token F1 of base and tuned.
    """
    rows = measured.rows
    groupings = {
        "label": _by_label(rows.examples, names),
        "length": _by_length(rows.prompt_tokens),
        "source": _by_source(rows.examples),
    }
    return {
        kind: tuple(_slice(name, rows_of, measured, f1 or {}) for name, rows_of in groups.items())
        for kind, groups in groupings.items()
        if len(groups) > 1
    }


def _slice(name: str, chosen: list[int], measured: Losses, f1: dict[str, tuple[float, float]]) -> Slice:
    rows = measured.rows
    base, tuned, tokens = ([values[i] for i in chosen] for values in (measured.base, measured.tuned, rows.tokens))
    of = turns.conversations([rows.examples[i] for i in chosen])
    answered = [rows.examples[i] for i in chosen if rows.examples[i].id in f1]
    before, after = ([f1[e.id][side] for e in answered] for side in (0, 1))
    return Slice(
        name=name,
        n=len(chosen),
        loss=turns.ratio_difference(base, tuned, tokens, of),
        token_f1=turns.paired_difference(before, after, turns.conversations(answered)) if answered else None,
        small=len(chosen) < SMALL,
    )


def _by_label(examples: list[Example], names: Sequence[str] | None) -> dict[str, list[int]]:
    return _grouped([e.target.strip() for e in examples], names or ())


def _by_length(tokens: list[int]) -> dict[str, list[int]]:
    """Tertiles of the prompt's tokens, with their bounds; fewer where many prompts have one length."""
    low, high = (int(cut) for cut in np.quantile(tokens, (1 / 3, 2 / 3), method="inverted_cdf"))
    where = ["short" if n <= low else "medium" if n <= high else "long" for n in tokens]
    groups = _grouped(where, ("short", "medium", "long"))
    named = {}
    for part, chosen in groups.items():
        few, many = min(tokens[i] for i in chosen), max(tokens[i] for i in chosen)
        span = f"{few:,}" if few == many else f"{few:,} to {many:,}"
        named[f"{part} ({span} prompt tokens)"] = chosen
    return named


def _by_source(examples: list[Example]) -> dict[str, list[int]]:
    """By the values of a column that names a source; without one by the kind of the rows."""
    known = {column.lower().replace(" ", "_").replace("-", "_"): column for e in examples for column in e.meta}
    for column in (known[name] for name in SOURCES if name in known):
        values = [e.meta.get(column, "none") for e in examples]
        if 2 <= len(set(values)) <= MOST:
            return {f"{column}: {value}": i for value, i in _grouped(values, sorted(set(values))).items()}
    return {KINDS[kind]: chosen for kind, chosen in _grouped([e.kind for e in examples], tuple(KINDS)).items()}


def _grouped(values: Sequence[str], order: Sequence[str]) -> dict[str, list[int]]:
    """Value → indices, in the given order, without empty ones."""
    groups = {name: [i for i, value in enumerate(values) if value == name] for name in order}
    return {name: chosen for name, chosen in groups.items() if chosen}
