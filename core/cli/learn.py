"""The verb `learn`: corrected answers become training rows."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.cli import common
from core.cli.common import Result
from core.review import lessons
from core.store.workspace import Workspace

HELP = "Make training rows of an evaluation's corrected answers: the next dataset version."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--evaluation", type=int, help="number of the evaluation (default: the newest)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version, lesson = lessons.learn(workspace, common.evaluation(workspace, args))
    line = f"{version.title}: {len(lesson.corrected)} corrected, " + ", ".join(
        f"{n} {s}" for s, n in version.counts.items()
    )
    corrected = [e.to_dict() for e in lesson.corrected]
    return {"version": asdict(version), "corrected": corrected, "moved": lesson.moved}, [line]
