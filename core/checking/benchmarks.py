"""Training rows that hold a question of a benchmark, where benchmark files are on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from core.checking.finding import Check, Pair, around
from core.checking.seen import Seen
from core.store.datasets import SPLITS
from core.wording import count


def overlapping(seen: Seen) -> Iterator[Pair]:
    """Training rows that hold such a question, word by word."""
    train, parts = SPLITS.index("train"), seen.rows.splits
    for place, file, question in seen.asked_elsewhere:
        if parts[place] == train:
            yield Pair(place, f"a question of {file}: {around(question, 0, 80)}")


def compared_with(seen: Seen) -> str:
    if seen.benchmarks is None:
        return (
            "Whether rows hold questions of benchmarks was not looked at: there is no folder of benchmark files. Name "
            "one as TUNEWRIGHT_BENCHMARKS."
        )
    asked = seen.benchmarks
    return f"Compared with {count(len(asked.texts), 'question')} of {count(len(set(asked.files)), 'benchmark file')}."


CHECKS = (
    Check(
        *("benchmarks", 1, "Questions of benchmarks"),
        "A benchmark whose questions were trained measures memory: its score looks better than the model is.",
        between=overlapping,
        compared=compared_with,
        level="warning",
    ),
)
