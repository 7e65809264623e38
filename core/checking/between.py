"""What only all rows together show: copies, contradictions, labels, odd lengths, leaks between the parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from core.checking.finding import EVIDENCE, Check, Pair, around
from core.checking.personal import without_secrets
from core.checking.seen import LEAST_ROWS, Seen
from core.data.checks import first_of
from core.data.similar.groups import MOST_ROWS
from core.questions import canonical
from core.store.datasets import KINDS, SPLITS
from core.store.keys import among
from core.wording import count

RARE = 10
"""A label with so many times fewer rows than the most frequent one is rare."""
FAR = 4.5
"""Robust standard deviations of the logarithm of a length from which on it is odd."""
BATCH = 1_000
# What can be answered in many ways: several answers are several good ones.
OPEN = re.compile(
    r"^\W*(?:(?:please|can you|could you|kindly|now|next)\b[ ,]*)*(?:generate|write|re-?write|create|compose|suggest|"
    r"give|provide|describe|edit|improve|rephrase|paraphrase|re-?word|summari[sz]e|brainstorm|invent|imagine|draft|"
    r"propose|recommend|design|come up with|tell|make|think of|use|construct|form|list|"
    r"name (?:a|an|one|some|two|three)|"
    r"schreibe?n?|erzähle?|nenne|écris|rédige|escribe|genera|scrivi)\b|\b(?:example|sentence) (?:of|using|with)\b",
    re.I,
)


def _mixed(*keys: np.ndarray) -> np.ndarray:
    """One hash of several."""
    mixed = np.zeros(len(keys[0]), np.uint64)
    for key in keys:
        mixed = (mixed ^ key.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def copies(seen: Seen) -> Iterator[Pair]:
    """Rows that ask and answer the same as an earlier one, but for case, white space and marks."""
    number = seen.rows.numbers("row")
    first = first_of(_mixed(seen.asks, _all(seen.targets), _all(seen.others)))
    for place in np.flatnonzero(first != np.arange(len(first))).tolist():
        yield Pair(place, f"says the same as row {number[first[place]]}")


def nearly(seen: Seen) -> Iterator[Pair]:
    """Rows that ask in other words what an earlier one asks, as the split saw it, and answer the same."""
    number, asks, targets = seen.rows.numbers("row"), seen.asks, _all(seen.targets)
    first = first_of(_mixed(seen.rows.numbers("group"), targets, _all(seen.others)))
    near = (first != np.arange(len(first))) & (asks != asks[first])
    if seen.labelled:  # of labels nearly the same question and the same answer are what a class is made of
        return
    for place in np.flatnonzero(near).tolist():
        yield Pair(place, f"asks nearly what row {number[first[place]]} asks, with the same answer")


def reworded(seen: Seen) -> Iterator[Pair]:
    """Rows that ask in other words what an earlier one asks, and answer otherwise."""
    number, asks, targets = seen.rows.numbers("row"), seen.asks, _all(seen.targets)
    first = first_of(seen.rows.numbers("group"))
    near = (asks != asks[first]) & (targets != targets[first])
    for place in np.flatnonzero(near).tolist():
        yield Pair(place, f"asks nearly what row {number[first[place]]} asks, with another answer")


def contradictions(seen: Seen) -> Iterator[Pair]:
    """Rows with the question of an earlier one and another answer; under another system prompt that may be right."""
    number, targets = seen.rows.numbers("row"), _all(seen.targets)
    plain = np.flatnonzero(seen.rows.kinds == KINDS.index("answer"))
    first = plain[first_of(_mixed(seen.asks, _all(seen.others))[plain])]
    against = targets[plain] != targets[first]
    others = dict(zip(plain[against].tolist(), first[against].tolist(), strict=True))
    places = list(others)
    for at in range(0, len(places), BATCH):
        here = places[at : at + BATCH]
        rows = zip(here, seen.rows.take(here), seen.rows.take([others[place] for place in here]), strict=True)
        for place, example, other in rows:
            if not OPEN.search(example.prompt):
                said = around(without_secrets(other.target), 0, EVIDENCE)
                yield Pair(place, f"row {number[others[place]]} answers the same question: “{said}”")


def label_writings(seen: Seen) -> Iterator[Pair]:
    for other, usual in seen.variants().items():
        for place in seen.places(other).tolist():
            yield Pair(place, f"“{other}” beside “{usual}”")


def rare_labels(seen: Seen) -> Iterator[Pair]:
    """Rows of labels that are rare, whatever their writing."""
    if not seen.labelled or seen.labels is None:
        return
    counts: Counter[str] = Counter()
    for label, n in seen.labels.items():
        counts[canonical(label)] += n
    most = max(counts.values())
    for label in seen.labels:
        n = counts[canonical(label)]
        if n * RARE <= most:
            for place in seen.places(label).tolist():
                yield Pair(place, f"“{label}”: {count(n, 'row')}, the most frequent label has {most:,}")


def lengths(seen: Seen) -> Iterator[Pair]:
    """Answers that are far longer or shorter than the others."""
    answered = seen.rows.kinds != KINDS.index("text")
    size = _all(seen.lengths)
    if answered.sum() < LEAST_ROWS or seen.labelled:
        return
    logs = np.log1p(size)
    middle = np.median(logs[answered])
    spread = max(0.5, 1.4826 * float(np.median(np.abs(logs[answered] - middle))))
    for place in np.flatnonzero(answered & (np.abs(logs - middle) > FAR * spread)).tolist():
        yield Pair(place, f"{size[place]:,} characters, the middle one has {int(np.expm1(middle)):,}")


def leaks(seen: Seen) -> Iterator[Pair]:
    """Training rows that ask what a test or validation row asks, or nearly."""
    number, part, asks = seen.rows.numbers("row"), seen.rows.splits, seen.asks
    train = SPLITS.index("train")
    for keys, how in ((asks, "the same"), (seen.rows.numbers("group"), "nearly the same")):
        measured: dict[int, int] = {}
        for place in np.flatnonzero(part != train).tolist():
            measured.setdefault(int(keys[place]), place)
        known = np.fromiter(measured, np.int64, len(measured))
        for place in np.flatnonzero((part == train) & among(keys, known)).tolist():
            other = measured[int(keys[place])]
            if how == "the same" or asks[place] != asks[other]:
                yield Pair(place, f"row {number[other]}, which is in {SPLITS[part[other]]}, asks {how}")


def wording(seen: Seen) -> str:
    """What was not compared."""
    if len(seen.rows) <= MOST_ROWS:
        return ""
    return f"Which rows ask the same in other words is not known: wording is compared up to {MOST_ROWS:,} rows."


def _all(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


CHECKS = (
    Check(
        *("leaks", 1, "Training rows that stand in the test"),
        "What was trained is no test: the result would look better than it is.",
        between=leaks,
        compared=wording,
        leave="Leave the training rows out",
        level="error",
    ),
    Check(
        *("contradictions", 2, "The same question, another answer"),
        "The model is taught two answers and learns neither.",
        between=contradictions,
        leave="Keep the first answer of each",
    ),
    Check(
        *("copies", 1, "Copies"),
        "What stands there twice counts twice, and is learnt by heart.",
        between=copies,
        leave="Keep one of each",
    ),
    Check(
        *("near_copies", 1, "Near copies"),
        "The same in other words counts twice; rows that were reworded on purpose teach a model to understand both.",
        between=nearly,
        compared=wording,
        leave="Keep one of each",
        level="note",
        folded=True,  # 3.5 % of the sample, reworded on purpose; none of a thousand instructions
    ),
    Check(
        *("reworded", 1, "Nearly the same question, another answer"),
        "Where they differ in a detail, that is what the model is to learn; where they do not, they contradict.",
        between=reworded,
        compared=wording,
        leave="Keep the first of each",
        level="note",
        folded=True,  # 3.1 % of a thousand instructions
    ),
    Check(
        *("label_writings", 1, "Labels written in several ways"),
        "“Spam” and “spam” are two labels for a model, and for the measurement.",
        between=label_writings,
        fix="Write them alike",
    ),
    Check(
        *("rare_labels", 1, "Rare labels"),
        "A label with a tenth of the rows of another is hardly learnt, and cannot be measured. Add rows of it.",
        between=rare_labels,
        leave="",
        level="note",
    ),
    Check(
        *("lengths", 1, "Odd lengths"),
        "Answers far longer or shorter than the others are often another kind of row, or a mistake of the export.",
        between=lengths,
        level="note",
    ),
)
