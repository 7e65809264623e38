"""On a Space turns go round between visitors, one job of each waits, and none runs beyond its time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from core.errors import UserError
from core.jobs import admission, queue
from core.jobs.admission import in_order, next_job
from core.jobs.launch import put_outcome_aside
from core.jobs.outcome import Outcome
from core.jobs.process import REASON, run_job
from core.jobs.status import status_of, this_process, write_outcome
from core.settings import Settings
from core.store import tables
from core.store.workspace import open_workspace


@pytest.fixture
def workspace(workspace_on_both):
    """The queue is a table: on SQLite and on PostgreSQL."""
    return workspace_on_both


@pytest.fixture
def space(tmp_path):
    return open_workspace(Settings(home=tmp_path / "space", mode="space"))


def visitor(space, name: str):
    """A visitor with a project; (workspace, project id)."""
    workspace = space.as_owner(f"visitor-{name}")
    return workspace, workspace.create_project("Garden").id


def waiting(space) -> list[str]:
    with space.engine.connect() as db:
        return [job.name for job in in_order(db)]


def give_turn(space) -> str:
    """Start the next job and end it at once; its name."""
    with space.engine.begin() as db:
        job = next_job(db, 0)
        assert job is not None
        change = tables.jobs.update().where(tables.jobs.c.id == job.id)
        db.execute(change.values(state="ended", started=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")))
    return job.name


def test_one_job_of_a_visitor_waits_and_the_sentence_names_it(space):
    workspace, project = visitor(space, "a")
    first = workspace.add_job(project, "train", "quick", {})
    for kind in ("train", "evaluate"):
        with pytest.raises(UserError, match=f"{first.title} waits already, .* one place in the queue"):
            workspace.add_job(project, kind, "more", {})
    jobs = space.settings.home / "projects" / project / "jobs"
    assert [path.name for path in jobs.iterdir()] == [first.id]  # nothing is left of those that were refused
    other, theirs = visitor(space, "b")
    other.add_job(theirs, "train", "quick", {})
    queue.stop(workspace, first)
    workspace.add_job(project, "train", "again", {})


def test_seventy_starts_at_once_leave_one_in_the_queue(space):
    workspace, project = visitor(space, "a")

    def start(_) -> bool:
        try:
            workspace.add_job(project, "train", "quick", {})
        except UserError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(start, range(72))) == 1
    assert waiting(space) == ["quick"]


def test_at_home_any_number_waits(workspace):
    project = workspace.create_project("Garden").id
    for name in "abc":
        workspace.add_job(project, "train", name, {})
    assert waiting(workspace) == ["a", "b", "c"]


def test_turns_go_round(space):
    """Whoever was served least recently is next, however early others came."""
    (a, of_a), (b, of_b) = visitor(space, "a"), visitor(space, "b")
    a.add_job(of_a, "train", "a1", {})
    b.add_job(of_b, "train", "b1", {})
    assert give_turn(space) == "a1"
    a.add_job(of_a, "train", "a2", {})
    c, of_c = visitor(space, "c")
    c.add_job(of_c, "train", "c1", {})
    assert waiting(space) == ["b1", "c1", "a2"]
    assert status_of(a, a.jobs(of_a)[0]).message == "Waiting: 2 jobs before it."
    assert [give_turn(space) for _ in range(3)] == ["b1", "c1", "a2"]


def test_turns_go_round_where_owners_have_several_jobs_each(space):
    """As from the command line, where nobody is bounded, or in a home of before."""
    for name in ("local", "sample"):
        workspace = space.as_owner(name)
        project = workspace.create_project("Garden").id
        for n in range(3):
            workspace.add_job(project, "train", f"{name}{n}", {})
    expected = ["local0", "sample0", "local1", "sample1", "local2", "sample2"]
    assert waiting(space) == expected
    assert [give_turn(space) for _ in expected] == expected


@pytest.mark.parametrize(
    ("mode", "memory", "free", "starts"),
    [
        ("space", 100, 200, True),
        ("space", 300, 200, False),
        ("space", None, 200, False),  # how much it takes is not known
        ("local", 100, 200, False),
    ],
)
def test_an_evaluation_starts_beside_a_training_where_memory_suffices(
    tmp_path, monkeypatch, mode, memory, free, starts
):
    space = open_workspace(Settings(home=tmp_path / "home", mode=mode))
    (a, of_a), (b, of_b) = visitor(space, "a"), visitor(space, "b")
    a.add_job(of_a, "train", "long", {}, state="started")
    b.add_job(of_b, "evaluate", "short", {}, memory=memory)
    c, of_c = visitor(space, "c")
    c.add_job(of_c, "train", "other", {})
    monkeypatch.setattr(admission, "free_memory", lambda: free)
    beside = admission.free_beside(space)
    with space.engine.begin() as db:
        job = next_job(db, beside)
        assert (job.name if job else None) == ("short" if starts else None)
        if job:
            db.execute(tables.jobs.update().where(tables.jobs.c.id == job.id).values(state="started"))
            assert next_job(db, 10**12) is None  # two are enough


def test_what_memory_is_free_is_known():
    import psutil

    assert 0 < admission.free_memory() <= psutil.virtual_memory().total


def test_a_job_that_had_its_time_is_stopped_and_says_why(space, tmp_path):
    workspace, project = visitor(space, "a")
    job = workspace.add_job(project, "train", "quick", {}, state="started")
    folder = workspace.folder(job)
    (folder / "process.json").write_text(json.dumps(this_process()), encoding="utf-8")
    began = datetime.now(UTC) - timedelta(hours=2, minutes=59)
    for minutes, asked in ((0, False), (2, True)):
        at = (began - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with space.engine.begin() as db:
            db.execute(tables.jobs.update().values(started=at))
        queue.tick(space)
        assert (folder / "stop").exists() == asked
    assert status_of(workspace, job).state == "stopping"
    run_job(folder, lambda log: Outcome("stopped", "Stopped at step 4 of 9.", resumable=True), "Training")
    said = status_of(workspace, job).message
    assert said == (
        "Stopped at step 4 of 9. This Space gives one job 3 hours. Resume it to go on when its turn comes again."
    )
    put_outcome_aside(folder)  # resumed, the reason does not count any more
    run_job(folder, lambda log: Outcome("stopped", "Stopped at step 6 of 9."), "Training")
    assert status_of(workspace, job).message == "Stopped at step 6 of 9."


def test_what_is_resumed_takes_the_place_in_the_queue(space):
    workspace, project = visitor(space, "a")
    stopped = workspace.add_job(project, "evaluate", "of run 1", {}, state="started")
    write_outcome(workspace.folder(stopped), "stopped", "Stopped.")
    queue.tick(space)
    other, theirs = visitor(space, "b")
    other.add_job(theirs, "train", "long", {}, state="started")
    (other.folder(other.jobs(theirs)[0]) / "process.json").write_text(json.dumps(this_process()), encoding="utf-8")
    waits = workspace.add_job(project, "train", "quick", {})
    with pytest.raises(UserError, match="waits already"):
        queue.resume(workspace, stopped)
    assert status_of(workspace, stopped).state == "stopped"
    queue.stop(workspace, waits)
    queue.resume(workspace, stopped)
    assert status_of(workspace, stopped).state == "queued"


def test_when_a_job_was_started_is_kept(space):
    workspace, project = visitor(space, "a")
    workspace.add_job(project, "evaluate", "of run 1", {})
    queue._start_next(space)  # its process fails, having no specification
    with space.engine.connect() as db:
        assert db.execute(sa.select(tables.jobs.c.started)).scalar()


def test_jobs_of_no_queue_have_places_too(space):
    """One judgement of a visitor and four in all, two visitors who talk."""
    from core.chat import actions as chat_actions
    from core.jobs.launch import owners_beside
    from core.judge import actions as judge_actions

    living = []
    for name in "abcd":
        workspace, project = visitor(space, name)
        for kind in ("judge", "chat"):
            job = workspace.add_job(project, kind, "beside", {}, state="beside")
            folder = workspace.folder(job)
            (folder / "process.json").write_text(json.dumps(this_process()), encoding="utf-8")
            living.append((workspace, job))
    assert sorted(owners_beside(space, "judge")) == [f"visitor-{name}" for name in "abcd"]
    ann, nobody = living[0][0], space.as_owner("visitor-e")
    with pytest.raises(UserError, match="A judgement of yours is going on"):
        judge_actions._require_place(ann)
    with pytest.raises(UserError, match="4 judgements are going on, as many as this Space takes"):
        judge_actions._require_place(nobody)
    with pytest.raises(UserError, match="4 visitors are talking, as many as this Space takes"):
        chat_actions._make_room(nobody, living[1][1])
    for workspace, job in living[:4]:
        write_outcome(workspace.folder(job), "finished", "Finished.")
    judge_actions._require_place(ann)
    judge_actions._require_place(nobody)
    assert len(owners_beside(space, "chat")) == 2


def test_a_judgement_that_had_its_time_asks_itself_to_stop(tmp_path):
    from core.jobs.process import until_told

    asked = until_told(tmp_path / "stop", 0.0, "a judgement")
    assert asked()
    said = (tmp_path / REASON).read_text(encoding="utf-8")
    assert said == "This Space gives a judgement 0 hours. Start again to go on."
    (tmp_path / "stop").unlink()
    assert not until_told(tmp_path / "stop", None, "a judgement")()
