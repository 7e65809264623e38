"""A disk that fills up while an evaluation, a judge or a chat works on it: each says so, and goes on afterwards."""

from __future__ import annotations

import shutil
import threading
import time

import pytest

from core.chat import actions as chat_actions
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.result import report_of
from core.jobs import queue
from core.jobs.follow import wait
from core.judge import actions as judge_actions
from core.settings import Settings
from core.store.workspace import open_workspace
from tests.core.chat.test_actions import make_run, say
from tests.core.judge.judge_server import fair, serving
from tests.core.judge.test_actions import make_evaluation
from tests.small_disk import fill, mounted


@pytest.fixture
def at_home(tmp_path):
    with mounted(tmp_path / "disk", 6000) as path:
        workspace = open_workspace(Settings(home=path / "home"))
        yield workspace
        workspace.engine.dispose()


def whole(folder):
    """What of a result is there to be seen, and what is half written."""
    names = {p.name for p in folder.iterdir()}
    assert not [name for name in names if "partial" in name and not name.endswith(".jsonl")]
    return names & {"report.json", "generations.jsonl", "suggestions.jsonl", "judge.json"}


def test_an_evaluation_goes_on_where_the_disk_was_full(at_home, rows_file, tiny_model_folder, tiny_adapter):
    run = make_run(at_home, rows_file, tiny_model_folder, tiny_adapter)
    job = evaluation_actions.start_evaluation(at_home, run, max_new_tokens=40)
    folder, junk = at_home.folder(job), []

    def fill_it() -> None:
        until = time.time() + 120
        while time.time() < until and not (folder / "process.json").exists():
            time.sleep(0.01)
        junk.append(fill(at_home.settings.home))

    filling = threading.Thread(target=fill_it)
    filling.start()
    ended = wait(at_home, job)
    filling.join()
    assert ended.state == "failed" and "disk" in ended.message, ended  # full, or too full for the reason
    assert whole(folder) == set()
    junk[0].unlink()
    queue.resume(at_home, job)
    assert wait(at_home, job).state == "finished"
    assert whole(folder) >= {"report.json", "generations.jsonl", "suggestions.jsonl"}
    assert report_of(at_home, job).heldout is not None


def test_a_judgement_leaves_the_report_as_it_was_and_goes_on(at_home, rows_file):
    evaluation = make_evaluation(at_home, rows_file)
    before = (at_home.folder(evaluation) / "report.json").read_bytes()
    junk = []

    def filling(body, n):
        if n == 4:
            junk.append(fill(at_home.settings.home))
        return fair(body, n)

    with serving(filling) as (url, _):
        job = judge_actions.start(at_home, evaluation, url, "judge-1")
        ended = wait(at_home, job)
    assert ended.state == "failed" and "The disk is full" in ended.message, ended
    assert (at_home.folder(evaluation) / "report.json").read_bytes() == before
    junk[0].unlink()
    with serving(fair) as (url, _):
        again = judge_actions.start(at_home, evaluation, url, "judge-1")
        assert wait(at_home, again).state == "finished"
    assert report_of(at_home, evaluation).judge.pairs == 4


def test_a_chat_says_it_and_answers_again(at_home, rows_file, tiny_model_folder, tiny_adapter):
    run = make_run(at_home, rows_file, tiny_model_folder, tiny_adapter)
    talk = chat_actions.open_chat(at_home, run)
    try:
        assert say(at_home, talk, "Say the number 3.").answered
        junk = fill(at_home.settings.home)
        said = []
        for _ in range(40):  # until the last page of its log is full
            try:
                said.append(say(at_home, talk, "Say the number 4.").error)
            except UserError as e:
                said.append(str(e))
            if "disk" in said[-1]:
                break
        assert "The disk is full" in said[-1], said[-1]
        junk.unlink()
        assert say(at_home, talk, "Say the number 5.").answered
    finally:
        chat_actions.end(at_home, talk)
        shutil.rmtree(at_home.folder(talk), ignore_errors=True)
