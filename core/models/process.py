"""A process that answers a page's questions about models, so that the page's own never loads a model library.

The app starts one when it is first asked something, and owns its pipes: requests and answers are JSON, one a line. It
ends by itself when nobody asked for a while, or when the app is gone. One that died is started again, and one that
does not answer is ended; both are said. Nothing here is a job: what a process was asked is lost with it, and asked
anew.

python -m core.models.process tokenizers|models <seconds until it ends by itself>
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from core.errors import UserError

log = logging.getLogger("tunewright")

PATIENCE = 120.0
"""Seconds without any sign of life from a question until its process is given up."""
THREADS = 4

Progress = Callable[[float, str], None]


@dataclass
class _Running:
    process: subprocess.Popen[str]
    questions: IO[str]
    answers: IO[str]
    waiting: dict[int, queue.SimpleQueue[tuple[str, Any]]] = field(default_factory=dict)
    """Number of a question → where its answers are put."""
    over: bool = False


class Process:
    """The asking side. One of each kind serves all visitors and all threads of the app."""

    def __init__(self, kind: str, idle: float) -> None:
        self.kind, self.idle = kind, idle
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._asked = 0

    def call(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        progress: Progress = lambda share, what: None,
        patience: float = PATIENCE,
    ) -> Any:
        """`function(*arguments, progress=…)`, worked out in the process; both ways only what JSON can hold.

        `function` is one of our own modules'; what it tells its `progress` is passed on, and is a sign of life. Raises
        UserError as the function does, and where the process hangs for `patience` seconds or dies twice.
        """
        name = f"{function.__module__}:{function.__qualname__}"
        for attempt in (1, 2):
            try:
                return self._ask(name, arguments, progress, patience)
            except _Ended as ended:
                log.warning("The process for %s ended (%s) at %s.", self.kind, ended, name)
                if attempt == 2:
                    raise UserError(
                        f"The process for {self.kind} ended twice before it could answer ({ended}). If memory is "
                        "short, close what else takes it; then try again."
                    ) from ended

    def end(self) -> None:
        """End the process, if there is one; the next question starts another."""
        running = self._running
        if running is not None:
            running.process.kill()
            running.process.wait()

    def pid(self) -> int | None:
        """Of the process, while there is one."""
        running = self._running
        return running.process.pid if running is not None and running.process.poll() is None else None

    def _ask(self, name: str, arguments: tuple[Any, ...], progress: Progress, patience: float) -> Any:
        answers: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        with self._lock:
            if self._running is None or self._running.over:
                self._running = self._start()
            running = self._running
            self._asked += 1
            number = self._asked
            running.waiting[number] = answers
            with suppress(OSError):  # it ended at this very moment; whoever reads its answers says so
                running.questions.write(json.dumps([number, name, arguments]) + "\n")
                running.questions.flush()
        try:
            while True:
                kind, value = answers.get(timeout=patience)
                if kind == "progress":
                    progress(*value)
                elif kind == "answer":
                    return value
                elif kind == "refused":
                    raise UserError(value)
                elif kind == "ended":
                    raise _Ended(value)
                else:
                    raise RuntimeError(f"The process for {self.kind} failed at {name}:\n{value}")
        except queue.Empty:
            running.process.kill()
            raise UserError(
                f"The process for {self.kind} gave no sign of life for {patience:.0f} seconds and was ended. Try again."
            ) from None
        finally:
            running.waiting.pop(number, None)

    def _start(self) -> _Running:
        root = Path(__file__).resolve().parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root), "TRANSFORMERS_VERBOSITY": "error"}
        process = subprocess.Popen(
            [sys.executable, "-m", "core.models.process", self.kind, str(self.idle)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        assert process.stdin is not None and process.stdout is not None  # both are pipes
        running = _Running(process, process.stdin, process.stdout)
        threading.Thread(target=self._read, args=(running,), name=self.kind, daemon=True).start()
        return running

    def _read(self, running: _Running) -> None:
        """Hand every answer to whoever waits for it; at the end tell all of them that nothing will come."""
        for line in running.answers:
            number, kind, value = json.loads(line)
            if answers := running.waiting.get(number):
                answers.put((kind, value))
        status = running.process.wait()
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        with self._lock:
            running.over = True
            for answers in running.waiting.values():
                answers.put(("ended", how))
        with suppress(OSError):
            running.questions.close()
        running.answers.close()


class _Ended(Exception):
    """The process was gone before it answered."""


TOKENIZERS = Process("tokenizers", idle=600)
"""Loads no torch: it answers in half the time, from half the memory."""
MODELS = Process("models", idle=60)
"""Builds models without storage, and unlike TOKENIZERS takes a quarter of a gigabyte."""


class _Serving:
    """The answering side: questions from stdin, each in a thread, answers to stdout."""

    def __init__(self, out: Any, idle: float) -> None:
        self.out, self.idle = out, idle
        self.lock = threading.Lock()
        self.open = 0
        self.last = time.monotonic()

    def tell(self, number: int, kind: str, value: Any) -> None:
        line = json.dumps([number, kind, value])
        with self.lock:
            self.out.write(line + "\n")
            self.out.flush()

    def work(self, number: int, name: str, arguments: list[Any]) -> None:
        try:
            module, function = name.split(":")
            progress = partial(self.tell_progress, number)
            answer = getattr(importlib.import_module(module), function)(*arguments, progress=progress)
            self.tell(number, "answer", answer)
        except UserError as e:
            self.tell(number, "refused", str(e))
        except Exception:  # a bug is told to whoever asked, with its traceback, and this process goes on
            self.tell(number, "failed", traceback.format_exc())
        finally:
            with self.lock:
                self.open -= 1
                self.last = time.monotonic()

    def tell_progress(self, number: int, share: float, what: str) -> None:
        self.tell(number, "progress", [share, what])

    def end_when_idle(self) -> None:
        while True:
            time.sleep(min(1.0, self.idle / 4))
            with self.lock:
                if self.open == 0 and time.monotonic() - self.last > self.idle:
                    os._exit(0)


def serve(kind: str, idle: float) -> None:
    """Answer until the app's end of the pipe is closed, or nobody asked for `idle` seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the app's; its end of the pipe tells us
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    if kind == "tokenizers":
        # With torch transformers takes twice as long to load, and twice the memory. None: importing it fails.
        sys.modules["torch"] = None  # type: ignore[assignment]
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]  # nothing is quantized here: see libraries.py
    from core.models import libraries

    serving = _Serving(out, idle)
    threading.Thread(target=serving.end_when_idle, daemon=True).start()
    threads = ThreadPoolExecutor(THREADS)
    for line in sys.stdin:
        with serving.lock:
            serving.open += 1
        # Before any thread of ours needs them, and only where something is asked.
        libraries.transformers() if kind == "tokenizers" else libraries.torch_and_peft()
        threads.submit(serving.work, *json.loads(line))
    os._exit(0)  # the app is gone, and nobody waits for what is still being worked out


if __name__ == "__main__":
    serve(sys.argv[1], float(sys.argv[2]))
