"""Prompts without an answer are no rows, and are not lost either."""

from __future__ import annotations

import json

import pytest

from core.data import actions, editing, revising, unanswered


@pytest.mark.parametrize("extra", [{}, {"weight": 3}])  # column by column, and row by row
def test_they_are_kept_until_a_row_asks_them(workspace, tmp_path, extra):
    path, project = tmp_path / "rows.jsonl", workspace.create_project("p")
    lines = [{"prompt": f"What is {i}?", "answer": "" if i % 10 == 3 else f"It is {i}.", **extra} for i in range(40)]
    lines[13]["answer"] = None
    lines.append({"prompt": "Of two\nlines?", "answer": " "})
    lines.append({"prompt": " ", "answer": ""})
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    version, problems = actions.import_file(workspace, project.id, path)
    expected = ["What is 3?", "What is 13?", "What is 23?", "What is 33?", "Of two\nlines?"]
    assert unanswered.of(workspace, version.id) == expected
    assert sum("answer is empty" in p.what for p in problems) == 5
    editing.add(workspace, version.id, "what is 13", "It is 13.")
    made = revising.make_version(workspace, version.id)
    assert unanswered.of(workspace, made.id) == [p for p in expected if p != "What is 13?"]


def test_few_enough_are_kept():
    kept = unanswered.Unanswered()
    kept.add([*(f"prompt {i}" for i in range(unanswered.MOST + 5)), "prompt 1"])
    kept.add(["x" * (unanswered.MOST_CHARACTERS + 1)])
    assert len(kept.prompts) == unanswered.MOST
