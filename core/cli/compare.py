"""The verb `compare`: several evaluations in one table."""

from __future__ import annotations

import argparse

from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.evaluation.report import comparison
from core.evaluation.result import evaluations_with_report, report_of
from core.store.workspace import Workspace

HELP = "Show several evaluations in one table, a row each."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("evaluation", type=int, nargs="*", help="their numbers (default: all that are finished)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    project = common.project(workspace, args)
    ready = evaluations_with_report(workspace, project.id)
    wanted = [common.numbered(workspace, project, "evaluate", n) for n in args.evaluation]
    reports = [(job.title, report_of(workspace, job)) for job in wanted or ready]
    if not reports:
        raise UserError("There is no finished evaluation to compare. Make one with: python -m core evaluate")
    head, rows, remarks = comparison.compare(reports)
    document = {"columns": head, "rows": rows, "remarks": remarks}
    return document, [*comparison.to_lines(head, rows), *remarks]
