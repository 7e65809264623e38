"""A whole evaluation on tiny models: the files it leaves, what a stop keeps, and how failures are told."""

from __future__ import annotations

import json

import pytest

from core.evaluation.run import evaluate
from core.types import Example, Generation, UserError


@pytest.fixture
def spec(tiny_model_folder, tiny_adapter, samples):
    return {
        "model": str(tiny_model_folder),
        "revision": None,
        "adapter": str(tiny_adapter),
        "split": "test",
        "max_length": 256,
        "decoding": {"max_new_tokens": 6, "temperature": 0.0, "seed": 0},
        "benchmarks": ["arc_easy"],
        "benchmark_limit": 6,
        "benchmark_folder": str(samples),
        "seed": 0,
    }


class Log:
    def __init__(self):
        self.events = []

    def __call__(self, kind, payload, step=None):
        self.events.append((kind, payload))

    def shares(self):
        return [p["share"] for k, p in self.events if k == "progress"]

    def phase(self):
        return next((p["phase"] for k, p in reversed(self.events) if k == "progress"), "")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_the_whole_evaluation(spec, examples, tmp_path):
    log = Log()
    report = evaluate(tmp_path, spec, tmp_path, lambda split: examples if split == "test" else [], log, lambda: False)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    assert report["problems"] == []
    assert report["spec"] == spec
    assert report["proof"]["adapter_off_equals_plain_model"] is True
    assert report["proof"]["largest_logit_difference_tuned_to_base"] > 0
    assert set(report["seconds"]) == {"loading", "heldout", "generation", "benchmarks"}
    assert report["environment"]["packed"] is True
    for metric in ("token_f1", "rouge_l", "exact_match"):
        assert set(report["heldout"][metric]) == {"base", "tuned", "difference"}
        assert report["heldout"][metric]["difference"]["n"] == 20
    assert report["benchmarks"]["arc_easy"]["n"] == 6

    made = [Generation.from_dict(line) for line in lines(tmp_path / "generations.jsonl")]
    assert [(g.example_id, g.side) for g in made] == [(e.id, side) for e in examples for side in ("base", "tuned")]
    rows = lines(tmp_path / "rows.jsonl")
    assert [row["id"] for row in rows] == [e.id for e in examples]
    assert set(rows[0]["tuned"]) == {"loss", "token_f1", "rouge_l", "exact_match"}
    tokens = sum(row["tokens"] for row in rows)
    weighted = sum(row["base"]["loss"] * row["tokens"] for row in rows) / tokens
    assert weighted == pytest.approx(report["heldout"]["base"]["loss"])

    assert log.shares() == sorted(log.shares())
    assert log.shares()[-1] == 1.0
    assert [p["text"][:7] for k, p in log.events if k == "status"] == ["Loading", "Measuri", "Base an", "Asking "]


@pytest.mark.parametrize("phase", ["loading", "heldout", "generation"])
def test_a_stop_keeps_what_was_measured(phase, spec, examples, tmp_path):
    log = Log()
    stop = lambda: phase == "loading" or log.phase() == phase  # noqa: E731 (once the phase has told of progress)
    report = evaluate(tmp_path, spec, tmp_path, lambda split: examples, log, stop)
    assert report == json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [p["level"] for p in report["problems"]] == ["warning"]
    assert "was stopped during" in report["problems"][0]["what"]
    assert report["proof"]
    assert bool(report["heldout"]) == (phase == "generation")
    assert (tmp_path / "rows.jsonl").exists() == (phase == "generation")
    assert report["benchmarks"] == {}


def test_a_benchmark_that_fails_is_a_problem_of_the_report(spec, examples, tmp_path):
    spec |= {"benchmarks": ["hellaswag", "arc_easy"]}
    report = evaluate(tmp_path, spec, tmp_path, lambda split: examples, Log(), lambda: False)
    assert list(report["benchmarks"]) == ["arc_easy"]
    (problem,) = report["problems"]
    assert "hellaswag/validation.jsonl" in problem["what"]
    assert report["heldout"]["rows"] == 20


def test_rows_that_cannot_be_measured_are_problems_too(spec, examples, tmp_path):
    spec |= {"benchmarks": []}
    rows = [*examples, Example(({"role": "user", "content": "Nothing."},), "", 21, "test")]
    report = evaluate(tmp_path, spec, tmp_path, lambda split: rows, Log(), lambda: False)
    assert report["problems"][0]["row"] == 21
    assert report["heldout"]["skipped"] == 1
    assert lines(tmp_path / "rows.jsonl")[-1]["base"].keys() == {"token_f1", "rouge_l", "exact_match"}
    assert "benchmarks" not in report["seconds"]


def test_no_rows_or_a_prompt_that_does_not_fit_are_refused_at_once(spec, examples, tmp_path):
    with pytest.raises(UserError, match="no rows in the split “test”"):
        evaluate(tmp_path, spec, tmp_path, lambda split: [], Log(), lambda: False)
    spec["decoding"] = {"max_new_tokens": 500}
    with pytest.raises(UserError, match="exceeds the 512 that the model takes"):
        evaluate(tmp_path, spec, tmp_path, lambda split: examples, Log(), lambda: False)
    assert not (tmp_path / "generations.jsonl").exists()
