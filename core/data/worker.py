"""A large file is read by a process of its own (core/jobs/beside.py), so that the page does not feel it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import disk
from core.data import actions
from core.data.actions import Draft
from core.data.columns.choice import Columns
from core.data.columns.unused import Unused
from core.errors import Problem
from core.jobs import beside
from core.jobs.beside import Cancelled as Cancelled
from core.store.places import Places
from core.store.workspace import Workspace
from core.types import Example

LARGE = 8_000_000
"""Bytes of a file that the page's own process reads in a moment."""
READING = Places(
    *(1, 2, 10.0),
    "This Space reads one file of a visitor at a time, and two in all. Try again in a minute.",
)
"""A reading that is not the newest any more ends within a moment; so long the next one waits."""
NOTHING = "Nothing was imported."


@dataclass(frozen=True)
class Step:
    """How far the reading is; at last what came of it."""

    share: float
    what: str
    draft: Draft | None = None
    """What an import would give."""
    version_id: str = ""
    """The version that was imported."""


def run(workspace: Workspace, path: Path, request: dict[str, Any], cancelled: Callable[[], bool]) -> Iterator[Step]:
    """Look at a file, or import it where the request names a project. The last step holds the result.

    `request`: project_id, chosen (as Columns.to_dict), encoding and the shares of the split. Raises UserError as the
    actions do, and Cancelled.
    """
    actions.require_room(workspace, path)
    if path.stat().st_size <= LARGE:
        with disk.told(workspace.settings.home, NOTHING):
            step = _do(workspace, path, request, lambda share, what: None)
        yield step
        return
    with READING.one(workspace.owner) if workspace.bounded else nullcontext():
        yield from _beside(workspace, path, request, cancelled)


def _beside(workspace: Workspace, path: Path, request: dict[str, Any], cancelled: Callable[[], bool]) -> Iterator[Step]:
    """`run` in a process of its own."""
    work = beside.Work(
        "core.data.worker",
        f"reads “{path.name}”",
        "Reading the file …",
        NOTHING,
        "Close what else takes memory, or split the file.",
    )
    for step in beside.run(workspace, work, {**request, "path": str(path)}, cancelled):
        yield Step(step.share, step.what) if step.result is None else _step(step.result)


def _step(result: dict[str, Any]) -> Step:
    """What came of it, as the process wrote it down."""
    if draft := result.get("draft"):
        draft["there"] = tuple(draft["there"])
        draft["columns"] = Columns(**draft["columns"])
        draft["first"] = Example.from_dict(draft["first"]) if draft["first"] else None
        draft["problems"] = [Problem(**p) for p in draft["problems"]]
        draft["unused"] = [Unused.from_dict(raw) for raw in draft["unused"]]
        return Step(1.0, "", Draft(**draft))
    return Step(1.0, "", version_id=result["version_id"])


def _do(workspace: Workspace, path: Path, request: dict[str, Any], progress: actions.Progress) -> Step:
    chosen = Columns(**request["chosen"]) if request.get("chosen") else None
    encoding = request.get("encoding") or ""
    if "project_id" not in request:
        return Step(1.0, "", actions.inspect(path, workspace, chosen, progress=progress, encoding=encoding))
    shares = {name: request[name] for name in ("validation", "test")}
    version, _ = actions.import_file(
        workspace, request["project_id"], path, chosen, **shares, progress=progress, encoding=encoding
    )
    return Step(1.0, "", version_id=version.id)


def _answer(workspace: Workspace, request: dict[str, Any], progress: actions.Progress) -> dict[str, Any]:
    step = _do(workspace, Path(request["path"]), request, progress)
    if step.draft is None:
        return {"version_id": step.version_id}
    draft = step.draft
    first = draft.first.to_dict() if draft.first else None
    return {"draft": {**asdict(draft), "columns": draft.columns.to_dict(), "first": first}}


if __name__ == "__main__":
    beside.main(_answer, NOTHING)
