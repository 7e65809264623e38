"""The verb `export`: labels, a report or an adapter as a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.report import document as files
from core.review import actions as review_actions
from core.store.workspace import Workspace

HELP = "Write an evaluation's labels or report, or the adapter of a run, to a file."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("what", choices=("labels", "adapter", "report"))
    p.add_argument("file", type=Path)
    p.add_argument("--run", type=int)
    p.add_argument("--evaluation", type=int)


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    if args.file.exists():
        raise UserError(f"{args.file} exists already; nothing was overwritten. Choose another name.")
    if args.what == "labels":
        args.file.write_text(
            review_actions.export_labels(workspace, common.evaluation(workspace, args)), encoding="utf-8"
        )
    elif args.what == "report":
        files.write(evaluation_actions.document(workspace, common.evaluation(workspace, args)), args.file)
    else:
        from core.sharing import bundle

        bundle.write_zip(workspace, common.run(workspace, args), args.file)
    return {"file": str(args.file), "bytes": args.file.stat().st_size}, [f"Wrote {args.file}."]
