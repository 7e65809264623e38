"""The verb `import`: files, pasted rows or a data set of the Hub become the project's next dataset version."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from core.cli import common
from core.cli.common import Result
from core.data import actions as data_actions
from core.data import bringing, hub, manifest, worker
from core.data.columns.choice import Columns
from core.data.reading import archives
from core.data.reading.decoding import require_encoding
from core.data.similar import parts
from core.errors import Problem, UserError
from core.store import prompts
from core.store.workspace import Workspace
from core.types import DatasetVersion
from core.wording import count

PAIRS = 5
"""Similar rows that are shown."""
HELP = "Import rows as the project's next dataset version, with a frozen split."


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
    p.add_argument(
        "files", nargs="*", metavar="file", help="one or several; a folder or .zip of them; - reads what is piped in"
    )
    _add_hub(p)
    for name, help_ in FLAGS.items():
        p.add_argument(f"--{name}", help=help_)
    p.add_argument(
        "--template", help="the prompt as a text with columns in braces: “Translate {text} into {language}.”"
    )
    p.add_argument(
        "--system-prompt",
        help="of the project, kept for later imports too: rows that bring no system message get it (empty: none)",
    )
    p.add_argument("--sheet", default="", help="of a workbook with several; all: one after the other")
    p.add_argument("--labels", action="store_true", help="the answer is one of a few labels; name them in the prompt")
    p.add_argument(
        "--one-label", action="store_true", help="labels that differ only in how they are written count as one"
    )
    p.add_argument("--part", help=PART)
    p.add_argument("--group", metavar="COLUMN", default="", help="rows of one value (customer …) stand in one part")
    p.add_argument("--encoding", help="of the text, e.g. windows-1252 (default: recognised)")
    p.add_argument("--validation", type=float, default=0.1, help="share of rows (default 0.1)")
    p.add_argument("--test", type=float, default=0.1, help="share of rows (default 0.1)")


def _add_hub(p: argparse.ArgumentParser) -> None:
    p.add_argument("--hub", metavar="ID", help="a data set of the Hugging Face Hub, owner/name, in place of a file")
    p.add_argument("--config", default="", help="of the data set (default: its only one, or “default”)")
    p.add_argument("--split", default="", help="of the data set (default: its only one, or train)")
    p.add_argument("--rows", type=int, default=0, help="of the data set, the first so many (default: all)")
    p.add_argument("--random", type=int, metavar="SEED", help="draw these rows at random, the same for the same seed")
    p.add_argument("--revision", default="", help="commit of the data set (default: the newest)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    if bool(args.hub) == bool(args.files):
        raise UserError(
            "Say what is imported: one or several files, a folder, - or --hub OWNER/NAME, and only one of them."
        )
    for name in args.files:
        if name != "-" and not Path(name).exists():
            raise UserError(f"There is no file {name}. Check the path; a data set of the Hub is named by --hub {name}.")
    project = common.project(workspace, args) if workspace.projects() else workspace.create_project("My project")
    encoding = require_encoding(args.encoding) if args.encoding else ""
    try:
        with TemporaryDirectory(prefix="tunewright-") as folder:
            path, origin = _brought(workspace, args, Path(folder))
            if args.system_prompt is not None:
                prompts.set_system_prompt(workspace, project.id, args.system_prompt)
            # A small file is read before anybody could see how far it is.
            large = archives.size_of(path) > worker.LARGE
            version, problems = data_actions.import_file(
                *(workspace, project.id, path, _columns(args)),
                one_label=args.one_label,
                part="" if args.part == "none" else args.part,
                encoding=encoding,
                sheet=args.sheet,
                origin=origin.to_dict() | {"title": str(origin)} if origin else None,
                group=args.group,
                validation=args.validation,
                test=args.test,
                progress=common.progress if large else lambda share, what: None,
            )
    except KeyboardInterrupt as e:
        raise UserError("Cancelled: nothing was imported.") from e
    return {"version": asdict(version), "problems": [asdict(p) for p in problems]}, _lines(workspace, version, problems)


def _brought(workspace: Workspace, args: argparse.Namespace, folder: Path) -> tuple[Path, hub.Origin | None]:
    """The file or folder with what is imported, and from where it was fetched."""
    if args.hub:
        path = folder / f"{args.hub.strip('/').rpartition('/')[2] or 'rows'}.jsonl"
        which = {"config": args.config, "split": args.split, "rows": args.rows, "seed": args.random}
        anonymous = workspace.settings.shared
        return path, hub.fetch(
            args.hub, path, **which, revision=args.revision, anonymous=anonymous, progress=common.progress
        )
    if "-" in args.files:
        if len(args.files) > 1:
            raise UserError("Either what is piped in (-) is imported, or files are.")
        return bringing.of_stream(sys.stdin.buffer, folder), None
    return bringing.of_files([Path(name) for name in args.files], folder), None


def _columns(args: argparse.Namespace) -> Columns | None:
    """The columns that were named; None where all are to be guessed."""
    named = {name: getattr(args, name) for name in FLAGS}
    named["template"] = args.template or ""
    return Columns(**named, label_task=args.labels, one_label=args.one_label) if any(named.values()) else None


def _lines(workspace: Workspace, version: DatasetVersion, problems: list[Problem]) -> list[str]:
    look = parts.look(workspace.rows(version.id), version)
    unused = [u for u in manifest.unused_of(version.manifest) if u.kind != "column"]
    total = sum(version.manifest["problem_counts"].values())
    lines = [f"{version.title}: " + ", ".join(f"{n} {split}" for split, n in version.counts.items())]
    lines.append(manifest.taken_of(version.manifest))
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
