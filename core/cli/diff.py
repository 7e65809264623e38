"""The verb `diff`: two versions of the rows compared, row by row."""

from __future__ import annotations

import argparse
from typing import Any

from core.cli import common
from core.cli.common import Result
from core.data import differing
from core.data.differing import KINDS, WORDS, Pair
from core.errors import UserError
from core.store.workspace import Workspace
from core.types import DatasetVersion, Example

HELP = "Compare two versions row by row: which rows came, went, changed or moved to another part."
WIDTH = 100


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("before", type=int, nargs="?", help="number of a version (default: the one before the newest)")
    p.add_argument("after", type=int, nargs="?", help="number of a later one (default: the newest)")
    p.add_argument("--only", choices=KINDS, default="", help="rows of one kind")
    p.add_argument("--from", dest="at", type=int, default=1, metavar="N", help="begin with the N-th row that differs")
    p.add_argument("--most", type=int, default=20, help="rows that are shown (default 20)")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    versions = workspace.versions(common.project(workspace, args).id)
    if len(versions) < 2:
        raise UserError("The project has one version or none: there is nothing to compare it with.")
    after = numbered(versions, args.after) if args.after else versions[-1]
    before = numbered(versions, args.before) if args.before else _before(versions, after)
    found = differing.compare(workspace, before.id, after.id)
    at = max(0, args.at - 1)
    shown = differing.pairs(workspace, found, args.only, at, max(1, args.most))
    total = found.counts[args.only] if args.only else len(found.kinds)
    lines = [f"Version {before.number} → version {after.number}: {found.sentence}"]
    lines += [line for pair in shown for line in _lines(pair)]
    left = total - at - len(shown)
    lines += [f"… and {left:,} more: --from {at + len(shown) + 1}"] if left > 0 else []
    document: dict[str, Any] = {"before": before.number, "after": after.number, "same": found.same, **found.counts}
    return {**document, "rows": [_document(pair) for pair in shown]}, lines


def numbered(versions: list[DatasetVersion], number: int) -> DatasetVersion:
    for version in versions:
        if version.number == number:
            return version
    raise UserError(f"There is no version {number}. There are 1 to {versions[-1].number}.")


def _before(versions: list[DatasetVersion], after: DatasetVersion) -> DatasetVersion:
    earlier = [v for v in versions if v.number < after.number]
    if not earlier:
        raise UserError(f"Version {after.number} is the first. Name one to compare it with.")
    return next((v for v in earlier if v.id == after.parent_id), earlier[-1])


def _lines(pair: Pair) -> list[str]:
    row = pair.after or pair.before
    assert row is not None
    parts: str = row.split
    if pair.before and pair.after and pair.before.split != pair.after.split:
        parts = f"{pair.before.split} → {pair.after.split}"
    lines = [f"row {row.row} ({parts}): {WORDS[pair.kind]}"]
    for name, old, new in pair.texts:
        lines += [f"    {name}"]
        lines += [f"      - {_short(old)}"] if old else []
        lines += [f"      + {_short(new)}"] if new else []
    return lines


def _short(text: str) -> str:
    text = repr(text)[1:-1]
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _document(pair: Pair) -> dict[str, Any]:
    as_dict = lambda e: e.to_dict() if isinstance(e, Example) else None  # noqa: E731
    return {"kind": pair.kind, "before": as_dict(pair.before), "after": as_dict(pair.after)}
