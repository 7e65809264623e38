"""Rows of a version as a file: JSONL, which holds all of a row, or CSV, which a spreadsheet opens without harm.

Written row by row. Columns are named as the importer knows them, so that a file that is read again gives the same rows.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core import cells
from core.errors import UserError
from core.store import beside
from core.store.datasets import KINDS, current, opened, to_examples
from core.store.queries import Rows
from core.types import Example

FORMATS = (".jsonl", ".csv")
NAMES = {
    "answer": ("prompt", "answer"),
    "preference": ("prompt", "chosen", "rejected"),
    "marked": ("prompt", "completion", "label"),
    "text": ("text",),
}
"""Columns of rows of one kind, as they are known at import."""


def write(rows: Rows, places: np.ndarray | range | None, path: Path, ending: str = "") -> int:
    """Write the rows at these places (all where None), in the order of their version; returns how many.

    `ending`: one of FORMATS; that of the file where it is empty. Raises UserError where there is no row.
    """
    wanted = np.ones(len(rows), bool) if places is None else np.zeros(len(rows), bool)
    if places is not None:
        wanted[np.asarray(places, np.int64)] = True
    n = int(wanted.sum())
    if not n:
        raise UserError("No row is chosen: there is nothing to export. Change the search or the part.")
    shape = _shape(rows, wanted)
    lines = (_line(example, shape) for example in _chosen(rows, wanted))
    if (ending or path.suffix) == ".csv":
        lines = ({cells.OWN: e.row, **_line(e, shape)} for e in _chosen(rows, wanted))
        columns = _columns(rows, shape, wanted)
        with open(path, "w", encoding="utf-8-sig", newline="") as file:  # the mark tells a spreadsheet that it is UTF-8
            table = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
            table.writerow({name: cells.neutral(name) for name in columns})
            table.writerows({name: _cell(value) for name, value in line.items()} for line in lines)  # one at a time
    else:
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return n


def _chosen(rows: Rows, wanted: np.ndarray) -> Iterator[Example]:
    at = 0
    with opened(rows.path) as file:
        for group in range(file.num_row_groups):
            here = np.flatnonzero(wanted[at : at + file.metadata.row_group(group).num_rows])
            at += file.metadata.row_group(group).num_rows
            if len(here):
                yield from to_examples(file.read_row_group(group).take(here))


def _shape(rows: Rows, wanted: np.ndarray) -> str:
    """The kind of all rows, where they are a prompt and an answer; else `messages`."""
    kinds = np.unique(rows.kinds[wanted])
    if len(kinds) > 1:
        return "messages"
    kind = KINDS[int(kinds[0])]
    if kind == "text":
        return kind
    with opened(rows.path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["messages", "more"])
            if table["messages"].null_count < len(table) or table["more"].null_count < len(table):
                return "messages"
    return kind


def _line(example: Example, shape: str) -> dict[str, Any]:
    """One row; what stands beside it comes last, and never in the place of its own columns."""
    values: dict[str, Any] = {}
    if shape == "text":
        values |= {"text": example.target}
    elif shape == "messages":
        values |= {"messages": list(example.conversation)}
        values |= {"tools": list(example.tools)} if example.tools else {}
        values |= {"references": list(example.references)} if example.references else {}
        values |= {"rejected": example.rejected} if example.rejected else {}
        values |= {"label": example.good} if example.good is not None else {}
    else:
        last = example.rejected if shape == "preference" else example.good
        values |= dict(zip(NAMES[shape], (example.prompt, example.target, last), strict=False))
    values["split"] = example.split
    return values | {name: text for name, text in example.meta.items() if name not in values}


def _columns(rows: Rows, shape: str, wanted: np.ndarray) -> list[str]:
    """The first line of a table: only columns that some row has, for an empty one would be taken for something."""
    own = [cells.OWN, *(_of_messages(rows, wanted) if shape == "messages" else NAMES[shape]), "split"]
    return [*own, *(name for name in beside.names(current(rows.path)) if name not in own)]


def _of_messages(rows: Rows, wanted: np.ndarray) -> list[str]:
    found, at = {"messages"}, 0
    with opened(rows.path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["rejected", "good", "more"])
            for row in table.filter(wanted[at : at + len(table)]).to_pylist():
                found |= {"rejected"} if row["rejected"] else set()
                found |= {"label"} if row["good"] is not None else set()
                found |= json.loads(row["more"]).keys() if row["more"] else set()
            at += len(table)
    return [name for name in ("messages", "tools", "references", "rejected", "label") if name in found]


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return cells.as_text(value)
