import subprocess
import threading

import sqlalchemy as sa

from core import tables
from core.jobs import supervisor


def state(workspace, job) -> str:
    with workspace.engine.connect() as db:
        return db.execute(sa.select(tables.jobs.c.state).where(tables.jobs.c.id == job.id)).scalar()


def test_a_job_that_is_resumed_while_its_process_goes_away_stays_queued(workspace):
    project = workspace.create_project("Garden")
    job = workspace.add_job(project.id, "evaluate", "of run 1", {}, state="started")
    folder = workspace.folder(job)
    supervisor.write_outcome(folder, "stopped", "Stopped.")
    leaving = subprocess.Popen(["cat"], stdin=subprocess.PIPE)  # it ends when its input does
    supervisor._children[job.id] = leaving
    closing = threading.Thread(target=supervisor._close_if_over, args=(workspace, job))
    closing.start()
    # What another process's resume does meanwhile.
    supervisor._put_outcome_aside(folder)
    with workspace.engine.begin() as db:
        db.execute(tables.jobs.update().where(tables.jobs.c.id == job.id).values(state="queued"))
    leaving.communicate()
    closing.join()
    assert state(workspace, job) == "queued"
    assert supervisor.status(workspace, job).state == "queued"


def test_a_job_that_is_over_is_closed(workspace):
    project = workspace.create_project("Garden")
    job = workspace.add_job(project.id, "evaluate", "of run 1", {}, state="started")
    supervisor.write_outcome(workspace.folder(job), "finished", "Finished.")
    supervisor.tick(workspace)
    assert state(workspace, job) == "ended"
