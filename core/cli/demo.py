"""`python -m core demo`: the sample project through the whole loop, ending with a short report."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from core import loop
from core.data import importing
from core.training.spec import PRESETS, RunSpec
from core.types import UserError
from core.workspace import Workspace

Say = Callable[[str], None]


def run(workspace: Workspace, say: Say, preset: str = "quick", rows: int | None = None) -> dict[str, Any]:
    """Import, split, preview, train, evaluate, generate, detect. Returns one JSON-able report.

    Each call makes a project of its own, so a demo never touches what a person made.
    """
    began = time.time()
    count = sum(p.name.startswith("Demo") for p in workspace.projects())
    project = workspace.create_project(f"Demo {count + 1}")
    version, problems = importing.import_file(workspace, project.id, importing.SAMPLES / "marrowby.jsonl")
    say(f"Imported {sum(version.counts.values())} rows: {_counts(version.counts)}. {len(problems)} remarks.")

    first = workspace.examples(version.id, "train")[0]
    shown = loop.preview(workspace, "starter", first, 512, lambda share, what: say(what))
    trained = sum(t.trained for t in shown.tokens)
    say(f"Row {first.row} is {len(shown.tokens)} tokens, {trained} of them trained.")

    spec = RunSpec("starter", version.id, str(workspace.rows_file(version.id)), PRESETS[preset][1], preset=preset)
    job = loop.start_training(workspace, project.id, spec)
    ended = loop.follow(workspace, job, say)
    if ended.state != "finished":
        raise UserError(f"The demo's training ended: {ended.message}")

    evaluation = loop.start_evaluation(workspace, job, max_rows=rows)
    done = loop.follow(workspace, evaluation, say)
    if done.state != "finished":
        raise UserError(f"The demo's evaluation ended: {done.message}")
    report = loop.report(workspace, evaluation)
    flagged = loop.flag_counts(workspace, evaluation)
    return {
        "schema": 1,
        "project": project.name,
        "dataset": {"rows": version.counts, "hash": version.content_hash},
        "preview": {"row": first.row, "tokens": len(shown.tokens), "trained": trained},
        "training": {"job": job.id, **ended.outcome},
        "heldout": report["heldout"],
        "benchmarks": report.get("benchmarks", {}),
        "proof": report["proof"],
        "suggestions": flagged,
        "examples": loop.samples(workspace, evaluation, 2),
        "sentences": loop.sentences(report),
        "seconds": round(time.time() - began, 1),
    }


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {split}" for split, n in counts.items())
