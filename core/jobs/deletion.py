"""Deleting a project: its files go, and nobody owns it any more. What people said of its answers stays in the database,
without the answers, and belongs to nobody either.
"""

from __future__ import annotations

from core.errors import UserError
from core.jobs import launch
from core.jobs.status import status_of
from core.store.workspace import Workspace


def delete_project(workspace: Workspace, project_id: str) -> None:
    """Raises UserError where a job of it waits or runs, and for an owner's only project."""
    project = workspace.project(project_id)
    if len(workspace.projects()) == 1:
        raise UserError(f"“{project.name}” is your only project. Create another one first, then delete this one.")
    jobs = workspace.jobs(project.id)
    for job in jobs:
        if job.kind != "chat" and not status_of(workspace, job).over:
            raise UserError(f"{job.title} of “{project.name}” waits or runs. Stop it first, then delete the project.")
    for job in jobs:
        if job.kind == "chat":
            launch.end(workspace, job)
    workspace.forget_project(project.id)
