"""An evaluation judged the whole way: its folder, a process of its own, the report; the key is written nowhere."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from core.data import actions as data_actions
from core.endpoint.client import key_of
from core.errors import UserError
from core.evaluation.result import report_of
from core.jobs import queue
from core.jobs.answers import generations, reviewed_examples
from core.jobs.follow import wait
from core.jobs.status import write_outcome
from core.judge import actions as judge_actions
from core.judge.worker import KEY
from core.review import actions as review_actions
from core.settings import Settings
from core.store.workspace import open_workspace
from core.types import Generation, LabelEvent
from tests.core.evaluation.full_report import SPEC, read
from tests.core.judge.judge_server import SECRET, fair, serving


@pytest.fixture
def evaluation(workspace, rows_file):
    """A finished evaluation with two answers to each of four test rows; tuned is right."""
    return make_evaluation(workspace, rows_file)


def make_evaluation(workspace, rows_file, name="Mine"):
    project = workspace.create_project(name)
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    spec = {**SPEC, "dataset_version": version.id, "rows_file": str(workspace.rows_file(version.id)), "seed": 0}
    job = workspace.add_job(project.id, "evaluate", "of run 1", spec, state="ended")
    folder = workspace.folder(job)
    with open(folder / "generations.jsonl", "w", encoding="utf-8") as file:
        for e in workspace.examples(version.id, "test"):
            for side, text in (("base", f"[Hello] {SECRET[:2]} </b>"), ("tuned", e.target)):
                file.write(json.dumps(Generation(e.id, side, text, 3, "stop", 0.1).to_dict()) + "\n")
    (folder / "suggestions.jsonl").touch()
    (folder / "report.json").write_text(json.dumps(read({"spec": spec}).to_dict()))
    write_outcome(folder, "finished", "Finished.")
    return job


def everything_in(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_judged_in_a_process_and_the_key_is_nowhere(workspace, evaluation, monkeypatch):
    """The endpoint even repeats the key in a reply and in an error; no file has it afterwards."""

    def echo(body, n):
        if n == 3:
            return 200, {"choices": [{"message": {"content": f"Your key is {SECRET}"}}]}
        return (500, {"error": {"message": f"{SECRET} is busy"}}) if n == 1 else fair(body, n)

    monkeypatch.setenv(KEY, "another-key-that-is-not-used")
    with serving(echo) as (url, asked):
        told = judge_actions.estimate(workspace, evaluation, url, "judge-1", None, (1.0, 2.0))
        assert told.comparisons == 8
        assert "4 pairs. 8 comparisons, each pair in both orders" in judge_actions.cost_sentence(told)
        job = judge_actions.start(workspace, evaluation, url, "judge-1", SECRET, price=(1.0, 2.0))
        assert wait(workspace, job).state == "finished"
        assert {a["key"] for a in asked} == {f"Bearer {SECRET}"}
        assert len(asked) == 9
    found = report_of(workspace, evaluation).judge
    assert (found.pairs, found.failed, found.wins["tuned"]) == (3, 1, 3)
    assert found.agreement is None and found.cost.money == pytest.approx((700 * 1 + 49 * 2) / 1e6)
    files = everything_in(workspace.settings.home)
    assert b"[key]" in files  # the reply that repeated it was stored, without it
    assert SECRET.encode() not in files
    assert b"another-key" not in files
    left = judge_actions.estimate(workspace, evaluation, url, "judge-1")
    assert (left.comparisons, left.again) == (1, 1)
    assert "4 pairs. 1 comparison (1 again: the reply was no verdict)" in judge_actions.cost_sentence(left)

    # People label two of the rows: the report knows at once
    for e, verdict in zip(reviewed_examples(workspace, evaluation), ("tuned", "base"), strict=False):
        made = generations(workspace, evaluation)[e.id]
        ids = {side: g.id for side, g in made.items()}
        event = LabelEvent(evaluation.id, e.id, "local", verdict, {}, "", "", ids, ("base", "tuned"), True)
        review_actions.add_label(workspace, evaluation, event)
    agreed = report_of(workspace, evaluation).judge.agreement
    assert agreed and agreed.n in (1, 2)


def test_a_failed_judgement_keeps_its_verdicts_and_goes_on(workspace, evaluation):
    with serving(lambda body, n: fair(body, n) if n <= 4 else (403, "quota")) as (url, _):
        job = judge_actions.start(workspace, evaluation, url, "judge-1", SECRET)
        ended = wait(workspace, job)
    assert ended.state == "failed" and "HTTP 403. quota" in ended.message
    half = report_of(workspace, evaluation).judge
    assert (half.pairs, half.missing) == (2, 2)
    assert "quota" in half.problems[0].what
    with serving(fair) as (url, asked):
        again = judge_actions.start(workspace, evaluation, url, "judge-1", SECRET)
        assert wait(workspace, again).state == "finished"
        assert len(asked) == 4
    assert report_of(workspace, evaluation).judge.pairs == 4
    assert json.loads((workspace.folder(job) / "judge.json").read_text())["pairs"] == 2  # the first one's own stays


def test_a_stopped_judgement(workspace, evaluation):
    def slow(body, n):
        time.sleep(0.4)
        return fair(body, n)

    with serving(slow) as (url, asked):
        job = judge_actions.start(workspace, evaluation, url, "judge-1")
        with pytest.raises(UserError, match="is going on"):
            judge_actions.start(workspace, evaluation, url, "judge-1")
        while not asked:
            time.sleep(0.02)
        queue.stop(workspace, job)
        ended = wait(workspace, job)
    assert (ended.state, len(asked)) == ("stopped", 4)
    assert "2 of 4 pairs" in ended.message


def test_a_space_does_not_lend_its_key(tmp_path, rows_file, monkeypatch):
    """A visitor must not be able to send the owner's key to an address of theirs, nor to ask the machine's own."""
    monkeypatch.setenv(KEY, SECRET)
    space = open_workspace(Settings(home=tmp_path / "space", mode="space"), "visitor-1")
    assert key_of(space, KEY, "") == ""
    assert key_of(space, KEY, "typed") == "typed"
    evaluation = make_evaluation(space, rows_file)
    with serving(fair) as (url, asked):
        for address in (url, url.replace("http:", "https:")):
            with pytest.raises(UserError):
                judge_actions.start(space, evaluation, address, "judge-1")
        assert not asked
    assert space.jobs(evaluation.project_id, "judge") == []
    with pytest.raises(UserError):
        judge_actions.start(space.as_owner("visitor-2"), evaluation, "https://8.8.8.8/v1", "judge-1")


def test_the_key_of_the_environment(workspace, evaluation, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    with serving(fair) as (url, asked):
        wait(workspace, judge_actions.start(workspace, evaluation, url, "judge-1", max_pairs=1))
        assert [a["key"] for a in asked] == [f"Bearer {SECRET}"] * 2
    assert SECRET.encode() not in everything_in(workspace.settings.home)
    assert os.environ[KEY] == SECRET


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"model": " "}, "Name the model"),
        ({"model": "a\nb"}, "Name the model"),
        ({"max_pairs": 0}, "0 pairs"),
        ({"price": (-1.0, 0.0)}, "There is no price of -1"),
        ({"price": (float("nan"), 0.0)}, "There is no price of nan"),
        ({"key": "a b"}, "The key holds"),
    ],
)
def test_what_cannot_be_started(workspace, evaluation, how, sentence):
    with pytest.raises(UserError, match=sentence):
        judge_actions.start(workspace, evaluation, "http://127.0.0.1:9/v1", **{"model": "m", **how})
    assert workspace.jobs(evaluation.project_id, "judge") == []
