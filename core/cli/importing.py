"""The verb `import`: a file becomes the project's next dataset version."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from core.cli import common
from core.cli.common import Result
from core.data import actions as data_actions
from core.data import worker
from core.data.columns.choice import Columns
from core.data.reading.decoding import require_encoding
from core.data.similar import parts
from core.errors import Problem, UserError
from core.store.workspace import Workspace
from core.types import DatasetVersion
from core.wording import count

PAIRS = 5
"""Similar rows that are shown."""
HELP = "Import a file as the project's next dataset version, with a frozen split."


FLAGS = {
    "prompt": "column of the prompt (default: guessed; where that is in doubt, you are asked)",
    "answer": "column of the answer",
    "context": "column of further text, set below the prompt",
    "system": "column of the system message",
    "messages": "column that holds whole conversations",
    "history": "column of earlier turns, which stand before the prompt",
    "tools": "column of the tools that the assistant may call, as JSON schemas",
    "reasoning": "column of what the assistant thought before it answered",
    "rejected": "column of a worse answer to the same prompt",
    "mark": "column that says whether the answer is good or bad",
    "text": "column of plain text, all of which is trained",
}
PART = "column in which the file names the parts of its rows, which are kept (default: guessed); none: they are drawn"
"""Fields of Columns that name a column → what is said of their flag."""


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", type=Path)
    for name, help_ in FLAGS.items():
        p.add_argument(f"--{name}", help=help_)
    p.add_argument("--labels", action="store_true", help="the answer is one of a few labels; name them in the prompt")
    p.add_argument(
        "--one-label", action="store_true", help="labels that differ only in how they are written count as one"
    )
    p.add_argument("--part", help=PART)
    p.add_argument("--group", metavar="COLUMN", default="", help="rows of one value (customer …) stand in one part")
    p.add_argument("--encoding", help="of the text, e.g. windows-1252 (default: recognised)")
    p.add_argument("--validation", type=float, default=0.1, help="share of rows (default 0.1)")
    p.add_argument("--test", type=float, default=0.1, help="share of rows (default 0.1)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    if not args.file.is_file():
        raise UserError(f"There is no file {args.file}. Check the path.")
    project = common.project(workspace, args) if workspace.projects() else workspace.create_project("My project")
    encoding = require_encoding(args.encoding) if args.encoding else ""
    # A small file is read before anybody could see how far it is.
    large = args.file.stat().st_size > worker.LARGE
    try:
        version, problems = data_actions.import_file(
            *(workspace, project.id, args.file, _columns(args)),
            one_label=args.one_label,
            part="" if args.part == "none" else args.part,
            encoding=encoding,
            group=args.group,
            validation=args.validation,
            test=args.test,
            progress=common.progress if large else lambda share, what: None,
        )
    except KeyboardInterrupt as e:
        raise UserError("Cancelled: nothing was imported.") from e
    return {"version": asdict(version), "problems": [asdict(p) for p in problems]}, _lines(workspace, version, problems)


def _columns(args: argparse.Namespace) -> Columns | None:
    """The columns that were named; None where all are to be guessed."""
    named = {name: getattr(args, name) for name in FLAGS}
    return Columns(**named, label_task=args.labels, one_label=args.one_label) if any(named.values()) else None


def _lines(workspace: Workspace, version: DatasetVersion, problems: list[Problem]) -> list[str]:
    look = parts.look(workspace.rows(version.id), version)
    unused = [u for u in data_actions.unused_of(version.manifest) if u.kind != "column"]
    total = sum(version.manifest["problem_counts"].values())
    lines = [f"{version.title}: " + ", ".join(f"{n} {split}" for split, n in version.counts.items())]
    lines.append(data_actions.taken_of(version.manifest))
    lines += [f"  not trained: {u}" for u in unused]
    lines += [f"  {count(n, 'row')} left out: {reason}" for reason, n in version.manifest["left_out"].items()]
    lines += [f"  {p}" for p in problems[:20]] + ([f"  … and {total - 20:,} more"] if total > 20 else [])
    lines += [f"  {sentence}" for sentence in (parts.summary(version.manifest["similar"]), *look.sentences)]
    return lines + [line for pair in look.pairs[:PAIRS] for line in _pair(pair)]


def _pair(pair: parts.Pair) -> list[str]:
    """Two similar rows, one below the other."""
    short = lambda text: " ".join(text.split())[:100]  # noqa: E731
    rows = ((e, f"row {e.row} ({e.split})") for e in (pair.measures, pair.other))
    return [
        f"    {pair.score:.0%} of their words:",
        *(f"      {name}: {short(e.prompt or e.target)}" for e, name in rows),
    ]
