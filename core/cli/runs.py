"""The verb `runs`: a project's jobs, and stopping or resuming a run."""

from __future__ import annotations

import argparse

from core.cli import common
from core.cli.common import Result
from core.jobs import queue
from core.store.workspace import Workspace

HELP = "List the project's runs and evaluations."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--stop", type=int, metavar="N", help="ask run N to stop and save")
    p.add_argument("--resume", type=int, metavar="N", help="continue run N from its newest checkpoint")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    project = common.project(workspace, args)
    if args.stop is not None:
        queue.stop(workspace, common.numbered(workspace, project, "train", args.stop))
    if args.resume is not None:
        queue.resume(workspace, common.numbered(workspace, project, "train", args.resume))
    queue.tick(workspace)
    runs = [common.describe(workspace, job) for job in workspace.jobs(project.id)]
    lines = [f"{d['title']:<40} {d['state']:<10} {d['message']}" for d in runs]
    return runs, lines or ["No runs yet. Start one with: python -m core train"]
