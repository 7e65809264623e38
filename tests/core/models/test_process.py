"""The process that answers a page's questions: what it answers, and what is said when it dies or hangs."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from core.errors import UserError
from core.models.process import Process
from tests.core.models import questions

ROOT = Path(__file__).resolve().parents[3]
ASK_AND_STAY = """
import time
from core.models.process import TOKENIZERS
from tests.core.models import questions
TOKENIZERS.call(questions.double, 1)
print(TOKENIZERS.pid(), flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def process():
    started = Process("tokenizers", idle=300)
    yield started
    started.end()


def test_answers_refusals_and_bugs(process):
    heard = []
    assert process.call(questions.double, 21, progress=lambda *news: heard.append(news)) == [42, "é\ud800", None]
    assert heard == [(0.5, "half way")]
    with pytest.raises(UserError, match="No such thing. Choose another."):
        process.call(questions.refuse)
    first = process.pid()
    with pytest.raises(RuntimeError, match="(?s)fail.*ZeroDivisionError"):
        process.call(questions.fail)
    assert process.call(questions.double, 1)[0] == 2
    assert process.pid() == first


def test_one_that_is_killed_is_started_again(process, tmp_path):
    assert process.call(questions.die_once, str(tmp_path / "mark")) == "answered"


def test_one_that_dies_again_is_a_sentence(process):
    with pytest.raises(UserError, match=r"for tokenizers ended twice before it could answer \(killed by signal 9\)"):
        process.call(questions.die)
    assert process.call(questions.double, 1)[0] == 2


def test_one_that_hangs_is_ended_and_said(process):
    process.call(questions.double, 1)
    first = process.pid()
    with pytest.raises(UserError, match="no sign of life for 1 seconds and was ended. Try again."):
        process.call(questions.hang, patience=1)
    assert process.call(questions.double, 1)[0] == 2
    assert process.pid() != first


def test_many_first_questions_at_once_import_once():
    """Two threads that imported transformers together found it half made, and a box said “A bug”."""
    process = Process("tokenizers", idle=300)
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: process.call(questions.loaded), range(12)))
    process.end()
    assert answers == [["transformers"]] * 12  # and without torch


def test_nobody_asks_and_it_ends():
    process = Process("tokenizers", idle=1)
    process.call(questions.double, 1)
    gone(process.pid())
    until = time.time() + 20
    while process.pid() is not None:  # whoever waits for it in another thread may be first to learn of it
        assert time.time() < until
        time.sleep(0.05)
    assert process.call(questions.double, 1)[0] == 2
    process.end()


def test_the_app_is_killed_and_it_ends():
    code = (
        "import time; from core.models.process import TOKENIZERS as t; from tests.core.models import questions as q\n"
    )
    code += "t.call(q.double, 1); print(t.pid(), flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=-1, text=True) as app:
        pid = int(app.stdout.readline())
        assert psutil.pid_exists(pid)
        app.kill()
    gone(pid)


def gone(pid: int, seconds: float = 20) -> None:
    """Wait for the end of a process."""
    until = time.time() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.time() < until, "it did not end"
        time.sleep(0.1)
