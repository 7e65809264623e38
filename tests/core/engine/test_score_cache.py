"""What was scored stays scored: over a stop, a kill, a torn line, and for the next evaluation of the same base."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.engine.score_cache import Scores, score_once
from core.engine.scoring import RowScore, Stopped
from core.evaluation.benchmarks.asking import How
from tests.core.evaluation.as_json import ask

ROWS = [([1, 2, 3 + i], [False, True, True]) for i in range(5)]


def test_a_torn_line_is_dropped_and_the_rest_kept(tmp_path):
    path = tmp_path / "scores.jsonl"
    Scores(path).add(ROWS[:3], [RowScore(-0.1 * i, 2, bool(i % 2)) for i in range(3)])
    path.write_bytes(path.read_bytes()[:-5])
    again = Scores(path)
    assert [again.get(row) for row in ROWS[:4]] == [RowScore(0.0, 2, False), RowScore(-0.1, 2, True), None, None]
    again.add([ROWS[2]], [RowScore(-0.2, 2, False)])
    assert Scores(path).get(ROWS[2]) == RowScore(-0.2, 2, False)
    assert len(path.read_text().splitlines()) == 3


def test_rows_are_told_apart_by_what_is_predicted():
    scores = Scores()
    scores.add([([1, 2, 3], [False, True, True])], [RowScore(-1.0, 2, False)])
    assert scores.get(([1, 2, 3], [False, False, True])) is None


def test_equal_rows_are_computed_once_and_stopping_keeps_what_is_done(tiny_sides, tmp_path):
    rows = [([1 + i % 7, 5, 6, 7 + i % 7] * 120, [False] * 240 + [True] * 240) for i in range(14)]
    scores = Scores(tmp_path / "s.jsonl")
    calls = iter([False, True])
    with tiny_sides.use("base") as model:
        with pytest.raises(Stopped):
            score_once(model, rows, scores, should_stop=lambda: next(calls))
        kept = len(Scores(tmp_path / "s.jsonl")._found)
        assert 0 < kept < 7
        seen = []
        found = score_once(model, rows, scores, progress=lambda *a: seen.append(a))
        whole = score_once(model, rows, Scores())
    assert found == found[:7] * 2
    assert [f.logprob_sum for f in found] == pytest.approx([w.logprob_sum for w in whole], abs=1e-4)
    assert seen[-1] == (14, 14)
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 7


def test_the_base_is_asked_once(tiny_sides, tiny_tokenizer, own_benchmarks, tmp_path):
    names, base = ["hellaswag", "mmlu"], tmp_path / "base.jsonl"
    first = {"base": Scores(base), "tuned": Scores(tmp_path / "a.jsonl")}
    before = ask(tiny_sides, tiny_tokenizer, names, own_benchmarks, How(), first)
    size = base.stat().st_size
    second = {"base": Scores(base), "tuned": Scores()}
    after = ask(tiny_sides, tiny_tokenizer, names, own_benchmarks, How(), second)
    assert base.stat().st_size == size > 0
    for name in names:
        assert after["tasks"][name]["metrics"] == before["tasks"][name]["metrics"]


KILLED = """
import sys
from pathlib import Path
from core.evaluation.benchmarks import asking
from core.evaluation.benchmarks.asking import How
from core.engine.score_cache import Scores
from core.models import loading
from core.models.sides import load_sides
model, adapter, folder, kept = sys.argv[1:]
sides = load_sides(model, Path(adapter), Path(kept))
tokenizer = loading.tokenizer(model, Path(kept))
scores = {side: Scores(Path(kept) / f"{side}.jsonl") for side in ("base", "tuned")}
names = ["arc_easy", "hellaswag", "truthfulqa_mc1", "truthfulqa_mc2", "mmlu_5_shots"]
import core.engine.scoring as scorer, time
own = scorer._score_pass
def slowly(*args):
    time.sleep(0.3)
    return own(*args)
scorer._score_pass = slowly
asking.run(sides, tokenizer, names, Path(folder), How(), scores)
print("done")
"""


def test_a_killed_evaluation_goes_on_to_the_same_numbers(
    tiny_sides, tiny_model_folder, tiny_adapter, tiny_tokenizer, own_benchmarks, tmp_path
):
    root = Path(__file__).resolve().parents[3]
    arguments = [tiny_model_folder, tiny_adapter, own_benchmarks, tmp_path]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *map(str, arguments)], cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    end = time.time() + 90
    while not (tmp_path / "base.jsonl").is_file() or not (tmp_path / "base.jsonl").stat().st_size:
        assert time.time() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = (tmp_path / "base.jsonl").read_bytes()
    assert left.count(b"\n") < 24 * 5  # it was killed half-way
    names = ["arc_easy", "hellaswag", "truthfulqa_mc1", "truthfulqa_mc2", "mmlu_5_shots"]
    kept = {side: Scores(tmp_path / f"{side}.jsonl") for side in ("base", "tuned")}
    gone_on = ask(tiny_sides, tiny_tokenizer, names, own_benchmarks, How(), kept)
    assert (tmp_path / "base.jsonl").read_bytes().startswith(left[: left.rfind(b"\n") + 1])
    whole = ask(tiny_sides, tiny_tokenizer, names, own_benchmarks, How())
    for name in names:
        for metric, values in whole["tasks"][name]["metrics"].items():
            for part in ("base", "tuned"):
                assert gone_on["tasks"][name]["metrics"][metric][part] == pytest.approx(values[part], abs=1e-5)
