"""Enough data? The sentences follow the rows: how many, how different, how balanced, and what the test can show."""

from __future__ import annotations

import pytest

from core.data import enough
from core.errors import UserError
from core.types import Example


def version(workspace, rows, **manifest):
    return workspace.add_version(workspace.create_project("p").id, "v", rows, {"file": "x", **manifest})


def answers(n: int, test: int, prompt=lambda i: f"question {i}", answer=lambda i: f"answer {i}"):
    def split(i: int) -> str:
        return "test" if i < test else "validation" if i < test + 20 else "train"

    return [Example(({"role": "user", "content": prompt(i)},), answer(i), i + 1, split(i)) for i in range(n)]


def told(workspace, version) -> str:
    return " ".join(f"{r.level}: {r.text}" for r in enough.look(workspace, version.id).remarks)


def test_few_rows_are_said_to_be_few(workspace):
    words = told(workspace, version(workspace, answers(60, 10)))
    assert "30 rows are trained, with 270 characters of answers." in words
    assert "warning: Each asks another question. Few: a model learns a tone" in words
    assert "warning: 10 test rows usually show a difference of 28 points or more" in words
    assert "For 5 points it takes about 314." in words
    assert "train on a quarter of the rows and on all of them" in words


def test_more_rows_are_said_to_be_more(workspace):
    found = enough.look(workspace, version(workspace, answers(900, 320)).id)
    assert (found.prompts, found.groups, found.rows["test"]) == (560, 320, 320)
    assert found.smallest == pytest.approx(0.0495, abs=0.0005)
    assert not [r for r in found.remarks if r.level == "warning"]


def test_copies_of_a_question_are_one_question(workspace):
    rows = answers(200, 60, prompt=lambda i: f"question {i // 3}")
    words = told(workspace, version(workspace, rows))
    assert "They ask 40 different questions. Few" in words or "They ask 41 different questions. Few" in words
    assert "60 test rows with 20 different questions" in words


def test_labels_are_weighed(workspace):
    rows = answers(400, 100, answer=lambda i: "rare" if i % 40 == 0 else "usual")
    words = told(workspace, version(workspace, rows, columns={"label_task": True}))
    assert "2 labels; “usual” is the answer of 98%" in words
    assert "Fewer than 20 rows to learn from have: “rare” 7." in words


def test_text_and_no_test_row(workspace):
    rows = [Example((), f"text {i}", i + 1) for i in range(30)]
    words = told(workspace, version(workspace, rows))
    assert "They are 30 different texts." in words and "There is no test row" in words
    with pytest.raises(UserError):
        enough.look(workspace.as_owner("somebody"), workspace.versions(workspace.projects()[0].id)[0].id)
