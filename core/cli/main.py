"""The command line: every verb that the tabs use. Prints for people, or one JSON document with --json."""

from __future__ import annotations

import argparse
import json
import os
import sys

from core import disk
from core.cli import (
    augment,
    chat,
    check,
    clean,
    compare,
    demo,
    diff,
    edit,
    enough,
    evaluate,
    export,
    generate,
    importing,
    judge,
    learn,
    preview,
    review,
    runs,
    split,
    stats,
    strength,
    train,
)
from core.errors import UserError
from core.files import sweep
from core.settings import from_environment
from core.store.workspace import open_workspace

VERBS = {
    "import": importing,
    "check": check,
    "clean": clean,
    "augment": augment,
    "edit": edit,
    "split": split,
    "diff": diff,
    "enough": enough,
    "preview": preview,
    "stats": stats,
    "train": train,
    "runs": runs,
    "evaluate": evaluate,
    "strength": strength,
    "generate": generate,
    "chat": chat,
    "judge": judge,
    "review": review,
    "learn": learn,
    "compare": compare,
    "export": export,
    "demo": demo,
}
"""Each module has HELP, `add` for its arguments, and `run`."""

PROGRAM = "python -m core"

INTERRUPTED = """No longer following. A job that was started goes on: see `python -m core runs`.
To stop it: `runs --stop N` for run N, `evaluate --stop` for an evaluation, `judge --stop` for a judgement,
`augment --stop` for an augmentation."""

EPILOG = """The loop:
  python -m core import rows.jsonl            a file becomes a dataset version with a frozen split
  python -m core check                        what would spoil the model; `clean` mends it
  python -m core edit 12 --set answer "…"     one row by hand; `split` draws the parts anew, `diff` compares versions
  python -m core preview --row 3              one row, token by token, as it will be trained
  python -m core stats                        what of all rows will be trained, and which length fits
  python -m core train --preset quick         train and follow; Ctrl-C leaves the run running
  python -m core evaluate                     base against tuned on the frozen test rows
  python -m core compare                      several evaluations in one table
  python -m core review                       outputs side by side, with what the detectors flag
  python -m core review label 3 --tuned repetition    what is wrong with row 3; `review invite` for others
  python -m core learn                        answers corrected in the review become training rows
  python -m core export adapter my-adapter.zip

Everything is kept below TUNEWRIGHT_HOME (default: the platform's user-data folder)."""


def main(argv: list[str] | None = None) -> int:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    args = parsers()[PROGRAM].parse_args(argv)
    home = from_environment().home
    try:
        workspace = open_workspace(from_environment())
        sweep(home)
        with disk.told(home):
            result, lines = args.verb(workspace, args)
    except UserError as e:
        if args.json:
            print(json.dumps({"error": str(e)}, ensure_ascii=False))
        print(f"tunewright: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{INTERRUPTED}", file=sys.stderr)
        return 130
    print(json.dumps(result, ensure_ascii=False, indent=2) if args.json else "\n".join(lines))
    return 0


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The whole command line by its program's name, and then each verb by its own."""
    formatter = argparse.RawDescriptionHelpFormatter
    whole = argparse.ArgumentParser(PROGRAM, description=__doc__, epilog=EPILOG, formatter_class=formatter)
    verbs = whole.add_subparsers(required=True, metavar="VERB")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    shared.add_argument("--project", help="name of the project (default: the newest)")
    helps = {PROGRAM: whole}
    for name, module in VERBS.items():
        p = verbs.add_parser(name, help=module.HELP, description=module.HELP, parents=[shared])
        words = module.add(p)
        p.set_defaults(verb=module.run)
        helps[f"{PROGRAM} {name}"] = p
        helps |= {f"{PROGRAM} {name} {word}": behind for word, behind in (words or {}).items()}
    return helps
