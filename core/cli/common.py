"""What the verbs of the command line share: which project, run and evaluation is meant, and what a job is told as."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from core.errors import UserError
from core.jobs import queue
from core.jobs.follow import follow as follow_job
from core.jobs.status import status_of
from core.models.sides import is_trained
from core.store.workspace import Job, Project, Workspace
from core.types import DatasetVersion

TEMPLATE_HELP = "chat template (default: the model's own, or `instruction` where it has none)"
Result = tuple[Any, list[str]]
"""What a verb returns: a document for --json, and lines for people."""


def project(workspace: Workspace, args: argparse.Namespace) -> Project:
    """The project of the name given, else the newest. Raises UserError where there is none, as all of these do."""
    candidates = workspace.projects()
    if args.project:
        candidates = [p for p in candidates if p.name.casefold() == args.project.casefold()]
    if not candidates:
        what = f"no project called “{args.project}”" if args.project else "no project yet"
        raise UserError(f"There is {what}. Import a file first: python -m core import FILE")
    return candidates[-1]


def version(workspace: Workspace, args: argparse.Namespace) -> DatasetVersion:
    versions = workspace.versions(project(workspace, args).id)
    if not versions:
        raise UserError("The project has no rows yet. Import a file first: python -m core import FILE")
    return versions[-1]


def numbered(workspace: Workspace, within: Project, kind: str, number: int | None) -> Job:
    jobs = workspace.jobs(within.id, kind)
    chosen = next((job for job in jobs if number is None or job.number == number), None)
    if chosen is None:
        what = "run" if kind == "train" else "evaluation"
        raise UserError(f"The project has no {what}{f' {number}' if number is not None else ''} yet.")
    return chosen


def run(workspace: Workspace, args: argparse.Namespace) -> Job:
    """The run of the number given, else the newest that is trained."""
    its_project = project(workspace, args)
    if args.run is None:
        for job in workspace.jobs(its_project.id, "train"):
            if is_trained(workspace.folder(job) / "adapter"):
                return job
    return numbered(workspace, its_project, "train", args.run)


def evaluation(workspace: Workspace, args: argparse.Namespace) -> Job:
    return numbered(workspace, project(workspace, args), "evaluate", args.evaluation)


def describe(workspace: Workspace, job: Job) -> dict[str, Any]:
    now = status_of(workspace, job)
    return {
        "id": job.id,
        "kind": job.kind,
        "number": job.number,
        "title": job.title,
        "state": now.state,
        "message": now.message,
        "folder": str(workspace.folder(job)),
        "outcome": now.outcome.to_dict() if now.outcome else {},
    }


def say(args: argparse.Namespace) -> Callable[[str], None]:
    """Progress goes to standard error where standard output is one JSON document."""
    return lambda text: print(text, file=sys.stderr if args.json else sys.stdout, flush=True)


def stop(workspace: Workspace, job: Job) -> Result:
    """Ask a job to stop, as the page's Cancel does. Raises UserError where it is over."""
    now = status_of(workspace, job)
    if now.over:
        raise UserError(f"{job.title} is {now.state}: there is nothing to stop.")
    queue.stop(workspace, job)
    document = describe(workspace, job)
    return document, [f"{job.title}: {document['message'] or 'It was asked to stop.'}"]


def follow(workspace: Workspace, job: Job, args: argparse.Namespace) -> Result:
    """Follow a job to its end, or say that it was started where --background asks for that."""
    if getattr(args, "background", False):
        return describe(workspace, job), [f"{job.title} was started. Follow it with: python -m core runs"]
    ended = follow_job(workspace, job, say(args))
    if ended.state == "failed":
        raise UserError(f"{job.title}: {ended.message}")
    return describe(workspace, job), [f"{job.title}: {ended.message}"]


def progress(share: float, what: str) -> None:
    """How far something is, on one line of standard error."""
    print(f"\r{share:4.0%}  {what:<40}", end="" if share < 1 else "\n", file=sys.stderr, flush=True)
