"""Rows by hand on the page: what a key asks for, what waits, what another window is told, all that match at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.checking import worker
from core.data import drafts, editing
from core.data.row_texts import with_texts
from core.errors import UserError
from core.types import Example
from tests.ui.data.conftest import ALL, imported
from ui.data import editor, table


@pytest.fixture
def version(workspace, tmp_path):
    rows = [
        {"prompt": f"What is {i} times {i}?", "answer": f"It is {i * i}.", "customer": f"c{i // 4}"} for i in range(40)
    ]
    return imported(workspace, tmp_path / "rows.jsonl", rows)


def opened(data, version, act: str):
    shown = data.editor.do("", version.id, act)
    return shown, shown[data.editor.state]


def test_a_row_is_opened_kept_and_told(workspace, data, version):
    part = data.editor
    shown, state = opened(data, version, "edit 3 17")
    assert "Row 4" in shown[part.title] and state["names"] == ["user 1", "answer"]
    assert [shown[slot]["visible"] for slot in part.slots][:3] == [True, True, False]
    assert shown[part.slots[1]]["value"] == "It is 9."
    kept = part.kept("", version.id, state, None, "What is 3 times 3?", "Nine <i>", *[""] * 14)
    assert kept[part.panel] == editor.HIDDEN
    assert "1 change, not yet a version: 1 changed." in kept[part.waits]
    seen = data.after_an_act("", version.id, *ALL, 0)
    assert "Nine &lt;i&gt;" in seen[data.table] and "changed" in seen[data.table]
    only = data.look("", version.id, "", "", "file", table.WAITING, "", "")
    assert "1–1 of 1" in only[data.place]
    made = part.made("", version.id, "clearer", 4)
    assert made[data.page.changed] == 5
    newest = workspace.versions(version.project_id)[-1]
    choice = data.choose("", newest.id, *ALL)
    assert choice[data.undo]["visible"] and "Version 2: clearer (1 changed)." in choice[data.lead]
    data.undone("", newest.id, 5)
    assert workspace.versions(version.project_id)[-1].content_hash == version.content_hash


def test_keys_delete_restore_add_and_undo(workspace, data, version):
    part = data.editor
    part.do("", version.id, "delete 0 1")
    assert "tw-row-deleted" in data.after_an_act("", version.id, *ALL, 0)[data.table]
    part.do("", version.id, "restore 0 2")
    shown, state = opened(data, version, "add 0 3")
    assert shown[part.part]["visible"] and state["place"] == -1
    part.kept("", version.id, state, "validation", "", "Something new?", "Yes.")
    seen = data.after_an_act("", version.id, *ALL, 0)
    assert seen[data.table].index("Something new?") < seen[data.table].index("What is 0 times 0?")
    [row] = drafts.read(workspace, version.id).added.values()
    assert (row.split, row.row) == ("validation", 41)
    part.do("", version.id, "undo 0 4")
    assert drafts.read(workspace, version.id).count == 0
    assert part.do("", version.id, "burn 0") == part.do("", version.id, "") == {}  # whoever writes the field by hand
    with pytest.raises(UserError):
        part.do("", version.id, "edit 999")


def test_another_window_is_told_and_its_text_stays(workspace, data, version):
    part = data.editor
    _, mine = opened(data, version, "edit 3")
    _, theirs = opened(data, version, "edit 3")
    part.kept("", version.id, theirs, None, "What is 3 times 3?", "Theirs.")
    told = part.kept("", version.id, mine, None, "What is 3 times 3?", "Mine.")
    assert "changed meanwhile" in told[part.remark] and "Theirs" in told[part.remark] and part.panel not in told
    part.kept("", version.id, told[part.state], None, "What is 3 times 3?", "Mine.")
    row = drafts.read(workspace, version.id).row(3)
    assert row and row.target == "Mine."


def test_what_waits_at_an_earlier_version_is_offered(workspace, data, version):
    editing.delete(workspace, version.id, [0, 1])
    newer = workspace.add_version(version.project_id, "v", workspace.examples(version.id), version.manifest)
    shown = data.editor.tell(workspace, newer.id)
    assert shown[data.editor.left]["visible"] and "version 1 (2 changes)" in shown[data.editor.left_words]
    data.editor.carried("", version.project_id, newer.id)
    assert (
        drafts.read(workspace, newer.id).count == 2
        and not data.editor.tell(workspace, newer.id)[data.editor.left]["visible"]
    )


def test_a_long_conversation_says_what_cannot_be_changed_here(workspace, data):
    turns = tuple({"role": "assistant" if i % 2 else "user", "content": f"turn {i}"} for i in range(21))
    rows = [Example(turns, f"end {i}", i + 1) for i in range(3)]
    version = workspace.add_version(workspace.create_project("q").id, "v", rows, {"file": "x", "rows_in_file": 3})
    shown, state = opened(data, version, "edit 1")
    assert len(state["names"]) == editor.SLOTS and "behind the first 16 (it has 22)" in shown[data.editor.title]
    with pytest.raises(UserError, match="More than 16 texts"):
        data.editor.turned("add", "", state, 2, *[""] * 16)


def test_turns_are_added_and_removed_and_kept_with_what_was_written(workspace, data, version):
    part = data.editor
    shown, state = opened(data, version, "edit 3")
    assert shown[part.turns]["visible"] and not shown[part.fewer]["interactive"]
    values = ["What is 3 times 3?", "Nine."]
    shown = part.turned("add", "", state, 1, *values)
    state = shown[part.state]
    assert state["names"] == ["user 1", "assistant 2", "user 3", "answer"]
    assert [shown[slot]["value"] for slot in part.slots[:4]] == [*values, "", ""]
    with pytest.raises(UserError, match="“user 3” is empty"):
        part.kept("", version.id, state, None, *values, "", "Twelve.")
    part.kept("", version.id, state, None, *values, "And plus 3?", "Twelve.")
    row = drafts.read(workspace, version.id).row(3)
    assert row and [m["content"] for m in row.messages] == [*values, "And plus 3?"] and row.target == "Twelve."
    shown, state = opened(data, version, "edit 3")
    shown = part.turned("remove", "", state, 2, *values, "And plus 3?", "Twelve.")
    part.kept("", version.id, shown[part.state], None, *values)
    row = drafts.read(workspace, version.id).row(3)
    assert row and len(row.messages) == 1 and row.target == "Nine."


def test_all_that_match_are_deleted_moved_and_exported(workspace, data, version):
    asked = (version.id, "", "", "file", "", "customer", "c7")
    seen = data.look("", *asked)
    assert "the 4 rows that match" in seen[data.chosen.folded]["label"] and seen[data.chosen.delete]["interactive"]
    assert not data.look("", version.id, *ALL)[data.chosen.delete]["interactive"]  # nobody deletes all of them
    data.chosen.deleted("", *asked)
    assert np.flatnonzero(drafts.read(workspace, version.id).gone).tolist() == [28, 29, 30, 31]
    data.editor.do("", version.id, "undo")
    data.chosen.moved("validation", "", *asked)
    assert drafts.read(workspace, version.id).counts()["validation"] >= 4
    shown = data.chosen.exported(".csv", "", *asked)
    assert "rows-version-1.csv (4 rows)" in shown[data.chosen.file]["label"]
    assert Path(shown[data.chosen.file]["value"]).read_text("utf-8-sig").count("c7") == 4


def test_rows_are_filtered_and_sorted_by_what_checks_found(workspace, data, version):
    rows = workspace.examples(version.id)
    rows[5] = with_texts(rows[5], {"answer": "As an AI language model, I cannot answer that."})
    rows[9] = with_texts(rows[9], {"answer": "Write to anna.berg@example-mail.com, please. &amp; <b>soon</b>"})
    checked = workspace.add_version(version.project_id, "v", rows, version.manifest)
    worker.check(workspace, checked, lambda share, what: None)
    choice = data.choose("", checked.id, *ALL)
    names = [name for _, name in choice[data.found]["choices"]]
    check = next(name for name in names if "refus" in name)
    only = data.look("", checked.id, "", "", "file", check, "", "")
    assert "1–1 of 1" in only[data.place] and "tw-marks" in only[data.table]
    most = data.look("", checked.id, "", "", "marked", "", "", "")
    first = most[data.table].index("anna.berg")
    assert first < most[data.table].index("What is 0 times 0?")


def test_splits_versions_and_enough_are_told(workspace, data, version):
    shown = data.splits.look("", version.id, 10, 20, "%", 3, "(none)", "customer")
    assert "It would come to" in shown[data.splits.outcome] and len(workspace.versions(version.project_id)) == 1
    data.splits.applied("", version.id, 0, 6, 8, "rows", 3, "(none)", "(none)")
    newest = workspace.versions(version.project_id)[-1]
    assert newest.counts == {"train": 26, "validation": 6, "test": 8}
    told = data.compare.look(0, "", version.id, newest.id, "", 0)
    assert "moved to another part" in told[data.compare.words] and "train → test" in told[data.compare.rows]
    editing.delete(workspace, newest.id, [3])
    data.editor.made("", newest.id, "", 0)
    last = workspace.versions(version.project_id)[-1]
    told = data.compare.look(0, "", newest.id, last.id, "removed", 0)
    assert told[data.compare.restoring]["visible"] and "What is 3 times 3?" in told[data.compare.rows]
    data.compare.restored("", version.project_id, newest.id, 4)
    assert [row.row for row in drafts.read(workspace, last.id).added.values()] == [4]
    assert "4 test rows" in data.enough.look("", version.id)[data.enough.words]
    for values in ((None, 10, "%", 0, "", ""), (0.5, 10, "rows", 0, "", "")):
        with pytest.raises(UserError):
            data.splits.look("", version.id, *values)
