"""The verb `clean`: what `check` found is mended as the next dataset version, shown before, or undone."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.checking import mending, worker
from core.checking.checks import CHECKS
from core.checking.mending import Change, Fix
from core.cli import common
from core.cli.common import Result
from core.data import revising
from core.errors import UserError
from core.store.workspace import Workspace
from core.wording import count

HELP = "Mend what `check` found, as the next dataset version; --dry-run shows the difference, --undo takes it back."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("checks", nargs="*", metavar="CHECK", help=f"what to mend: {', '.join(CHECKS)}")
    p.add_argument("--leave-out", action="store_true", help="leave the rows out instead of mending them")
    p.add_argument("--rows", type=int, nargs="+", default=[], help="only these rows, by their numbers in the file")
    p.add_argument("--dry-run", action="store_true", help="show the difference, change nothing")
    p.add_argument("--undo", action="store_true", help="make a version equal to the one before the newest")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version = common.version(workspace, args)
    if args.undo:
        made = revising.undo_version(workspace, version.id)
        return asdict(made), [f"{made.title}: {made.manifest['changes'][-1]['why']}."]
    if not args.checks:
        raise UserError(f"Say what to mend: python -m core clean CHECK. Checks: {', '.join(CHECKS)}.")
    fixes = [Fix(name, args.leave_out, tuple(args.rows)) for name in args.checks]
    worker.check(workspace, version, common.progress)
    if args.dry_run:
        previews = [mending.preview(workspace, version, fix) for fix in fixes]
        lines = []
        for fix, shown in zip(fixes, previews, strict=True):
            lines.append(f"{CHECKS[fix.check].title}: {count(shown.rows, 'row')} would change.")
            lines += [line for change in shown.changes for line in _difference(change)]
        return {fix.check: asdict(shown) for fix, shown in zip(fixes, previews, strict=True)}, lines
    made = mending.apply(workspace, version, fixes, common.progress)
    change = made.manifest["changes"][-1]
    counts = ", ".join(f"{n:,} {split}" for split, n in made.counts.items())
    lines = [f"{made.title}: {counts}", f"  {change['why']}"]
    lines.append(f"  {count(change['changed'], 'row')} changed, {change['left_out']:,} left out.")
    lines += [
        f"  Besides, left out: {count(n, 'row')}, because {why}." for why, n in change["left_out_besides"].items()
    ]
    return asdict(made), [*lines, "  To take it back: python -m core clean --undo"]


def _difference(change: Change) -> list[str]:
    head = f"  row {change.row} ({change.split}), {change.where}"
    if change.left_out:
        return [f"  row {change.row} ({change.split}): left out, {change.why}", f"    - {_line(change.before)}"]
    return [head, f"    - {_line(change.before)}", f"    + {_line(change.after)}"]


def _line(text: str) -> str:
    return repr(text)[1:-1]
