"""The words behind `review`: what the page can do, from the command line."""

from __future__ import annotations

import json

import pytest

from core.cli.main import main
from core.review import actions, invitations, labels
from core.settings import Settings
from core.store.workspace import open_workspace
from tests.core.judge.test_actions import make_evaluation
from tests.core.review.conftest import make_review


@pytest.fixture
def review(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    workspace = open_workspace(Settings(home=tmp_path / "home"))
    return workspace, make_review(workspace)


def said(capsys, *words: str, code: int = 0) -> str:
    assert main(["review", *words]) == code
    out = capsys.readouterr()
    return out.err if code else out.out


def test_without_a_word_it_shows_the_rows(review, capsys):
    out = said(capsys, "--rows", "2")
    assert "Row 1: Name 1?" in out and "Row 2: Name 2?" in out and "Row 3:" not in out and "[repetition] So." in out
    assert len(json.loads(said(capsys, "--json"))["rows"]) == 10


def test_rows_are_labelled_found_settled_and_taken_back(review, capsys):
    workspace, job = review
    out = said(
        capsys,
        "label",
        "3",
        "--base",
        "repetition",
        "too_long=absent",
        "off_topic=unsure",
        "--better",
        "tuned",
        "--note",
        "n",
    )
    assert out == "Stored: row 3, labelled.\n"
    [event] = labels.history(workspace.engine, job.id)
    assert event.labels == {"base": {"repetition": "present", "too_long": "absent", "off_topic": "unsure"}}
    assert "row     3" in said(capsys, "queue", "--label", "repetition")
    found = json.loads(said(capsys, "queue", "--rows", "3", "--json"))
    assert len(found["rows"]) == 3 and found["found"] == 20 and found["progress"]["mine"] == 1
    said(capsys, "label", "3", "--new", "Wrong unit", "--reference-wrong")
    assert labels.current(workspace.engine, job.id)[event.example_id].labels == {
        "tuned": {"own_wrong_unit": "present"},
        "reference": {"reference_wrong": "present"},
    }
    assert "what you said before counts" in said(capsys, "label", "3", "--undo")
    assert "not labelled now" in said(capsys, "label", "3", "--undo")
    assert "Nothing is left" in said(capsys, "label", "3", "--undo")
    said(capsys, "label", "4", "--settle", "--tuned", "own_wrong_unit")
    assert [e.act for e in labels.history(workspace.engine, job.id)][-1] == "adjudicate"
    assert "has no answers to row 99" in said(capsys, "label", "99", code=1)
    assert "“yes” is no mark" in said(capsys, "label", "3", "--tuned", "repetition=yes", code=1)
    assert "“typo” is no label" in said(capsys, "label", "3", "--tuned", "typo", code=1)


def test_agreement_and_rates_are_told(review, capsys):
    workspace, job = review
    assert "two people yet" in said(capsys, "agreement")
    ids = actions.reading_order(workspace, job)
    for n, id_ in enumerate(ids):
        for name in ("Ada", "Bob"):
            mark = "present" if n % 3 == 0 or (name == "Ada" and n < 8) else "absent"
            item = actions.item(workspace, job, id_, name)
            event = labels.LabelEvent(
                *(job.id, id_, name, "tie", {"base": {"repetition": mark}, "tuned": {"repetition": "absent"}}, "", ""),
                *({side: g.id for side, g in item.generations.items()}, ("base", "tuned"), False),
            )
            actions.store(workspace, job, event)
    out = said(capsys, "agreement")
    assert "repetition" in out and "They disagree on rows" in out and "%" in out
    document = json.loads(said(capsys, "agreement", "--json"))
    assert document["measures"]["repetition"]["annotators"] == 2 and len(document["disagreements"]) == 5
    out = said(capsys, "rates")
    assert "4 of 4 rows of the random sample are labelled. base → tuned:" in out and "points" in out and "fixed" in out
    assert "no evaluation 9" in said(capsys, "rates", "--against", "9", code=1)
    assert "n = 4" in said(capsys, "rates", "--against", "1")


def test_labels_are_exported(review, capsys, tmp_path):
    said(capsys, "label", "1", "--base", "repetition")
    for name, form in (("a.jsonl", ""), ("a.parquet", ""), ("b.json", "argilla"), ("c.json", "label-studio")):
        out = said(capsys, "export", str(tmp_path / name), *(("--format", form) if form else ()))
        assert (tmp_path / name).is_file() and ("<View>" in out) == (form == "label-studio")
    assert "Which format is" in said(capsys, "export", str(tmp_path / "d.json"), code=1)
    assert "exists already" in said(capsys, "export", str(tmp_path / "a.jsonl"), code=1)


def test_people_are_invited(review, capsys):
    workspace, job = review
    link = said(capsys, "invite", "--people", "2", "--address", "https://tune.example/").splitlines()[0]
    assert link.startswith("https://tune.example/label#")
    own = invitations.join(workspace, link.partition("#")[2], "Ada")
    [there] = json.loads(said(capsys, "invite", "--list", "--json"))
    assert (there["state"], there["people"]) == ("open", ["Ada"])
    assert "1 of 2 came: Ada" in said(capsys, "invite", "--list")
    said(capsys, "invite", "--revoke", there["id"])
    with pytest.raises(invitations.UserError):
        invitations.guest(workspace, own)
    assert "can be for 1 to 200 people" in said(capsys, "invite", "--people", "0", code=1)


def test_detectors_look_again_at_answers_that_are_there(tmp_path, monkeypatch, rows_file, capsys):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    workspace = open_workspace(Settings(home=tmp_path / "home"))
    job = make_evaluation(workspace, rows_file)
    found = workspace.folder(job) / "suggestions.jsonl"
    assert found.read_text() == ""
    counts = json.loads(said(capsys, "detect", "--json"))["flagged"]
    assert len(found.read_text().splitlines()) >= 3 * 2 * len(actions.reading_order(workspace, job))
    assert set(counts) == {"base", "tuned"} and sum(counts["tuned"].values()) == 0  # tuned answers are the references
