"""From the command to HTTP 200, against a bare Gradio app of five tabs, in one sitting.

python -m tests.performance.start [rounds]   (default: 5)

Both start in turns, so that whatever else the machine does meets both. Ours starts on a home that it has seen before,
and once on an empty one. Prints medians of wall time and of processor time, and last one JSON line: `bare_seconds`,
`ours_seconds`, `ratio` (of the wall times), `cpu_ratio`, `first_seconds` (on the empty home), resident `bare_mb` and
`ours_mb`, and `idle_percent` of one core that ours takes over ten seconds without a page.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
BARE = """
import os
import gradio as gr
with gr.Blocks(analytics_enabled=False) as page:
    for title in ("One", "Two", "Three", "Four", "Five"):
        with gr.Tab(title):
            text, button = gr.Textbox(label=title), gr.Button("Go")
            button.click(lambda value: value, text, text)
page.launch(server_port=int(os.environ["PORT"]), quiet=True, ssr_mode=False)
"""


class Started:
    """A server as a process of its own, from its command to its first answer."""

    def __init__(self, command: list[str], home: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {**os.environ, "PORT": str(port), "TUNEWRIGHT_HOME": str(home), "HF_HUB_OFFLINE": "1"}
        environment["GRADIO_ANALYTICS_ENABLED"] = "False"
        environment.pop("DISPLAY", None)
        began = time.perf_counter()
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=10).read()
                break
            except OSError:
                assert self.process.poll() is None, f"{command} ended"
                time.sleep(0.01)
        self.seconds = time.perf_counter() - began
        self.watched = psutil.Process(self.process.pid)
        self.cpu = self.cpu_seconds()
        self.mb = self.watched.memory_info().rss / 1e6

    def cpu_seconds(self) -> float:
        return sum(self.watched.cpu_times()[:2])

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def main(rounds: int) -> None:
    home = Path(tempfile.mkdtemp(prefix="tunewright-start-"))
    commands = {"bare": [sys.executable, "-c", BARE], "ours": [sys.executable, "app.py"]}
    first = Started(commands["ours"], home)
    first.end()
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    cpu: dict[str, list[float]] = {name: [] for name in commands}
    mb: dict[str, float] = {}
    idle = 0.0
    for i in range(rounds):
        for name, command in commands.items():
            started = Started(command, home)
            seconds[name].append(started.seconds)
            cpu[name].append(started.cpu)
            mb[name] = started.mb
            print(f"round {i + 1}: {name} {started.seconds:.2f} s, processor {started.cpu:.2f} s", flush=True)
            if name == "ours" and i == rounds - 1:
                time.sleep(3)
                since = started.cpu_seconds()
                time.sleep(10)
                idle = 100 * (started.cpu_seconds() - since) / 10
            started.end()
    bare, ours = (statistics.median(seconds[name]) for name in ("bare", "ours"))
    result = {
        "bare_seconds": bare,
        "ours_seconds": ours,
        "ratio": ours / bare,
        "cpu_ratio": statistics.median(cpu["ours"]) / statistics.median(cpu["bare"]),
        "first_seconds": first.seconds,
        "bare_mb": mb["bare"],
        "ours_mb": mb["ours"],
        "idle_percent": idle,
    }
    print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
