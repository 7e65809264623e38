"""The verb `preview`: one row, token by token, as it will be trained."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.cli import common, stats
from core.cli.common import Result
from core.errors import UserError
from core.store import queries
from core.store.queries import Query
from core.store.workspace import Workspace
from core.tokens import actions as tokens_actions
from core.training.settings import TrainSettings

HELP = "Show one row as the model will see it, and what of the dataset will be trained."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--row", type=int, default=1, help="number of the row in the file (default 1)")
    p.add_argument("--search", help="the first row that holds this text, instead of --row")
    stats.add(p)


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version = common.version(workspace, args)
    rows = workspace.rows(version.id)
    if args.search:
        example = next(iter(queries.page(rows.path, Query(text=args.search), 0, 1).rows), None)
        wanted = f"row that holds “{args.search}”"
    else:
        example = rows.at_row(args.row)
        wanted = f"row {args.row}"
    if example is None:
        raise UserError(f"{version.title} has no {wanted}. It may have been left out at import.")
    settings = TrainSettings.from_dict({"max_length": args.max_length})
    how = args.template, stats.rendering(version, args)
    shown = tokens_actions.preview(workspace, args.model, example, settings.max_length, common.progress, *how)
    lines = [shown.rendered.text, ""]
    for t in shown.tokens:
        lines.append(f"{t.position:>5}  {t.id:>7}  {'trained' if t.trained else 'cut' if t.cut else '':<8}{t.text!r}")
    lines += ["", *map(str, shown.problems), *stats.to_lines(stats.report(workspace, version, args, settings))]
    document = {
        "row": example.row,
        "text": shown.rendered.text,
        "tokens": [asdict(t) for t in shown.tokens],
        "problems": [asdict(p) for p in shown.problems],
        "dataset": stats.report(workspace, version, args, settings).to_dict(),
    }
    return document, lines
