"""The event log of a job: one JSON line per event, numbered without gaps, append-only.

One process writes; any number read from where they stopped reading. A line that is not finished yet is not an event.
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.files import finished_lines
from core.types import Event


class EventLog:
    """Appends events to `path`. Continues the numbering of a log that is already there (a resumed run)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        events, end = read(path)
        self.n = events[-1].n if events else 0
        if path.exists() and path.stat().st_size > end:
            os.truncate(path, end)  # half a line of a process that was killed while writing
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open as long as the job runs)

    def write(self, kind: str, payload: dict[str, Any], step: int | None = None) -> None:
        self.n += 1
        event = Event(self.n, time.time(), kind, step, _finite(payload))
        # One write call and a flush: readers in other processes see whole lines soon after.
        self._file.write(json.dumps(asdict(event), ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


def read(path: Path, offset: int = 0) -> tuple[list[Event], int]:
    """Events from byte `offset` on, and the offset after the last finished line. A missing file has no events."""
    lines, offset = finished_lines(path, offset)
    return [Event(**line) for line in lines], offset


def _finite(payload: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a number that is none is written as text, so that it is seen and not read as a number."""
    return {k: (str(v) if isinstance(v, float) and not math.isfinite(v) else v) for k, v in payload.items()}
