"""Each answer of a conversation asked for by itself, with what is truly said before it; and what is then random.

Answers of one conversation are alike, so the conversation is what intervals resample: sums over its answers are its
value, and their number is its weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from core.statistics import clustered, intervals
from core.statistics.bounds import LEVEL
from core.statistics.intervals import Compared, Estimate, Interval
from core.store.datasets import iterate
from core.types import Example, Split, Turn

ANSWERS = {"last": "the last answer of each row", "all": "each trained answer of a conversation"}
"""What an evaluation asks for."""


def asked(rows_file: Path, split: Split, most: int | None, answers: str, trained: str) -> list[Example]:
    """What of a version's rows an evaluation asks for: the first `most` of a split. `answers` is a key of ANSWERS."""
    known = (e for e in iterate(rows_file, split) if e.good is not False)
    return of_rows(islice(known, most), answers, trained)


def of_rows(rows: Iterable[Example], answers: str, trained: str) -> list[Example]:
    """What is asked for of rows: each with its last answer, or once for each of its answers.

    An answer marked bad is no reference: that a model makes it less likely is no loss.
    """
    known = (e for e in rows if e.good is not False)
    return each_answer(known, trained) if answers == "all" else list(known)


def each_answer(examples: Iterable[Example], trained: str) -> list[Example]:
    """The examples, a conversation once for each of its trained answers: what is said after it is left out.

    `trained` is what the run trained where a message does not say: `all` answers or the `last`. An answer with which a
    conversation begins answers nothing, and is not asked for.
    """
    return [asked for example in examples for asked in _of_one(example, trained)]


def _of_one(example: Example, trained: str) -> list[Example]:
    places = [
        i
        for i, message in enumerate(example.messages)
        if i and message["role"] == "assistant" and message.get("train", trained == "all")
    ]
    count = len(places) + 1
    if count == 1:
        return [example]
    earlier = [_earlier(example, i, Turn(example.id, n, count)) for n, i in enumerate(places, 1)]
    return [*earlier, replace(example, turn=Turn(example.id, count, count))]


def _earlier(example: Example, place: int, turn: Turn) -> Example:
    """The conversation up to one of its answers. What people said of the last one is not of this one."""
    message = example.messages[place]
    answer = {name: message[name] for name in ("reasoning_content", "tool_calls") if message.get(name)}
    return replace(
        example,
        messages=example.messages[:place],
        target=message["content"],
        answer=answer,
        rejected="",
        good=None,
        references=(),
        turn=turn,
    )


def calls_only(example: Example) -> bool:
    """Is it an earlier answer that only calls tools? No text of it can be compared."""
    return bool(example.turn and example.turn.number < example.turn.of and not example.target.strip())


def conversations(examples: Sequence[Example]) -> list[str] | None:
    """Of each example the id of its conversation; None where each stands for itself."""
    if not any(e.turn for e in examples):
        return None
    return [e.turn.conversation if e.turn else e.id for e in examples]


def summed(values: Sequence[float], of: Sequence[str] | None) -> Sequence[float]:
    """Of each conversation the sum over its answers, in the order of their first; as given where `of` is None."""
    if of is None:
        return values
    sums: dict[str, float] = {}
    for conversation, value in zip(of, values, strict=True):
        sums[conversation] = sums.get(conversation, 0.0) + value
    return list(sums.values())


def ratio(
    sums: Sequence[float], weights: Sequence[float], of: Sequence[str] | None, among: np.ndarray | None = None
) -> Estimate:
    """As `intervals.ratio`, over conversations."""
    return intervals.ratio(summed(sums, of), summed(weights, of), among)


def ratio_difference(
    base: Sequence[float],
    tuned: Sequence[float],
    weights: Sequence[float],
    of: Sequence[str] | None,
    among: np.ndarray | None = None,
) -> Interval:
    """As `intervals.ratio_difference`, over conversations."""
    return intervals.ratio_difference(summed(base, of), summed(tuned, of), summed(weights, of), among=among)


def mean(values: Sequence[float], of: Sequence[str] | None) -> Estimate:
    """As `intervals.mean`, over conversations."""
    return intervals.mean(values) if of is None else ratio(values, [1.0] * len(values), of)


def paired_difference(
    base: Sequence[float], tuned: Sequence[float], of: Sequence[str] | None, level: float = LEVEL
) -> Interval:
    """As `intervals.paired_difference`, over conversations."""
    if of is None:
        return intervals.paired_difference(base, tuned, level)
    return replace(clustered.clustered_difference(base, tuned, of, level), n=len(set(of)))


def compared(base: Sequence[float], tuned: Sequence[float], of: Sequence[str] | None) -> Compared:
    """One value per answer and side."""
    return Compared(mean(base, of), mean(tuned, of), paired_difference(base, tuned, of))
