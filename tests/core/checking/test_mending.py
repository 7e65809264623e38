"""Checking a version and mending it: what is found, what changes, what stays, and the way back."""

from __future__ import annotations

import json

import pytest

from core.checking import mending, result, scan, worker
from core.checking.mending import Fix
from core.data import revising
from core.data.actions import import_file
from core.errors import UserError
from core.types import Example

KEY = "AKIAIOSFODNN7EXAMPLX"
FAULTY = [
    {"p": "Where is the café?", "a": "The cafÃ© is on the left."},
    {"p": "Which key opens it?", "a": f"Use {KEY} for that."},
    {"p": "How do I say and?", "a": "One &amp; two."},
    {"p": "Capital of France?", "a": "Paris."},
    {"p": "capital of france", "a": "paris"},
    {"p": "How many legs has a spider?", "a": "Eight legs."},
    {"p": "How many legs has a spider?", "a": "Six legs."},
]


def silent(share: float, what: str) -> None:
    pass


def imported(workspace, tmp_path, rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": r["p"], "answer": r["a"]}) for r in rows), encoding="utf-8")
    return import_file(workspace, workspace.create_project("p").id, path)[0]


@pytest.fixture
def version(workspace, tmp_path):
    plain = [{"p": f"Say the number {i}.", "a": f"The number is {i}, as asked."} for i in range(60)]
    made = imported(workspace, tmp_path, plain + FAULTY)
    worker.check(workspace, made, silent)
    return made


def found(workspace, version):
    summary = worker.check(workspace, version, silent)
    return {f.check: f.rows for f in summary.found if f.rows and f.check not in ("reworded", "lengths")}


def test_planted_faults_are_found_and_nothing_else(workspace, version):
    assert found(workspace, version) == dict.fromkeys(("encoding", "personal", "markup", "copies", "contradictions"), 1)
    path = workspace.rows_file(version.id)
    for name, row in (("encoding", 61), ("personal", 62), ("copies", 65), ("contradictions", 67)):
        assert workspace.rows(version.id).numbers("row")[result.places(path, name)].tolist() == [row]
    for file in result.folder_of(path).iterdir():
        assert KEY.encode() not in file.read_bytes()


def test_only_what_changed_is_looked_at_again(workspace, version):
    made = mending.apply(workspace, version, [Fix("encoding"), Fix("markup")], silent)
    summary = worker.check(workspace, made, silent)
    assert (summary.rows, summary.looked_at) == (67, 2)
    path = workspace.rows_file(made.id)
    known = {f.check: (f.rows, f.examples) for f in summary.found}
    for folder in path.parent.parent.glob("*/checks-*"):  # the same as if all were looked at
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    again = worker.check(workspace, made, silent)
    assert again.looked_at == 67 and {f.check: (f.rows, f.examples) for f in again.found} == known


def test_processes_beside_each_other_find_the_same(workspace, version, monkeypatch):
    folder = result.folder_of(workspace.rows_file(version.id))
    known = {name: result.findings(folder, name).to_pylist() for name in scan.CHECKS}
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    for name, value in (("FEW", 0), ("STEP", 20), ("_cores", lambda: 2)):
        monkeypatch.setattr(scan, name, value)
    assert worker.check(workspace, version, silent).looked_at == 67
    assert {name: result.findings(folder, name).to_pylist() for name in scan.CHECKS} == known


def test_a_fix_is_previewed_applied_and_undone(workspace, version):
    shown = mending.preview(workspace, version, Fix("personal"))
    [change] = shown.changes
    assert shown.rows == 1 and change.after == "Use [KEY] for that." and KEY not in change.before
    made = mending.apply(workspace, version, [Fix("personal"), Fix("encoding"), Fix("copies")], silent)
    before, after = ({e.row: e for e in workspace.examples(v.id)} for v in (version, made))
    assert after.keys() == before.keys() - {65}
    assert after[62].target == "Use [KEY] for that." and after[61].target == "The café is on the left."
    assert {row for row, e in after.items() if e != before[row]} == {61, 62}
    assert all(e.split == before[row].split for row, e in after.items())
    assert made.parent_id == version.id
    [why] = made.manifest["changes"]
    assert why["mended"] == {"personal": 1, "encoding": 1, "copies": 1} and "Mask them" not in why["why"].split(":")[0]
    assert "personal" not in found(workspace, made)
    back = revising.undo_version(workspace, made.id)
    assert back.content_hash == version.content_hash and workspace.examples(back.id) == workspace.examples(version.id)
    assert "personal" in found(workspace, back) and [c.get("undid") for c in back.manifest["changes"]] == [None, 2]
    assert revising.undo_version(workspace, back.id).content_hash == made.content_hash  # and the undoing is undone


def test_chosen_rows_only_and_what_cannot_be_done_is_said(workspace, version):
    made = mending.apply(workspace, version, [Fix("contradictions", rows=(67,))], silent)
    assert sum(made.counts.values()) == 66
    for fix, version_, words in (
        (Fix("personal"), version, "came after version 1"),
        (Fix("encoding", rows=(3,)), made, "found nothing in row 3"),
        (Fix("nothing"), made, "There is no check “nothing”"),
        (Fix("rare_labels"), made, "has no fix"),
        (Fix("refusals"), made, "Nothing to mend"),
    ):
        worker.check(workspace, made, silent)
        with pytest.raises(UserError, match=words):
            mending.apply(workspace, version_, [fix], silent)


def _row(number: int, split: str, prompt: str = "", answer: str = "") -> Example:
    asked = {"role": "user", "content": prompt or f"Count to {number}, please."}
    return Example((asked,), answer or f"I count to {number}.", number + 1, split)


def test_what_becomes_the_question_of_a_test_row_is_not_trained(workspace):
    """Mending makes two questions one: the training row goes, the test row stays a test row."""
    project = workspace.create_project("p")
    rows = [_row(i, ("train", "train", "validation", "test")[i % 4]) for i in range(12)]
    rows += [_row(12, "train", "Is &amp; allowed?", "Yes, it is."), _row(13, "test", "Is & allowed?", "No, it is not.")]
    rows += [_row(14, "train", "One &lt; two?", "Right."), _row(15, "train", "One < two?", "Right.")]
    version = workspace.add_version(project.id, "p", rows, {"file": "x"})
    worker.check(workspace, version, silent)
    made = mending.apply(workspace, version, [Fix("markup")], silent)
    left = {e.row: e.split for e in workspace.examples(made.id)}
    assert left.keys() == set(range(1, 17)) - {13, 15} and left[14] == "test"
    assert sum(made.manifest["changes"][-1]["left_out_besides"].values()) == 2
    assert len(set(workspace.rows(made.id).numbers("id").tolist())) == len(left)


def test_no_part_is_emptied(workspace):
    rows = [_row(i, "train") for i in range(5)] + [_row(5, "test", answer="As an AI language model, I cannot say.")]
    version = workspace.add_version(workspace.create_project("p").id, "p", rows, {"file": "x"})
    worker.check(workspace, version, silent)
    with pytest.raises(UserError, match="All 1 test rows would be left out"):
        mending.apply(workspace, version, [Fix("refusals")], silent)


def test_labels_are_written_alike_and_rare_ones_named(workspace, tmp_path):
    labels = ["spam"] * 40 + ["Spam"] * 5 + ["ham"] * 40 + ["odd"] * 2
    rows = [{"p": f"message number {i} of {label}", "a": label} for i, label in enumerate(labels)]
    version = imported(workspace, tmp_path, rows)
    assert found(workspace, version) == {"label_writings": 5, "rare_labels": 2}
    made = mending.apply(workspace, version, [Fix("label_writings")], silent)
    assert {e.target for e in workspace.examples(made.id)} == {"spam", "ham", "odd"}
    assert found(workspace, made) == {"rare_labels": 2}


def test_a_process_of_its_own_checks_and_mends_and_can_be_cancelled(workspace, version):
    made = [*worker.run(workspace, worker.request("apply", version.id, [Fix("encoding")]), lambda: False)][-1]
    assert workspace.version(made.version_id).parent_id == version.id
    assert result.read(workspace.rows_file(made.version_id)) is not None
    with pytest.raises(UserError, match="came after"):
        list(worker.run(workspace, worker.request("apply", version.id, [Fix("markup")]), lambda: False))


def test_what_is_cancelled_leaves_nothing(workspace, version):
    def stop(share: float, what: str) -> None:
        raise worker.Cancelled

    with pytest.raises(worker.Cancelled):
        mending.apply(workspace, version, [Fix("encoding")], stop)
    assert len(workspace.versions(version.project_id)) == 1
    fresh = workspace.add_version(version.project_id, "n", [_row(0, "train")], {"file": "x"})
    with pytest.raises(worker.Cancelled):
        worker.check(workspace, fresh, stop)
    folder = workspace.rows_file(fresh.id).parent
    assert not list(folder.glob("*checks*")) and result.read(workspace.rows_file(fresh.id)) is None


def test_columns_beside_the_row_system_prompts_and_earlier_turns_are_searched_and_masked(workspace, tmp_path):
    path = tmp_path / "rows.jsonl"
    mail = "anna.smith@acme-widgets.co.uk"
    turns = [{"role": "system", "content": f"You write for {mail}."}, {"role": "user", "content": "Hello there."}]
    turns += [{"role": "assistant", "content": f"The key is {KEY}."}, {"role": "user", "content": "And now?"}]
    rows = [{"messages": [*turns, {"role": "assistant", "content": "Now we go."}], "ticket": "7"}]
    for i in range(30):
        said = [{"role": "user", "content": f"Question {i}?"}, {"role": "assistant", "content": f"It is {i}."}]
        rows.append({"messages": said, "ticket": f"from {mail}" if i == 5 else str(i)})
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    version, _ = import_file(workspace, workspace.create_project("p").id, path)
    worker.check(workspace, version, silent)
    table = result.findings(result.folder_of(workspace.rows_file(version.id)), "personal").to_pylist()
    assert [f["where"] for f in table] == ["system 1", "assistant 3", "column ticket"]
    made = mending.apply(workspace, version, [Fix("personal")], silent)
    summary = worker.check(workspace, made, silent)
    # The column is no part of the row's id, and the row is looked at again all the same.
    assert (summary.looked_at, summary.of("personal").rows) == (2, 0)
    [masked] = [e for e in workspace.examples(made.id) if e.meta["ticket"] != str(e.row - 2) and e.row > 1]
    assert masked.meta == {"ticket": "from [EMAIL]"}


def test_what_is_no_english_is_said_not_to_be_read_for_misspellings(workspace):
    german = "Der Zug nach Hamburg fährt heute wegen eines schweren Sturms leider nicht mehr ab, Nummer {}."
    rows = [_row(i, "train") for i in range(30)] + [_row(i, "train", answer=german.format(i)) for i in range(30, 33)]
    version = workspace.add_version(workspace.create_project("p").id, "p", rows, {"file": "x"})
    note = worker.check(workspace, version, silent).of("misspelling").note
    assert note == "Only English is read for misspellings. Not looked at: 3 answers in German."


def test_questions_of_benchmarks_in_training_rows_are_found(workspace, tmp_path):
    from dataclasses import replace

    folder = tmp_path / "benchmarks" / "arc_easy"
    folder.mkdir(parents=True)
    question = "A student mixes baking soda with vinegar in an open cup and sees that bubbles form. What happened?"
    lines = [
        json.dumps({"question": question}),
        "no json",
        json.dumps({"question": "Which gas do plants take in from air?"}),
    ]
    (folder / "test.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "dev.jsonl").write_text(json.dumps({"question": "Count to 3, please."}), encoding="utf-8")
    rows = [_row(i, "train") for i in range(8)] + [
        _row(9, "train", f"Hm. {question.upper()} A. Rust"),
        _row(10, "test", question),
    ]
    rows += [_row(11, "train", "Which gas do plants take in from soil?")]
    project = workspace.create_project("p")
    version = workspace.add_version(project.id, "p", rows, {"file": "x"})
    assert "there is no folder of benchmark files" in worker.check(workspace, version, silent).of("benchmarks").note
    known = replace(workspace, settings=replace(workspace.settings, benchmarks=tmp_path / "benchmarks"))
    found = worker.check(known, version, silent).of("benchmarks")
    [(place, _, evidence)] = found.examples
    assert (found.rows, place) == (1, 8) and evidence.startswith("a question of arc_easy/test: A student mixes")
    assert found.note == "Compared with 2 questions of 1 benchmark file."


def test_only_misspelt_words_that_are_sure_are_corrected(workspace):
    answers = ["Definately the best way, as becuase of it.", "He said “teh”.", "It is the one wich we took with us."]
    rows = [_row(i, "train" if i < 20 else "test") for i in range(24)]
    rows += [_row(24 + i, "train", f"Tell me something of number {24 + i}.", text) for i, text in enumerate(answers)]
    rows += [_row(30, "train", "Is it written seperately or not?", "It is written definately seperately, as you see.")]
    version = workspace.add_version(workspace.create_project("p").id, "v", rows, {"file": "x"})
    worker.check(workspace, version, silent)
    shown = mending.preview(workspace, version, Fix("misspelling"))
    made = mending.apply(workspace, version, [Fix("misspelling")], silent)
    now = {row.row: row.target for row in workspace.examples(made.id)}
    assert now[25] == "Definitely the best way, as because of it."
    assert now[31] == "It is written definitely seperately, as you see."  # a word of the question is left as it is
    assert [now[26], now[27]] == answers[1:]
    assert {c.row for c in shown.changes} == {25, 31} and shown.rows == 2
    with pytest.raises(UserError, match="of none of these words it is sure"):
        mending.preview(workspace, version, Fix("misspelling", rows=(27,)))
