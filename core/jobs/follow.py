"""Following a job to its end."""

from __future__ import annotations

import time
from collections.abc import Callable

from core import disk
from core.jobs import events
from core.jobs.events import Event
from core.jobs.queue import tick
from core.jobs.status import Status, status_of
from core.store.workspace import Job, Workspace

AT_ONCE = 20_000_000
"""Bytes of a log that are read at a time: one that has grown without bound must not take the memory."""


def wait(
    workspace: Workspace,
    job: Job,
    on_event: Callable[[Event], object] = lambda event: None,
    every: float = 0.3,
    say: Callable[[str], object] = lambda text: None,
) -> Status:
    """Follow a job to its end, calling `on_event` for each event. For the command line and tests.

    `say` is told once when it is stopping, and when it is stuck.
    """
    offset, told = 0, ("", False)
    path = workspace.folder(job) / "events.jsonl"
    while True:
        try:
            tick(workspace)
        except Exception as e:
            if not disk.full(e):  # then nothing more is started, but this job's end is to be told
                raise
        now = status_of(workspace, job)
        new, offset = events.read(path, offset, AT_ONCE)
        for event in new:
            on_event(event)
        if now.over and not new:
            return now
        if (now.state, now.stuck) != told and (now.stuck or now.state == "stopping"):
            say(now.message)
        told = now.state, now.stuck
        time.sleep(every)


def follow(workspace: Workspace, job: Job, say: Callable[[str], None]) -> Status:
    """Follow a job to its end, saying what a person at a terminal wants to know."""
    return wait(workspace, job, lambda event: _say(event, say), say=say)


def _say(event: Event, say: Callable[[str], None]) -> None:
    match event.payload:
        case events.Status(text) | events.Error(text) | events.Log(text):
            say(text)
        case events.Metric(validation_loss=float(loss)):
            say(f"Step {event.step}: validation loss {loss:.3f}")
        case events.Progress(step=int(step), steps=steps, tokens_per_second=speed, seconds_left=left) if step % 10 == 0:
            say(f"Step {step} of {steps}, {speed:.0f} tokens/s, about {left:.0f} s left")


def new_events(workspace: Workspace, job: Job, offset: int = 0) -> tuple[list[Event], int]:
    """Events of a job from byte `offset` of its log on, and the next offset."""
    return events.read(workspace.folder(job) / "events.jsonl", offset, AT_ONCE)
