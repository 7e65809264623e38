"""The frame of a job's process: from its first event to its outcome, whatever happens in between."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from core import disk
from core.errors import UserError
from core.jobs import events, noise
from core.jobs.events import EventLog
from core.jobs.heartbeat import Heart
from core.jobs.outcome import Outcome
from core.jobs.status import DISK_FULL, checkpoints_of, what_is_left


def run_job(folder: Path, work: Callable[[EventLog], Outcome], what: str) -> int:
    """Call `work(log)`, and write down the outcome; returns the exit status.

    A UserError is shown as it is; of any other exception the person sees one line and the log keeps the traceback.
    """
    noise.keep_out()
    reserve = folder / RESERVE
    try:
        reserve.write_bytes(b"\0" * RESERVED)
        log = EventLog(folder / "events.jsonl")
    except OSError as e:
        return _end(folder, None, Outcome("failed", _explain(e, what, folder)))
    # A terminated process saves like one that was asked to stop.
    signal.signal(signal.SIGTERM, lambda *_: (folder / "stop").touch())
    heart = Heart(folder, log)
    try:
        outcome = work(log)
    except UserError as e:
        outcome = Outcome("failed", str(e), resumable=bool(checkpoints_of(folder)))
    except Exception as e:
        with suppress(OSError):  # worker.log is on the same disk, which may be full
            traceback.print_exc()
        outcome = Outcome("failed", _explain(e, what, folder), resumable=bool(checkpoints_of(folder)))
    heart.stop()
    if outcome.state == "stopped" and (reason := _why_stopped(folder)):
        outcome = replace(outcome, message=f"{outcome.message} {reason}")
    return _end(folder, log, outcome)


RESERVE = "reserve"
"""Holds a little of the disk, given back when the job ends: a full disk then takes the outcome all the same."""
RESERVED = 64 * 1024
"""Bytes."""


def _end(folder: Path, log: EventLog | None, outcome: Outcome) -> int:
    """Write down how a job ended; returns the exit status."""
    failed = outcome.state == "failed"
    with suppress(OSError):
        (folder / RESERVE).unlink(missing_ok=True)
    if log is not None:
        with suppress(OSError):  # the outcome says the same, and matters more
            log.write((events.Error if failed else events.Status)(outcome.message))
            log.close()
    try:
        outcome.write(folder)
    except OSError:
        with suppress(OSError):
            traceback.print_exc()
        return DISK_FULL
    return 1 if failed else 0


REASON = "stop-reason"
"""Holds a sentence where it was no person who asked the job to stop."""


def _why_stopped(folder: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return (folder / REASON).read_text(encoding="utf-8").strip()
    return ""


def until_told(stop: Path, hours: float | None, what: str) -> Callable[[], bool]:
    """Was a job that waits in no queue asked to stop? When it had its time it asks itself, and says why.

    `what`: what people call it, with its article. `hours`: None for as long as it takes.
    """
    until = math.inf if hours is None else time.monotonic() + 3600 * hours

    def asked() -> bool:
        if time.monotonic() > until and not stop.exists():
            reason = f"This Space gives {what} {hours:g} hours. Start again to go on."
            stop.with_name(REASON).write_text(reason, encoding="utf-8")
            stop.touch()
        return stop.exists()

    return asked


def end_with_parent() -> None:
    """End this process when its parent is gone: one of several that train together cannot go on alone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _explain(error: Exception, what: str, folder: Path) -> str:
    if sentence := disk.trouble(error, folder):
        left = what_is_left(folder)
        return f"{what} ended, and what was saved before is kept. {sentence} {left}".rstrip()
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return "The memory did not suffice. Lower “Batch size” or “Maximum length”, or choose a smaller model."
    if "gloo" in text or "NCCL" in text:
        return "One of the processes that train together has ended, and so did the others. Resume the run."
    return f"{what} failed: {text[:300]}. This is a bug of ours; worker.log in the job's folder has the details."
