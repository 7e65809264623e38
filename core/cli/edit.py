"""The verb `edit`: rows changed, added, deleted, moved and restored by hand; `--save` makes a version of what waits."""

from __future__ import annotations

import argparse
from dataclasses import asdict

import numpy as np

from core.cli import common, diff
from core.cli.common import Result
from core.data import drafts, editing, exchanges, revising
from core.data.drafts import Draft
from core.data.row_texts import texts
from core.errors import UserError
from core.store.workspace import Workspace
from core.types import Split

HELP = "Change, add, delete, move or restore rows by hand; they wait until --save makes a version of them."
PARTS = ("train", "validation", "test")


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("row", type=int, nargs="?", help="number of the row to change, with --set")
    p.add_argument(
        "--set", nargs=2, action="append", default=[], metavar=("WHICH", "TEXT"), help="as: --set answer TEXT"
    )
    p.add_argument(
        "--add-exchange", type=int, metavar="N", help="another question and answer behind the N-th; --set says them"
    )
    p.add_argument("--remove-exchange", type=int, metavar="N", help="take the N-th question and its answer out")
    p.add_argument("--add", nargs=2, metavar=("PROMPT", "ANSWER"), help="a new row")
    p.add_argument("--to", choices=PARTS, help="part of a new row, or with --move (default train)")
    p.add_argument("--delete", type=int, nargs="+", metavar="ROW", help="take rows out")
    p.add_argument("--move", type=int, nargs="+", metavar="ROW", help="put rows, and what asks the same, into --to")
    p.add_argument("--restore", type=int, metavar="ROW", help="bring a row back, from --of or as it is in the version")
    p.add_argument("--of", type=int, metavar="VERSION", help="number of the earlier version that has the row")
    p.add_argument("--save", nargs="?", const="", metavar="REASON", help="make a version of what waits")
    p.add_argument("--undo", action="store_true", help="take the last change back")
    p.add_argument("--discard", action="store_true", help="take all that waits back")
    p.add_argument("--carry", type=int, metavar="VERSION", help="take over what waits at an earlier version")
    p.add_argument("--undo-version", action="store_true", help="make a version equal to the one before the newest")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    version = common.version(workspace, args)
    draft = drafts.read(workspace, version.id)
    if args.undo_version:
        made = revising.undo_version(workspace, version.id)
        return asdict(made), [f"{made.title}: {made.manifest['changes'][-1]['why']}."]
    if args.carry is not None:
        carried = revising.carry(workspace, _of(workspace, args, args.carry))
        lines = [f"{carried.taken:,} taken over; {carried.left:,} still wait at version {args.carry}."]
        return asdict(carried), lines
    if args.undo:
        draft = editing.undo(workspace, version.id)
    if args.discard:
        draft = editing.discard(workspace, version.id)
    turns: list[exchanges.Act] = [("remove", args.remove_exchange)] if args.remove_exchange else []
    turns += [("add", args.add_exchange)] if args.add_exchange else []
    if args.set or turns:
        if args.row is None:
            raise UserError("Which row? Name its number: python -m core edit 12 --set answer “…”")
        draft = _changed(workspace, draft, args.row, dict(args.set), turns)
    elif args.row is not None:
        return _shown(draft, args.row)
    to: Split = args.to or "train"
    if args.add:
        draft = editing.add(workspace, version.id, args.add[0], args.add[1], to)
    if args.delete:
        draft = editing.delete(workspace, version.id, _places(draft, args.delete))
    if args.move:
        draft = editing.move(workspace, version.id, _places(draft, args.move), to)
    if args.restore is not None:
        if args.of is not None:
            draft = editing.bring_back(workspace, version.id, _of(workspace, args, args.of), args.restore)
        else:
            draft = editing.restore(workspace, version.id, _places(draft, [args.restore]))
    if args.save is not None:
        made = revising.make_version(workspace, version.id, args.save, common.progress)
        return asdict(made), [f"{made.title}: {made.manifest['changes'][-1]['why']}"]
    summary = revising.Summary.of(draft)
    waits = f"Not a version yet: {summary}. Keep it with: python -m core edit --save REASON" if draft.count else ""
    return {"version": version.number, "waiting": asdict(summary)}, [waits or "No change waits."]


def _changed(workspace: Workspace, draft: Draft, number: int, new: dict[str, str], turns: list[exchanges.Act]) -> Draft:
    [place] = _places(draft, [number])
    row = draft.row(place)
    assert row is not None
    known = texts(exchanges.changed(row, turns))
    if odd := [name for name in new if name not in known]:
        raise UserError(f"Row {number} has no text “{odd[0]}”. It has: {', '.join(known)}.")
    return editing.change(workspace, draft.version.id, place, row.id, new, turns)


def _shown(draft: Draft, number: int) -> Result:
    [place] = _places(draft, [number])
    row = draft.row(place)
    assert row is not None
    lines = [f"row {number} ({row.split})", *(f"  {name}: {text!r}" for name, text in texts(row).items())]
    return row.to_dict(), lines


def _places(draft: Draft, numbers: list[int]) -> list[int]:
    """Where rows of these numbers stand. Raises UserError for one that is not there."""
    have = draft.rows.numbers("row")
    places = []
    for number in numbers:
        found = [int(p) for p in np.flatnonzero(have == number)[:1]]
        found += [place for place, row in draft.added.items() if row.row == number]
        if not found:
            raise UserError(f"{draft.version.title} has no row {number}. It may have been left out or deleted.")
        places.append(found[0])
    return places


def _of(workspace: Workspace, args: argparse.Namespace, number: int) -> str:
    return diff.numbered(workspace.versions(common.project(workspace, args).id), number).id
