"""Choices that more than one tab offers: models, chat templates, and a project's jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from core.engine.rendering import TEMPLATES
from core.models.catalogue import CATALOGUE
from core.models.sides import is_trained
from core.store.workspace import Job, Workspace

MODELS = [(entry.title, entry.name) for entry in CATALOGUE]
TEMPLATE_NAMES = [("The model's own", ""), *((name.capitalize(), name) for name in TEMPLATES)]


def trained_runs(workspace: Workspace, project_id: str | None) -> list[Job]:
    """The project's runs that can be measured, talked to and shared, newest first."""
    runs = workspace.jobs(project_id, "train") if project_id else []
    return [job for job in runs if is_trained(workspace.folder(job) / "adapter")]


def kept(jobs: Sequence[Job], chosen: str | None) -> Job | None:
    """The chosen job where it is still there, else the first; None without any."""
    return next((job for job in jobs if job.id == chosen), jobs[0] if jobs else None)


def of_jobs(jobs: Sequence[Job], value: Job | None) -> Any:
    """An update of a dropdown: the jobs by title, and the one that is chosen."""
    return gr.update(choices=[(job.title, job.id) for job in jobs], value=value.id if value else None)
