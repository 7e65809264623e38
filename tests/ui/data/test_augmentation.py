"""Drafts on the page as on the command line: exported, accepted unread; and prompts without answers are offered."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from core.augmentation import actions, reviewing
from core.augmentation.spec import MATERIAL
from core.data import actions as data_actions
from core.jobs import queue
from core.jobs.follow import wait
from tests.core.augmentation.conftest import make_project
from tests.core.augmentation.test_reviewing import make_job
from tests.ui.data.conftest import write
from ui.data import augmentation, drafts
from ui.page import Page


@pytest.fixture
def page(workspace):
    with gr.Blocks():
        yield Page(workspace, gr.BrowserState(""), gr.Dropdown(), gr.State(0), gr.State(0), gr.State(""))


def test_the_unread_are_accepted_once_it_is_said_how_many_and_all_are_exported(workspace, page, tmp_path):
    project = make_project(workspace, tmp_path, "p")
    job = make_job(workspace, project)
    part = drafts.build(page, gr.Accordion(), gr.Dropdown())
    reviewing.decide(workspace, job, "0.1", "reject")
    told = part.asked_for_rest("", job.id)
    assert told[part.sure]["visible"] and "Accept 2 drafts that passed" in told[part.sure_words]
    assert reviewing.review(workspace, job).accepted == 0
    seen = part.accept_unread("", job.id, "0.0")
    assert not seen[part.rest]["interactive"] and "Add 2 accepted rows" in seen[part.add]["value"]
    assert reviewing.review(workspace, job).rejected == 1
    file = Path(part.exported("", job.id)[part.file]["value"])
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [line["decision"] for line in lines] == ["accept", "reject", "accept", ""] and lines[3]["filter"]


def test_prompts_without_an_answer_are_offered_and_taken_where_none_are_brought(workspace, page, tmp_path):
    project = workspace.create_project("p")
    rows = [{"prompt": f"What is {i}?", "answer": "" if i in (5, 6) else f"It is {i}."} for i in range(30)]
    data_actions.import_file(workspace, project.id, write(tmp_path / "rows.jsonl", rows))
    told = augmentation._plan("new", 10, augmentation._unanswered(workspace, project.id))
    assert "2 prompts of your file had no answer. Choose “Answers to prompts that have none”" in told
    assert "Empty: 2 prompts of your file" in augmentation._material("answer", 2)["info"]
    asked = actions.Request(kind="answer", rows=100, model="writer-1", endpoint="http://127.0.0.1:9/v1")
    job = actions.start(workspace, project.id, asked)
    material = json.loads((workspace.folder(job) / MATERIAL).read_text("utf-8"))
    assert material["texts"] == ["What is 5?", "What is 6?"] and job.spec["rows"] == 2
    queue.stop(workspace, job)
    wait(workspace, job)
