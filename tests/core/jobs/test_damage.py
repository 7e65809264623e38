"""A job whose files are damaged or gone is closed truthfully; the others go on, and no page sees an exception."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.jobs import answers, events, queue
from core.jobs.answers import Answers
from core.jobs.events import EventLog
from core.jobs.status import is_running, status_of, write_outcome
from core.store import tables
from core.types import Example, Generation, Suggestion
from ui import watching

SLEEP = "import sys, time; time.sleep(60)"


def state(workspace, job) -> str:
    with workspace.engine.connect() as db:
        return db.execute(sa.select(tables.jobs.c.state).where(tables.jobs.c.id == job.id)).scalar()


@pytest.fixture
def two(workspace):
    """A job that was started, and the next one, which cannot but fail: the queue is what is looked at."""
    project = workspace.create_project("Garden")
    first = workspace.add_job(project.id, "evaluate", "of run 1", {}, state="started")
    second = workspace.add_job(project.id, "evaluate", "of run 2", {})
    return first, second


def old(folder) -> None:
    """As if it had been claimed long ago."""
    long_ago = time.time() - 100
    os.utime(folder, (long_ago, long_ago))


DAMAGE = {
    "its folder is gone": lambda folder: shutil.rmtree(folder),
    "process.json is empty": lambda folder: (folder / "process.json").write_text(""),
    "process.json is half written": lambda folder: (folder / "process.json").write_text('{"pid": 12'),
    "process.json without its pid": lambda folder: (folder / "process.json").write_text('{"started": 1.0}'),
    "a pid that is a text": lambda folder: (folder / "process.json").write_text('{"pid": "12", "started": 1.0}'),
    "a pid that is no pid": lambda folder: (folder / "process.json").write_text('{"pid": -1, "started": 1.0}'),
    "a pid beyond all": lambda folder: (folder / "process.json").write_text(f'{{"pid": {10**30}, "started": 1.0}}'),
    "process.json is a folder": lambda folder: (folder / "process.json").mkdir(),
    "process.json is a list": lambda folder: (folder / "process.json").write_text("[]"),
    "outcome.json is empty": lambda folder: (folder / "outcome.json").write_text(""),
    "outcome.json is of another shape": lambda folder: (folder / "outcome.json").write_text('{"state": 7}'),
    "outcome.json is binary": lambda folder: (folder / "outcome.json").write_bytes(b"\x00\xff\xfe"),
    "a line of garbage": lambda folder: (folder / "events.jsonl").write_bytes(b'{"n": 1}\n\xff\xfe garbage\n[]\n'),
    "events.jsonl is a folder": lambda folder: (folder / "events.jsonl").mkdir(),
    "a checkpoint that has no number": lambda folder: _checkpoint(folder),
    "a checkpoint whose state was cut short": lambda folder: _checkpoint(folder, "checkpoint-7", '{"log_history": ['),
    "a checkpoint whose state is a folder": lambda folder: (
        folder / "checkpoints/checkpoint-7/trainer_state.json"
    ).mkdir(parents=True),
    "checkpoints is a file": lambda folder: (folder / "checkpoints").write_text(""),
    "process.json is a link to nowhere": lambda folder: (folder / "process.json").symlink_to("nowhere"),
    "process.json is a link to itself": lambda folder: (folder / "process.json").symlink_to("process.json"),
    "outcome.json is a link to nowhere": lambda folder: (folder / "outcome.json").symlink_to("nowhere"),
    "outcome.json is a link to itself": lambda folder: (folder / "outcome.json").symlink_to("outcome.json"),
    "outcome.json is a folder": lambda folder: (folder / "outcome.json").mkdir(),
    "events.jsonl is a link to itself": lambda folder: (folder / "events.jsonl").symlink_to("events.jsonl"),
    "stop is a folder": lambda folder: (folder / "stop").mkdir(),
    "heartbeat.json is a folder": lambda folder: (folder / "heartbeat.json").mkdir(),
    "its folder is a link to nowhere": lambda folder: (shutil.rmtree(folder), folder.symlink_to("nowhere")),
    "its folder is a file": lambda folder: (shutil.rmtree(folder), folder.write_text("")),
    "an event log of gigabytes without a line": lambda folder: _huge(folder / "events.jsonl", b""),
    "an event log of gigabytes, half a line at its end": lambda folder: _huge(folder / "events.jsonl", b'\n{"n": 5'),
}


def _checkpoint(folder, name="checkpoint-last", state="{}") -> None:
    (folder / "checkpoints" / name).mkdir(parents=True)
    (folder / "checkpoints" / name / "trainer_state.json").write_text(state)


def _huge(path, end: bytes) -> None:
    with open(path, "wb") as file:
        file.truncate(3_000_000_000)  # holes: it takes nothing of the disk
        file.seek(0, 2)
        file.write(end)


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_the_queue_goes_on(workspace, two, damage):
    first, second = two
    DAMAGE[damage](workspace.folder(first))
    if workspace.folder(first).is_dir():
        old(workspace.folder(first))
    queue.tick(workspace)
    try:
        now = status_of(workspace, first)
        assert now.state == "failed" and now.message.endswith(".")
        assert not is_running(workspace, first)
        assert state(workspace, first) == "ended"
        assert state(workspace, second) == "started"
        assert watching.look(workspace, first, watching.Watched())[1].over
        assert now.message.split(":")[0] in watching.bar(first, now, watching.Watched())
    finally:
        _end(workspace, second)


def _end(workspace, job) -> None:
    from core.jobs import launch, status

    launch.end(workspace, job, patience=0)
    if child := status.children.pop(job.id, None):
        child.wait()


@pytest.mark.parametrize("closed", ["process.json", "outcome.json", "events.jsonl", "."])
def test_what_this_user_may_not_read_is_said_and_holds_nobody(workspace, two, closed):
    """Root may read everything, so the test becomes somebody else."""
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    first, second = two
    folder, home = workspace.folder(first), workspace.settings.home
    outside = [p for p in (home, *home.parents) if p.stat().st_mode & 0o007 == 0 and p.is_relative_to("/tmp")]
    modes = {p: p.stat().st_mode for p in outside}
    write_outcome(folder, "finished", "Finished.")
    (folder / "events.jsonl").write_text("")
    (folder / "process.json").write_text(json.dumps({"pid": os.getpid(), "started": 1.0}))
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    (folder / closed).chmod(0)
    for path in outside:
        path.chmod(0o755)
    os.seteuid(65534)
    try:
        now = status_of(workspace, first)
        assert now.over and now.message.endswith(".")
        assert watching.bar(first, now, watching.look(workspace, first, watching.Watched())[0])
        queue.tick(workspace)
        assert state(workspace, first) == "ended" and state(workspace, second) != "queued"
    finally:
        os.seteuid(0)
        (folder / closed).chmod(0o755)
        for path, mode in modes.items():
            path.chmod(mode)
        _end(workspace, second)


def test_a_clock_that_was_set_back_holds_nobody(workspace, two):
    first, second = two
    tomorrow = time.time() + 86_400
    os.utime(workspace.folder(first), (tomorrow, tomorrow))
    queue.tick(workspace)
    try:
        assert (state(workspace, first), state(workspace, second)) == ("ended", "started")
    finally:
        _end(workspace, second)


def test_a_job_that_could_not_be_started_says_so(workspace, two):
    first, second = two
    write_outcome(workspace.folder(first), "finished", "Finished.")
    (workspace.folder(second) / "worker.log").mkdir()
    queue.tick(workspace)
    now = status_of(workspace, second)
    assert state(workspace, second) == "ended" and now.state == "failed" and "worker.log" in now.message
    (workspace.folder(second) / "outcome.json").unlink()  # as if the disk had not taken that, either
    assert status_of(workspace, second).state == "failed"


def test_a_queued_job_without_a_folder_does_not_hold_the_others(workspace, two):
    first, second = two
    write_outcome(workspace.folder(first), "finished", "Finished.")
    third = workspace.add_job(first.project_id, "evaluate", "of run 3", {})
    shutil.rmtree(workspace.folder(second))
    queue.tick(workspace)
    queue.tick(workspace)
    try:
        assert (state(workspace, second), state(workspace, third)) == ("ended", "started")
        assert "folder is gone" in status_of(workspace, second).message
    finally:
        _end(workspace, third)


def test_a_process_whose_name_was_lost_is_found_by_its_folder(workspace, two):
    """It lives, so it goes on; when its folder is gone too, nothing that it does can be kept, and it ends."""
    first, second = two
    folder = workspace.folder(first)
    living = subprocess.Popen([sys.executable, "-c", SLEEP, str(folder)])
    try:
        (folder / "process.json").write_text("{")
        queue.tick(workspace)
        assert status_of(workspace, first).state == "running"
        assert (state(workspace, first), state(workspace, second)) == ("started", "queued")
        shutil.rmtree(folder)
        queue.tick(workspace)
        assert living.wait(timeout=10) != 0
        assert (state(workspace, first), state(workspace, second)) == ("ended", "started")
    finally:
        living.kill()
        _end(workspace, second)


def _filled(workspace, job) -> None:
    """A job's folder with every file that pages and the queue read."""
    folder = workspace.folder(job)
    log = EventLog(folder / "events.jsonl")
    log.write(events.Status("Loading …"))
    log.write(events.Progress(share=0.5, step=2, steps=4, epoch=0.5, tokens_per_second=9.0, seconds_left=3.0))
    log.write(events.Metric(loss=1.5), 2)
    log.close()
    (folder / "process.json").write_text(json.dumps({"pid": os.getpid(), "started": 1.0}))
    write_outcome(folder, "stopped", "Stopped.")
    example = Example(({"role": "user", "content": "1?"},), "1", 1)
    generations = [Generation(example.id, side, "one", 1, "stop", 0.1) for side in ("base", "tuned")]
    marks = [
        Suggestion(g.id, "repetition", 0.5, True, ((0, 1),), "It repeats.", "repetition-1", 0.5) for g in generations
    ]
    for name, nouns in (("examples", [example]), ("generations", generations), ("suggestions", marks)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(noun.to_dict()) + "\n" for noun in nouns))


