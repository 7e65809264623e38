"""What tests/core/models/test_process.py asks: functions that a process can import by their name."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from core.errors import UserError
from core.models import libraries


def double(n, progress):
    progress(0.5, "half way")
    print("a library that prints is not taken for an answer")
    return [2 * n, "é\ud800", None]


def refuse(progress):
    raise UserError("No such thing. Choose another.")


def fail(progress):
    return 1 / 0


def hang(progress):
    time.sleep(600)


def die_once(mark, progress):
    """Ends its process, as for want of memory, unless the file `mark` is there."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "answered"


def die(progress):
    os.kill(os.getpid(), signal.SIGKILL)


def loaded(progress):
    """Which of the libraries this process has; transformers is asked for by name, as in many threads at once."""
    libraries.transformers()
    from transformers import AutoConfig, AutoTokenizer  # noqa: F401

    return [name for name in ("torch", "transformers", "peft") if sys.modules.get(name)]
