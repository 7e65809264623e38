"""The tab: it leaves a person at their desk; links, tables and files of a review."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from core.jobs.answers import Answers
from core.review import actions
from core.types import LabelEvent, Suggestion
from tests.core.judge.test_actions import make_evaluation
from ui.page import Page
from ui.review import desk, tab, totals


@pytest.fixture
def reading(workspace):
    """The tab as it is built: its components and its handlers."""
    with gr.Blocks() as blocks:
        state = gr.State("")
        page = Page(workspace, gr.BrowserState(""), gr.Dropdown(), gr.State(0), state, gr.State(""))
        with gr.Tab("Error review") as opened:
            tab.build(page, opened)
    handlers = (getattr(fn.fn, "__wrapped__", None) for fn in blocks.fns.values())
    return next(h.__self__ for h in handlers if isinstance(getattr(h, "__self__", None), tab.Review))


def label(workspace, job, at: int, who: str | None = None, **said) -> LabelEvent:
    id_ = desk.looks(workspace, job).ids[at]
    marks = {side: {"off_topic": "absent"} for side in ("base", "tuned")}
    marks["base"]["off_topic"] = said.pop("base", "absent")
    marks["tuned"]["off_topic"] = said.pop("tuned", "absent")
    event = LabelEvent(job.id, id_, who or workspace.owner, "tuned", marks, "", said.pop("note", ""), {}, (), True)
    return actions.add_label(workspace, job, event)


def test_looking_again_leaves_a_person_at_their_desk(workspace, rows_file, reading):
    job = make_evaluation(workspace, rows_file)
    first = reading.refresh("", job.project_id, None, None)
    assert 'id="tw-review"' in first[reading.desk] and job.id in first[reading.desk]
    again = reading.refresh("", job.project_id, job.id, first[reading.shown])
    assert reading.desk not in again
    other = make_evaluation(workspace, rows_file, "Another")
    assert other.id in reading.refresh("", other.project_id, job.id, first[reading.shown])[reading.desk]
    nothing = reading.refresh("", workspace.create_project("Empty").id, None, None)
    assert "no answers to review yet" in nothing[reading.lead] and nothing[reading.desk] == ""


def test_what_came_of_a_review(workspace, rows_file):
    job = make_evaluation(workspace, rows_file)
    titles = desk.Reader(workspace, job, workspace.owner).titles
    assert "0 of 4 rows are labelled." in totals.all_of(workspace, job, titles)
    label(workspace, job, 0, base="present")
    label(workspace, job, 1, tuned="present")
    label(workspace, job, 1, "Ada", tuned="present")
    shown = totals.all_of(workspace, job, titles)
    assert "2 of 4 rows are labelled: You 2, Ada 1." in shown
    assert "Off topic: fixed 1, broke 1" in shown and "[Hello]" in shown
    assert "&lt;/b&gt;" in shown  # an answer's markup is shown as it is
    assert "Krippendorff" in shown


def test_a_link_is_shown_once_and_taken_back(workspace, rows_file, reading):
    job = make_evaluation(workspace, rows_file)
    together = reading.together
    made = together.invite("", job.id, 2, 1, 7)
    assert "label#" in made[together.made] and "LABEL_PORT" in made[together.made]
    assert "label#" not in str(together.look(workspace, job))
    which = made[together.which]["value"]
    assert "revoked" in together.take_back("", job.id, which)[together.given]


def test_notes_become_a_label(workspace, rows_file, reading):
    job = make_evaluation(workspace, rows_file)
    label(workspace, job, 0, note="Wrong unit")
    label(workspace, job, 1, note="wrong unit!")
    together = reading.together
    [(title, ids)] = together.look(workspace, job)[together.notes]["choices"]
    assert title == "Wrong unit (2 notes)"
    together.make_label("", job.id, ids, "Wrong unit", "tuned")
    assert "Wrong unit" in desk.Reader(workspace, job, workspace.owner).titles.values()


def test_detectors_are_held_against_the_labels(workspace, rows_file):
    job = make_evaluation(workspace, rows_file)
    known = Answers(workspace, job)
    with open(workspace.folder(job) / "suggestions.jsonl", "w") as file:
        for at, id_ in enumerate(desk.looks(workspace, job).ids):
            answer = known.of(id_)["tuned"]
            flagged = Suggestion(answer.id, "off_topic", 0.9 - at / 10, at < 2, (), "r", "d-1", 0.75)
            file.write(json.dumps(flagged.to_dict()) + "\n")
    label(workspace, job, 0, tuned="present")
    label(workspace, job, 1)
    label(workspace, job, 2, tuned="present")
    shown = totals.all_of(workspace, job, desk.Reader(workspace, job, workspace.owner).titles)
    assert "<td>Off topic</td><td>3</td><td>50 % (" in shown
    assert "<td>0.75</td><td>3 of 50 labels are there.</td>" in shown


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "argilla", "label-studio"])
def test_labels_are_exported(workspace, rows_file, reading, form):
    job = make_evaluation(workspace, rows_file)
    label(workspace, job, 0)
    made = reading.export("", job.id, form)[reading.download]
    assert Path(made["value"]).stat().st_size > 100
