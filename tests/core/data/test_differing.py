"""Two versions, row by row: what came, went, changed and moved, by rows' numbers or by what they say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.data import actions as data_actions
from core.data import differing, editing, revising, row_texts
from core.errors import UserError


def write(tmp_path, lines):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def lines(n: int):
    return [{"prompt": f"What is {i} and {i * i}?", "answer": f"It is {i}.", "customer": f"c{i}"} for i in range(n)]


def test_what_was_done_by_hand_is_told_by_the_rows_numbers(workspace, tmp_path):
    first, _ = data_actions.import_file(workspace, workspace.create_project("p").id, write(tmp_path, lines(40)))
    [a, b, c, *_], rows = workspace.rows(first.id).of_split("train").tolist(), workspace.rows(first.id)
    editing.change(workspace, first.id, a, rows[a].id, {"user 1": "Another question?", "answer": "Another answer."})
    editing.delete(workspace, first.id, [b])
    editing.move(workspace, first.id, [c], "validation")
    editing.add(workspace, first.id, "Quite new", "Indeed")
    second = revising.make_version(workspace, first.id)
    found = differing.compare(workspace, first.id, second.id)
    assert found.counts == {"changed": 1, "added": 1, "removed": 1, "moved": 1, "beside": 0} and found.same == 37
    assert found.sentence == ("1 with other texts, 1 added, 1 removed, 1 moved to another part; 37 rows are the same.")
    [changed, added, removed, moved] = differing.pairs(workspace, found, "", 0, 9)
    assert changed.texts == [
        ("user 1", rows[a].prompt, "Another question?"),
        ("answer", rows[a].target, "Another answer."),
    ]
    assert (added.before, added.after.prompt) == (None, "Quite new")
    assert (removed.after, removed.before.id) == (None, rows[b].id)
    assert (moved.before.split, moved.after.split, moved.texts) == ("train", "validation", [])
    assert [p.kind for p in differing.pairs(workspace, found, "moved", 0, 9)] == ["moved"]
    assert differing.pairs(workspace, found, "", 2, 1)[0].kind == "removed"
    back = differing.compare(workspace, second.id, first.id)
    assert back.counts == {"changed": 1, "added": 1, "removed": 1, "moved": 1, "beside": 0}
    assert differing.compare(workspace, first.id, first.id).sentence == "No row differs: 40 rows are the same."


def test_versions_of_different_files_are_matched_by_what_rows_say_and_ask(workspace, tmp_path):
    project = workspace.create_project("p").id
    first, _ = data_actions.import_file(workspace, project, write(tmp_path, lines(40)))
    new = lines(40)[::-1]
    new[0]["answer"] = "Said otherwise."
    new[1]["customer"] = "somebody"
    second, _ = data_actions.import_file(
        workspace, project, write(tmp_path, [*new[:38], {"prompt": "New", "answer": "x"}])
    )
    found = differing.compare(workspace, first.id, second.id)
    assert not found.by_number
    assert {k: n for k, n in found.counts.items() if n} == {"changed": 1, "added": 1, "removed": 2, "beside": 1}
    [pair] = differing.pairs(workspace, found, "changed", 0, 9)
    assert pair.texts == [("answer", "It is 39.", "Said otherwise.")]
    [pair] = differing.pairs(workspace, found, "beside", 0, 9)
    assert pair.texts == [("“customer”", "c38", "somebody")]


def test_copies_are_matched_one_by_one():
    old, new = np.array([5, 5, 7, 9]), np.array([7, 5, 5, 5])
    a, b = differing._matched(old, new)
    assert sorted(zip(old[a].tolist(), new[b].tolist(), strict=True)) == [(5, 5), (5, 5), (7, 7)]


def test_versions_of_two_projects_or_owners_are_not_compared(workspace, rows_file):
    first, _ = data_actions.import_file(workspace, workspace.create_project("p").id, rows_file)
    other, _ = data_actions.import_file(workspace, workspace.create_project("q").id, rows_file)
    with pytest.raises(UserError, match="different projects"):
        differing.compare(workspace, first.id, other.id)
    with pytest.raises(UserError):
        differing.compare(workspace.as_owner("visitor-2"), first.id, first.id)


def test_a_conversation_tells_which_turn_differs(workspace):
    from core.types import Example

    talk = Example(
        ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}),
        "d",
        1,
    )
    other = row_texts.with_texts(talk, {"assistant 2": "B"})
    assert differing.Pair("changed", talk, other).texts == [("assistant 2", "b", "B")]
