"""Drafts are read, decided on and become training rows: nothing is overwritten, and none ever measures."""

from __future__ import annotations

import json

import pytest

from core.augmentation import actions, adding, decisions, result, reviewing
from core.augmentation.result import Draft, Replied, Source
from core.augmentation.worker import provenance
from core.errors import UserError
from core.jobs.status import write_outcome
from core.store.queries import Rows
from core.types import Example
from tests.core.augmentation.conftest import make_project

PROMPTS = (
    "Which birds nest under the roof of a barn?",
    "How deep is the well behind the old mill?",
    "Who painted the ceiling of the small chapel?",
    "When does the ferry to the island leave?",
)


def make_job(workspace, project, prompts=PROMPTS):
    """A finished augmentation of two replies: the last draft is held by a filter."""
    version = workspace.versions(project.id)[-1]
    request = actions.Request(kind="new", rows=len(prompts), model="writer-1", endpoint="http://127.0.0.1:9/v1")
    spec, _ = actions._checked(workspace, project.id, request)
    job = workspace.add_job(project.id, "augment", "by hand", spec.to_dict(), state="ended")
    meta = provenance(spec, actions_request(workspace, version))
    drafts = [
        Draft(f"{i // 3}.{i % 3}", Example(({"role": "user", "content": p},), f"Answer {i}.", 0, meta=meta).to_dict(),
              Source(1, "made of"), "similar" if i == 3 else "", "ROUGE-L 0.80 to row 2." if i == 3 else "")
        for i, p in enumerate(prompts)
    ]  # fmt: skip
    folder = workspace.folder(job)
    result.append(
        folder, [Replied(0, 3, tuple(drafts[:3]), 1, 1, 0.1, 0.0), Replied(1, 1, tuple(drafts[3:]), 1, 1, 0, 0)]
    )
    write_outcome(folder, "finished", "4 rows were asked for.")
    return job


def actions_request(workspace, version):
    from core.augmentation.asking import Request

    return Request(0, 1, (workspace.examples(version.id, "train")[0],))


@pytest.fixture
def job(workspace, project):
    return make_job(workspace, project)


def test_accepted_and_edited_drafts_become_training_rows_that_say_who_wrote_them(workspace, project, job):
    before = workspace.versions(project.id)[-1]
    reviewing.decide(workspace, job, "0.0", "accept", PROMPTS[0], "Answer 0.")
    edited = reviewing.decide(workspace, job, "0.1", "accept", PROMPTS[1], " Forty feet. ")
    assert edited.choice == "edit"
    reviewing.decide(workspace, job, "0.2", "reject")
    read = reviewing.review(workspace, job)
    assert (read.ids, read.accepted, read.rejected, read.waiting) == (("0.0", "0.1", "0.2"), 2, 1, 2)
    made = adding.add_in_process(workspace, job)
    assert (made.rows, made.edited, made.measured, made.there) == (2, 1, 0, 0)
    after = workspace.version(made.version_id)
    assert after.counts == {**before.counts, "train": before.counts["train"] + 2}
    rows = workspace.rows(after.id)
    assert rows.synthetic.sum() == 2 and not workspace.rows(before.id).synthetic.any()
    first, second = rows[-2:]
    assert (first.prompt, first.target, first.split, first.row) == (PROMPTS[0], "Answer 0.", "train", 61)
    assert first.meta["synthetic"] == "new" and first.meta["synthetic_model"] == "writer-1 at 127.0.0.1"
    assert first.meta["synthetic_prompt"] == "new-1" and first.meta["synthetic_from"].startswith("row ")
    assert (second.target, second.meta["synthetic_edited"]) == ("Forty feet.", "yes")
    change = after.manifest["changes"][-1]
    assert (change["synthetic"], change["added"], change["edited"]) == ("new", 2, 1)
    with pytest.raises(UserError, match="no accepted draft that is not a row yet"):
        adding.add(workspace, job)
    with pytest.raises(UserError, match=f"is a row of version {after.number} already"):
        reviewing.decide(workspace, job, "0.0", "reject")
    assert reviewing.undo(workspace, job) == "0.2"
    with pytest.raises(UserError, match="no decision to take back"):
        reviewing.undo(workspace, job)


def test_a_row_that_asks_what_a_test_row_asks_never_gets_in(workspace, project, job):
    """Not even where a person writes it: in the same words, or in nearly the same."""
    version = workspace.versions(project.id)[-1]
    test, other = workspace.examples(version.id, "test")[:2]
    reviewing.decide(workspace, job, "0.0", "accept", test.prompt.upper(), "Mine.")
    reviewing.decide(
        workspace, job, "0.1", "accept", other.prompt.replace("and who would", "and who is it that would"), "Mine."
    )
    with pytest.raises(UserError, match="2 ask what a test or validation row asks"):
        adding.add(workspace, job)
    assert len(workspace.versions(project.id)) == 1
    assert reviewing.review(workspace, job).waiting == 0  # until they are decided anew
    reviewing.decide(workspace, job, "0.1", "accept", other.prompt.upper(), "Mine.")
    reviewing.decide(workspace, job, "0.0", "accept", test.prompt.upper(), "Mine.")
    reviewing.decide(workspace, job, "0.2", "accept")
    made = adding.add(workspace, job)
    assert (made.rows, made.measured) == (1, 2) and "Left out, as rows that measure ask the same: 2." in made.sentence
    rows = Rows(workspace.rows_file(made.version_id))
    assert not (rows.synthetic & (rows.splits != 0)).any()


