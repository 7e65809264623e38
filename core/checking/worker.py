"""Checking and mending happen in a process of their own, so that the page's memory does not feel it.

`run` starts it (`python -m core.checking.worker <folder>`) and tells how far it is. They talk through files of a
folder: request.json, progress.json, cancel, result.json.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.checking import mending, result, scan
from core.checking.mending import Change, Fix, Preview
from core.errors import UserError
from core.files import read_json, write_atomically
from core.settings import from_environment
from core.store.workspace import Workspace, open_workspace
from core.types import DatasetVersion

POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Step:
    """How far it is; at last what came of it."""

    share: float
    what: str
    done: bool = False
    preview: Preview | None = None
    version_id: str = ""
    """The version that was made."""


class Cancelled(Exception):
    """A person wanted no more of it. Nothing is left."""


def request(act: str, version_id: str, fixes: list[Fix] | None = None) -> dict[str, Any]:
    """`act`: check, preview, apply or undo."""
    return {"act": act, "version_id": version_id, "fixes": [asdict(fix) for fix in fixes or []]}


def run(workspace: Workspace, asked: dict[str, Any], cancelled: Callable[[], bool]) -> Iterator[Step]:
    """Do what is asked; the last step holds the result. Raises UserError as the acts do, and Cancelled."""
    folder = Path(tempfile.mkdtemp(prefix="tunewright-check-"))
    try:
        document = json.dumps({**asked, "owner": workspace.owner})
        (folder / "request.json").write_text(document, encoding="utf-8")
        process = _start(workspace, folder)
        while process.poll() is None:
            if cancelled():
                (folder / "cancel").touch()
            yield Step(**(read_json(folder / "progress.json") or {"share": 0.0, "what": "Reading the rows …"}))
            time.sleep(POLL_SECONDS)
        yield _result(folder, process.returncode)
    finally:
        (folder / "cancel").touch()  # who leaves the page in the middle wants no more of it, either
        shutil.rmtree(folder, ignore_errors=True)


def _start(workspace: Workspace, folder: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    settings = workspace.settings
    environment = {**os.environ, "PYTHONPATH": str(root), "TUNEWRIGHT_HOME": str(settings.home)}
    environment["DATABASE_URL"] = settings.database_url
    with open(folder / "worker.log", "ab") as log:
        command = [sys.executable, "-m", "core.checking.worker", str(folder)]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=root, env=environment
        )


def _result(folder: Path, status: int) -> Step:
    done = read_json(folder / "result.json")
    if done is None:
        log = (folder / "worker.log").read_text(encoding="utf-8", errors="replace")
        if status < 0:
            raise UserError(
                f"The process that checked the rows was ended by signal {-status}: perhaps the memory did not suffice. "
                "Nothing was changed. Close what else takes memory, and check again."
            )
        raise RuntimeError(f"The process that checked the rows failed:\n{log}")
    if "error" in done:
        raise UserError(done["error"])
    if "cancelled" in done:
        raise Cancelled
    shown = done.get("preview")
    changes = Preview(shown["rows"], [Change(**raw) for raw in shown["changes"]]) if shown else None
    return Step(1.0, "", True, changes, done.get("version_id", ""))


def check(workspace: Workspace, version: DatasetVersion, progress: scan.Progress) -> result.Summary:
    """Check the rows of a version; of those that an earlier version has, what was found there is taken over."""
    before = workspace.version(version.parent_id) if version.parent_id else None
    while before is not None and not result.newest(workspace.rows_file(before.id)):
        before = workspace.version(before.parent_id) if before.parent_id else None
    earlier = workspace.rows_file(before.id) if before else None
    return scan.scan(workspace.rows_file(version.id), earlier, progress)


def _do(workspace: Workspace, asked: dict[str, Any], progress: scan.Progress) -> dict[str, Any]:
    version = workspace.version(asked["version_id"])
    fixes = [Fix(raw["check"], raw["leave_out"], tuple(raw["rows"])) for raw in asked["fixes"]]
    if asked["act"] == "check":
        check(workspace, version, progress)
        return {}
    if asked["act"] == "preview":
        return {"preview": asdict(mending.preview(workspace, version, fixes[0]))}
    if asked["act"] == "apply":
        made = mending.apply(workspace, version, fixes, progress)
    else:
        made = mending.undo(workspace, version)
    check(workspace, made, lambda share, what: None)
    return {"version_id": made.id}


def work(folder: Path) -> dict[str, Any]:
    """Do what request.json asks; returns the result."""
    asked = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    workspace = open_workspace(from_environment(), asked["owner"])

    def progress(share: float, what: str) -> None:
        if (folder / "cancel").exists() or not folder.exists():
            raise Cancelled
        write_atomically(folder / "progress.json", json.dumps({"share": share, "what": what}))

    try:
        return _do(workspace, asked, progress)
    except UserError as e:
        return {"error": str(e)}
    except Cancelled:
        return {"cancelled": True}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    done = work(folder)
    if folder.exists():
        write_atomically(folder / "result.json", json.dumps(done))
