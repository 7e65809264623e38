"""The Data tab's own steps: look at a file, choose columns, import, cancel; and pages of rows."""

from __future__ import annotations

import json

import pytest

from core.data import worker
from ui import data, shell


@pytest.fixture
def tab(workspace):
    """name → handler of the page."""
    return {f.name: f.fn for f in shell.build(workspace).fns.values()}


@pytest.mark.parametrize("large", [False, True])
def test_a_file_is_looked_at_and_imported(workspace, tab, rows_file, monkeypatch, large):
    monkeypatch.setattr(worker, "LARGE", 0 if large else 1 << 40)
    project = workspace.create_project("p")
    reading = {"run": 0}
    *_, shown = tab["uploaded"]("", str(rows_file), reading)
    chosen, (mapping, findings, confirm, cancel) = shown[:9], shown[9:]
    assert [c["value"] for c in chosen] == ["instruction", "output", *["(none)"] * 6, False]
    assert mapping["visible"] and confirm["value"] == "Import 40 rows" and not cancel["visible"]
    assert "40 of 40 rows can be trained." in findings
    *_, shown = tab["remapped"]("", str(rows_file), reading, "instruction", *["(none)"] * 7, False)
    assert "No column for the answer" in shown[0] and shown[1]["interactive"] is False
    values = [c["value"] for c in chosen]
    *_, shown = tab["do_import"]("", project.id, str(rows_file), reading, 0.1, 0.1, 4, *values)
    assert shown[2] == 5
    assert [sum(v.counts.values()) for v in workspace.versions(project.id)] == [40]


def test_what_cannot_be_read_is_a_note_and_a_cancelled_reading_ends_in_silence(tab, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"a": ', encoding="utf-8")
    *_, shown = tab["uploaded"]("", str(path), {"run": 0})
    assert "broken JSON" in shown[10] and not shown[11]["visible"]
    reading = {"run": 0}
    assert "nothing was imported" in tab["cancel_reading"](reading)[0]
    assert reading["run"] == 1


def test_rows_are_shown_a_page_at_a_time(workspace, tmp_path):
    rows = [{"prompt": f"question {i}", "answer": "x" * (i + 1)} for i in range(50)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    from core.data import actions

    version, _ = actions.import_file(workspace, workspace.create_project("p").id, path)
    table, place, at, back, forth = data._rows(workspace, version.id, "", "", "file", 40)
    assert ("41–50 of 50" in place, at, back["interactive"], forth["interactive"]) == (True, 40, True, False)
    table, place, *_ = data._rows(workspace, version.id, "", "QUESTION 4", "longest", 0)
    assert "1–11 of 11" in place
    assert table.index("question 49") < table.index("question 40") < table.index("question 4<")
    assert "No row matches." in data._rows(workspace, version.id, "test", "nothing", "file", 0)[0]
