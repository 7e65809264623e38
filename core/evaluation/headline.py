"""The one measure of their task that an evaluation is about, named before it runs.

Several metrics of the same answers are one family: of five, one excludes 0 by luck in twice as many evaluations as
each. So one is chosen by what the rows ask for, before any answer is seen; the others are detail, corrected together.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

from core.evaluation.heldout import classification, semantic, turns
from core.evaluation.heldout.metrics import words
from core.store.queries import Rows
from core.types import Split

LOOKED_AT = 2000
"""Rows of each split: what they ask for does not depend on the rest."""
SHORT = 3
"""Words of an answer that is right or wrong as a whole: a name, a number, a date."""
LONG = 40
"""From so many words on, answers that say the same share too few of them to tell."""

BEFORE = ("labels.accuracy", "token_f1")
"""What evaluations of before had in the first place."""
ORDER_OF_LONG = ("judge", "semantic", "token_f1")
ORDER_OF_LABELS = ("labels.accuracy", "exact_match")
"""Exact match where a row beyond those looked at has an answer of another kind."""

WORDS = {
    "labels.accuracy": "accuracy, as each answer is one of a few labels",
    "exact_match": "exact match, as the answers are short",
    "token_f1": "token F1, as the answers are a sentence or two",
    "judge": "what a judge prefers, as the answers are long",
    "semantic": "similarity in meaning",
}


def of_rows(rows_file: Path, split: Split, models: Path, answers: str, trained: str) -> tuple[str, ...]:
    """The measures in order of preference, the first that is measured counts: by the references' texts alone.

    `answers` is a key of turns.ANSWERS, `trained` what the run trained where a message does not say: earlier answers of
    a conversation may be of another kind than its last.
    """
    rows = Rows(rows_file)
    looked_at = (rows.take(rows.of_split(part)[:LOOKED_AT]) for part in ("train", split))
    train, asked = (turns.of_rows(part, answers, trained) for part in looked_at)
    if classification.label_names([*train, *asked]):
        return ORDER_OF_LABELS
    lengths = [len(words(e.target)) for e in asked if e.messages]
    typical = median(lengths) if lengths else 0
    if typical <= SHORT:
        return ("exact_match",)
    if typical <= LONG:
        return ("token_f1",)
    here = semantic.find(models)[0] is not None
    return ORDER_OF_LONG if here else tuple(name for name in ORDER_OF_LONG if name != "semantic")


def sentence(order: tuple[str, ...]) -> str:
    """What is measured first, for the form."""
    names = {"semantic": "similarity in meaning", "token_f1": "token F1"}
    first = order[0]
    more = f"; until one is asked, {names[order[1]]}" if first == "judge" else ""
    return f"The headline will be {WORDS[first]}{more}. All other metrics of the same answers are detail."
