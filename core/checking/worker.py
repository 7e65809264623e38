"""Checking and mending happen in a process of their own (core/jobs/beside.py), so that the page does not feel it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass
from typing import Any

from core.checking import mending, result, scan
from core.checking.mending import Change, Fix, Preview
from core.jobs import beside
from core.jobs.beside import Cancelled as Cancelled
from core.store.places import Places
from core.store.workspace import Workspace
from core.types import DatasetVersion

NOTHING = "Nothing was changed."
WORK = beside.Work(
    "core.checking.worker",
    "checks the rows",
    "Reading the rows …",
    NOTHING,
    "Close what else takes memory, and check again.",
)
CHECKING = Places(
    *(1, 2, 10.0),
    "This Space checks the rows of one version of a visitor at a time, and two in all. Try again in a minute.",
)


@dataclass(frozen=True)
class Step:
    """How far it is; at last what came of it."""

    share: float
    what: str
    done: bool = False
    preview: Preview | None = None
    version_id: str = ""
    """The version that was made."""


def request(act: str, version_id: str, fixes: list[Fix] | None = None) -> dict[str, Any]:
    """`act`: check, preview or apply."""
    return {"act": act, "version_id": version_id, "fixes": [asdict(fix) for fix in fixes or []]}


def run(workspace: Workspace, asked: dict[str, Any], cancelled: Callable[[], bool]) -> Iterator[Step]:
    """Do what is asked; the last step holds the result. Raises UserError as the acts do, and Cancelled."""
    with CHECKING.one(workspace.owner) if workspace.bounded else nullcontext():
        for step in beside.run(workspace, WORK, asked, cancelled):
            yield Step(step.share, step.what) if step.result is None else _step(step.result)


def _step(done: dict[str, Any]) -> Step:
    """What came of it, as the process wrote it down."""
    shown = done.get("preview")
    changes = Preview(shown["rows"], [Change(**raw) for raw in shown["changes"]]) if shown else None
    return Step(1.0, "", True, changes, done.get("version_id", ""))


def check(workspace: Workspace, version: DatasetVersion, progress: scan.Progress) -> result.Summary:
    """Check the rows of a version; of those that an earlier version has, what was found there is taken over."""
    before = workspace.version(version.parent_id) if version.parent_id else None
    while before is not None and not result.newest(workspace.rows_file(before.id)):
        before = workspace.version(before.parent_id) if before.parent_id else None
    earlier = workspace.rows_file(before.id) if before else None
    return scan.scan(workspace.rows_file(version.id), earlier, progress, workspace.settings.benchmarks)


def _do(workspace: Workspace, asked: dict[str, Any], progress: scan.Progress) -> dict[str, Any]:
    version = workspace.version(asked["version_id"])
    fixes = [Fix(raw["check"], raw["leave_out"], tuple(raw["rows"])) for raw in asked["fixes"]]
    if asked["act"] == "check":
        check(workspace, version, progress)
        return {}
    if asked["act"] == "preview":
        return {"preview": asdict(mending.preview(workspace, version, fixes[0]))}
    made = mending.apply(workspace, version, fixes, lambda share, what: progress(0.7 * share, what))
    # The version is there: whoever cancels now has it, not yet checked.
    with suppress(Cancelled):
        check(workspace, made, lambda share, what: progress(0.7 + 0.3 * share, what))
    return {"version_id": made.id}


if __name__ == "__main__":
    beside.main(_do, NOTHING)
