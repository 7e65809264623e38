"""The verb `review`: answers side by side, with what the detectors flag."""

from __future__ import annotations

import argparse
from typing import Any

from core.cli import common
from core.cli.common import Result
from core.jobs import answers
from core.store.workspace import Workspace
from core.types import SIDES

HELP = "Show base, tuned and reference side by side, with what the detectors flag."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--evaluation", type=int, help="number of the evaluation (default: the newest)")
    p.add_argument("--rows", type=int, default=10, help="how many rows (default 10)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    evaluation = common.evaluation(workspace, args)
    known = answers.Answers(workspace, evaluation)
    result, lines = [], []
    for e in known.examples(known.ids()[: args.rows]):
        generations = known.of(e.id)
        sides: dict[str, Any] = {}
        lines += [f"Row {e.row}: {e.prompt}", f"  reference  {e.target}"]
        for side in SIDES:
            generation = generations[side]
            flagged = [s for s in known.suggestions(generation) if s.flagged]
            sides[side] = {**generation.to_dict(), "flagged": [s.to_dict() for s in flagged]}
            lines.append(f"  {side:<9}  {generation.text}")
            lines += [f"             [{s.label}] {s.reason}" for s in flagged]
        lines.append("")
        result.append({"example": e.to_dict(), **sides})
    counts = answers.flag_counts(workspace, evaluation)
    lines += [f"Flagged, {side}: " + ", ".join(f"{n} {label}" for label, n in c.items()) for side, c in counts.items()]
    return {"rows": result, "flagged": counts}, lines
