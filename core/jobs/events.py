"""The event log of a job: one JSON line per event, numbered without gaps, append-only; and what each kind says.

One process writes; any number read from where they stopped reading. A line that is not finished yet is not an event.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Level, UserError
from core.files import ends_a_line, json_object, whole_lines, write_whole
from core.records import absent, check_schema, plain
from core.records import read as read_record
from core.types import Side

SCHEMA = 1
"""Of a line. Lines of before have none and are of schema 1; parts that they lack are None."""


@dataclass(frozen=True)
class Status:
    """What the process is doing now."""

    text: str


@dataclass(frozen=True)
class Log:
    """Something that a reader of the log should know."""

    text: str
    level: Level = "note"


@dataclass(frozen=True)
class Error:
    """Why the job failed."""

    text: str


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint was saved."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the job is: what of this it knows. A later event adds to what an earlier one said."""

    share: float | None = absent()
    """0 to 1, of the whole job; of the download while a model is fetched."""
    text: str | None = absent()
    phase: str | None = absent()
    """The part of an evaluation that is at work."""
    done: int | None = absent()
    total: int | None = absent()
    """`done` of `total` items of the phase."""
    step: int | None = absent()
    steps: int | None = absent()
    epoch: float | None = absent()
    """Passes over the rows so far."""
    seconds_left: float | None = absent()
    tokens_per_second: float | None = absent()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What was measured at a step of training. Losses in nats per trained token; not finite where they broke."""

    loss: float | None = absent()
    validation_loss: float | None = absent()
    grad_norm: float | None = absent()
    learning_rate: float | None = absent()
    preference_accuracy: float | None = absent()
    preference_margin: float | None = absent()
    validation_preference_accuracy: float | None = absent()
    validation_preference_margin: float | None = absent()


@dataclass(frozen=True)
class Answer:
    """What one side of a chat has answered so far."""

    text: str = ""
    tokens: int = 0
    finish: str = ""
    """Empty while it is going on; `stop`, `length`, or `stopped` by the person."""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Of a chat: a turn was taken up, a side wrote a piece of its answer or ended it, or the turn failed."""

    turn: str
    begun: bool | None = absent()
    side: Side | None = absent()
    piece: str | None = absent()
    answer: Answer | None = absent()
    error: str | None = absent()


Payload = Status | Log | Error | Checkpoint | Progress | Metric | Sample
PAYLOADS: dict[str, type[Payload]] = {
    "status": Status,
    "log": Log,
    "error": Error,
    "checkpoint": Checkpoint,
    "progress": Progress,
    "metric": Metric,
    "sample": Sample,
}
"""Kind of event → what it says."""
KINDS = {noun: kind for kind, noun in PAYLOADS.items()}


@dataclass(frozen=True)
class Event:
    """One line of a job's append-only log."""

    n: int
    """1, 2, 3 … without gaps."""
    time: float
    """Seconds since the epoch."""
    step: int | None
    payload: Payload
    schema: int = SCHEMA

    @property
    def kind(self) -> str:
        return KINDS[type(self.payload)]

    def to_dict(self) -> dict[str, Any]:
        payload = {name: _finite(value) for name, value in plain(self.payload).items()}
        about = {"n": self.n, "time": self.time, "kind": self.kind, "step": self.step}
        return {**about, "payload": payload, "schema": self.schema}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Event:
        """A line of this release or of any before. Raises UserError for a newer one, and for what is no event."""
        check_schema(raw, SCHEMA, "The event log")
        payload = payload_of(raw["kind"], raw["payload"])
        n, seconds, step = raw["n"], raw["time"], raw["step"]
        numbered = isinstance(n, int) and isinstance(seconds, int | float) and isinstance(step, int | None)
        if not numbered or (step is None and isinstance(payload, Metric)):
            raise UserError("An event of the log has no number, no time or no step that are numbers.")
        return cls(n, seconds, step, payload)


def payload_of(kind: str, raw: Mapping[str, Any]) -> Payload:
    """What an event of that kind says, from JSON: the text of a number that is not finite is that number again."""
    return read_record(PAYLOADS[kind], raw, f"An event of the kind {kind}")


class EventLog:
    """Appends events to `path`. Continues the numbering of a log that is already there (a resumed run)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        events, end = tail(path)
        self.n = events[-1].n if events else 0
        if path.exists() and path.stat().st_size > end:
            os.truncate(path, end)  # half a line of a process that was killed while writing
        self.said = time.monotonic()
        """When the newest event was written, by the monotonic clock."""
        self.longest = 0.0
        """Seconds of the longest silence so far."""
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 (open as long as the job runs)
        if self._file.tell() and not ends_a_line(path):
            write_whole(self._file, b"\n")

    def write(self, payload: Payload, step: int | None = None) -> None:
        event = Event(self.n + 1, time.time(), step, payload)
        # Without a buffer: readers in other processes see whole lines soon after, and a full disk takes none or all.
        write_whole(self._file, (json.dumps(event.to_dict(), ensure_ascii=False) + "\n").encode())
        self.n += 1
        now = time.monotonic()
        self.longest, self.said = max(self.longest, now - self.said), now

    def close(self) -> None:
        try:
            os.fsync(self._file.fileno())
        finally:
            self._file.close()


def read(path: Path, offset: int = 0, most: int = -1) -> tuple[list[Event], int]:
    """Events from byte `offset` on, and the offset after the last finished line. A missing file has no events.

    In the place of a damaged line stands an event that says so. `most` bytes are read, as of `whole_lines`. Raises
    UserError for a log of a newer release.
    """
    lines, end = whole_lines(path, offset, most)
    events: list[Event] = []
    for line in lines:
        raw = json_object(line) or {}
        check_schema(raw if isinstance(raw.get("schema", 1), int) else {}, SCHEMA, "The event log")
        try:
            events.append(Event.from_dict(raw))
        except (UserError, KeyError, TypeError, AttributeError, ValueError):
            last = events[-1] if events else Event(0, path.stat().st_mtime, None, Log(""))
            shown = line[:40].decode("utf-8", "replace")
            text = f"A line of the log is damaged and is left out: {shown}"
            events.append(Event(last.n, last.time, last.step, Log(text, "warning")))
    return events, end


TAIL = 200_000
"""Bytes at the end of a log that hold its newest events."""


def tail(path: Path) -> tuple[list[Event], int]:
    """The newest events, and the offset after the last finished line, without reading the whole of a long log."""
    size = path.stat().st_size if path.is_file() else 0
    for length in (TAIL, 100 * TAIL):
        if size <= length:
            return read(path)
        with open(path, "rb") as file:
            file.seek(size - length)
            first = file.read(length).find(b"\n") + 1
        if first:
            return read(path, size - length + first)
    return [], size  # no log that we wrote


def _finite(value: Any) -> Any:
    """JSON has no NaN: a number that is none is written as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
