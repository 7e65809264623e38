"""The app as a process: it says where it runs, and runs there; a taken port is passed over, or named."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def app(home: Path, **environment: str):
    """The app on `home`; its process, and the file that it prints into."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("PORT", "GRADIO_SERVER_PORT")}
    printed = home / "printed.txt"
    with open(printed, "wb") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env=inherited | {"TUNEWRIGHT_HOME": str(home), "DISPLAY": "", "WAYLAND_DISPLAY": ""} | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, printed
    finally:
        process.terminate()
        process.wait(30)


def address(process, printed: Path) -> str:
    end = time.time() + 180
    while time.time() < end:
        if said := re.search(r"Tunewright runs at (\S+)", printed.read_text()):
            return said[1]
        assert process.poll() is None, printed.read_text()
        time.sleep(0.2)
    raise AssertionError(printed.read_text())


def taken() -> socket.socket:
    """A port that somebody listens on: 7860, where it is not taken already."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", 7860))
    except OSError:
        holder.bind(("127.0.0.1", 0))
    holder.listen()
    return holder


def test_it_runs_where_it_says_beside_what_has_its_port(tmp_path):
    with taken(), app(tmp_path) as (process, printed):
        url = address(process, printed)
        port = int(url.rsplit(":", 1)[1])
        assert 7860 < port < 7960
        assert urllib.request.urlopen(url, timeout=60).status == 200


def test_a_port_that_is_asked_for_and_taken_is_named(tmp_path):
    with taken() as holder, app(tmp_path, PORT=str(holder.getsockname()[1])) as (process, printed):
        assert process.wait(180) != 0
        assert (
            f"Port {holder.getsockname()[1]} is taken on 127.0.0.1. Set PORT to one that is free."
            in printed.read_text()
        )
