"""Splits: groups stay whole, each part has its share, and a test row never comes back as a training row."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import actions as data_actions
from core.data import editing, known, resplitting, revising, splitting
from core.data.resplitting import ANSWER, Split
from core.data.splitting import FREE, TEST, TRAIN, VALIDATION
from core.errors import UserError
from core.questions import asks_hash


@given(data=st.data(), n=st.integers(9, 90), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_known_rows_stay_and_groups_stay_whole(data, n, seed):
    groups = np.array(data.draw(st.lists(st.integers(0, n // 2), min_size=n, max_size=n)))
    known_parts = np.array(
        data.draw(st.lists(st.sampled_from([FREE, FREE, TRAIN, VALIDATION, TEST]), min_size=n, max_size=n))
    )
    strata = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    try:
        parts = splitting.split(groups, 0.1, 0.2, seed, True, strata, known_parts)
    except UserError:
        return
    for group in np.unique(groups):
        here = parts[groups == group]
        assert len(set(here.tolist())) == 1
        was = known_parts[groups == group].max()
        if was > TRAIN:
            assert here[0] == was  # a row that was tested or validated with is never trained
    assert {TRAIN} <= set(parts.tolist())
    assert (parts == splitting.split(groups, 0.1, 0.2, seed, True, strata, known_parts)).all()


@given(sizes=st.lists(st.integers(6, 60), min_size=1, max_size=4), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_each_part_has_its_share_of_every_label(sizes, seed):
    strata = np.repeat(np.arange(len(sizes)), sizes)
    n = len(strata)
    parts = splitting.split(np.arange(n), 0.1, 0.2, seed, True, strata)
    for label, size in enumerate(sizes):
        drawn = np.bincount(parts[strata == label], minlength=3)
        assert abs(drawn[TEST] - 0.2 * size) <= 1 + 0.2 * size / n and abs(drawn[VALIDATION] - 0.1 * size) <= 2
    assert abs((parts == TEST).sum() - 0.2 * n) <= 0.5 + 1e-9 or (parts == TEST).sum() == 1


@given(n=st.integers(30, 200), each=st.integers(1, 9), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_whole_customers_stand_together_and_no_test_row_is_trained(n, each, seed):
    customers = np.arange(n) // each
    was_test = splitting.split(np.arange(n), 0.1, 0.1, 3) == TEST
    if customers[-1] < 3:
        return
    parts, out = splitting.split_by_column(customers, 0.1, 0.1, seed, None, was_test)
    assert all(len(set(parts[customers == c].tolist())) == 1 for c in np.unique(customers))
    assert not (was_test & (parts == TRAIN) & ~out).any() and not (out & ~was_test).any()
    assert set(parts.tolist()) == {TRAIN, VALIDATION, TEST}


def test_numbers_of_rows_instead_of_shares():
    parts = splitting.split(np.arange(100), 7, 13)
    assert np.bincount(parts).tolist() == [80, 7, 13]
    with pytest.raises(UserError, match="Validation 60 rows and test 30 rows leave too little"):
        splitting.split(np.arange(100), 60, 30)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40))
@settings(max_examples=50, deadline=None)
def test_rows_that_are_together_by_either_number_are_together(pairs):
    a, b = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    found = splitting.together(a, b)
    of = list(range(len(pairs)))
    for _ in pairs:  # by hand: until nothing changes
        for i, (x, y) in enumerate(pairs):
            for j, (u, v) in enumerate(pairs):
                if x == u or y == v:
                    of[i] = of[j] = min(of[i], of[j])
    assert len(set(zip(of, found.tolist(), strict=True))) == len(set(of)) == len(set(found.tolist()))


def rows(tmp_path, numbers, **more):
    path = tmp_path / "rows.jsonl"
    lines = [
        {
            "prompt": f"What is {i} and {i * i}?",
            "answer": f"It is {i}.",
            "customer": f"c{i // 4}",
            **{k: v(i) for k, v in more.items()},
        }
        for i in numbers
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def asked(workspace, version, split: str) -> set[str]:
    return {e.prompt for e in workspace.examples(version.id, split)}


def test_rows_keep_their_part_in_later_imports(workspace, tmp_path):
    project = workspace.create_project("p").id
    first, _ = data_actions.import_file(workspace, project, rows(tmp_path, range(40)), seed=1)
    more, problems = data_actions.import_file(workspace, project, rows(tmp_path, range(80)), seed=2)
    assert problems == [] and more.counts == {"train": 64, "validation": 8, "test": 8}
    for split in ("train", "validation", "test"):
        assert asked(workspace, first, split) <= asked(workspace, more, split)
    [said] = known.sentences(more.manifest["split"])
    assert said == "40 rows of earlier versions keep their part, 4 of them in the test."
    # Also where the test rows were deleted meanwhile, and come back in a file.
    editing.delete(workspace, more.id, workspace.rows(more.id).of_split("test")[:7])
    revising.make_version(workspace, more.id)
    again, _ = data_actions.import_file(workspace, project, rows(tmp_path, range(90)), seed=7)
    assert asked(workspace, more, "test") <= asked(workspace, again, "test")
    other = workspace.create_project("another").id  # nothing is known of other projects
    assert (
        data_actions.import_file(workspace, other, rows(tmp_path, range(40)), seed=1)[0].content_hash
        == first.content_hash
    )


def test_a_test_row_that_a_file_names_for_training_is_left_out(workspace, tmp_path):
    project = workspace.create_project("p").id
    first, _ = data_actions.import_file(workspace, project, rows(tmp_path, range(40)))
    named = rows(tmp_path, range(60), split=lambda i: "test" if i > 50 else "train")
    version, problems = data_actions.import_file(workspace, project, named, validation=0.05)
    assert not asked(workspace, first, "test") & asked(workspace, version, "train")
    assert asked(workspace, version, "test") == {f"What is {i} and {i * i}?" for i in range(51, 60)}
    assert any("4 rows for training by “split” were test rows in an earlier version" in p.what for p in problems)
    assert version.manifest["split"]["kept_out"] + sum(version.counts.values()) <= 60
    all_of_it = rows(tmp_path, [int(p.split()[2]) for p in asked(workspace, first, "test")], split=lambda i: "train")
    with pytest.raises(UserError, match="a test row is never trained"):
        data_actions.import_file(workspace, project, all_of_it)


def test_customers_stand_together_from_the_first_import_on(workspace, tmp_path):
    project = workspace.create_project("p").id
    version, _ = data_actions.import_file(workspace, project, rows(tmp_path, range(80)), group="customer")
    parts: dict[str, set[str]] = {}
    for e in workspace.examples(version.id):
        parts.setdefault(e.meta["customer"], set()).add(e.split)
    assert all(len(of) == 1 for of in parts.values()) and len(parts) == 20
    assert known.sentences(version.manifest["split"]) == ["Rows with the same value of “customer” stand in one part."]
    with pytest.raises(UserError, match="no column “town”"):
        data_actions.import_file(workspace, project, rows(tmp_path, range(80)), group="town")


def test_labels_are_stratified_at_import(workspace, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(
        "text,label\n" + "\n".join(f"text number {i} {i * i},{'rare' if i % 10 == 0 else 'usual'}" for i in range(100))
    )
    version, _ = data_actions.import_file(workspace, workspace.create_project("p").id, path)
    assert version.manifest["split"]["stratified"] == "answer"
    for split in ("validation", "test"):
        assert [e.target for e in workspace.examples(version.id, split)].count("rare") == 1


def test_a_new_split_is_a_version_with_its_reason(workspace, tmp_path):
    project = workspace.create_project("p").id
    first, _ = data_actions.import_file(workspace, project, rows(tmp_path, range(40)))
    drawn = resplitting.draw(workspace, first.id, Split(0.2, 0.25, seed=4))
    assert drawn.counts == {"train": 22, "validation": 8, "test": 10}
    assert any("4 rows were test rows and stay so." in s for s in drawn.sentences)
    assert any("6 test rows were trained before" in s or "trained before" in s for s in drawn.sentences)
    assert len(workspace.versions(project)) == 1  # nothing was changed by looking
    version = resplitting.apply(workspace, first.id, Split(0.2, 0.25, seed=4), "more to measure with")
    assert version.counts == drawn.counts and version.parent_id == first.id
    assert asked(workspace, first, "test") <= asked(workspace, version, "test")
    assert version.manifest["changes"][-1]["why"] == (
        "more to measure with (a new split: validation 20%, test 25%, seed 4)"
    )
    assert [e.id for e in workspace.examples(version.id)] == [e.id for e in workspace.examples(first.id)]
    assert len(workspace.rows(version.id).asking(workspace.rows(version.id)[3].asks)) == 1
    back = revising.undo_version(workspace, version.id)
    assert back.content_hash == first.content_hash
    # What was a test row only in the version that was undone is what it was before.
    again = resplitting.draw(workspace, back.id, Split(0.1, 0.1, seed=9))
    assert int(again.known_test.sum()) == 4
    with pytest.raises(UserError, match="Version 3 came after"):
        resplitting.apply(workspace, version.id, Split())


def test_customers_stand_together_and_what_was_tested_is_not_trained(workspace, tmp_path):
    project = workspace.create_project("p").id
    first, _ = data_actions.import_file(workspace, project, rows(tmp_path, range(80)))
    version = resplitting.apply(workspace, first.id, Split(group="customer"))
    parts: dict[str, set[str]] = {}
    for e in workspace.examples(version.id):
        parts.setdefault(e.meta["customer"], set()).add(e.split)
    assert all(len(of) == 1 for of in parts.values())
    assert not asked(workspace, first, "test") & asked(workspace, version, "train")
    out = version.manifest["split"]["kept_out"]
    assert out + sum(version.counts.values()) == 80 and out < 8
    assert any("left out" in s for s in known.sentences(version.manifest["split"])) == bool(out)
    # Rows of one customer move together from now on.
    place = int(workspace.rows(version.id).of_split("train")[0])
    draft = editing.move(workspace, version.id, [place], "validation")
    assert (draft.moved != -1).sum() >= 3


def test_what_cannot_be_split_is_a_sentence(workspace, tmp_path):
    version, _ = data_actions.import_file(workspace, workspace.create_project("p").id, rows(tmp_path, range(40)))
    for split, said in (
        (Split(group="town"), "no column “town” beside the rows. There is: “customer”"),
        (Split(stratify=ANSWER), "The answer has 40 different values in 40 rows"),
        (Split(0.6, 0.3), "leave too little to train on"),
    ):
        with pytest.raises(UserError, match=said):
            resplitting.draw(workspace, version.id, split)
    with pytest.raises(UserError, match="split like this already"):
        resplitting.apply(workspace, version.id, Split(0.1, 0.1, 0)) and resplitting.apply(
            workspace, version.id, Split()
        )
    newest = workspace.versions(version.project_id)[-1]
    editing.delete(workspace, newest.id, [0])
    with pytest.raises(UserError, match="1 change by hand"):
        resplitting.apply(workspace, newest.id, Split(seed=9))
    with pytest.raises(UserError):
        resplitting.draw(workspace.as_owner("visitor-2"), newest.id, Split())


def test_a_question_is_known_by_the_newest_version_that_has_it(workspace, tmp_path):
    first, _ = data_actions.import_file(workspace, workspace.create_project("p").id, rows(tmp_path, range(40)))
    [place, *_] = workspace.rows(first.id).of_split("test").tolist()
    row = workspace.rows(first.id)[place]
    editing.move(workspace, first.id, [place], "train")  # a person's own decision
    revising.make_version(workspace, first.id)
    found = known.of_project(workspace, first.project_id)
    assert found.of(np.array([asks_hash(row.asks), 12345])).tolist() == [TRAIN, FREE]


def test_what_a_model_wrote_is_only_trained(workspace, tmp_path):
    """By the import of a file that says so, by a new split, and when rows are moved."""
    project = workspace.create_project("Mine")
    path = tmp_path / "rows.jsonl"
    lines = [{"prompt": f"{i}?", "answer": f"{i}.", "synthetic": "true" if i % 2 else ""} for i in range(40)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, project.id, path, validation=0.2, test=0.2)
    rows = workspace.rows(version.id)
    assert rows.synthetic.sum() == 20 and (rows.splits[rows.synthetic] == TRAIN).all()
    assert (rows.splits == TEST).sum() == 8
    again = resplitting.apply(workspace, version.id, Split(0.1, 0.3, seed=5))
    rows = workspace.rows(again.id)
    assert rows.synthetic.sum() == 20 and (rows.splits[rows.synthetic] == TRAIN).all()
    by_model, own = np.flatnonzero(rows.synthetic), np.flatnonzero(~rows.synthetic & (rows.splits == TRAIN))
    with pytest.raises(UserError, match="1 row .* was written by a model"):
        editing.move(workspace, again.id, by_model[:1], "test")
    assert editing.move(workspace, again.id, own[:1], "test").count == 1
    assert editing.move(workspace, again.id, by_model[:1], "train")


def test_synthetic_rows_that_ask_what_a_test_row_asks_are_left_out_at_import_and_named(workspace, tmp_path):
    path, project = tmp_path / "rows.jsonl", workspace.create_project("p")
    lines = [{"prompt": f"How many legs do {i} horses have together?", "answer": f"{4 * i}."} for i in range(40)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    first, _ = data_actions.import_file(workspace, project.id, path)
    test = next(row for row in workspace.examples(first.id) if row.split == "test")
    twins = [{"prompt": f"  {test.prompt.upper()}", "answer": "Many.", "synthetic": "true"}]
    new = [{"prompt": "Who rides a horse?", "answer": "A rider.", "synthetic": "true"}]
    path.write_text("\n".join(map(json.dumps, [*lines, *twins, *new])), encoding="utf-8")
    second, problems = data_actions.import_file(workspace, project.id, path)
    rows = {row.row: row for row in workspace.examples(second.id)}
    assert 41 not in rows and (rows[42].split, rows[42].synthetic) == ("train", True)
    assert rows[test.row].split == "test" and second.manifest["split"]["synthetic_out"] == 1
    [told] = [p for p in problems if "synthetic row" in p.what]
    assert told.what.startswith("1 synthetic row asks what a test or validation row asks") and "Row 41" in told.fix