FILES = ("events.jsonl", "process.json", "outcome.json", "examples.jsonl", "generations.jsonl", "suggestions.jsonl")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(FILES), at=st.floats(0, 1), what=st.binary(min_size=1, max_size=30), cut=st.booleans())
def test_any_bytes_over_any_file(workspace, name, at, what, cut):
    known = workspace.projects()
    project = known[0] if known else workspace.create_project("Garden")
    job = workspace.add_job(project.id, "chat", "with run 1", {"seed": 0}, state="started")
    _filled(workspace, job)
    path = workspace.folder(job) / name
    data = bytearray(path.read_bytes())
    start = int(at * len(data))
    data[start : start + len(what)] = what
    path.write_bytes(data[: start + len(what)] if cut else data)
    old(workspace.folder(job))

    watched = watching.Watched()
    _, status, _, _ = watching.look(workspace, job, watched)
    watching.bar(job, status, watched)
    read = Answers(workspace, job)
    for id_ in read.ids():
        assert set(read.of(id_)) == {"base", "tuned"} and read.examples([id_])
    answers.flag_counts(workspace, job)
    answers.suggestions(workspace, job)
    assert status.over
    queue.tick(workspace)
    assert state(workspace, job) == "ended" and status_of(workspace, job).over
    if name in ("generations.jsonl", "suggestions.jsonl") and what.isascii() is False:
        assert read.damaged or b"\n" not in data[start:]
