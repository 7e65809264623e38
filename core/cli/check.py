"""The verb `check`: what would spoil the model, found in the newest rows."""

from __future__ import annotations

import argparse

import numpy as np

from core.checking import result, worker
from core.checking.checks import CHECKS
from core.checking.result import Found
from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.store.workspace import Workspace
from core.wording import count

HELP = "Find what would spoil the model: copies, leaks, cut answers, damage, personal data, and more."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--all", action="store_true", help="show also what is found in many good rows")
    p.add_argument("--only", metavar="CHECK", choices=list(CHECKS), help="every row that one check found")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version = common.version(workspace, args)
    path = workspace.rows_file(version.id)
    try:
        summary = worker.check(workspace, version, common.progress)
    except KeyboardInterrupt as e:
        raise UserError("Cancelled: the rows were not checked.") from e
    rows = workspace.rows(version.id)
    if args.only:
        lines = result.findings(result.folder_of(path), args.only).to_pylist()
        numbers = rows.numbers("row")
        listed = [{"row": int(numbers[f["place"]]), "where": f["where"], "evidence": f["evidence"]} for f in lines]
        return listed, [f"row {f['row']:>6}  {f['where']:<12}{f['evidence']}" for f in listed] or ["Nothing found."]
    numbers = rows.numbers("row")
    shown = summary.shown + (summary.folded if args.all else [])
    lines = [f"{version.title}: {count(summary.rows, 'row')} checked, {summary.looked_at:,} of them looked at anew."]
    for found in shown:
        lines += ["", *_lines(found, numbers, summary.rows)]
    if not shown:
        lines.append("Nothing was found that would spoil the model.")
    hidden = [] if args.all else summary.folded
    lines += [f"\nLess certain (--all shows it): {CHECKS[f.check].title}, {f.rows:,}." for f in hidden]
    if summary.notes:
        lines += ["", *summary.notes]
    if shown:
        lines.append("\nMend with: python -m core clean CHECK --dry-run")
    return summary.to_dict(), lines


def _lines(found: Found, numbers: np.ndarray, total: int) -> list[str]:
    check = CHECKS[found.check]
    head = f"{check.title}: {count(found.rows, 'row')} of {total:,}   [{check.name}]"
    fixes = " · ".join(filter(None, (check.fix, check.leave)))
    examples = [f"    row {numbers[place]}: {evidence}" for place, _, evidence in found.examples]
    return [head, f"  {check.why}", *examples, f"  Fix: {fixes}" if fixes else "  No fix here: see the sentence above."]
