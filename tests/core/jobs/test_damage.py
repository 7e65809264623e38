"""A job whose files are damaged or gone is closed truthfully; the others go on, and no page sees an exception."""

from __future__ import annotations

import json
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
from core.jobs.status import is_running, status_of, this_process, write_outcome
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
    import os

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
}


def _checkpoint(folder) -> None:
    (folder / "checkpoints" / "checkpoint-last").mkdir(parents=True)
    (folder / "checkpoints" / "checkpoint-last" / "trainer_state.json").write_text("{}")


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
    (folder / "process.json").write_text(json.dumps({**this_process(), "started": 1.0}))
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
