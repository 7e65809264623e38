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
from core.data.similar import parts
from core.errors import UserError
from core.store.workspace import Workspace

PAIRS = 5
"""Similar rows that are shown."""
HELP = "Import a file as the project's next dataset version, with a frozen split."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", type=Path)
    p.add_argument("--prompt", help="column of the prompt (default: guessed)")
    p.add_argument("--answer", help="column of the answer")
    p.add_argument("--context", help="column of further text, set below the prompt")
    p.add_argument("--system", help="column of the system message")
    p.add_argument("--messages", help="column that holds whole conversations")
    p.add_argument("--rejected", help="column of a worse answer to the same prompt")
    p.add_argument("--mark", help="column that says whether the answer is good or bad")
    p.add_argument("--text", help="column of plain text, all of which is trained")
    p.add_argument("--labels", action="store_true", help="the answer is one of a few labels; name them in the prompt")
    p.add_argument("--validation", type=float, default=0.1, help="share of rows (default 0.1)")
    p.add_argument("--test", type=float, default=0.1, help="share of rows (default 0.1)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    if not args.file.is_file():
        raise UserError(f"There is no file {args.file}. Check the path.")
    project = common.project(workspace, args) if workspace.projects() else workspace.create_project("My project")
    names = ("prompt", "answer", "context", "system", "messages", "rejected", "mark", "text")
    named = {name: getattr(args, name) for name in names}
    columns = Columns(**named, label_task=args.labels) if any(named.values()) else None
    # A small file is read before anybody could see how far it is.
    large = args.file.stat().st_size > worker.LARGE
    try:
        version, problems = data_actions.import_file(
            *(workspace, project.id, args.file, columns),
            validation=args.validation,
            test=args.test,
            progress=common.progress if large else lambda share, what: None,
        )
    except KeyboardInterrupt as e:
        raise UserError("Cancelled: nothing was imported.") from e
    count = sum(version.manifest["problem_counts"].values())
    lines = [f"{version.title}: " + ", ".join(f"{n} {split}" for split, n in version.counts.items())]
    lines += [f"  {p}" for p in problems[:20]] + ([f"  … and {count - 20:,} more"] if count > 20 else [])
    look = parts.look(workspace.rows(version.id), version)
    lines += [f"  {sentence}" for sentence in (parts.summary(version.manifest["similar"]), *look.sentences)]
    lines += [line for pair in look.pairs[:PAIRS] for line in _pair(pair)]
    return {"version": asdict(version), "problems": [asdict(p) for p in problems]}, lines


def _pair(pair: parts.Pair) -> list[str]:
    """Two similar rows, one below the other."""
    short = lambda text: " ".join(text.split())[:100]  # noqa: E731
    rows = ((e, f"row {e.row} ({e.split})") for e in (pair.measures, pair.other))
    return [
        f"    {pair.score:.0%} of their words:",
        *(f"      {name}: {short(e.prompt or e.target)}" for e, name in rows),
    ]
