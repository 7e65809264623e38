import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from core.errors import UserError
from core.review import actions as review_actions
from core.review import labels, lessons
from core.store import datasets
from core.store.queries import Rows
from core.types import Example, Generation, LabelEvent, content_hash


def row(n: int, answer: str, split: str = "train", asks: str | None = None, **more) -> Example:
    return Example(({"role": "user", "content": asks or f"Question {n}?"},), answer, n, split, **more)


ROWS = [
    *(row(n, f"Answer {n}.") for n in range(1, 5)),
    row(5, "Old.", "validation"),
    *(row(n, f"Answer {n}.", "test") for n in (6, 7)),
]


@pytest.fixture
def made(tmp_path):
    """Lessons of rows, with `examples`: the rows as the next version has them."""
    versions = iter(range(100))

    def merge(rows, corrections):
        path, after = (tmp_path / f"{next(versions)}.parquet" for _ in range(2))
        datasets.write_rows(path, rows)
        found = lessons.merged(None, Rows(path), corrections)
        if found is None:
            return None
        written = datasets.copy_rows(path, after, found.changed, found.added)
        examples = datasets.read_rows(after)
        again = datasets.write_rows(tmp_path / "again.parquet", examples)
        assert (written.counts, written.content_hash) == (found.counts, again.content_hash)
        assert written.content_hash == content_hash([[e.id, e.split] for e in examples])
        for suffix in (".text", ".ends"):
            assert after.with_suffix(suffix).read_bytes() == (tmp_path / f"again{suffix}").read_bytes()
        return SimpleNamespace(**vars(found), examples=examples)

    return merge


def test_a_correction_takes_its_rows_place_among_the_training_rows(made):
    found = made(ROWS, [(ROWS[5], "Better.")])
    assert [e.row for e in found.examples] == [e.row for e in ROWS]
    assert found.corrected == (replace(ROWS[5], target="Better.", split="train"),)
    assert found.examples[5] == found.corrected[0]
    assert (found.moved, found.counts) == (1, {"train": 5, "validation": 1, "test": 1})
    assert ROWS[5].split == "test"  # what was given stays


def test_every_row_that_asks_the_same_goes_along(made):
    twin = row(8, "Another answer.", "test", asks="  question 6? ")
    found = made([*ROWS, twin], [(ROWS[5], "Better.")])
    assert found.examples[-1] == replace(twin, split="train")
    assert found.moved == 2
    tested = {e.asks for e in found.examples if e.split == "test"}
    assert not tested & {e.asks for e in found.examples if e.split == "train"}


def test_two_rows_that_ask_the_same_keep_their_own_corrections(made):
    twin = row(8, "Another answer.", "test", asks="Question 6?")
    found = made([*ROWS, twin], [(ROWS[5], "First."), (twin, "Second.")])
    assert [e.target for e in found.examples if e.asks == twin.asks] == ["First.", "Second."]


def test_what_is_trained_already_is_no_lesson_and_a_second_thought_is(made):
    once = made(ROWS, [(ROWS[5], "Better.")])
    assert made(once.examples, [(ROWS[5], "Better.")]) is None
    again = made(once.examples, [(ROWS[5], "Best.")])
    assert [e.target for e in again.examples if e.row == 6] == ["Best."]
    assert (len(again.examples), again.moved) == (len(ROWS), 0)


def test_a_question_that_is_in_no_row_comes_last(made):
    found = made(ROWS, [(row(1, "", "test", asks="Something new?"), "This.")])
    assert (found.examples[-1].row, found.examples[-1].target, found.examples[-1].split) == (8, "This.", "train")
    assert found.counts["test"] == 2


def test_a_corrected_answer_is_marked_good(made):
    bad = row(9, "Bad.", "test", good=False)
    assert made([*ROWS, bad], [(bad, "Good.")]).corrected[0].good is True


@pytest.fixture
def evaluation(workspace):
    project = workspace.create_project("Garden")
    version = workspace.add_version(project.id, "rows", ROWS, {"schema": 1, "file": "rows.jsonl"})
    spec = {"dataset_version": version.id, "split": "test", "seed": 0}
    job = workspace.add_job(project.id, "evaluate", "of run 1", spec, state="beside")
    answered = [Generation(e.id, side, "Hm.", 2, "stop", 0.1) for e in ROWS[5:] for side in ("base", "tuned")]
    text = "".join(json.dumps(g.to_dict()) + "\n" for g in answered)
    (workspace.folder(job) / "generations.jsonl").write_text(text, encoding="utf-8")
    return job


def correct(workspace, job, example: Example, answer: str) -> None:
    review_actions.add_label(workspace, job, LabelEvent(job.id, example.id, "a", "none", {}, answer, "", {}, (), True))


def test_the_next_version_keeps_the_one_before_and_says_why(workspace, evaluation):
    with pytest.raises(UserError, match="no correction that the newest rows lack"):
        lessons.learn(workspace, evaluation)
    correct(workspace, evaluation, ROWS[5], " Better. ")
    said = lessons.look(workspace, evaluation).sentence
    assert said == "1 corrected answer is not trained yet. With it, 5 rows are trained. 1 of 2 test rows remain."
    version, _ = lessons.learn(workspace, evaluation)
    first, second = workspace.versions(evaluation.project_id)
    assert (second, second.parent_id, first.counts["test"]) == (version, first.id, 2)
    assert workspace.examples(first.id) == ROWS
    [corrected] = [e for e in workspace.examples(second.id) if e.target == "Better."]
    [change] = second.manifest["changes"]
    assert change["corrected"] == [corrected.id]
    assert "Evaluation 1" in change["why"]
    assert lessons.look(workspace, evaluation) is None
    assert len(labels.history(workspace.engine, evaluation.id)) == 1


def test_the_last_test_row_is_not_given_away(workspace, evaluation):
    for example in ROWS[5:]:
        correct(workspace, evaluation, example, "Better.")
    with pytest.raises(UserError, match="All 2 test rows would become training rows"):
        lessons.learn(workspace, evaluation)
    assert len(workspace.versions(evaluation.project_id)) == 1


def test_another_owner_learns_nothing(workspace, evaluation):
    correct(workspace, evaluation, ROWS[5], "Better.")
    with pytest.raises(UserError):
        lessons.learn(workspace.as_owner("somebody"), evaluation)


def test_an_earlier_answer_is_corrected_in_its_conversation(made):
    """It takes its place there, trained whatever the setting, and the whole conversation leaves the test rows."""
    from core.evaluation.heldout.turns import each_answer

    said = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"})
    talk = Example(said, "d", 8, "test")
    first, last = each_answer([talk], "all")
    found = made([*ROWS, talk], [(first, "Better.")])
    answer = {"role": "assistant", "content": "Better.", "train": True}
    assert found.examples[-1] == replace(talk, messages=(said[0], answer, said[2]), split="train")
    assert len(found.examples) == len(ROWS) + 1 and found.moved == 1
    both = made([*ROWS, talk], [(first, "Better."), (last, "Best.")])
    assert both.examples[-1] == replace(found.examples[-1], target="Best.")
    assert made([*ROWS, replace(found.examples[-1])], [(last, "Best.")]).examples[-1].turn is None