def test_decisions_are_only_added_to_and_can_be_taken_back(workspace, job):
    folder = workspace.folder(job)
    reviewing.decide(workspace, job, "0.0", "accept")
    kept = (folder / decisions.FILE).read_bytes()
    reviewing.decide(workspace, job, "0.1", "reject")
    reviewing.decide(workspace, job, "0.0", "reject")
    assert reviewing.undo(workspace, job) == "0.0"
    assert set(reviewing.review(workspace, job).decided) == {"0.1"}
    assert reviewing.undo(workspace, job) == "0.1"
    with pytest.raises(UserError, match="no decision to take back"):
        reviewing.undo(workspace, job)
    assert (folder / decisions.FILE).read_bytes().startswith(kept)
    assert len(decisions.history(folder)) == 5
    read = reviewing.review(workspace, job)
    assert [read.next_open(at) for at in (0, 1, 2)] == [1, 2, 0]


def test_drafts_go_out_and_decisions_come_in(workspace, job):
    lines = [json.loads(line) for line in reviewing.export(workspace, job)]
    assert [line["draft"] for line in lines] == ["0.0", "0.1", "0.2", "1.0"]
    assert lines[3]["filter"] == "similar" and lines[3]["why"].startswith("ROUGE-L")
    lines[0]["decision"], lines[1]["decision"], lines[2]["decision"] = "accept", "accept", "reject"
    lines[1]["answer"] = "Written by a person."
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert reviewing.import_decisions(workspace, job, data) == 3
    assert reviewing.import_decisions(workspace, job, data) == 0  # they are known
    decided = reviewing.review(workspace, job).decided
    assert [decided[i].choice for i in ("0.0", "0.1", "0.2")] == ["accept", "edit", "reject"]
    assert [json.loads(line)["answer"] for line in reviewing.export(workspace, job)][1] == "Written by a person."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("nothing", "Line 2 is no decision"),
        ("[1]", "Line 2 is no decision"),
        ('{"draft": 3, "decision": "accept"}', "Line 2 is no decision"),
        ('{"draft": "9.9", "decision": "accept"}', "Line 2: there is no draft 9.9"),
        ('{"draft": "1.0", "decision": "accept"}', "Line 2: there is no draft 1.0 that passed"),
        ('{"draft": "0.1", "decision": "perhaps"}', "Line 2: “perhaps” is no decision"),
        ('{"draft": "0.1", "decision": ["accept"]}', "is no decision"),
        ('{"draft": "0.1", "decision": "edit", "answer": " "}', "Line 2: The answer is empty"),
        ('{"draft": "0.1", "decision": "edit", "answer": "a\\u0000"}', "U[+]0000"),
    ],
)
def test_a_file_with_a_line_that_is_none_is_taken_not_at_all(workspace, job, line, sentence):
    data = f'{{"draft": "0.0", "decision": "accept"}}\n{line}\n'.encode()
    with pytest.raises(UserError, match=sentence):
        reviewing.import_decisions(workspace, job, data)
    assert reviewing.review(workspace, job).decided == {}


def test_accepting_the_rest_leaves_what_was_decided(workspace, job):
    reviewing.decide(workspace, job, "0.1", "reject")
    assert reviewing.accept_rest(workspace, job) == 2
    assert reviewing.review(workspace, job).decided["0.1"].choice == "reject"


def test_another_owner_has_no_such_augmentation(workspace, job):
    """Reading, deciding, adding and going on are for its owner alone."""
    other = workspace.as_owner("somebody-else")
    make_project(other, workspace.settings.home, "Theirs")
    for act in (
        lambda: reviewing.review(other, job),
        lambda: reviewing.draft(other, job, "0.0"),
        lambda: reviewing.decide(other, job, "0.0", "accept"),
        lambda: reviewing.undo(other, job),
        lambda: reviewing.accept_rest(other, job),
        lambda: list(reviewing.export(other, job)),
        lambda: reviewing.import_decisions(other, job, b""),
        lambda: adding.add(other, job),
        lambda: adding.add_in_process(other, job),
        lambda: actions.go_on(other, job),
        lambda: actions.summary(other, job),
        lambda: actions.of_project(other, job.project_id),
    ):
        with pytest.raises(UserError, match="somebody else's"):
            act()
    assert decisions.history(workspace.folder(job)) == ()


def test_a_damaged_line_takes_no_other_with_it(workspace, job):
    path = workspace.folder(job) / result.FILE
    path.write_bytes(b"{broken\n" + path.read_bytes() + b'{"half')
    assert reviewing.review(workspace, job).ids == ("0.0", "0.1", "0.2")
    assert reviewing.draft(workspace, job, "0.2").row.prompt == PROMPTS[2]
