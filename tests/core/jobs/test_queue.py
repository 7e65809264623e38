import json
import subprocess
import threading

import pytest
import sqlalchemy as sa

from core.jobs import launch, queue, status
from core.jobs.status import status_of, this_process, write_outcome
from core.store import tables


@pytest.fixture
def workspace(workspace_on_both):
    """The queue is a table: on SQLite and on PostgreSQL."""
    return workspace_on_both


def state(workspace, job) -> str:
    with workspace.engine.connect() as db:
        return db.execute(sa.select(tables.jobs.c.state).where(tables.jobs.c.id == job.id)).scalar()


def test_a_job_that_is_resumed_while_its_process_goes_away_stays_queued(workspace):
    project = workspace.create_project("Garden")
    job = workspace.add_job(project.id, "evaluate", "of run 1", {}, state="started")
    folder = workspace.folder(job)
    write_outcome(folder, "stopped", "Stopped.")
    leaving = subprocess.Popen(["cat"], stdin=subprocess.PIPE)  # it ends when its input does
    status.children[job.id] = leaving
    closing = threading.Thread(target=queue._close_if_over, args=(workspace, job))
    closing.start()
    # What another process's resume does meanwhile.
    launch.put_outcome_aside(folder)
    with workspace.engine.begin() as db:
        db.execute(tables.jobs.update().where(tables.jobs.c.id == job.id).values(state="queued"))
    leaving.communicate()
    closing.join()
    assert state(workspace, job) == "queued"
    assert status_of(workspace, job).state == "queued"


def test_a_job_that_is_over_is_closed(workspace):
    project = workspace.create_project("Garden")
    job = workspace.add_job(project.id, "evaluate", "of run 1", {}, state="started")
    write_outcome(workspace.folder(job), "finished", "Finished.")
    queue.tick(workspace)
    assert state(workspace, job) == "ended"


@pytest.mark.parametrize("look", [lambda w, job: status_of(w, job), lambda w, job: queue.tick(w)])
def test_a_process_that_ends_while_it_is_looked_at_has_not_failed(workspace, monkeypatch, look):
    """It writes its outcome and exits after somebody found none, and before they ask whether it is alive."""
    project = workspace.create_project("Garden")
    job = workspace.add_job(project.id, "evaluate", "of run 1", {}, state="started")
    folder = workspace.folder(job)
    (folder / "process.json").write_text(json.dumps(this_process()), encoding="utf-8")

    def ends(process) -> bool:
        write_outcome(folder, "finished", "Finished.")
        return False

    monkeypatch.setattr(queue, "is_alive", ends)
    monkeypatch.setattr(status, "is_alive", ends)
    for said in (look(workspace, job), status_of(workspace, job)):
        assert said is None or said.state == "finished"
    assert json.loads((folder / "outcome.json").read_text(encoding="utf-8"))["state"] == "finished"
