"""The list of checks in the Data tab: before, found, previewed, applied, undone."""

from __future__ import annotations

import re

import gradio as gr
import pytest

from core.checking import result
from core.errors import UserError
from core.types import Example
from tests.ui.data.conftest import ALL, imported


def test_a_finding_is_told_and_mended(workspace, data, tmp_path):
    rows = [{"prompt": f"question {i}", "answer": f"The answer is {i}."} for i in range(30)]
    rows += [{"prompt": "which <key>?", "answer": "It is AKIAIOSFODNN7EXAMPLX now."}]
    part, version = data.checks, imported(workspace, tmp_path / "rows.jsonl", rows)
    before = part.look(workspace, version.id)
    assert before[part.folded]["label"] == "Checks: not looked yet" and before[part.start]["value"] == "Check 31 rows"
    run = {"run": 0}
    *_, shown = part.checked("", version.id, run)
    assert shown[part.folded]["label"] == "Checks: 1 finding"
    told = shown[part.listed]["value"]
    assert "1 row of 31" in told and "AKIA…" in told and "EXAMPLX" not in told
    assert re.findall('data-mend="([^"]*)"', told) == ["personal mend", "personal leave"]
    assert list(part.previewed("", version.id, run, "<b> mend 1")) == []  # whoever writes the field by hand
    *_, shown = part.previewed("", version.id, run, "personal mend 1733000000")
    assert "<ins>[KEY]</ins>" in shown[part.difference] and "EXAMPLX" not in shown[part.difference]
    assert shown[part.apply]["value"] == "Apply to 1 row" and shown[part.listed]["visible"] is False
    *_, shown = part.applied("", version.id, run, "31", 4)
    assert shown[data.page.changed] == 5
    made = workspace.versions(version.project_id)[-1]
    seen = part.look(workspace, made.id)
    assert seen[part.folded]["label"] == "Checks: nothing found"
    tab_seen = data.choose("", made.id, *ALL)
    assert tab_seen[data.undo]["visible"] and tab_seen[data.undo]["value"] == "Undo the mending of version 2"
    data.undone("", made.id, 5)
    back = part.look(workspace, workspace.versions(version.project_id)[-1].id)
    assert back[part.folded]["label"] == "Checks: 1 finding"  # nothing is looked at again


def test_numbers_of_rows_are_read_and_what_is_none_is_refused(data):
    assert data.checks.chosen("3, 17") == {data.checks.apply: gr.update(value="Apply to 2 rows")}
    assert data.checks.chosen("") == {}
    with pytest.raises(UserError, match="“x” is no number of a row"):
        data.checks.chosen("3 x")


def test_cancel_ends_the_work_and_says_so_when_nothing_is_left_of_it(workspace, data):
    project, part, run = workspace.create_project("p"), data.checks, {"run": 3}
    rows = [Example(({"role": "user", "content": f"question {i}"},), f"It is {i}.", i) for i in range(1, 40)]
    version = workspace.add_version(project.id, "p", rows, {"file": "x"})
    steps = part.checked("", version.id, run)
    assert next(steps)[part.cancel]["visible"]
    assert "Cancelling" in part.cancelled(run)[part.state]
    *_, last = steps
    assert "Cancelled: nothing was changed." in last[part.state]
    assert last[part.start]["visible"] and not last[part.cancel]["visible"]
    assert result.read(workspace.rows_file(version.id)) is None
    folder = workspace.rows_file(version.id).parent
    assert not list(folder.glob("*checks*")) and not list(workspace.settings.home.glob(".beside-*"))


def test_work_that_is_not_the_newest_any_more_ends_without_a_word(workspace, data):
    project, part, run = workspace.create_project("p"), data.checks, {"run": 0}
    rows = [Example(({"role": "user", "content": f"question {i}"},), f"It is {i}.", i) for i in range(1, 40)]
    version = workspace.add_version(project.id, "p", rows, {"file": "x"})
    steps = part.checked("", version.id, run)
    next(steps)
    run["run"] += 1
    assert all("Cancelled" not in str(step[part.state]) for step in steps)
