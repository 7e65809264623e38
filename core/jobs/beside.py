"""A piece of work in a process of its own, which a page waits for: its memory and its other visitors do not feel it.

`run` starts `python -m MODULE FOLDER`, tells how far it is, and ends it when nobody wants it any more. There `answer`
does the work. They talk through files of the folder: request.json, progress.json, cancel, result.json.
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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import disk
from core.errors import UserError
from core.files import partial_of, read_json, sweep, write_atomically
from core.jobs import alive
from core.jobs.status import DISK_FULL
from core.settings import from_environment
from core.store.workspace import Workspace, new_id, open_workspace

POLL_SECONDS = 0.1
PATIENCE = 10.0
"""Seconds that a process has to end by itself once it is cancelled; then it is killed."""
Progress = Callable[[float, str], None]
"""Told the share that is done, and with what it goes on. Raises Cancelled where nobody wants the work any more."""


@dataclass(frozen=True)
class Work:
    """What is done, for sentences about it."""

    module: str
    """`python -m` of it calls `main`."""
    does: str
    """“reads “rows.csv””."""
    begins: str
    """What is told before the process says something."""
    nothing: str
    """What became of the work that failed: “Nothing was imported.”."""
    remedy: str
    """What to do where the memory did not suffice."""


@dataclass(frozen=True)
class Step:
    """How far it is."""

    share: float
    what: str
    result: dict[str, Any] | None = None
    """What came of it: of the last step alone."""


class Cancelled(Exception):
    """A person wanted no more of it. Nothing is left."""


def run(workspace: Workspace, work: Work, request: dict[str, Any], cancelled: Callable[[], bool]) -> Iterator[Step]:
    """Do what is requested; the last step holds the result. Raises UserError as the work does, and Cancelled."""
    home = workspace.settings.home
    folder = partial_of(home / f"beside-{new_id()}")
    try:
        with disk.told(home, work.nothing):
            folder.mkdir()
            document = json.dumps({**request, "owner": workspace.owner})
            (folder / "request.json").write_text(document, encoding="utf-8")
            process = start(workspace, work.module, folder)
        yield from _followed(process, work, folder, cancelled)
        if process.returncode:
            sweep(home)  # what it had half written when it ended
        yield Step(1.0, "", _result(workspace, work, folder, process.returncode))
    finally:
        (folder / "cancel").touch()  # who leaves the page in the middle wants no more of it, either
        shutil.rmtree(folder, ignore_errors=True)


def start(workspace: Workspace, module: str, folder: Path) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    settings = workspace.settings
    environment = {**os.environ, "PYTHONPATH": str(root), "TUNEWRIGHT_HOME": str(settings.home)}
    environment["DATABASE_URL"] = settings.database_url
    if settings.benchmarks:
        environment["TUNEWRIGHT_BENCHMARKS"] = str(settings.benchmarks)
    with open(folder / "worker.log", "ab") as log:
        command = [sys.executable, "-m", module, str(folder)]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=root, env=environment
        )


def _followed(
    process: subprocess.Popen[bytes], work: Work, folder: Path, cancelled: Callable[[], bool]
) -> Iterator[Step]:
    """How far the process is, until it has ended: by itself, or because it was cancelled and does not hear."""
    name, wanted = alive.named(process.pid), 0.0
    stopped_says = f"The process that {work.does} is stopped (SIGSTOP): cancel, or continue it"
    while process.poll() is None:
        if cancelled():
            (folder / "cancel").touch()
            wanted = wanted or time.monotonic()
            alive.let_go_on(name)
            if time.monotonic() - wanted > PATIENCE:
                alive.kill(name)
                process.wait()
                raise Cancelled
        step = Step(**(read_json(folder / "progress.json") or {"share": 0.0, "what": work.begins}))
        stopped = alive.is_suspended(name)
        yield replace(step, what=f"{stopped_says} (kill -CONT {process.pid})") if stopped else step
        time.sleep(POLL_SECONDS)


def _result(workspace: Workspace, work: Work, folder: Path, status: int) -> dict[str, Any]:
    result = read_json(folder / "result.json")
    if result is None:
        if status == DISK_FULL:
            why = disk.trouble(OSError(errno.ENOSPC, "full"), workspace.settings.home)
            raise UserError(f"{why} {work.nothing}")
        if status < 0:
            raise UserError(
                f"The process that {work.does} was ended by signal {-status}: perhaps the memory did not suffice. "
                f"{work.nothing} {work.remedy}"
            )
        log = (folder / "worker.log").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"The process that {work.does} failed:\n{log}")
    if "error" in result:
        raise UserError(result["error"])
    if "cancelled" in result:
        raise Cancelled
    return result


Do = Callable[[Workspace, dict[str, Any], Progress], dict[str, Any]]
"""(workspace of who asked, request, progress) → result, JSON-serialisable."""


def main(do: Do, nothing: str) -> None:
    """In the process: do what the folder that its command line names asks for, and leave the result there."""
    folder = Path(sys.argv[1])
    result = answer(folder, do, nothing)
    if folder.exists():
        try:
            write_atomically(folder / "result.json", json.dumps(result))
        except OSError:
            sys.exit(DISK_FULL)


def answer(folder: Path, do: Do, nothing: str) -> dict[str, Any]:
    """What comes of the request in a folder."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    workspace = open_workspace(from_environment(), request["owner"])

    def progress(share: float, what: str) -> None:
        if (folder / "cancel").exists() or not folder.exists():
            raise Cancelled
        write_atomically(folder / "progress.json", json.dumps({"share": share, "what": what}))

    try:
        return do(workspace, request, progress)
    except UserError as e:
        return {"error": str(e)}
    except Cancelled:
        return {"cancelled": True}
    except Exception as e:
        if sentence := disk.trouble(e, workspace.settings.home):
            return {"error": f"{sentence} {nothing}"}
        raise
