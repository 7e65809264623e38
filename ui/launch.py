"""Address and port: loopback on a laptop, all interfaces on a Space."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from starlette.middleware import Middleware

from core.errors import UserError
from core.store import temporary
from core.store.workspace import Workspace
from ui import shell
from ui.quick_gradio import MendedScript
from ui.review.routes import DeskRoutes, serve_guests
from ui.wall import Wall

SPACE_PORT = 7860
WAITING = 500
"""Questions of all visitors' pages that wait on a Space."""


def launch(store: Workspace) -> None:
    """Serve until interrupted."""
    settings = store.settings
    local = not settings.shared
    _share_memory()
    # Where Gradio keeps what people bring and take along: read when the page is built.
    os.environ["GRADIO_TEMP_DIR"] = str(temporary.folder(settings.home))
    temporary.keep_sweeping(settings)
    page = shell.build(store)
    _calm(page._queue)
    if settings.shared:
        page._queue.max_size = WAITING
    walled = [] if local else [Middleware(Wall, settings=settings)]
    try:
        page.launch(
            server_name=settings.host,
            # None: Gradio takes 7860 or the next port that is free. A Space is asked at 7860 and nowhere else.
            server_port=settings.port or (None if local else SPACE_PORT),
            inbrowser=local and _has_browser(),
            max_file_size=None if local else settings.limits.upload_mb * 1_000_000,  # else what the disk allows
            quiet=True,
            prevent_thread_lock=True,
            app_kwargs={"middleware": [*walled, Middleware(MendedScript), Middleware(DeskRoutes, store=store)]},
            **shell.launch_options(),
        )
    except OSError as e:
        if "empty port" not in str(e):
            raise
        where = f"Port {settings.port} is taken" if settings.port else "No port from 7860 on is free"
        raise UserError(f"{where} on {settings.host}. Set PORT to one that is free.") from e
    if local and settings.label_port is not None:
        serve_guests(store, settings.label_port)
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    print(f"Tunewright runs at http://{shown}:{page.server_port} (stop it with Ctrl-C; trainings go on)", flush=True)
    page.block_thread()


def _share_memory() -> None:
    """What one thread gave back serves the others: glibc would keep eight pools a core, Arrow one of its own.

    glibc raises its two thresholds whenever a large block is freed, and keeps more each time; set, they stay. After a
    walk through all tabs the process has 12 of 268 MB less.
    """
    import ctypes

    import pyarrow

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    with suppress(OSError, AttributeError):  # another system's library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-8, 2)  # M_ARENA_MAX of malloc.h
        libc.mallopt(-3, 128 * 1024)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 128 * 1024)  # M_TRIM_THRESHOLD


def _calm(queue: Any) -> None:
    """Every handler may run beside every other, and an empty queue is looked at 20 times a second.

    Gradio does so on Windows; elsewhere it looks a thousand times (queueing.py of 6.31), which takes a twentieth of a
    core when nobody is there. There is no public way to say so; `Blocks.queue` would build the server once more.
    """
    queue.default_concurrency_limit = None
    queue.sleep_when_free = 0.05
    queue.progress_update_sleep_when_free = 0.1


def _has_browser() -> bool:
    """A desktop to open a browser on; a server without one is left alone."""
    import sys

    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
