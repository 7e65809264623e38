"""What is held of all rows, so that they can be compared: some sixty bytes of each, however long it is."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

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
    targets: list[np.ndarray] = field(default_factory=list)
    """Hashes of the answers, as core/questions.py compares texts."""
    others: list[np.ndarray] = field(default_factory=list)
    """Hashes of what else makes a row another one: system prompt, rejected answer, mark, tools."""
    lengths: list[np.ndarray] = field(default_factory=list)
    """Characters of the answers."""
    labels: Counter[str] | None = field(default_factory=Counter)
    """Answers with their counts; None where they are too many, or too long, to be labels."""
    places: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, table: pa.Table) -> None:
        """The rows of one group, in the order of the file."""
        targets = table["target"].to_pylist()
        self.targets.append(np.array([asks_hash([text]) for text in canonical_all(targets)], np.int64))
        columns = (table[name].to_pylist() for name in ("messages", "rejected", "good", "more"))
        self.others.append(np.array([_other(*values) for values in zip(*columns, strict=True)], np.int64))
        at = sum(map(len, self.lengths))
        self.lengths.append(np.array([len(text) for text in targets], np.int32))
        if self.labels is not None:
            self.labels.update(targets)
            if len(self.labels) > MOST_LABELS or max(map(len, self.labels)) > LONGEST_LABEL:
                self.labels, self.places = None, {}
            else:
                for i, text in enumerate(targets, at):
                    self.places[text].append(i)

    @property
    def asks(self) -> np.ndarray:
        return self.rows.numbers("asks")

    @property
    def labelled(self) -> bool:
        """Is the answer one of a few labels, each of them usual?"""
        n = sum(self.labels.values()) if self.labels else 0
        return bool(self.labels) and n >= LEAST_ROWS and len(self.labels or ()) * 5 <= n

    def variants(self) -> dict[str, str]:
        """Labels that are written in several ways: each but the most frequent → the most frequent."""
        if not self.labelled or self.labels is None:
            return {}
        writings: dict[str, list[str]] = defaultdict(list)
        for label, _ in self.labels.most_common():
            writings[canonical(label)].append(label)
        return {other: usual for usual, *others in writings.values() for other in others}


def _other(messages: str | None, rejected: str, good: bool | None, more: str | None) -> int:
    if messages is None and not rejected and good is None and more is None:
        return 0
    system = [m["content"] for m in json.loads(messages) if m["role"] == "system"] if messages else []
    return asks_hash([*system, rejected, str(good), more or ""])
