"""`python -m core demo`: the sample project through the whole loop, ending with a short report."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from core.cli import common
from core.cli.common import Result
from core.data import actions as data_actions
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.report.sentences import summarise
from core.evaluation.result import report_of
from core.jobs import answers
from core.jobs.follow import follow
from core.store.workspace import Workspace
from core.tokens import actions as tokens_actions
from core.training import actions as training_actions
from core.training.presets import PRESETS
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.training.spec_file import OWN

HELP = "Run the sample project through the whole loop and end with a short report."
Say = Callable[[str], None]


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--preset", choices=PRESETS, default="quick")
    p.add_argument("--epochs", type=int, help="passes over the rows, where the preset's take too long")
    p.add_argument("--rows", type=int, help="use only the first N test rows")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    report = walk(workspace, common.say(args), args.preset, args.rows, args.epochs)
    lines = ["", *report["sentences"], f"The whole loop took {report['seconds']:.0f} seconds."]
    for sample in report["examples"]:
        lines += ["", *(f"{name:>9}: {text}" for name, text in sample.items())]
    return report, lines


def walk(
    workspace: Workspace, say: Say, preset: str = "quick", rows: int | None = None, epochs: int | None = None
) -> dict[str, Any]:
    """Import, split, preview, train, evaluate, generate, detect. Returns one JSON-able report.

    Each call makes a project of its own, so a demo never touches what a person made.
    """
    began = time.time()
    count = sum(p.name.startswith("Demo") for p in workspace.projects())
    project = workspace.create_project(f"Demo {count + 1}")
    version, problems = data_actions.import_file(workspace, project.id, data_actions.SAMPLES / "marrowby.jsonl")
    say(f"Imported {sum(version.counts.values())} rows: {_counts(version.counts)}. {len(problems)} remarks.")

    imported = workspace.rows(version.id)
    first = imported[int(imported.of_split("train")[0])]
    shown = tokens_actions.preview(workspace, "starter", first, 512, lambda share, what: say(what))
    trained = sum(t.trained for t in shown.tokens)
    say(f"Row {first.row} is {len(shown.tokens)} tokens, {trained} of them trained.")

    settings, name = PRESETS[preset][1], preset
    if epochs is not None:
        settings, name = TrainSettings.from_dict({**asdict(settings), "epochs": epochs}), OWN
    spec = RunSpec("starter", version.id, str(workspace.rows_file(version.id)), settings, preset=name)
    job = training_actions.start_training(workspace, project.id, spec)
    ended = follow(workspace, job, say)
    if ended.state != "finished" or ended.outcome is None:
        raise UserError(f"The demo's training ended: {ended.message}")

    evaluation = evaluation_actions.start_evaluation(workspace, job, max_rows=rows)
    done = follow(workspace, evaluation, say)
    if done.state != "finished":
        raise UserError(f"The demo's evaluation ended: {done.message}")
    report = report_of(workspace, evaluation)
    measured = report.to_dict()
    flagged = answers.flag_counts(workspace, evaluation)
    return {
        "schema": 1,
        "project": project.name,
        "dataset": {"rows": version.counts, "hash": version.content_hash},
        "preview": {"row": first.row, "tokens": len(shown.tokens), "trained": trained},
        "training": {"job": job.id, **ended.outcome.to_dict()},
        "heldout": measured["heldout"],
        "benchmarks": measured["benchmarks"],
        "proof": measured["proof"],
        "suggestions": flagged,
        "examples": answers.samples(workspace, evaluation, 2),
        "sentences": summarise(report),
        "seconds": round(time.time() - began, 1),
    }


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {split}" for split, n in counts.items())
