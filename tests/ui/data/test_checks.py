"""The list of checks in the Data tab: before, found, previewed, applied, undone."""

from __future__ import annotations

import json

import gradio as gr
import pytest

from core.checking import result
from core.data import actions as data_actions
from core.errors import UserError
from core.types import Example
from ui.data import tab
from ui.page import Page


@pytest.fixture
def data(workspace):
    with gr.Blocks():
        state = gr.State(0)
        page = Page(workspace, gr.BrowserState(""), gr.Dropdown(), gr.State(0), state, gr.State(""))
        with gr.Tab("Data", id="Data") as opened:
            return tab.build(page, opened)


def test_a_finding_is_told_and_mended(workspace, data, tmp_path):
    rows = [{"prompt": f"question {i}", "answer": f"The answer is {i}."} for i in range(30)]
    rows += [{"prompt": "which <key>?", "answer": "It is AKIAIOSFODNN7EXAMPLX now."}]
    path, part, project = tmp_path / "rows.jsonl", data.checks, workspace.create_project("p")
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, project.id, path)
    before = part.look(workspace, version.id)
    assert before[part.folded]["label"] == "Checks: not looked yet" and before[part.start]["value"] == "Check 31 rows"
    run = {"run": 0}
    *_, shown = part.checked("", version.id, run)
    assert shown[part.folded]["label"] == "Checks: 1 finding"
    told = shown[part.slots["personal"].found]
    assert "1 row of 31" in told and "AKIA…" in told and "EXAMPLX" not in told
    visible = {name for name, slot in part.slots.items() if shown[slot.row]["visible"]}
    assert visible == {"personal"}
    *_, shown = part.previewed("personal", False, "", version.id, run)
    assert "<ins>[KEY]</ins>" in shown[part.difference] and "EXAMPLX" not in shown[part.difference]
    assert shown[part.apply]["value"] == "Apply to 1 row" and shown[part.listed]["visible"] is False
    *_, shown = part.applied("", version.id, run, "31", 4)
    assert shown[data.page.changed] == 5
    made = workspace.versions(project.id)[-1]
    seen = part.look(workspace, made.id)
    assert seen[part.undo]["visible"] and seen[part.folded]["label"] == "Checks: nothing found"


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
