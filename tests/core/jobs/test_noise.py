"""What is kept out of a log is what a library says today, and nothing else."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs import noise


@pytest.mark.parametrize("logger", noise.MESSAGES)
def test_the_library_still_says_it(logger):
    """Where it does not, the line in noise.py is to go."""
    source = Path(importlib.util.find_spec(logger).origin).read_text(encoding="utf-8")
    assert noise.MESSAGES[logger] in source


def test_the_deprecated_name_is_still_asked_for():
    import transformers

    source = Path(transformers.modeling_utils.__file__).read_text(encoding="utf-8")
    assert noise.DEPRECATED.removeprefix(".*") in source


def test_only_that_is_kept_out():
    """In a process of its own: filters stay."""
    code = """
import logging, warnings
from core.jobs import noise
noise.keep_out()
logging.basicConfig(format="%(message)s")
for name, text in noise.MESSAGES.items():
    logging.getLogger(name).warning(text + " …: %s", "pip install kernels")
    logging.getLogger(name).warning("Something else of " + name)
warnings.warn("`is_gradient_checkpointing` is deprecated and will be removed in v6.", FutureWarning)
warnings.warn("Something else is deprecated.", FutureWarning)
"""
    root = Path(noise.__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if line]
    assert lines[:2] == [f"Something else of {name}" for name in noise.MESSAGES]
    assert "Something else is deprecated." in lines[2] and len(lines) == 3
