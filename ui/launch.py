"""Address and port: loopback on a laptop, all interfaces on a Space."""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from core.errors import UserError
from core.store.workspace import Workspace
from ui import shell

FIRST_PORT = 7860


def launch(store: Workspace) -> None:
    """Serve until interrupted."""
    settings = store.settings
    local = settings.mode == "local"
    port = settings.port or (free_port(settings.host) if local else FIRST_PORT)
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host
    print(f"Tunewright runs at http://{shown}:{port} (stop it with Ctrl-C; trainings go on)", flush=True)
    _share_memory()
    page = shell.build(store)
    _calm(page._queue)
    page.launch(
        server_name=settings.host,
        server_port=port,
        inbrowser=local and _has_browser(),
        max_file_size=settings.max_upload_mb * 1_000_000,
        quiet=True,
        **shell.launch_options(),
    )


def _share_memory() -> None:
    """What one thread gave back serves the others: glibc would keep eight pools a core, Arrow one of its own."""
    import ctypes

    import pyarrow

    pyarrow.set_memory_pool(pyarrow.system_memory_pool())
    with suppress(OSError, AttributeError):  # another system's library
        ctypes.CDLL("libc.so.6").mallopt(-8, 2)  # M_ARENA_MAX of malloc.h


def _calm(queue) -> None:
    """Every handler may run beside every other, and an empty queue is looked at 20 times a second.

    Gradio does so on Windows; elsewhere it looks a thousand times (queueing.py of 6.31), which takes a twentieth of a
    core when nobody is there. There is no public way to say so; `Blocks.queue` would build the server once more.
    """
    queue.default_concurrency_limit = None
    queue.sleep_when_free = 0.05
    queue.progress_update_sleep_when_free = 0.1


def free_port(host: str) -> int:
    """7860, or the next port that nobody listens on."""
    for port in range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    raise UserError(f"No free port from {FIRST_PORT} to {FIRST_PORT + 99} on {host}. Set PORT to one that is free.")


def _has_browser() -> bool:
    """A desktop to open a browser on; a server without one is left alone."""
    import sys

    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
