"""The command line on a run that is there already: answers, what an evaluation is told to take, cancelling, saving."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.chat import actions as chat_actions
from core.cli.main import main
from core.jobs.answers import generations, reviewed_examples
from core.jobs.follow import wait
from core.jobs.status import status_of
from core.judge import actions as judge_actions
from core.settings import Settings
from core.store.workspace import open_workspace
from tests.core.chat.test_actions import make_run
from tests.core.judge.judge_server import fair, serving
from tests.core.judge.test_actions import make_evaluation

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = ROOT / "tests" / "samples"


@pytest.fixture
def model(tiny_model_folder, tmp_path):
    """A copy of the tiny model, which a test may change."""
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


@pytest.fixture
def trained(tmp_path, monkeypatch, rows_file, model, tiny_adapter):
    """The workspace of the command line, with a trained run of the tiny model."""
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    workspace = open_workspace(Settings(home=tmp_path / "home"))
    make_run(workspace, rows_file, model, tiny_adapter)
    return workspace


@pytest.fixture
def call(capsys):
    def called(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        out = capsys.readouterr()
        return code, out.out, out.err

    return called


def test_a_base_that_changed_since_the_run_answers_nothing(trained, call, model):
    from safetensors.torch import load_file, save_file

    assert call("generate", "Say the number 3.", "--max-new-tokens", "2")[0] == 0
    weights = load_file(model / "model.safetensors")
    save_file({name: 2 * value for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})
    code, out, err = call("generate", "Say the number 3.", "--max-new-tokens", "2")
    assert (code, out) == (1, "")
    assert "The base model has changed since the run" in err


def test_what_it_will_show_and_take_is_said_before_it_starts(trained, call, tmp_path, monkeypatch):
    """The questions are those of the folder; the time is known after a first evaluation."""
    monkeypatch.chdir(ROOT / "tests")  # a folder given from where one is, not from where the job's process is
    asked = ("--benchmark", "arc_easy", "--size", "standard", "--folder", "samples", "--max-new-tokens", "2")
    code, out, err = call("evaluate", *asked, "--json")
    assert code == 0, err
    rows, longest, questions, *_, last = err.splitlines()
    assert rows == "4 test rows: how long they take is known after a first evaluation with this model."
    assert longest == "Longest answer: 2 tokens."
    assert questions.startswith(
        "ARC-Easy: 24 questions, which usually show a difference of 18.1 points or more; how long"
    )
    assert "Loading the model" in err and "test rows:" not in last
    assert json.loads(out)["benchmarks"]["arc_easy"]["n"] == 24

    code, out, err = call("evaluate", "--rows", "2", "--benchmark", "mmlu", *asked)
    assert code == 0, err
    said = out.splitlines()
    assert said[0].startswith("2 test rows: about ")
    assert said[1] == "Longest answer: 2 tokens."
    assert said[2] == f"MMLU: the folder {SAMPLES} lacks its files, or they cannot be read."
    assert said[3].startswith("ARC-Easy: 24 questions") and "; at most " in said[3]
    code, out, err = call("evaluate", "--items", "0")
    assert (code, "--items 0: give 1 or more" in err) == (1, True)


def test_ctrl_c_says_how_to_stop_what_goes_on(trained, call):
    words = [sys.executable, "-m", "core", "evaluate", "--max-new-tokens", "380", "--benchmark", "arc_easy"]
    words += ["--folder", str(SAMPLES)]
    following = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "Loading the model" not in following.stdout.readline():
        assert following.poll() is None, following.stderr.read()
    os.kill(following.pid, signal.SIGINT)
    _, err = following.communicate(timeout=60)
    assert following.returncode == 130
    assert "goes on" in err and "`evaluate --stop` for an evaluation" in err
    job = trained.jobs(trained.projects()[0].id, "evaluate")[0]
    assert not status_of(trained, job).over

    code, out, err = call("evaluate", "--stop")
    assert code == 0, err
    assert "Stopping after this step" in out
    assert wait(trained, job).state == "stopped"
    code, _, err = call("evaluate", "--stop", "1")
    assert (code, "Evaluation 1 · of run 1 is stopped: there is nothing to stop." in err) == (1, True)
    assert call("evaluate", "--stop", "7")[0] == 1


def test_a_judgement_is_cancelled(tmp_path, monkeypatch, rows_file, call):
    def slow(body, n):
        time.sleep(0.4)
        return fair(body, n)

    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    workspace = open_workspace(Settings(home=tmp_path / "home"))
    evaluation = make_evaluation(workspace, rows_file)
    code, _, err = call("judge", "--stop")
    assert (code, "was never judged" in err) == (1, True)
    code, _, err = call("judge", "--model", "m")
    assert (code, "--endpoint and --model" in err) == (1, True)
    with serving(slow) as (url, asked):
        job = judge_actions.start(workspace, evaluation, url, "judge-1")
        while not asked:
            assert not status_of(workspace, job).over
            time.sleep(0.02)
        code, _, err = call("judge", "--stop")
        assert code == 0, err
        assert wait(workspace, job).state == "stopped"
    code, _, err = call("judge", "--stop")
    assert (code, "there is nothing to stop" in err) == (1, True)


def test_what_was_said_in_a_chat_is_saved(trained, call, monkeypatch):
    run = trained.jobs(trained.projects()[0].id, "train")[0]

    def typed(*lines: str):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return call("chat", "--max-new-tokens", "3", "--json")

    code, out, err = typed(
        *("Count to two.", "/review", "/test One, two.", "/new", "And to three?", "/review One,  two, three.")
    )
    assert code == 0, err
    first, second = json.loads(out)["turns"]
    assert [s.split(",")[0].split(" of ")[0] for s in first["saved"]] == [
        "Saved for the Error review",
        "Saved as a test row",
    ]
    assert len(second["saved"]) == 1
    job = chat_actions.of_run(trained, run)
    rows = [(e.prompt, e.target) for e in reviewed_examples(trained, job)]
    assert rows == [("Count to two.", ""), ("And to three?", "One,  two, three.")]
    assert generations(trained, job)[reviewed_examples(trained, job)[0].id]["base"].text == first["base"]["text"]
    newest = trained.versions(run.project_id)[-1]
    assert newest.counts["test"] == 5
    assert [e.target for e in trained.examples(newest.id, "test") if e.prompt == "Count to two."] == ["One, two."]

    for lines, sentence in (
        (("/review",), "Nothing has been asked yet that /review could save"),
        (("Count to four.", "/test"), "Write it behind: /test ANSWER"),
        (("Count to two.", "/test One, two."), "already, in its test rows"),
    ):
        code, _, err = typed(*lines)
        assert (code, sentence in err) == (1, True), err
    help_ = subprocess.run([sys.executable, "-m", "core", "chat", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "/test ANSWER" in help_.stdout and "/review [ANSWER]" in help_.stdout
