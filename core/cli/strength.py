"""The verb `strength`: a part of what a run learnt."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import common
from core.cli.common import Result
from core.store.workspace import Workspace
from core.training import actions as training_actions

HELP = "Save a part of what a run learnt: as a run of its own, or with --out as a folder."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("part", type=float, help="between 0 (the base) and 1 (as trained), e.g. 0.5")
    p.add_argument("--run", type=int, help="number of the run (default: the newest that is trained)")
    p.add_argument("--out", type=Path, metavar="DIR", help="a new folder, for PEFT or transformers")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    run = common.run(workspace, args)
    if args.out is None:
        saved = training_actions.save_strength(workspace, run, args.part)
        line = f"{saved.title} was saved. Evaluate it, or share it, like any run."
        return common.describe(workspace, saved), [line]
    from core.models.adapter_scaling import save_at

    save_at(workspace.folder(run), args.part, args.out, workspace.models)
    return {"folder": str(args.out)}, [f"Wrote {args.out}."]
