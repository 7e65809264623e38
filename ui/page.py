"""What every tab is given, and how handlers are wrapped."""

from __future__ import annotations

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.errors import UserError
from core.store.workspace import LOCAL_OWNER, Workspace

log = logging.getLogger("tunewright")

# Handlers of ours are not an API: hidden from it, and every reader may run beside every other.
QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}
BUSY: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", "concurrency_limit": None}


@dataclass(frozen=True)
class Page:
    store: Workspace
    visitor: gr.BrowserState
    """A random id that this browser keeps; it names the owner on a Space. Locally everything is one owner's."""
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
        if self.store.settings.mode == "local":
            return self.store.as_owner(LOCAL_OWNER)
        if not visitor:
            raise UserError("This page has lost its visitor id. Reload it.")
        return self.store.as_owner(f"visitor-{visitor}")

    def whenever(
        self,
        tab: gr.Tab,
        refresh: Callable,
        inputs: list,
        outputs: list,
        on_changes: bool = True,
        before: Callable[[], Any] | None = None,
    ) -> None:
        """Call `refresh` when the tab is opened and, while it is open, when another project is chosen or (unless
        `on_changes` is False) rows, runs or labels changed. Tabs that nobody looks at ask for nothing. `before` binds
        what must have been done first when the tab is opened, and returns the event.
        """
        # A slow answer must not swallow the question after it: the last one counts.
        how = {**QUIET, "trigger_mode": "always_last"}
        known = [self.visitor, self.project, *inputs]
        if before is None:
            tab.select(guarded(refresh), known, outputs, **how)
        else:
            before().success(guarded(refresh), known, outputs, **QUIET)
        tab.select(lambda: tab.id, None, self.open, **QUIET)

        nothing = gr.skip() if len(outputs) == 1 else [gr.skip()] * len(outputs)

        def if_open(opened: str, *values):
            return guarded(refresh)(*values) if opened == tab.id else nothing

        triggers = [self.project.change, self.changed.change] if on_changes else [self.project.change]
        gr.on(triggers, if_open, [self.open, *known], outputs, **how)


def guarded(handler: Callable) -> Callable:
    """A handler whose UserErrors are shown as they are; of a bug people see one line, and the log the traceback.

    Messages are escaped: Gradio renders toasts as HTML, and a message may quote a file.
    """

    @functools.wraps(handler)
    def steps(*args, **kwargs):
        with _shown(handler):
            yield from handler(*args, **kwargs)

    @functools.wraps(handler)
    def wrapped(*args, **kwargs):
        with _shown(handler):
            return handler(*args, **kwargs)

    return steps if inspect.isgeneratorfunction(handler) else wrapped


@contextmanager
def _shown(handler: Callable) -> Iterator[None]:
    try:
        yield
    except UserError as e:
        raise gr.Error(html.escape(str(e)), duration=15, title="Not possible", print_exception=False) from e
    except gr.Error:
        raise
    except Exception as e:
        log.exception("A handler failed: %s", handler.__name__)
        text = "Something went wrong on our side. The log of the app has the details; your data is safe."
        raise gr.Error(text, title="A bug", print_exception=False) from e
