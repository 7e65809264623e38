"""Rows leave as a file and come back as they were; a spreadsheet computes none of them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from core.cells import OWN
from core.data import actions as data_actions
from core.data import exporting
from core.errors import UserError
from core.types import Example

HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-2 apples", "@SUM(A1)", "\tindented", "'=quoted", 'plain, "quoted"\nand more')


def asked(i: int, *more: str):
    return tuple({"role": role, "content": text} for role, text in [*(m.split("|") for m in more), ("user", f"q{i}")])


ROWS = {
    "answer": [Example(asked(i), f"{HOSTILE[i % 7]} {i}", i + 1, meta={"customer": HOSTILE[i % 7]}) for i in range(30)],
    "preference": [Example(asked(i), f"good {i}", i + 1, rejected=f"=bad {i}") for i in range(30)],
    "marked": [Example(asked(i), f"said {i}", i + 1, good=i % 2 == 0) for i in range(30)],
    "text": [Example((), f"{HOSTILE[i % 7]} text {i}", i + 1) for i in range(30)],
    "messages": [
        Example(asked(i, "system|Be brief.", f"user|=hello {i}", "assistant|hi"), f"answer {i}", i + 1)
        for i in range(30)
    ],
}


@pytest.mark.parametrize("ending", exporting.FORMATS)
@pytest.mark.parametrize("kind", ROWS)
def test_rows_come_back_as_they_were(workspace, tmp_path, kind, ending):
    version = workspace.add_version(workspace.create_project("p").id, "v", ROWS[kind], {"file": "x"})
    path = tmp_path / f"rows{ending}"
    assert exporting.write(workspace.rows(version.id), None, path) == 30
    again = data_actions.examples_of(path)
    assert [(e.id, e.good) for e in again] == [(e.id, e.good) for e in ROWS[kind]]
    assert [e.meta.get("customer") for e in again] == [e.meta.get("customer") for e in ROWS[kind]]


def test_no_cell_of_a_table_is_a_formula(workspace, tmp_path):
    version = workspace.add_version(workspace.create_project("p").id, "v", ROWS["answer"], {"file": "x"})
    path = tmp_path / "rows.csv"
    exporting.write(workspace.rows(version.id), np.array([7, 3]), path)
    with open(path, encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert lines[0] == [OWN, "prompt", "answer", "split", "customer"]
    assert [line[0] for line in lines[1:]] == ["4", "8"]  # in the order of the version
    assert not [cell for line in lines for cell in line if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    # What other programs wrote with an apostrophe is theirs.
    other = tmp_path / "other.csv"
    other.write_text("prompt,answer\nq,'=1\n", encoding="utf-8")
    assert data_actions.examples_of(other)[0].target == "'=1"


def test_nothing_chosen_is_a_sentence(workspace, tmp_path):
    version = workspace.add_version(workspace.create_project("p").id, "v", ROWS["answer"], {"file": "x"})
    with pytest.raises(UserError, match="nothing to export"):
        exporting.write(workspace.rows(version.id), np.zeros(0, int), tmp_path / "rows.jsonl")


def test_a_line_holds_all_of_a_row(workspace, tmp_path):
    tool = {"type": "function", "function": {"name": "clock", "parameters": {}}}
    row = Example(asked(1), "noon", 1, tools=(tool,), references=("12:00",), meta={"split": "odd", "customer": "7"})
    version = workspace.add_version(workspace.create_project("p").id, "v", [row], {"file": "x"})
    exporting.write(workspace.rows(version.id), None, tmp_path / "rows.jsonl")
    line = json.loads((tmp_path / "rows.jsonl").read_text("utf-8"))
    assert line == {
        "messages": [{"role": "user", "content": "q1"}, {"role": "assistant", "content": "noon"}],
        "tools": [tool],
        "references": ["12:00"],
        "split": "train",
        "customer": "7",
    }
