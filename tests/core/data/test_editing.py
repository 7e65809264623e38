"""Rows changed by hand: nothing is lost, nobody is overwritten, and a test row is never trained in a second writing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data import actions as data_actions
from core.data import drafts, editing, revising, row_texts
from core.errors import UserError
from core.settings import Limits, Settings
from core.store.workspace import Workspace, new_id, open_workspace
from core.types import Example


@pytest.fixture
def version(workspace, rows_file):
    version, _ = data_actions.import_file(workspace, workspace.create_project("p").id, rows_file)
    return version


def of_split(workspace: Workspace, version, split: str) -> list[int]:
    return workspace.rows(version.id).of_split(split).tolist()


def row(workspace, version, place: int) -> Example:
    found = drafts.read(workspace, version.id).row(place)
    assert found is not None
    return found


def test_a_changed_row_keeps_its_part_and_its_number(workspace, version):
    [place, *_] = of_split(workspace, version, "test")
    old = row(workspace, version, place)
    draft = editing.change(workspace, version.id, place, old.id, {"answer": "Better.", "user 1": "Asked otherwise?"})
    assert draft.count == 1 and str(revising.Summary.of(draft)) == "1 changed"
    assert workspace.rows(version.id)[place] == old  # the version itself never changes
    made = revising.make_version(workspace, version.id, "clearer words")
    new = workspace.rows(made.id).at_row(old.row)
    assert new is not None and (new.prompt, new.target, new.split) == ("Asked otherwise?", "Better.", "test")
    assert made.counts == version.counts and made.parent_id == version.id
    assert made.manifest["changes"][-1]["why"] == "clearer words (1 changed)"
    assert workspace.rows(made.id)[place] == new  # where it stood


def test_what_waits_outlives_the_process_and_is_taken_back_act_by_act(workspace, version):
    editing.add(workspace, version.id, "A new question", "A new answer")
    editing.delete(workspace, version.id, [0, 1])
    again = drafts.read(workspace, version.id)
    assert (again.count, [e.target for e in again.added.values()]) == (3, ["A new answer"])
    assert [e.row for e in again.added.values()] == [41]
    assert drafts.pending(workspace, version.project_id)[0].count == 3
    assert editing.undo(workspace, version.id).count == 1
    assert editing.discard(workspace, version.id).count == 0
    assert editing.undo(workspace, version.id).count == 1
    assert editing.undo(workspace, version.id).count == 0
    with pytest.raises(UserError, match="no change to take back"):
        editing.undo(workspace, version.id)
    log = drafts.folder_of(workspace, version) / "events.jsonl"
    assert [json.loads(line)["act"] for line in log.read_text("utf-8").splitlines()] == [
        *("add", "delete", "undo", "discard", "undo", "undo")
    ]


def test_half_a_line_of_a_killed_process_is_no_act(workspace, version):
    editing.delete(workspace, version.id, [3])
    log = drafts.folder_of(workspace, version) / "events.jsonl"
    with open(log, "ab") as file:
        file.write(b'{"schema": 1, "act": "del')
    assert drafts.read(workspace, version.id).count == 1
    assert editing.delete(workspace, version.id, [4]).count == 2


def test_two_windows_change_one_row(workspace, version):
    old = row(workspace, version, 5)
    editing.change(workspace, version.id, 5, old.id, {"answer": "The first window."})
    with pytest.raises(editing.Conflict, match="changed meanwhile") as told:
        editing.change(workspace, version.id, 5, old.id, {"answer": "The second window."})
    assert told.value.now is not None and told.value.now.target == "The first window."
    assert row(workspace, version, 5).target == "The first window."
    editing.change(workspace, version.id, 5, told.value.now.id, {"answer": "The second window."})
    assert row(workspace, version, 5).target == "The second window."
    assert editing.undo(workspace, version.id).changed[5].target == "The first window."  # the log has both


def test_a_change_made_in_an_old_window_goes_into_the_newest_version(workspace, version):
    old, other = row(workspace, version, 5), row(workspace, version, 6)
    editing.change(workspace, version.id, 6, other.id, {"answer": "Changed first."})
    newer = revising.make_version(workspace, version.id)
    draft = editing.change(workspace, version.id, 5, old.id, {"answer": "From an old window."})
    assert draft.version.id == newer.id and draft.changed[5].target == "From an old window."
    with pytest.raises(editing.Conflict) as told:
        editing.change(workspace, version.id, 6, other.id, {"answer": "Late."})
    assert (told.value.version_id, told.value.now.target) == (newer.id, "Changed first.")
    with pytest.raises(UserError, match="Version 2 came after version 1"):
        editing.delete(workspace, version.id, [0])
    with pytest.raises(UserError, match="Version 2 came after version 1"):
        revising.make_version(workspace, version.id)


def test_changes_that_wait_at_an_earlier_version_are_taken_over(workspace, version):
    ids = [row(workspace, version, place).id for place in range(4)]
    editing.change(workspace, version.id, 0, ids[0], {"answer": "Kept."})
    editing.change(workspace, version.id, 1, ids[1], {"answer": "Mine."})
    editing.delete(workspace, version.id, [2])
    editing.add(workspace, version.id, "Something new", "Said")
    # Another process made a version of its own meanwhile, with another answer in the second row.
    rows = workspace.examples(version.id)
    rows[1] = row_texts.with_texts(rows[1], {"answer": "Theirs."})
    newer = workspace.add_version(version.project_id, "p", rows, version.manifest, parent_id=version.id)
    assert revising.carry(workspace, version.id) == revising.Carried(taken=3, left=1)
    draft = drafts.read(workspace, newer.id)
    assert (draft.changed[0].target, draft.gone.sum(), len(draft.added)) == ("Kept.", 1, 1)
    left = drafts.read(workspace, version.id)
    assert list(left.changed) == [1] and left.count == 1  # still there, and still said
    assert revising.carry(workspace, version.id) == revising.Carried(0, 1)


def test_no_change_puts_a_question_into_two_parts_or_makes_a_copy(workspace, version):
    [test, *_], [train, other, *_] = of_split(workspace, version, "test"), of_split(workspace, version, "train")
    asked, mine = row(workspace, version, test), row(workspace, version, train)
    with pytest.raises(UserError, match=f"Row {asked.row}, a test row, asks the same"):
        editing.change(workspace, version.id, train, mine.id, {"user 1": asked.prompt.upper()})
    with pytest.raises(UserError, match="asks the same"):
        editing.add(workspace, version.id, asked.prompt, "Another answer")
    assert editing.add(workspace, version.id, asked.prompt, "Another answer", "test").count == 1
    with pytest.raises(UserError, match="word for word"):
        editing.change(
            workspace,
            version.id,
            train,
            mine.id,
            {"user 1": row(workspace, version, other).prompt, "answer": row(workspace, version, other).target},
        )
    for texts, said in (({"answer": " "}, "answer is empty"), ({"user 1": ""}, "prompt is empty")):
        with pytest.raises(UserError, match=said):
            editing.change(workspace, version.id, train, mine.id, texts)
    with pytest.raises(UserError, match="Shorten it"):
        editing.change(workspace, version.id, train, mine.id, {"answer": "x" * (editing.LONGEST + 1)})


def test_a_row_that_was_restored_since_may_stand_in_the_way(workspace, version):
    [first, second, *_] = of_split(workspace, version, "train")
    one, two = row(workspace, version, first), row(workspace, version, second)
    editing.delete(workspace, version.id, [first])
    editing.change(workspace, version.id, second, two.id, {"user 1": one.prompt, "answer": one.target})
    editing.restore(workspace, version.id, [first])
    with pytest.raises(UserError, match="word for word"):
        revising.make_version(workspace, version.id)
    assert len(workspace.versions(version.project_id)) == 1


def test_deleted_rows_come_back_from_an_earlier_version(workspace, version):
    [place, *_] = of_split(workspace, version, "test")
    old = row(workspace, version, place)
    editing.delete(workspace, version.id, [place])
    without = revising.make_version(workspace, version.id)
    assert without.counts["test"] == 3
    editing.bring_back(workspace, without.id, version.id, old.row)
    back = revising.make_version(workspace, without.id)
    assert workspace.rows(back.id).at_row(old.row) == old
    with pytest.raises(UserError, match="word for word"):
        editing.bring_back(workspace, back.id, version.id, old.row)
    # A number that was given once is not given again.
    editing.add(workspace, back.id, "q", "a")
    assert [e.row for e in drafts.read(workspace, back.id).added.values()] == [41]


def test_rows_move_with_all_that_ask_the_same(workspace, tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        {"prompt": f"What is the weight of thing {'abcdefghijkl'[i // 2]}?", "answer": f"{i} kg"} for i in range(24)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    version, _ = data_actions.import_file(workspace, workspace.create_project("p").id, path)
    [place, *_] = of_split(workspace, version, "train")
    draft = editing.move(workspace, version.id, [place], "validation")
    moved = np.flatnonzero(draft.moved != drafts.UNMOVED)
    groups = workspace.rows(version.id).numbers("group")
    assert place in moved and len(moved) >= 2 and set(moved) == set(np.flatnonzero(np.isin(groups, groups[moved])))
    made = revising.make_version(workspace, version.id)
    assert made.counts["validation"] == version.counts["validation"] + len(moved)
    with pytest.raises(UserError, match="No train row would be left"):
        editing.move(workspace, made.id, of_split(workspace, made, "train"), "test")
    assert drafts.read(workspace, made.id).count == 0


def test_many_rows_are_numbers_in_a_file(workspace, version, monkeypatch):
    monkeypatch.setattr(drafts, "FEW", 10)
    keep = [of_split(workspace, version, part)[0] for part in ("train", "validation", "test")]
    many = np.setdiff1d(np.arange(40), keep)
    assert editing.delete(workspace, version.id, many).count == 37
    assert [f.name for f in drafts.folder_of(workspace, version).glob("*.npy")] == ["1.npy"]
    assert drafts.read(workspace, version.id).counts() == {"train": 1, "validation": 1, "test": 1}
    made = revising.make_version(workspace, version.id)
    assert made.counts == {"train": 1, "validation": 1, "test": 1}


def test_a_version_made_by_hand_is_undone_by_one_more(workspace, version):
    editing.delete(workspace, version.id, [0])
    made = revising.make_version(workspace, version.id, "one too many")
    assert revising.undoes(made) == "Undo the changes of version 2" and not revising.undoes(version)
    editing.delete(workspace, made.id, [0])
    with pytest.raises(UserError, match="Not a version yet: 1 change"):
        revising.undo_version(workspace, made.id)
    editing.undo(workspace, made.id)
    back = revising.undo_version(workspace, made.id)
    assert (back.number, back.content_hash) == (3, version.content_hash)
    assert workspace.examples(back.id) == workspace.examples(version.id)
    assert revising.undoes(back) == "Bring version 2 back"
    with pytest.raises(UserError, match="nothing to undo"):
        revising.undo_version(workspace, data_actions_import_again(workspace, back))


def data_actions_import_again(workspace, version) -> str:
    manifest = {"file": "x", "rows_in_file": 40}
    return workspace.add_version(version.project_id, "p", workspace.examples(version.id), manifest).id


def test_conversations_are_changed_turn_by_turn_and_labels_follow_their_answer(workspace):
    tools = ({"type": "function", "function": {"name": "clock"}},)
    talk = Example(
        (
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello", "train": False, "reasoning_content": "greet"},
            {"role": "user", "content": "Time?"},
        ),
        "Noon",
        1,
        rejected="Dunno",
        meta={"label": "Noon", "customer": "7"},
        answer={"reasoning_content": "look"},
        tools=tools,
        references=("12:00",),
    )
    assert list(row_texts.texts(talk)) == [
        *("system 1", "user 2", "assistant 3, reasoning", "assistant 3", "user 4"),
        *("answer, reasoning", "answer", "rejected answer", "also right 1"),
    ]
    assert row_texts.with_texts(talk, row_texts.texts(talk)) == talk
    new = row_texts.with_texts(talk, {name: text.upper() for name, text in row_texts.texts(talk).items()})
    assert row_texts.texts(new) == {name: text.upper() for name, text in row_texts.texts(talk).items()}
    assert (new.meta, new.tools, new.messages[2]["train"]) == ({"label": "NOON", "customer": "7"}, tools, False)
    assert row_texts.fixed(talk) == ["the tools themselves"]
    plain = Example((), "A text.", 2)
    assert row_texts.with_texts(plain, {"answer": "Another."}).target == "Another."


def test_another_owner_finds_nothing(workspace, version):
    stranger = workspace.as_owner("visitor-2")
    acts = (
        lambda: drafts.read(stranger, version.id),
        lambda: editing.delete(stranger, version.id, [0]),
        lambda: editing.add(stranger, version.id, "q", "a"),
        lambda: revising.make_version(stranger, version.id),
        lambda: editing.undo(stranger, version.id),
        lambda: revising.carry(stranger, version.id),
        lambda: drafts.pending(stranger, version.project_id),
    )
    for act in acts:
        with pytest.raises(UserError):
            act()
    assert drafts.read(workspace, version.id).count == 0


def test_a_visitor_changes_the_sample_that_is_lent_and_nobody_elses(tmp_path):
    space = open_workspace(Settings(home=tmp_path / "home", mode="space"))
    one, two = space.as_owner("visitor-1"), space.as_owner("visitor-2")
    data_actions.ensure_sample(one)
    [lent] = one.versions(one.projects()[0].id)
    assert drafts.read(one, lent.id).count == 0
    editing.delete(one, lent.id, [0])
    made = revising.make_version(one, lent.id)
    assert sum(made.counts.values()) == sum(lent.counts.values()) - 1
    [others] = two.versions(two.projects()[0].id)
    assert others.counts == lent.counts and others.id != lent.id
    with pytest.raises(UserError):
        drafts.read(two, made.id)


def test_a_space_that_is_full_keeps_no_more_changes(tmp_path):
    limits = Limits(owner_mb=0)
    space = open_workspace(Settings(home=tmp_path / "home", mode="space", limits=limits)).as_owner("visitor-1")
    data_actions.ensure_sample(space)
    [lent] = space.versions(space.projects()[0].id)
    with pytest.raises(UserError, match="visitor of this Space may keep"):
        editing.add(space, lent.id, "q", "a")


@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["delete", "restore", "add", "move", "undo", "discard"]), st.integers(0, 5))
    )
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_undo_gives_back_what_was_whatever_came_before(workspace, tmp_path_factory, acts):
    rows = [Example(({"role": "user", "content": f"q{i}"},), f"a{i}", i + 1, part(i)) for i in range(9)]
    project = workspace.create_project(new_id())
    version = workspace.add_version(project.id, "v", rows, {"file": "x", "rows_in_file": 9})
    states, added = [seen(drafts.read(workspace, version.id))], 0
    for what, place in acts:
        if what == "undo" and len(states) == 1:
            continue
        if what == "undo":
            editing.undo(workspace, version.id)
            states.pop()
        elif what == "discard":
            waited = drafts.read(workspace, version.id).count
            editing.discard(workspace, version.id)
            states += [states[0]] if waited else []
        elif what == "add":
            added += 1
            states.append(seen(editing.add(workspace, version.id, f"new {added}", "x")))
        elif what == "move":
            states.append(seen(editing.move(workspace, version.id, [place], "validation")))
        else:
            states.append(seen(getattr(editing, what)(workspace, version.id, [place])))
        assert seen(drafts.read(workspace, version.id)) == states[-1]


def part(i: int) -> str:
    return ("train", "train", "train", "train", "train", "train", "train", "validation", "test")[i]


def seen(draft: drafts.Draft):
    return draft.gone.tolist(), draft.moved.tolist(), [row.prompt for _, row in sorted(draft.added.items())]
