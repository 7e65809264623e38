"""What every tab is given, and how handlers are wrapped."""

from __future__ import annotations

import functools
import inspect
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import escape

from core import disk
from core.errors import UserError
from core.settings import from_environment
from core.store import temporary, visitors
from core.store.places import Places
from core.store.workspace import LOCAL_OWNER, Workspace

log = logging.getLogger("tunewright")

# Handlers of ours are not an API: hidden from it, and every reader may run beside every other.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
BUSY: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", "concurrency_limit": None}


class NotArrived(Exception):
    """A tab or a timer asks before its page has its visitor; it asks again when there is a project."""


@dataclass(frozen=True)
class Page:
    store: Workspace
    visitor: gr.BrowserState
    """A secret that this browser keeps; its hash names the owner on a Space. Locally everything is one owner's."""
    project: gr.Dropdown
    """Its value is the project's id."""
    changed: gr.State
    """Counts up when rows, runs or labels changed, so that the other tabs look again."""
    length: gr.State
    """A maximum length that was chosen in Tokens for Training."""
    open: gr.State
    """The title of the tab that is open."""

    def workspace(self, visitor: str) -> Workspace:
        """The workspace of whoever visits. Ownership itself is enforced in core."""
        if not self.store.settings.shared:
            return self.store.as_owner(LOCAL_OWNER)
        if not visitor:
            raise NotArrived
        return self.store.as_owner(visitors.owner_of(self.store, visitor))

    def whenever(
        self,
        tab: gr.Tab,
        refresh: Callable[..., Any],
        inputs: list[Any],
        outputs: list[Any],
        on_changes: bool = True,
        before: Callable[[], Any] | None = None,
    ) -> None:
        """Call `refresh` when the tab is opened and, while it is open, when another project is chosen or (unless
        `on_changes` is False) rows, runs or labels changed. Tabs that nobody looks at ask for nothing.

        `refresh` is given the visitor, the project and `inputs`; like every handler it returns `{component: value}` for
        those of `outputs` that change. `before` binds what must have been done first when the tab is opened, and
        returns the event.
        """
        # A slow answer must not swallow the question after it: the last one counts.
        how = {**QUIET, "trigger_mode": "always_last"}
        known = [self.visitor, self.project, *inputs]
        if before is None:
            tab.select(guarded(refresh), known, outputs, **how)
        else:
            before().success(guarded(refresh), known, outputs, **QUIET)
        tab.select(lambda: tab.id, None, self.open, **QUIET)

        def if_open(opened: str, *values: Any) -> Any:
            return guarded(refresh)(*values) if opened == tab.id else gr.skip()

        triggers = [self.project.change, self.changed.change] if on_changes else [self.project.change]
        gr.on(triggers, if_open, [self.open, *known], outputs, **how)

    def rest(self, tab: gr.Tab, timer: gr.Timer) -> None:
        """Stop a timer while another tab is open; `refresh` starts it again where there is something to follow."""
        self.open.change(
            lambda opened: gr.skip() if opened == tab.id else gr.Timer(active=False), self.open, timer, **QUIET
        )


@contextmanager
def download(workspace: Workspace, name: str, size: int = 0) -> Iterator[Path]:
    """Where to write a file of about `size` bytes that this visitor downloads; what could not be written to its end is
    removed. An unguessable folder keeps visitors apart.
    """
    folder = temporary.folder_for_download(workspace, size)
    try:
        yield folder / name
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def guarded(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose UserErrors are shown as they are; of a bug people see one line, and the log the traceback.

    A handler returns `{component: value}` of what has changed; `{}` is nothing. Messages are escaped: Gradio renders
    toasts as HTML, and a message may quote a file.
    """

    @functools.wraps(handler)
    def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _shown(handler, args[0] if args else None):
            try:
                for values in handler(*args, **kwargs):
                    yield _sent(values)
            except NotArrived:
                yield gr.skip()

    @functools.wraps(handler)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _shown(handler, args[0] if args else None):
            try:
                return _sent(handler(*args, **kwargs))
            except NotArrived:
                return gr.skip()

    return steps if inspect.isgeneratorfunction(handler) else wrapped


def _sent(values: Any) -> Any:
    """What a handler returns, {component: value}; Gradio takes an empty dictionary for a value."""
    return gr.skip() if isinstance(values, dict) and not values else values


AT_ONCE = Places(16, 1000, 1.0, "More than 16 things of yours are going on at once. Wait a moment, then try again.")
"""Handlers of one visitor of a Space: a page that is opened starts a handful."""


@contextmanager
def _shown(handler: Callable[..., Any], visitor: Any) -> Iterator[None]:
    """`visitor`: the first argument, which is a visitor's secret on a Space and empty elsewhere."""
    try:
        with AT_ONCE.one(visitor) if visitor and isinstance(visitor, str) else nullcontext():
            yield
    except UserError as e:
        raise gr.Error(str(escape(str(e))), duration=15, title="Not possible", print_exception=False) from e
    except gr.Error:
        raise
    except Exception as e:
        if refused := disk.trouble(e, from_environment().home):
            log.warning("The disk refused what a handler wrote: %s", refused)
            kept = f"{refused} Nothing half done was kept."
            raise gr.Error(str(escape(kept)), duration=15, title="Not possible", print_exception=False) from e
        log.exception("A handler failed: %s", getattr(handler, "__qualname__", handler))
        text = "Something went wrong on our side. The log of the app has the details; your data is safe."
        raise gr.Error(text, title="A bug", print_exception=False) from e
