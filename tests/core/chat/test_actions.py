"""Chat: several turns, a process that may die, and what is saved from it. What it says: models/test_streaming.py."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from core.chat import actions as chat_actions
from core.chat.transcript import Transcript, Turn, messages
from core.chat.worker import LOOK_AROUND
from core.data import actions as data_actions
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.jobs import events, follow, launch
from core.jobs.answers import generations, reviewed_examples, suggestions
from core.jobs.status import is_running, status_of, write_outcome
from core.models import loading
from core.models.generation import generate
from core.review import actions as review_actions
from core.settings import Settings
from core.store.workspace import open_workspace
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.types import SIDES, Decoding, Example, LabelEvent

SHORT = Decoding(max_new_tokens=6)


@pytest.fixture
def run(workspace, rows_file, tiny_model_folder, tiny_adapter):
    """A trained run of the tiny model, as the Training tab would leave it."""
    return make_run(workspace, rows_file, tiny_model_folder, tiny_adapter)


def make_run(workspace, rows_file, model, adapter):
    project = workspace.create_project("Mine")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    spec = RunSpec(str(model), version.id, str(workspace.rows_file(version.id)), TrainSettings(), None, "", "quick")
    job = workspace.add_job(project.id, "train", "quick", spec.to_dict(), state="ended")
    shutil.copytree(adapter, workspace.folder(job) / "adapter")
    resolved = {"spec": spec.to_dict(), "base_weights_sha256": loading.weights_hash(str(model), workspace.models)}
    (workspace.folder(job) / "run.json").write_text(json.dumps(resolved))
    write_outcome(workspace.folder(job), "finished", "Finished.")
    return job


@pytest.fixture
def talk(workspace, run):
    """A chat with the run that ends with the test."""
    job = chat_actions.open_chat(workspace, run)
    yield job
    chat_actions.end(workspace, job)


@pytest.fixture(scope="module")
def room(tmp_path_factory, tiny_model_folder, tiny_adapter):
    """(workspace, run, chat) for all tests that need no process of their own: a model is loaded once for them."""
    home = tmp_path_factory.mktemp("room")
    lines = [{"instruction": f"Say the number {i}.", "output": f"The number is {i}."} for i in range(40)]
    rows = home / "rows.jsonl"
    rows.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    workspace = open_workspace(Settings(home=home / "home"))
    run = make_run(workspace, rows, tiny_model_folder, tiny_adapter)
    job = chat_actions.open_chat(workspace, run)
    yield workspace, run, job
    chat_actions.end(workspace, job)


def until_over(workspace, job, seconds=60) -> Turn:
    seen, end = Transcript(), time.time() + seconds
    while True:
        chat_actions.look(workspace, job, seen)
        if seen.newest.over:
            return seen.newest
        assert time.time() < end, (workspace.folder(job) / "worker.log").read_text()
        time.sleep(0.05)


def say(workspace, job, message, **how) -> Turn:
    chat_actions.ask(workspace, job, message, **{"decoding": SHORT, **how})
    return until_over(workspace, job)


def test_a_conversation_of_several_turns(room, tiny_tokenizer, tiny_sides):
    workspace, run, talk = room
    first = say(workspace, talk, "Say the number 3.", system="Answer briefly.")
    process = json.loads((workspace.folder(talk) / "process.json").read_text())
    second = say(workspace, talk, "And 4?", conversation=first.conversation, system="Answer briefly.")
    assert json.loads((workspace.folder(talk) / "process.json").read_text()) == process  # loaded once
    for side in SIDES:
        said = (
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "Say the number 3."},
            {"role": "assistant", "content": first.answers[side].text},
            {"role": "user", "content": "And 4?"},
        )
        assert messages(second, [first], side) == said
        with tiny_sides.use(side) as model:
            [wanted] = generate(model, tiny_tokenizer, [Example(said, "", 1)], side, SHORT)
        assert second.answers[side].text == wanted.text
    assert first.answers["base"].text != first.answers["tuned"].text
    seen = Transcript()
    seen.take(workspace.folder(talk))
    assert [t.message for t in seen.conversation] == ["Say the number 3.", "And 4?"]
    third = say(workspace, talk, "Something else.")
    seen.take(workspace.folder(talk))
    assert seen.conversation == [third]
    assert chat_actions.open_chat(workspace, run).id == talk.id


def test_pieces_come_while_it_answers_and_stop_keeps_them(room):
    workspace, _, talk = room
    turn = chat_actions.ask(workspace, talk, "Say the number 3.", decoding=Decoding(470))
    seen, end = Transcript(), time.time() + 60
    while not all(a.tokens > 3 for a in seen.newest.answers.values()) if seen.newest else True:
        chat_actions.look(workspace, talk, seen)
        assert time.time() < end
    assert not seen.newest.over
    with pytest.raises(UserError, match="still answering"):
        chat_actions.ask(workspace, talk, "Another.")
    before = {side: a.text for side, a in seen.newest.answers.items()}
    chat_actions.stop_answer(workspace, talk, turn.id)
    stopped = until_over(workspace, talk, 10)
    for side, answer in stopped.answers.items():
        assert answer.finish == "stopped"
        assert answer.text.startswith(before[side]) and answer.tokens < 470
    assert say(workspace, talk, "Go on?").answered  # the process is well


def test_a_killed_model_is_a_sentence_and_starts_again(workspace, talk):
    chat_actions.ask(workspace, talk, "Say the number 3.", decoding=Decoding(470))
    process = json.loads((workspace.folder(talk) / "process.json").read_text())
    os.kill(process["pid"], signal.SIGKILL)
    lost = until_over(workspace, talk)
    assert "killed by signal 9" in lost.error and "send it again" in lost.error
    again = say(workspace, talk, "Say the number 3.")
    assert again.answered and not again.error
    assert (workspace.folder(talk) / "outcome.1.json").exists()


def test_what_does_not_fit_is_told_and_the_process_goes_on(room):
    workspace, _, talk = room
    long = say(workspace, talk, "the cat sat " * 300)
    assert "exceeds the 512" in long.error
    assert say(workspace, talk, "Short.").answered


def test_an_idle_process_ends(workspace, run):
    job = chat_actions.open_chat(workspace, run, idle_seconds=0.3)
    say(workspace, job, "Say the number 3.")
    ended = wait_until_over(workspace, job)
    assert (ended.state, "idle" in ended.message) == ("finished", True)


APP = """
import sys, time
from pathlib import Path
from core.chat import actions as chat
from core.settings import Settings
from core.types import Decoding
from core.store.workspace import open_workspace
workspace = open_workspace(Settings(home=Path(sys.argv[1])))
chat.ask(workspace, workspace.job(sys.argv[2]), "Say the number 3.", decoding=Decoding(int(sys.argv[3])))
time.sleep(600)
"""


@contextmanager
def another_app(workspace, job, tokens=6):
    """A process that asks and then stays, as an app does; killed at the end if it is still there."""
    words = [sys.executable, "-c", APP, str(workspace.settings.home), job.id, str(tokens)]
    app = subprocess.Popen(words, cwd=Path(__file__).resolve().parents[3])
    try:
        yield app
    finally:
        app.kill()
        app.wait()


def test_it_ends_when_the_app_that_asked_is_gone(workspace, talk):
    """Killed within an answer: nobody is left to end the model, so it ends by itself and keeps what it said."""
    with another_app(workspace, talk, 470):
        seen, end = Transcript(), time.time() + 60
        while not (seen.newest and all(a.tokens > 3 for a in seen.newest.answers.values())):
            chat_actions.look(workspace, talk, seen)
            assert time.time() < end
    ended = wait_until_over(workspace, talk)
    assert (ended.state, "the app that had asked" in ended.message) == ("finished", True)
    chat_actions.look(workspace, talk, seen)
    assert {a.finish for a in seen.newest.answers.values()} == {"stopped"}
    assert all(a.text for a in seen.newest.answers.values())
    again = say(workspace, talk, "And 4?", conversation=seen.newest.conversation)  # this process asks, and is there
    assert again.answered and is_running(workspace, talk)


def test_another_app_keeps_it(workspace, talk):
    """Two asked, one is gone: the same process answers the other."""
    say(workspace, talk, "Say the number 3.")
    process = json.loads((workspace.folder(talk) / "process.json").read_text())
    with another_app(workspace, talk):
        seen, end = Transcript(), time.time() + 60
        while len(seen.turns) < 2 or not seen.newest.over:
            chat_actions.look(workspace, talk, seen)
            assert time.time() < end
    assert len(seen.askers) == 2
    time.sleep(2.5 * LOOK_AROUND)
    assert say(workspace, talk, "And 4?").answered
    assert json.loads((workspace.folder(talk) / "process.json").read_text()) == process


def test_a_job_that_is_due_ends_it(workspace, run, talk):
    chat_actions.ask(workspace, talk, "Say the number 3.", decoding=Decoding(470))
    seen = Transcript()
    while not (seen.newest and seen.newest.begun):
        chat_actions.look(workspace, talk, seen)
        time.sleep(0.05)
    pid = json.loads((workspace.folder(talk) / "process.json").read_text())["pid"]
    measuring = evaluation_actions.start_evaluation(workspace, run, max_rows=1, max_new_tokens=2)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert status_of(workspace, talk).message == "Ended to free the memory."
    assert {a.finish for a in until_over(workspace, talk).answers.values()} == {"stopped"}
    with pytest.raises(UserError, match="Talk when it is over"):
        chat_actions.ask(workspace, talk, "Now?")
    launch.end(workspace, measuring)


def test_stopped_before_it_began(workspace, talk):
    """While the model is loading a message can be taken back, too."""
    turn = chat_actions.ask(workspace, talk, "Say the number 3.", decoding=Decoding(470))
    chat_actions.stop_answer(workspace, talk, turn.id)
    stopped = until_over(workspace, talk)
    assert [(a.text, a.finish) for a in stopped.answers.values()] == [("", "stopped")] * 2


def wait_until_over(workspace, job):
    end = time.time() + 30
    while not status_of(workspace, job).over:
        assert time.time() < end
        time.sleep(0.05)
    return status_of(workspace, job)


def test_one_chat_at_a_time(workspace, run, talk):
    """The first is still loading when the second is asked: a process that does not hear is killed."""
    chat_actions.ask(workspace, talk, "Hello.", decoding=SHORT)
    second = workspace.add_job(run.project_id, "train", "other", run.spec, state="ended")
    shutil.copytree(workspace.folder(run), workspace.folder(second), dirs_exist_ok=True)
    other = chat_actions.open_chat(workspace, second)
    assert other.title == "Chat 2 · with run 2"
    try:
        assert say(workspace, other, "Hello.").answered
        assert not is_running(workspace, talk)
        assert status_of(workspace, talk).state == "stopped"
    finally:
        chat_actions.end(workspace, other)


def test_two_pages_that_ask_at_once_start_one_process(workspace, talk):
    errors = []

    def press():
        try:
            chat_actions.ask(workspace, talk, "Say the number 3.", decoding=SHORT)
        except UserError as e:
            errors.append(str(e))

    pages = [threading.Thread(target=press) for _ in range(4)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    until_over(workspace, talk)
    loads = [e for e in follow.new_events(workspace, talk)[0] if e.payload == events.Status("Loading the model …")]
    assert len(loads) == 1
    assert len(errors) == 3 and all("still answering" in e for e in errors)


@pytest.mark.parametrize(
    ("message", "decoding", "sentence"),
    [
        ("  ", SHORT, "is empty"),
        ("a\0b", SHORT, "U+0000"),
        ("a\ud800b", SHORT, "U+D800"),
        ("a" * 100_001, SHORT, "100,001 characters"),
        ("a", Decoding(0), "new tokens is 0"),
        ("a", Decoding(5, -1.0), "temperature is -1.0"),
        ("a", Decoding(5, float("nan")), "temperature is nan"),
        ("a", Decoding(5, 0.0, -1), "seed is -1"),
    ],
)
def test_what_cannot_be_asked(workspace, talk, message, decoding, sentence):
    with pytest.raises(UserError, match=sentence.replace("+", r"\+")):
        chat_actions.ask(workspace, talk, message, decoding=decoding)
    assert not (workspace.folder(talk) / "requests.jsonl").exists()


def test_saved_for_the_review(room):
    workspace, run, talk = room
    turn = say(workspace, talk, "Say the number </3>.")
    chat_actions.save_for_review(workspace, talk, turn.id)
    with pytest.raises(UserError, match="in the review queue already"):
        chat_actions.save_for_review(workspace, talk, turn.id)
    chat_actions.save_for_review(workspace, talk, turn.id, "The number is 3.")  # with a reference it is another item
    first, second = reviewed_examples(workspace, talk)
    assert (first.prompt, first.target, second.target, second.row) == (turn.message, "", "The number is 3.", 2)
    made = generations(workspace, talk)[second.id]
    assert {side: g.text for side, g in made.items()} == {side: a.text for side, a in turn.answers.items()}
    stored = {g.id for sides in generations(workspace, talk).values() for g in sides.values()}
    assert set(suggestions(workspace, talk)) == stored
    ids, marks = {s: g.id for s, g in made.items()}, {"base": {"off_topic": "present"}}
    event = LabelEvent(talk.id, second.id, "local", "tuned", marks, "", "", ids, ("base", "tuned"), True)
    review_actions.add_label(workspace, talk, event)
    [row] = [json.loads(line) for line in review_actions.export_labels(workspace, talk).splitlines()]
    assert (row["prompt"], row["reference"], row["verdict"]) == (turn.message, "The number is 3.", "tuned")
    assert row["tuned"] == turn.answers["tuned"].text


def test_saved_to_the_test_rows(room):
    workspace, run, talk = room
    turn = say(workspace, talk, "Say the number one hundred.")
    before = workspace.versions(run.project_id)
    with pytest.raises(UserError, match="needs the answer that you wish for"):
        chat_actions.save_to_test(workspace, talk, turn.id, " ")
    version = chat_actions.save_to_test(workspace, talk, turn.id, "The number is 100.")
    assert [v.id for v in workspace.versions(run.project_id)] == [*(v.id for v in before), version.id]
    assert version.counts == {"train": 32, "validation": 4, "test": 5}
    assert version.parent_id == before[-1].id
    old, new = workspace.examples(before[-1].id), workspace.examples(version.id)
    assert new[:-1] == old
    added = new[-1]
    assert (added.prompt, added.target, added.split, added.row) == (turn.message, "The number is 100.", "test", 41)
    assert version.manifest["changes"][0]["added"] == added.id
    with pytest.raises(UserError, match="row 41"):
        chat_actions.save_to_test(workspace, talk, turn.id, "Another answer.")
    trained = next(e for e in old if e.split == "train")
    known = say(workspace, talk, f" {trained.prompt.upper()} ", system="Be brief.")
    with pytest.raises(UserError, match="its train rows. What is trained or chosen by cannot test"):
        chat_actions.save_to_test(workspace, talk, known.id, "x")
    with pytest.raises(UserError, match="no such message"):
        chat_actions.save_to_test(workspace, talk, "nothing", "x")


def test_chats_belong_to_their_owner(room):
    workspace, run, talk = room
    with pytest.raises(UserError):
        chat_actions.stop_answer(workspace.as_owner("visitor-2"), talk, "x")
    with pytest.raises(UserError):
        chat_actions.open_chat(workspace.as_owner("visitor-2"), run)


def test_no_memory_is_a_sentence(workspace, talk, monkeypatch):
    monkeypatch.setattr("core.training.memory.available", lambda: 10)
    with pytest.raises(UserError, match=r"0\.0 GB of memory are free"):
        chat_actions.ask(workspace, talk, "Hello.")
    assert not (workspace.folder(talk) / "requests.jsonl").exists()


def test_a_run_that_is_not_trained_has_no_chat(workspace, run):
    empty = workspace.add_job(run.project_id, "train", "empty", run.spec, state="ended")
    with pytest.raises(UserError, match="no trained adapter yet"):
        chat_actions.open_chat(workspace, empty)
    assert workspace.jobs(run.project_id, "chat") == []


def test_half_a_line_is_no_line(workspace, talk):
    path = workspace.folder(talk) / "requests.jsonl"
    whole = SimpleNamespace(id="a")
    line = {"turn": whole.id, "conversation": "c", "system": "", "message": "m", "decoding": {"max_new_tokens": 3}}
    path.write_text(json.dumps(line) + "\n" + '{"turn": "b", "conv')
    seen = Transcript()
    assert seen.take(path.parent) and list(seen.turns) == ["a"]
    assert not seen.take(path.parent)
    assert replace(seen.newest.decoding) == Decoding(3)
