"""The Data tab's own steps: look at a file, choose columns, import, cancel; and pages of rows."""

from __future__ import annotations

import pytest

from core.data import worker
from tests.ui.data.conftest import ALL, imported
from ui.data.importer import NONE


def chosen_of(part, shown) -> list:
    """What stands in the controls of the columns after a look, the texts empty."""
    return [*(shown[control]["value"] for control in part.chosen[:-2]), "", ""]


@pytest.mark.parametrize("large", [False, True])
def test_a_file_is_looked_at_and_imported(workspace, data, rows_file, monkeypatch, large):
    monkeypatch.setattr(worker, "LARGE", 0 if large else 1 << 40)
    project = workspace.create_project("p")
    reading, part = {"run": 0}, data.importer
    *_, shown = part.uploaded("", str(rows_file), reading)
    values = chosen_of(part, shown)
    assert values == ["instruction", "output", *[NONE] * 10, False, False, "", ""]
    assert shown[part.mapping]["visible"] and not shown[part.cancel]["visible"]
    assert shown[part.confirm]["value"] == "Import 40 rows"
    assert "40 of 40 rows can be trained." in shown[part.findings]
    *_, shown = part.remapped("", str(rows_file), reading, "instruction", *[NONE] * 11, False, False, "", "")
    assert "No column for the answer" in shown[part.findings] and shown[part.confirm]["interactive"] is False
    *_, shown = part.import_file("", project.id, str(rows_file), reading, 0.1, 0.1, 4, *values)
    assert shown[data.page.changed] == 5
    assert [sum(v.counts.values()) for v in workspace.versions(project.id)] == [40]
    seen = data.refresh("", project.id, None, *ALL, None)
    assert "40 rows: 32 to train" in seen[data.lead] and seen[data.newest] == seen[data.version]["value"]


def test_columns_that_are_in_doubt_wait_for_a_choice(workspace, data, tmp_path):
    path, part, project = tmp_path / "rows.csv", data.importer, workspace.create_project("p")
    lines = [f"{i},a long text {i},short text {i}" for i in range(9)]
    path.write_text("id,text,gist\n" + "\n".join(lines), encoding="utf-8")
    *_, shown = part.uploaded("", str(path), {"run": 0})
    assert "“gist” is no usual name" in shown[part.findings] and "short text 1" in shown[part.findings]
    assert shown[part.confirm]["interactive"] is False and shown[part.agree]["visible"]
    values = chosen_of(part, shown)
    *_, shown = part.remapped("", str(path), {"run": 0}, *values)
    assert shown[part.confirm]["interactive"] and not shown[part.agree]["visible"]
    assert "Columns taken: prompt ← text, answer ← gist." in shown[part.findings]
    assert "the column “id”" in shown[part.findings]
    list(part.import_file("", project.id, str(path), {"run": 0}, 0.1, 0.1, 0, *values))
    [version] = workspace.versions(project.id)
    seen = data.choose("", version.id, *ALL)
    assert seen[data.remarked]["visible"] and "not trained: 1 thing" in seen[data.remarked]["label"]
    assert "the column “id”" in seen[data.remarks]


def test_labels_of_several_writings_can_count_as_one(workspace, data, tmp_path):
    path, part, project = tmp_path / "rows.csv", data.importer, workspace.create_project("p")
    path.write_text("text,label\n" + "\n".join(f"t{i},{('Spam', 'spam', 'ham')[i % 3]}" for i in range(18)), "utf-8")
    *_, shown = part.uploaded("", str(path), {"run": 0})
    assert shown[part.one_label]["visible"] and "“Spam”, “spam” as “Spam”" in shown[part.one_label]["info"]
    values = chosen_of(part, shown)
    list(part.import_file("", project.id, str(path), {"run": 0}, 0.1, 0.1, 0, *values[:-3], True, "", ""))
    [version] = workspace.versions(project.id)
    assert {e.target for e in workspace.examples(version.id)} == {"Spam", "ham"}


def test_what_cannot_be_read_is_a_note_and_a_cancelled_reading_ends_in_silence(data, tmp_path):
    path, part = tmp_path / "bad.jsonl", data.importer
    path.write_text('{"a": ', encoding="utf-8")
    *_, shown = part.uploaded("", str(path), {"run": 0})
    assert "broken JSON" in shown[part.findings] and not shown[part.confirm]["visible"]
    reading = {"run": 0}
    assert "nothing was imported" in part.cancelled(reading)[part.findings]
    assert reading["run"] == 1


def test_rows_are_shown_a_page_at_a_time(workspace, data, tmp_path):
    rows = [{"prompt": f"question {i}", "answer": "x" * (i + 1)} for i in range(50)]
    version = imported(workspace, tmp_path / "rows.jsonl", rows)
    shown = data.turned(20, "", version.id, *ALL, 20)
    assert "41–50 of 50" in shown[data.place] and shown[data.at] == 40
    assert shown[data.back]["interactive"] and not shown[data.forth]["interactive"]
    shown = data.look("", version.id, "", "QUESTION 4", "longest", "", "", "")
    assert "1–11 of 11" in shown[data.place]
    order = [shown[data.table].index(text) for text in ("question 49", "question 40", "question 4<")]
    assert order == sorted(order)
    assert "No row matches." in data.look("", version.id, "test", "nothing", "file", "", "", "")[data.table]


def test_a_project_without_rows_says_what_comes_next(data, workspace):
    seen = data.refresh("", workspace.create_project("p").id, None, *ALL, None)
    assert seen[data.importer.folded]["open"] and not seen[data.back]["interactive"]
    assert not seen[data.asking]["visible"] and not seen[data.pager]["visible"]
    assert seen[data.version]["choices"] == [] and not seen[data.remarked]["visible"]
