"""The frame of a job's process: from its first event to its outcome, whatever happens in between."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from core.errors import UserError
from core.jobs import events, noise
from core.jobs.events import EventLog
from core.jobs.outcome import Outcome


def run_job(folder: Path, work: Callable[[EventLog], Outcome], what: str) -> int:
    """Call `work(log)`, and write down the outcome; returns the exit status.

    A UserError is shown as it is; of any other exception the person sees one line and the log keeps the traceback.
    """
    noise.keep_out()
    log = EventLog(folder / "events.jsonl")
    # A terminated process saves like one that was asked to stop.
    signal.signal(signal.SIGTERM, lambda *_: (folder / "stop").touch())
    try:
        outcome = work(log)
    except UserError as e:
        outcome = Outcome("failed", str(e))
    except Exception as e:
        traceback.print_exc()
        outcome = Outcome("failed", _explain(e, what))
    if outcome.state == "stopped" and (reason := _why_stopped(folder)):
        outcome = replace(outcome, message=f"{outcome.message} {reason}")
    failed = outcome.state == "failed"
    log.write((events.Error if failed else events.Status)(outcome.message))
    log.close()
    outcome.write(folder)
    return 1 if failed else 0


REASON = "stop-reason"
"""Holds a sentence where it was no person who asked the job to stop."""


def _why_stopped(folder: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return (folder / REASON).read_text(encoding="utf-8").strip()
    return ""


def end_with_parent() -> None:
    """End this process when its parent is gone: one of several that train together cannot go on alone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _explain(error: Exception, what: str) -> str:
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text:
        return "The memory did not suffice. Lower “Batch size” or “Maximum length”, or choose a smaller model."
    if "gloo" in text or "NCCL" in text:
        return "One of the processes that train together has ended, and so did the others. Resume the run."
    return f"{what} failed: {text[:300]}. This is a bug of ours; worker.log in the job's folder has the details."
