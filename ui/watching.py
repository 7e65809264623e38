"""Following a job from a page: a cursor into its event log, and its progress bar.

The page asks with the cursor and is sent only what is new. Nothing here belongs to a job: any number of pages may look.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from core.jobs import follow
from core.jobs.status import Status, status_of
from core.store.workspace import Job, Workspace
from core.types import Event
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
    progress: dict = field(default_factory=dict)
    state: str = ""

    def take(self, events: list[Event]) -> bool:
        """Take in new events; True when a curve has changed."""
        drawn = False
        for e in events:
            text = e.payload.get("text")
            if e.kind in ("status", "log", "error", "checkpoint") and text:
                self.lines = [*self.lines[-(LOG_LINES - 1) :], f"{_clock(e.time)}  {text}"]
            if e.kind == "status":
                self.progress = {"text": text}
            elif e.kind == "progress":
                self.progress = {**self.progress, **e.payload}
            elif e.kind == "metric":
                drawn |= self._metric(e)
        return drawn

    def _metric(self, e: Event) -> bool:
        points = {"loss": self.train, "validation_loss": self.validation}
        for name, curve in points.items():
            value = e.payload.get(name)
            if isinstance(value, int | float):
                # A resumed run repeats the steps after its checkpoint: the newer value counts.
                while curve and curve[-1][0] >= e.step:
                    curve.pop()
                curve.append((e.step, value))
                self.lines = [*self.lines[-(LOG_LINES - 1) :], f"{_clock(e.time)}  {_metric_line(name, e)}"]
        return any(name in e.payload for name in points)


def look(workspace: Workspace, job: Job, watched: Watched) -> tuple[Watched, Status, bool, bool]:
    """(watched, status, is anything new, has a curve changed). Another job than before is read from its beginning."""
    known = watched.job_id == job.id
    if not known:
        watched = Watched(job.id)
    events, watched.offset = follow.new_events(workspace, job, watched.offset)
    drawn = watched.take(events)
    status = status_of(workspace, job)
    changed = not known or bool(events) or status.state != watched.state
    watched.state = status.state
    return watched, status, changed, drawn or not known


def bar(job: Job, status: Status, watched: Watched) -> str:
    """The progress bar, or how the job ended."""
    p = watched.progress
    if status.state == "queued":
        return html.progress(0, f"{job.title} is queued", status.message)
    if status.over:
        level = {"finished": "note", "stopped": "warning", "failed": "error"}[status.state]
        return html.note(level, f"{job.title}: {status.message}")
    share = p.get("share")
    if p.get("steps"):
        title = f"Step {p['step']} of {p['steps']}"
        detail = (
            f"pass {p['epoch']:.1f} · {p['tokens_per_second']:.0f} tokens/s · about {duration(p['seconds_left'])} left"
        )
    else:
        title = p.get("text") or p.get("phase") or "Starting …"
        detail = f"{p['done']} of {p['total']}" if p.get("total") else ""
    if status.state == "stopping":
        detail = "stopping after this step …"
    return html.progress(share, f"{job.title}: {title}", detail)


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _metric_line(name: str, e: Event) -> str:
    value = e.payload[name]
    if name == "loss":
        return f"step {e.step}: loss {value:.3f}, learning rate {e.payload.get('learning_rate', 0):.2g}"
    return f"step {e.step}: validation loss {value:.3f}"


def _clock(seconds: float) -> str:
    import time

    return time.strftime("%H:%M:%S", time.localtime(seconds))
