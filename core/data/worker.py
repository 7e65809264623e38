"""A large file is read by a process of its own (core/jobs/beside.py), so that the page does not feel it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import disk
from core.data import actions, hub
from core.data.actions import Draft
from core.data.columns.choice import Columns
from core.data.columns.unused import Unused
from core.data.reading import archives, files
from core.errors import Problem
from core.jobs import beside
from core.jobs.beside import Cancelled as Cancelled
from core.store import temporary
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
    path: str = ""
    """The file that was fetched from the Hub."""
    origin: dict[str, Any] | None = None
    """From where it is."""
    splits: dict[str, list[str]] | None = None
    """What a data set of the Hub has: configuration → its splits."""


def run(workspace: Workspace, path: Path, request: dict[str, Any], cancelled: Callable[[], bool]) -> Iterator[Step]:
    """Look at a file, or import it where the request names a project. The last step holds the result.

    `request`: project_id, chosen (as Columns.to_dict), encoding, sheet, system_prompt, origin and the shares of the
    split. Raises UserError as the actions do, and Cancelled.
    """
    actions.require_room(workspace, path)
    if archives.size_of(path) <= LARGE and not files.needs_library(path):
        with disk.told(workspace.settings.home, NOTHING):
            step = _do(workspace, path, request, lambda share, what: None)
        yield step
        return
    with READING.one(workspace.owner) if workspace.bounded else nullcontext():
        yield from _beside(workspace, path, request, cancelled)


def fetch(workspace: Workspace, request: dict[str, Any], cancelled: Callable[[], bool]) -> Iterator[Step]:
    """Look at a data set of the Hub, or fetch rows of it, in a process of its own.

    `request`: what `core.data.hub.fetch` takes, as `hub`; only `name` and `config` where it is looked at. The last step
    holds what it has, or the file and its origin. Raises UserError and Cancelled.
    """
    with READING.one(workspace.owner) if workspace.bounded else nullcontext():
        yield from _beside(workspace, Path(str(request["hub"]["name"])), request, cancelled)


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
        draft["others"] = [Example.from_dict(raw) for raw in draft["others"]]
        draft["problems"] = [Problem(**p) for p in draft["problems"]]
        draft["unused"] = [Unused.from_dict(raw) for raw in draft["unused"]]
        return Step(1.0, "", Draft(**draft))
    return Step(1.0, "", **result)


def _do(workspace: Workspace, path: Path, request: dict[str, Any], progress: actions.Progress) -> Step:
    if "hub" in request:
        return _from_hub(workspace, request["hub"], progress)
    chosen = Columns(**request["chosen"]) if request.get("chosen") else None
    how: dict[str, Any] = {name: request.get(name) or "" for name in ("encoding", "sheet")}
    if "project_id" not in request:
        how["system_prompt"] = request.get("system_prompt") or ""
        return Step(1.0, "", actions.inspect(path, workspace, chosen, progress=progress, **how))
    how |= {name: request[name] for name in ("validation", "test")}
    how["origin"] = request.get("origin")
    version, _ = actions.import_file(workspace, request["project_id"], path, chosen, progress=progress, **how)
    return Step(1.0, "", version_id=version.id)


def _from_hub(workspace: Workspace, wanted: dict[str, Any], progress: actions.Progress) -> Step:
    anonymous = workspace.settings.shared
    if "rows" not in wanted:
        progress(0, "Asking the Hub …")
        found = hub.look(wanted["name"], anonymous=anonymous)
        if (config := wanted.get("config")) in found.splits and not found.splits[config]:
            found.splits[config] = hub.splits_of(found, config, anonymous)
        return Step(1.0, "", splits=found.splits)
    limit = workspace.settings.limits.upload_mb * 1_000_000 if workspace.bounded else hub.MOST_BYTES
    folder = temporary.folder_for_download(workspace)
    path = folder / f"{wanted['name'].strip('/').rpartition('/')[2] or 'rows'}.jsonl"
    origin = hub.fetch(**wanted, target=path, anonymous=anonymous, most_bytes=limit, progress=progress)
    return Step(1.0, "", path=str(path), origin=origin.to_dict() | {"title": str(origin)})


def _answer(workspace: Workspace, request: dict[str, Any], progress: actions.Progress) -> dict[str, Any]:
    step = _do(workspace, Path(request["path"]), request, progress)
    if step.draft is None:
        return {name: getattr(step, name) for name in ("version_id", "path", "origin", "splits")}
    draft = step.draft
    first, others = draft.first.to_dict() if draft.first else None, [example.to_dict() for example in draft.others]
    return {"draft": {**asdict(draft), "columns": draft.columns.to_dict(), "first": first, "others": others}}


if __name__ == "__main__":
    beside.main(_answer, NOTHING)
