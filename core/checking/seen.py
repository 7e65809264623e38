"""What is held of all rows, so that they can be compared: some forty bytes of each, however long it is."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from core.checking.asked import Asked
from core.questions import asks_hash, canonical, canonical_all
from core.store.queries import Rows

if TYPE_CHECKING:
    import pyarrow as pa

MOST_LABELS = 50
LONGEST_LABEL = 40
LEAST_ROWS = 50
"""Rows of which lengths and labels are judged."""


@dataclass
class Seen:
    """What is held of all rows."""

    rows: Rows
    benchmarks: Asked | None = None
    """Questions that no row is to hold; None where none are known."""
    asked_elsewhere: list[tuple[int, str, str]] = field(default_factory=list)
    """(place of a row that holds such a question, its file, the question)."""
    targets: list[np.ndarray] = field(default_factory=list)
    """Hashes of the answers, as core/questions.py compares texts."""
    others: list[np.ndarray] = field(default_factory=list)
    """Hashes of what else makes a row another one: system prompt, rejected answer, mark, tools."""
    lengths: list[np.ndarray] = field(default_factory=list)
    """Characters of the answers."""
    labels: Counter[str] | None = field(default_factory=Counter)
    """Answers with their counts; None where they are too many, or too long, to be labels."""
    _numbers: dict[str, int] = field(default_factory=dict)
    _labels: list[np.ndarray] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """The rows of one group, in the order of the file."""
        at = sum(map(len, self.lengths))
        targets = table["target"].to_pylist()
        self.targets.append(np.array([asks_hash([text]) for text in canonical_all(targets)], np.int64))
        self.others.append(_others(table))
        self.lengths.append(np.fromiter(map(len, targets), np.int32, len(targets)))
        if self.labels is not None:
            self.labels.update(targets)
            if len(self.labels) > MOST_LABELS or max(map(len, self.labels)) > LONGEST_LABEL:
                self.labels, self._labels = None, []
            else:
                numbers = [self._numbers.setdefault(text, len(self._numbers)) for text in targets]
                self._labels.append(np.array(numbers, np.int8))
        if self.benchmarks is not None:
            self._find_questions(table, targets, at, self.benchmarks)

    def _find_questions(self, table: pa.Table, targets: list[str], at: int, known: Asked) -> None:
        texts, places = list(targets), list(range(len(targets)))
        columns = (table[name].to_pylist() for name in ("messages", "prompt", "rejected"))
        for i, (messages, prompt, rejected) in enumerate(zip(*columns, strict=True)):
            said = [prompt] if messages is None else [m["content"] for m in json.loads(messages)]
            said = [*said, rejected] if rejected else said
            texts += said
            places += [i] * len(said)
        first: dict[int, int] = {}
        for question, text in known.questions.found(texts):
            first.setdefault(places[text], question)
        self.asked_elsewhere += [(at + i, known.files[q], known.texts[q]) for i, q in sorted(first.items())]

    @property
    def asks(self) -> np.ndarray:
        return self.rows.numbers("asks")

    @property
    def labelled(self) -> bool:
        """Is the answer one of a few labels, each of them usual?"""
        n = sum(self.labels.values()) if self.labels else 0
        return bool(self.labels) and n >= LEAST_ROWS and len(self.labels or ()) * 5 <= n

    def places(self, label: str) -> np.ndarray:
        """Of the rows with a label."""
        return np.flatnonzero(np.concatenate(self._labels) == self._numbers[label])

    def variants(self) -> dict[str, str]:
        """Labels that are written in several ways: each but the most frequent → the most frequent."""
        if not self.labelled or self.labels is None:
            return {}
        writings: dict[str, list[str]] = defaultdict(list)
        for label, _ in self.labels.most_common():
            writings[canonical(label)].append(label)
        return {other: usual for usual, *others in writings.values() for other in others}


def _others(table: pa.Table) -> np.ndarray:
    """Of each row 0, or a hash of what it has besides its question and answer."""
    columns = [table[name].to_pylist() for name in ("messages", "rejected", "good", "more")]
    return np.array([_other(*values) for values in zip(*columns, strict=True)], np.int64)


def _other(messages: str | None, rejected: str, good: bool | None, more: str | None) -> int:
    if messages is None and not rejected and good is None and more is None:
        return 0
    system = [m["content"] for m in json.loads(messages) if m["role"] == "system"] if messages else []
    return asks_hash([*system, rejected, str(good), more or ""])
