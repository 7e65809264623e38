"""An augmentation the whole way, in a process of its own, against a real HTTP server: kind, busy, broken, hostile."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from core.augmentation import actions, result, worker
from core.augmentation.actions import Request
from core.augmentation.result import Drafts, replies_in
from core.augmentation.spec import MATERIAL
from core.augmentation.worker import KEY
from core.errors import UserError
from core.jobs import queue
from core.jobs.events import EventLog
from core.jobs.follow import wait
from core.jobs.status import process_of
from core.settings import Settings
from core.store.workspace import open_workspace
from tests.core.augmentation.conftest import make_project
from tests.core.augmentation.writer_server import SECRET, reply, rows, serving, writer
from tests.core.judge.test_actions import everything_in


def asked(url: str, kind: str = "new", n: int = 10, **how) -> Request:
    return Request(**{"kind": kind, "rows": n, "model": "writer-1", "endpoint": url, **how})


def run(workspace, project, request):
    """The same in this process: (job, outcome). Raises as the work does."""
    spec, material = actions._checked(workspace, project.id, request)
    job = workspace.add_job(project.id, "augment", "here", spec.to_dict(), state="ended")
    folder = workspace.folder(job)
    (folder / MATERIAL).write_text(json.dumps({"texts": material}))
    log = EventLog(folder / "events.jsonl")
    try:
        return job, worker.work(folder, workspace.models, log, SECRET)
    finally:
        log.close()


def held(workspace, job) -> dict[str, int]:
    return {name: of.rows for name, of in actions.summary(workspace, job).refused.items()}


def test_a_sample_then_the_rest_and_the_key_is_nowhere(workspace, project, monkeypatch):
    """The sample is broken off, made whole, and only then are the others asked for."""
    monkeypatch.setenv(KEY, "another-key-that-is-not-used")

    def echo(body, n):
        if 2 <= n <= 4:
            return 403, {"error": f"{SECRET} has no quota"}
        if n == 10:
            return 429, {"error": f"{SECRET} is busy"}, {"Retry-After": "1"}
        return (503, f"{SECRET} has failed") if n == 11 else writer(body, n)

    with serving(echo) as (url, sent):
        job = actions.start(workspace, project.id, asked(url, "harder", 9, price=(1.0, 2.0)), SECRET)
        ended = wait(workspace, job)
        assert ended.state == "failed" and "HTTP 403. [key] has no quota" in ended.message
        assert actions.summary(workspace, job).asked == 1 and not actions.sample_is_whole(workspace, job)
        ended = wait(workspace, actions.go_on(workspace, job, SECRET))
        assert ended.state == "stopped" and "The sample is here: 5 of 5 drafts" in ended.message
        assert len(sent) == 8
        sample = actions.summary(workspace, job)
        assert (sample.asked, sample.passed, sample.prompt_tokens, sample.completion_tokens) == (5, 5, 1000, 250)
        assert sample.money == pytest.approx((1000 + 250 * 2) / 1e6)
        said = actions.cost_sentence(actions.spec_in(workspace.folder(job)), sample)
        assert "The other 4 rows will take about 800 and 200 tokens" in said
        ended = wait(workspace, actions.go_on(workspace, job, SECRET))
        assert ended.state == "finished"
        assert len(sent) == 14  # two of them were asked again
        assert {one["key"] for one in sent} == {f"Bearer {SECRET}"}
        assert {one["body"]["temperature"] for one in sent} == {0.8}
    whole = actions.summary(workspace, job)
    assert (whole.asked, whole.came, whole.unreported) == (9, 9, 0)
    assert len(Drafts(workspace.folder(job)).ids) == whole.passed == 9
    files = everything_in(workspace.settings.home)
    assert SECRET.encode() not in files and b"another-key" not in files
    with pytest.raises(UserError, match="has asked for all its rows"):
        actions.go_on(workspace, job)


def test_each_filter_says_what_it_holds(workspace, project):
    """One reply of everything that no person needs to read, and one good row."""
    version = workspace.versions(project.id)[-1]
    test, train = (workspace.examples(version.id, part)[0] for part in ("test", "train"))
    near = train.prompt.replace("Tell me what", "Say to me what")
    bad = [
        (test.prompt.upper(), "An answer that is long enough."),
        (train.prompt.lower(), "An answer that is long enough."),
        (near, "An answer that is long enough."),
        ("Where is the moon today, and who has seen it?", "I'm sorry, but I can't assist with that request."),
        ("What does the night sky look like over the sea?", "The sky is dark and wide. " * 12),
        ("x", "An answer that is long enough."),
        ("Wer hat gestern Abend mit dem Hund im Garten gespielt?", "Das war der Nachbar mit seiner Tochter."),
        ("What is the rewritten prompt of this row about?", "An answer that is long enough."),
        ("Which of the two ships in the bay is older?", "The one with three masts is older."),
        ("Which of the two ships in the bay is older?", "The one with two masts is older."),
    ]

    def answer(body, n):
        return 200, rows(*bad, ("", "no prompt"))

    with serving(answer) as (url, _):
        job, _ = run(workspace, project, asked(url, n=5))
    assert held(workspace, job) == {
        "format": 2,
        "length": 1,
        "refusal": 1,
        "repeats": 1,
        "language": 1,
        "measured": 1,
        "copy": 2,
        "similar": 1,
    }
    shown = actions.summary(workspace, job).refused
    assert f"row {test.row}" in shown["measured"].examples[0][0]
    assert "ROUGE-L 0." in shown["similar"].examples[0][0] and "German" in shown["language"].examples[0][0]
    [good] = Drafts(workspace.folder(job)).ids
    assert Drafts(workspace.folder(job)).of(good).row.target == "The one with three masts is older."


def test_seeds_come_from_the_training_rows_alone(workspace, project):
    version = workspace.versions(project.id)[-1]
    measured = [e for part in ("test", "validation") for e in workspace.examples(version.id, part)]
    with serving(writer) as (url, sent):
        for kind in ("paraphrase", "harder"):
            run(workspace, project, asked(url, kind, 48))
        run(workspace, project, asked(url, "new", 40))
    said = " ".join(one["body"]["messages"][-1]["content"] for one in sent)
    assert not [e for e in measured if e.prompt in said or e.target in said]
    assert len(sent) == 48 + 48 + 8


def test_prompts_and_texts_of_a_person(workspace, project):
    def answer(body, n):
        last = body["messages"][-1]["content"]
        if "This is a text" in last:
            return 200, rows((f"Where do herons nest, case {n}?", "They nest in tall trees near water."))
        return 200, reply("Cut off in the mid", finish="length") if "third" in last else reply(f"To {last} it is so.")

    with serving(answer) as (url, sent):
        prompts = "The first question of mine?\n\nThe second question of mine?\nThe third question of mine?\n"
        job, _ = run(workspace, project, asked(url, "answer", 50, material=prompts))
        assert len(sent) == 3 and len(sent[0]["body"]["messages"]) == 7
        drafts = [Drafts(workspace.folder(job)).of(i) for i in Drafts(workspace.folder(job)).ids]
        assert [d.row.prompt for d in drafts] == ["The first question of mine?", "The second question of mine?"]
        assert drafts[0].row.target == "To The first question of mine? it is so."
        assert held(workspace, job) == {"length": 1}
        texts = "Herons are birds.\nThey nest in trees.\n\nStorks are birds, too."
        job, _ = run(workspace, project, asked(url, "document", 4, material=texts))
        assert "Herons are birds.\\nThey nest in trees." in sent[3]["body"]["messages"][-1]["content"]
        [first, *_] = replies_in(workspace.folder(job))
        assert first.drafts[0].row.meta["synthetic_from"] == "a text"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda body, n: (401, {"error": {"message": f"No such key: {SECRET}"}}), r"HTTP 401\. No such key: \[key\]"),
        (lambda body, n: (404, "no model"), r"HTTP 404\. no model Check the address"),
        (lambda body, n: (200, "<html>hello</html>"), "held a row to read; the last began “<html>hello</html>”"),
        (lambda body, n: (200, ""), "None of the first 12 replies"),
        (lambda body, n: (200, {"choices": []}), "None of the first 12 replies"),
    ],
)
def test_who_refuses_or_is_of_no_use_is_asked_no_further(workspace, project, answer, sentence):
    with serving(answer) as (url, sent):
        with pytest.raises(UserError, match=sentence) as e:
            run(workspace, project, asked(url, "paraphrase", 40))
        assert len(sent) <= 12
    assert SECRET not in str(e.value)


def test_dropped_connections_keep_what_came_and_it_goes_on(workspace, project, monkeypatch):
    """A server that hangs up in the middle of a reply; what came before it is kept, and is not asked again."""
    lost: list[int] = []

    def drops(body, n):
        if n in (3, 4):
            lost.append(n)
            raise ConnectionResetError
        return writer(body, n)

    with serving(drops) as (url, sent):
        job, outcome = run(workspace, project, asked(url, "harder", 8))
        assert outcome.state == "finished" and lost == [3, 4]
        assert len(sent) == 10
    assert actions.summary(workspace, job).asked == 8


def test_killed_it_loses_no_row_that_had_come(workspace, project):
    def slow(body, n):
        time.sleep(0.0 if n <= 4 else 1.5)
        return writer(body, n)

    with serving(slow) as (url, sent):
        job = actions.start(workspace, project.id, asked(url, "harder", 10), sample=False)
        folder = workspace.folder(job)
        until = time.monotonic() + 60
        while len(replies_in(folder)) < 4 and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(process_of(folder)["pid"], signal.SIGKILL)
        ended = wait(workspace, job)
        assert ended.state == "failed" and "SIGKILL" in ended.message
        kept = (folder / result.FILE).read_bytes()
        (folder / result.SUMMARY).unlink(missing_ok=True)  # as if it had been killed between the two
        before = actions.summary(workspace, job)
        assert (before.asked, before.passed) == (4, 4)
        asked_before = len(sent)
        assert wait(workspace, actions.go_on(workspace, job)).state == "finished"
        assert len(sent) - asked_before == 6
    assert (folder / result.FILE).read_bytes().startswith(kept)
    assert [r.request for r in replies_in(folder)] == list(range(10))


def test_cancel_keeps_what_came(workspace, project):
    def slow(body, n):
        time.sleep(0.5)
        return writer(body, n)

    with serving(slow) as (url, sent):
        job = actions.start(workspace, project.id, asked(url, "harder", 30), sample=False)
        with pytest.raises(UserError, match="is going on"):
            actions.start(workspace, project.id, asked(url))
        while not sent:
            time.sleep(0.02)
        queue.stop(workspace, job)
        ended = wait(workspace, job)
    assert ended.state == "stopped" and "4 of 30 rows were asked for" in ended.message
    assert len(Drafts(workspace.folder(job)).ids) == len(sent) == 4


def test_a_model_of_this_machine_answers(workspace, project, tiny_model_folder):
    """The tiny model writes noise: all of it is told, and none is a row of the form that was asked for."""
    how = {"model": str(tiny_model_folder), "endpoint": "", "max_tokens": 16}
    prompts = "Say the first.\nSay the second."
    job = actions.start(workspace, project.id, asked("", "answer", 5, material=prompts, **how))
    ended = wait(workspace, job)
    assert ended.state == "finished", ended.message
    done = actions.summary(workspace, job)
    assert (done.asked, done.came, done.unreported) == (2, 2, 0)
    assert 0 < done.completion_tokens <= 32 and done.prompt_tokens > 20
    [first, _] = replies_in(workspace.folder(job))
    assert first.drafts[0].source.prompt == "Say the first."


def test_a_space_asks_public_endpoints_and_one_augmentation_of_a_visitor(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    space = open_workspace(Settings(home=tmp_path / "space", mode="space"), "visitor-1")
    mine = make_project(space, tmp_path)
    with serving(writer) as (url, sent):
        for address in (url, url.replace("http:", "https:")):
            with pytest.raises(UserError):
                actions.start(space, mine.id, asked(address))
        assert not sent
    assert actions.of_project(space, mine.id) == []
    with pytest.raises(UserError, match="from 1 to 500"):
        actions.start(space, mine.id, asked("https://8.8.8.8/v1", n=501))
    from core.endpoint.client import key_of

    assert key_of(space, KEY, "") == ""
    other = space.as_owner("visitor-2")
    with pytest.raises(UserError, match="does not exist, or is somebody else's"):
        actions.start(other, mine.id, asked("https://8.8.8.8/v1"))


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"kind": "poem"}, "There is no kind “poem”"),
        ({"n": 0}, "0 rows cannot be asked for"),
        ({"n": 20_000}, "Give a number from 1 to 10,000"),
        ({"model": " "}, "Name the model that writes the rows"),
        ({"price": (-1.0, 0.0)}, "There is no price of -1"),
        ({"temperature": 3.0}, "The temperature is 3"),
        ({"max_tokens": 2}, "A reply of 2 tokens"),
        ({"kind": "answer"}, "There are no prompts to answer"),
        ({"kind": "document"}, "There are no texts to ask about"),
        ({"wish": "x" * 3000}, "Your wish has 3,000 characters"),
        ({"kind": "document", "material": "x" * 1_000_001}, "1,000,001 characters"),
    ],
)
def test_what_cannot_be_started(workspace, project, how, sentence):
    with pytest.raises(UserError, match=sentence):
        actions.start(workspace, project.id, asked("http://127.0.0.1:9/v1", **how))
    assert actions.of_project(workspace, project.id) == []


def test_judged_answers_and_plain_text_are_no_examples_of_new_rows(workspace, tmp_path):
    from core.data import actions as data_actions

    path = tmp_path / "judged.jsonl"
    lines = [{"prompt": f"Say {i} aloud.", "chosen": f"It is {i}.", "rejected": "No."} for i in range(20)]
    path.write_text("\n".join(map(json.dumps, lines)))
    judged = workspace.create_project("Judged")
    data_actions.import_file(workspace, judged.id, path)
    with pytest.raises(UserError, match="only “Prompts in other words” keeps"):
        actions.start(workspace, judged.id, asked("http://127.0.0.1:9/v1"))
    with serving(lambda body, n: (200, rows(("Please speak the number out, would you kindly?", "")))) as (url, _):
        job, outcome = run(workspace, judged, asked(url, "paraphrase", 1))
    assert outcome.state == "finished"
    [one] = Drafts(workspace.folder(job)).ids
    row = Drafts(workspace.folder(job)).of(one).row
    assert row.rejected == "No." and row.kind == "preference"
