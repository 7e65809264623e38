"""The verb `split`: the newest rows in new parts, as the next version."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.cli import common
from core.cli.common import Result
from core.data import resplitting
from core.data.resplitting import ANSWER, Split
from core.store.workspace import Workspace

HELP = "Draw train, validation and test anew, as the next version; a test row is never trained."


def add(p: argparse.ArgumentParser) -> None:
    share = "share of the rows, or, from 1 on, how many (default 0.1)"
    p.add_argument("--validation", type=float, default=0.1, help=share)
    p.add_argument("--test", type=float, default=0.1, help=share)
    p.add_argument("--seed", type=int, default=0, help="another draws other rows (default 0)")
    by = f"each part has its share of every value: a column beside the rows, or `{ANSWER}` for labels"
    p.add_argument("--stratify", metavar="COLUMN", default="", help=by)
    p.add_argument("--group", metavar="COLUMN", default="", help="rows of one value (customer, document) stay together")
    p.add_argument("--reason", default="", help="why, in a few words; kept with the version")
    p.add_argument("--dry-run", action="store_true", help="say what would come of it, change nothing")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version = common.version(workspace, args)
    asked = Split(args.validation, args.test, args.seed, args.stratify, args.group)
    drawn = resplitting.draw(workspace, version.id, asked)
    told = [f"  {sentence}" for sentence in drawn.sentences]
    if args.dry_run:
        return {"counts": drawn.counts, "sentences": drawn.sentences}, ["Nothing was changed. It would come to:", *told]
    made = resplitting.apply(workspace, version.id, asked, args.reason, common.progress)
    lines = [f"{made.title}: {made.manifest['changes'][-1]['why']}", *told]
    return asdict(made), [*lines, "  To take it back: python -m core edit --undo-version"]
