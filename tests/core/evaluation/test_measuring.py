"""A whole evaluation on tiny models: the files it leaves, what a stop keeps, and how failures are told."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.errors import UserError
from core.types import Example, Generation
from tests.core.evaluation.as_json import evaluate


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
    assert spec.items() <= report["spec"].items()
    assert report["proof"]["adapter_off_equals_plain_model"] is True
    assert report["proof"]["largest_logit_difference_tuned_to_base"] > 0
    assert set(report["seconds"]) == {"loading", "heldout", "generation", "benchmarks"}
    assert report["environment"]["packed"] is True
    assert report["heldout"]["signatures"]["bleu"].startswith("nrefs:1|case:mixed|eff:yes|tok:13a")
    assert "labels" not in report["heldout"]
    assert [s["n"] for s in report["heldout"]["slices"]["length"]] == [8, 7, 5]
    assert all(s["token_f1"]["n"] == s["n"] for s in report["heldout"]["slices"]["length"])
    normalisation, similarity = report["heldout"]["notes"]
    assert "C, C++ and C#" in normalisation and similarity.startswith("Similarity in meaning")
    for metric in ("token_f1", "rouge_l", "exact_match", "chrf", "bleu"):
        assert set(report["heldout"][metric]) == {"base", "tuned", "difference"}
        assert report["heldout"][metric]["difference"]["n"] == 20
    assert report["benchmarks"]["arc_easy"]["n"] == 6

    made = [Generation.from_dict(line) for line in lines(tmp_path / "generations.jsonl")]
    assert [(g.example_id, g.side) for g in made] == [(e.id, side) for e in examples for side in ("base", "tuned")]
    rows = lines(tmp_path / "rows.jsonl")
    assert [row["id"] for row in rows] == [e.id for e in examples]
    assert {"loss", "token_f1", "rouge_l", "exact_match", "chrf", "bleu"} <= set(rows[0]["tuned"])
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
    last = lines(tmp_path / "rows.jsonl")[-1]["base"]
    assert "token_f1" in last
    assert "loss" not in last
    assert "benchmarks" not in report["seconds"]


def test_no_rows_are_refused_at_once(spec, tmp_path):
    with pytest.raises(UserError, match="no rows in the split “test”"):
        evaluate(tmp_path, spec, tmp_path, lambda split: [], Log(), lambda: False)


def test_rows_that_leave_no_room_for_an_answer_are_counted_and_the_others_measured(spec, examples, tmp_path):
    long = replace(examples[3], messages=({"role": "user", "content": "the cat sat on the mat " * 100},), row=99)
    report = evaluate(tmp_path, spec, tmp_path, lambda split: [*examples[:5], long], Log(), lambda: False)
    [problem] = [p for p in report["problems"] if "leave no room" in p["what"]]
    assert problem["what"].startswith("1 of 6 test rows leave no room for 6 new tokens")
    assert "row 99." in problem["what"]
    assert report["heldout"]["token_f1"]["difference"]["n"] == 5
    assert report["benchmarks"]["arc_easy"]["n"] == 6
    made = (tmp_path / "generations.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(made) == 10 and not any(long.id in line for line in made)


def test_no_room_for_any_answer_leaves_loss_and_benchmarks(spec, examples, tmp_path):
    spec["decoding"] = {"max_new_tokens": 500}
    report = evaluate(tmp_path, spec, tmp_path, lambda split: examples, Log(), lambda: False)
    assert "20 of 20 test rows leave no room for 500 new tokens" in report["problems"][0]["what"]
    assert "token_f1" not in report["heldout"]
    assert report["heldout"]["difference"]["n"] == 20
    assert report["benchmarks"]["arc_easy"]["n"] == 6


def test_strengths_begin_and_end_with_what_was_measured(spec, examples, tmp_path):
    spec |= {"strengths": [0.5, 0.25, 1.0]}
    log = Log()
    report = evaluate(tmp_path, spec, tmp_path, lambda split: examples, log, lambda: False)
    assert report["problems"] == []
    found = report["strength"]["points"]
    assert [p["strength"] for p in found] == [0.0, 0.25, 0.5, 1.0]
    measured, task = report["heldout"]["difference"], report["benchmarks"]["arc_easy"]["metrics"]["acc"]["difference"]
    assert found[-1]["heldout"] == measured
    assert found[-1]["benchmarks"] == {"arc_easy": task}
    assert (found[0]["heldout"]["tuned"], found[0]["heldout"]["difference"]) == (measured["base"], 0)
    assert found[0]["benchmarks"]["arc_easy"]["tuned"] == task["base"]
    between = [p["heldout"]["tuned"] for p in found]
    assert len(set(between)) == 4
    assert found[1]["benchmarks"]["arc_easy"]["base"] == task["base"]
    assert found[1]["benchmarks"]["arc_easy"]["n"] == task["n"]
    assert log.shares() == sorted(log.shares())
    assert log.shares()[-1] == 1.0


def test_strengths_that_a_stop_left_are_kept(spec, examples, tmp_path):
    spec |= {"benchmarks": [], "strengths": [0.25, 0.5, 0.75]}
    log = Log()
    report = evaluate(tmp_path, spec, tmp_path, lambda split: examples, log, lambda: log.phase() == "strength")
    assert [p["strength"] for p in report["strength"]["points"]] == [0.0, 0.25, 1.0]
    assert "was stopped during strength" in report["problems"][0]["what"]
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report


def test_an_adapter_that_computes_no_numbers(spec, examples, tmp_path, tiny_adapter):
    """The tuned side is broken: what can be told is told, and nothing is made up."""
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(tiny_adapter, tmp_path / "adapter")
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    key = next(k for k in weights if "lora_B" in k)
    weights[key] = weights[key] * float("nan")
    save_file(weights, tmp_path / "adapter" / "adapter_model.safetensors", {"format": "pt"})
    spec |= {"adapter": str(tmp_path / "adapter")}
    with pytest.raises(UserError, match="the model computes no number"):
        evaluate(tmp_path, spec, tmp_path, lambda split: examples, Log(), lambda: False)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["heldout"] == report["benchmarks"] == {}
    assert [p["level"] for p in report["problems"]] == ["error", "error"]  # the loss, and the benchmark
    assert report["proof"]["base_weights_sha256"]


def test_rows_without_a_loss_leave_the_benchmarks(spec, examples, tmp_path):
    spec |= {"max_length": 3, "strengths": [0.5], "checkpoints": True}
    report = evaluate(tmp_path, spec, tmp_path, lambda split: examples, Log(), lambda: False)
    assert report["heldout"] == {}
    assert report["benchmarks"]["arc_easy"]["n"] == 6
    assert "None of the 20 test rows has an answer" in report["problems"][0]["what"]
    assert not {"generation", "strength", "checkpoints"} & set(report["seconds"])


def test_a_label_task(spec, tmp_path):
    rows = [
        Example(({"role": "user", "content": f"Is {i} even?"},), ["no", "yes"][i % 2], i + 1, "test") for i in range(14)
    ]
    report = evaluate(tmp_path, spec | {"benchmarks": []}, tmp_path, lambda split: rows, Log(), lambda: False)
    found = report["heldout"]["labels"]
    assert found["names"] == ["no", "yes"]
    assert sum(map(sum, found["confusion"]["tuned"])) == 14
    assert [s["name"] for s in report["heldout"]["slices"]["label"]] == ["no", "yes"]
