"""The verb `export`: rows, labels, a report or an adapter as a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.checking import beside, worker
from core.checking.checks import CHECKS
from core.cli import common
from core.cli.common import Result
from core.data import exporting
from core.evaluation import actions as evaluation_actions
from core.evaluation.report import document as files
from core.files import check_new, new_file
from core.review import exporting as exporting_labels
from core.store import queries
from core.store.datasets import SPLITS
from core.store.queries import Query
from core.store.workspace import Workspace

HELP = "Write rows, an evaluation's labels or report, or the adapter of a run, to a file."


ENDINGS = {
    "rows": exporting.FORMATS,
    "labels": exporting_labels.LABEL_FORMATS,
    "adapter": (".zip",),
    "report": files.FORMATS,
}
NAMES = {"rows": "a file of rows", "labels": "a file of labels", "adapter": "an adapter", "report": "a report"}


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("what", choices=("rows", "labels", "adapter", "report"))
    endings = "its ending says the format: rows and labels .jsonl or .csv, adapter .zip, report .html, .md or .json"
    p.add_argument("file", type=Path, help=endings)
    p.add_argument("--run", type=int)
    p.add_argument("--evaluation", type=int)
    p.add_argument("--part", choices=SPLITS, default="", help="rows of one part")
    p.add_argument("--search", default="", help="rows that hold this text")
    p.add_argument("--check", choices=list(CHECKS), help="rows in which this check found something")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    ending = args.file.suffix.lower()
    check_new(args.file, ENDINGS[args.what], NAMES[args.what])
    if args.what == "rows":
        _write_rows(workspace, args)
    elif args.what == "labels":
        exporting_labels.write_labels(workspace, common.evaluation(workspace, args), args.file, ending[1:])
    elif args.what == "report":
        files.write(evaluation_actions.document(workspace, common.evaluation(workspace, args)), args.file)
    else:
        from core.sharing import bundle

        bundle.write_zip(workspace, common.run(workspace, args), args.file)
    return {"file": str(args.file), "bytes": args.file.stat().st_size}, [f"Wrote {args.file}."]


def _write_rows(workspace: Workspace, args: argparse.Namespace) -> None:
    version = common.version(workspace, args)
    rows = workspace.rows(version.id)
    if args.check:
        worker.check(workspace, version, common.progress)
    among = beside.of_check(rows.path, args.check) if args.check else None
    places, _ = queries.matching(rows.path, Query(args.part, args.search, among=among), all_of_them=True)
    with new_file(args.file) as partial:
        exporting.write(rows, places, partial, args.file.suffix.lower())
