"""Following a job from a page: a cursor into its event log, and its progress bar.

The page asks with the cursor and is sent only what is new. Nothing here belongs to a job: any number of pages may look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from core.jobs import events, follow
from core.jobs.events import Event
from core.jobs.status import Status, status_of
from core.records import plain
from core.store.workspace import Job, Workspace
from ui import html

LOG_LINES = 200


@dataclass
class Watched:
    """What a page knows of one job. Lives in gr.State; everything in it can be read again from the job's folder."""

    job_id: str = ""
    offset: int = 0
    train: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    progress: events.Progress = field(default_factory=events.Progress)
    state: str = ""
    message: str = ""
    """What was last said of its state."""

    def take(self, new: list[Event]) -> bool:
        """Take in new events; True when a curve has changed."""
        drawn = False
        for e in new:
            match e.payload:
                case events.Status(text):
                    self.progress = events.Progress(text=text)
                    self._line(e, text)
                case events.Log(text) | events.Error(text) | events.Checkpoint(text):
                    self._line(e, text)
                case events.Progress():
                    self.progress = replace(self.progress, **plain(e.payload))
                case events.Metric():
                    drawn |= self._metric(e, e.payload)
        return drawn

    def _line(self, e: Event, text: str) -> None:
        self.lines = [*self.lines[-(LOG_LINES - 1) :], f"{_clock(e.time)}  {text}"]

    def _metric(self, e: Event, metric: events.Metric) -> bool:
        step = e.step or 0
        rate = f"learning rate {metric.learning_rate or 0:.2g}"
        points = [
            (metric.loss, self.train, f"loss {metric.loss or 0:.3f}, {rate}"),
            (metric.validation_loss, self.validation, f"validation loss {metric.validation_loss or 0:.3f}"),
        ]
        for value, curve, text in points:
            if value is not None and math.isfinite(value):
                # A resumed run repeats the steps after its checkpoint: the newer value counts.
                while curve and curve[-1][0] >= step:
                    curve.pop()
                curve.append((step, value))
                self._line(e, f"step {step}: {text}")
        return any(value is not None for value, _, _ in points)


def look(workspace: Workspace, job: Job, watched: Watched) -> tuple[Watched, Status, bool, bool]:
    """(watched, status, is anything new, has a curve changed). Another job than before is read from its beginning."""
    known = watched.job_id == job.id
    if not known:
        watched = Watched(job.id)
    new, watched.offset = follow.new_events(workspace, job, watched.offset)
    drawn = watched.take(new)
    status = status_of(workspace, job)
    changed = not known or bool(new) or (status.state, status.message) != (watched.state, watched.message)
    watched.state, watched.message = status.state, status.message
    return watched, status, changed, drawn or not known


def bar(job: Job, status: Status, watched: Watched) -> str:
    """The progress bar, or how the job ended."""
    p = watched.progress
    if status.state == "queued":
        return html.progress(0, f"{job.title} is queued", status.message)
    if status.over:
        level = {"finished": "note", "stopped": "warning", "failed": "error"}[status.state]
        return html.note(level, f"{job.title}: {status.message}")
    if p.steps:
        title = f"Step {p.step} of {p.steps}"
        left = f" · about {duration(p.seconds_left)} left" if p.seconds_left is not None else ""
        detail = f"pass {p.epoch or 0:.1f} · {p.tokens_per_second or 0:.0f} tokens/s{left}"
    else:
        title = p.text or p.phase or "Starting …"
        detail = f"{p.done} of {p.total}" if p.total else ""
    if status.state == "stopping":
        detail = "stopping …"
    elif status.stuck:
        detail = "it does not get on"  # how long is left was true while it did
    said = html.note("warning" if status.stuck else "note", status.message) if status.message else ""
    return html.progress(p.share, f"{job.title}: {title}", detail) + said


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _clock(seconds: float) -> str:
    import time

    return time.strftime("%H:%M:%S", time.localtime(seconds))
