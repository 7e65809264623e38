"""A large file is read by a process of its own, so that the page's memory and its other visitors do not feel it.

`run` starts it (`python -m core.data.worker <folder>`) and tells how far it is. They talk through files of a folder:
request.json, progress.json, cancel, result.json.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core import disk
from core.data import actions, hub
from core.data.actions import Draft
from core.data.columns.choice import Columns
from core.data.columns.unused import Unused
from core.data.reading import archives, files
from core.errors import Problem, UserError
from core.files import partial_of, read_json, sweep, write_atomically
from core.jobs import alive
from core.jobs.status import DISK_FULL
from core.settings import from_environment
from core.store import temporary
from core.store.places import Places
from core.store.workspace import Workspace, new_id, open_workspace
from core.types import Example

LARGE = 8_000_000
"""Bytes of a file that the page's own process reads in a moment."""
POLL_SECONDS = 0.2
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


class Cancelled(Exception):
    """A person wanted no more of it. Nothing is left."""


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
    folder = partial_of(workspace.settings.home / f"import-{new_id()}")
    try:
        with disk.told(workspace.settings.home, NOTHING):
            folder.mkdir()
            document = {**request, "path": str(path), "owner": workspace.owner}
            (folder / "request.json").write_text(json.dumps(document), encoding="utf-8")
            process = _start(workspace, folder)
        yield from _followed(process, folder, cancelled)
        if process.returncode:
            sweep(workspace.settings.home)  # what it had half written when it ended
        yield _result(workspace, folder, process.returncode, path.name)
    finally:
        (folder / "cancel").touch()  # who leaves the page in the middle wants no more of it, either
        shutil.rmtree(folder, ignore_errors=True)


PATIENCE = 10.0
"""Seconds that a process has to end by itself once it is cancelled; then it is killed."""


def _followed(process: subprocess.Popen[bytes], folder: Path, cancelled: Callable[[], bool]) -> Iterator[Step]:
    """How far the process is, until it has ended: by itself, or because it was cancelled and does not hear."""
    name, wanted = alive.named(process.pid), 0.0
    while process.poll() is None:
        if cancelled():
            (folder / "cancel").touch()
            wanted = wanted or time.monotonic()
            alive.let_go_on(name)
            if time.monotonic() - wanted > PATIENCE:
                alive.kill(name)
                process.wait()
                raise Cancelled
        step = Step(**(read_json(folder / "progress.json") or {"share": 0.0, "what": BEGINNING}))
        stopped = alive.is_suspended(name)
        yield replace(step, what=f"{STOPPED} (kill -CONT {process.pid})") if stopped else step
        time.sleep(POLL_SECONDS)


BEGINNING = "Reading the file …"
STOPPED = "The process that reads the file is stopped (SIGSTOP): cancel, or continue it"


def _start(workspace: Workspace, folder: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    settings = workspace.settings
    environment = {**os.environ, "PYTHONPATH": str(root), "TUNEWRIGHT_HOME": str(settings.home)}
    environment["DATABASE_URL"] = settings.database_url
    with open(folder / "worker.log", "ab") as log:
        command = [sys.executable, "-m", "core.data.worker", str(folder)]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=root, env=environment
        )


def _result(workspace: Workspace, folder: Path, status: int, name: str) -> Step:
    result = read_json(folder / "result.json")
    if result is None:
        if status == DISK_FULL:
            why = disk.trouble(OSError(errno.ENOSPC, "full"), workspace.settings.home)
            raise UserError(f"{why} {NOTHING}")
        log = (folder / "worker.log").read_text(encoding="utf-8", errors="replace")
        if status < 0:
            raise UserError(
                f"The process that read “{name}” was ended by signal {-status}: perhaps the memory did not suffice. "
                "Nothing was imported. Close what else takes memory, or split the file."
            )
        raise RuntimeError(f"The process that read a file failed:\n{log}")
    if "error" in result:
        raise UserError(result["error"])
    if "cancelled" in result:
        raise Cancelled
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


def work(folder: Path) -> dict[str, Any]:
    """Do what request.json asks; returns the result."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    workspace = open_workspace(from_environment(), request["owner"])

    def progress(share: float, what: str) -> None:
        if (folder / "cancel").exists() or not folder.exists():
            raise Cancelled
        write_atomically(folder / "progress.json", json.dumps({"share": share, "what": what}))

    try:
        step = _do(workspace, Path(request["path"]), request, progress)
    except UserError as e:
        return {"error": str(e)}
    except Cancelled:
        return {"cancelled": True}
    except Exception as e:
        if sentence := disk.trouble(e, workspace.settings.home):
            return {"error": f"{sentence} {NOTHING}"}
        raise
    if step.draft is None:
        return {name: getattr(step, name) for name in ("version_id", "path", "origin", "splits")}
    draft = step.draft
    first, others = draft.first.to_dict() if draft.first else None, [example.to_dict() for example in draft.others]
    return {"draft": {**asdict(draft), "columns": draft.columns.to_dict(), "first": first, "others": others}}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    result = work(folder)
    if folder.exists():
        try:
            write_atomically(folder / "result.json", json.dumps(result))
        except OSError:
            sys.exit(DISK_FULL)
