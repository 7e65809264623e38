"""The part that a row of a file names itself: train, validation or test, however it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.data.columns.names import normal
from core.types import Split

COLUMNS = ("split", "part", "partition", "subset", "set", "fold", "data_split", "dataset_split")
"""How a column with parts is called, in order of preference."""
_NAMES: dict[str, Split] = {
    **dict.fromkeys(("train", "training", "trn", "learn"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev", "development", "eval", "evaluation"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout"), "test"),
}


def part_of(name: str) -> Split | None:
    """`train_sft`, `Test`, `validation-matched` …; empty is training, as a row is that says nothing of it."""
    words = re.split(r"[\W_]+", name.strip().lower())
    return next((_NAMES[word] for word in words if word in _NAMES), None if name.strip() else "train")


def are_parts(names: Iterable[str]) -> bool:
    """Do these values divide rows into parts, with one for training?"""
    parts = {part_of(name) for name in names}
    return None not in parts and "train" in parts and len(parts) > 1


def column_of_parts(values: dict[str, Iterable[str] | None]) -> str | None:
    """The column of which the values divide the rows. `values`: of each column its texts, None where they are many."""
    for wanted in COLUMNS:
        for column, texts in values.items():
            if normal(column) == wanted and texts is not None and are_parts(texts):
                return column
    return None
