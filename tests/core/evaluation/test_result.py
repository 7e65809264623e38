"""A report is read from the shape of every release, and what is no report is refused in a sentence."""

from __future__ import annotations

import copy
import json

import pytest

from core.errors import UserError
from core.evaluation.benchmarks.result import Source
from core.evaluation.report import comparison
from core.evaluation.report.document import FORMATS, to_text
from core.evaluation.report.sentences import summarise
from core.evaluation.result import SCHEMA, Report, report_in
from core.evaluation.spec import EvaluationSpec
from core.statistics.intervals import Interval
from tests.core.evaluation.full_report import SPEC, full_report, heldout, holds, interval, labels, metric, read

FIRST_RELEASE_SPEC = {
    "schema": 1,
    "model": "starter",
    "revision": None,
    "adapter": "/home/me/adapter",
    "dataset_version": "v1",
    "rows_file": "/home/me/rows.parquet",
    "split": "test",
    "max_length": 512,
    "decoding": {"max_new_tokens": 96, "temperature": 0.0, "seed": 0},
    "max_rows": None,
    "benchmarks": ["arc_easy"],
    "benchmark_limit": 100,
    "benchmark_folder": None,
    "seed": 0,
}
"""As the first release that asked benchmarks wrote it: no template, no quantisation, no hash of the base, no size."""


def first_release() -> dict:
    task = {
        "title": "ARC-Easy",
        "version": 1.0,
        "shots": 0,
        "n": 100,
        "metric": "acc",
        "metrics": {"acc": metric(0.54, 0.48, -0.1, -0.02, 100)},
        "mcnemar": {"lost": 8, "gained": 2, "unchanged": 90, "p": 0.109},
        "minimum_detectable_difference": 0.09,
        "lost": [{"item": 3, "question": "Which?", "choices": ["a", "b"], "gold": 0, "base": 0, "tuned": 1}],
        "gained": [],
        "available": 2376,
        "truncated": 0,
        "too_long": 2,
        "seconds": {"base": 20.0, "tuned": 21.0},
        "seed": 0,
        "source": "folder",
    }
    return {
        "schema": 1,
        "spec": FIRST_RELEASE_SPEC,
        "heldout": heldout(40, interval(4.5, 0.4, -4.3, -3.9)),
        "benchmarks": {"arc_easy": task},
        "proof": {
            "base_weights_sha256": "ab" * 32,
            "adapter_sha256": "cd" * 32,
            "adapter_off_equals_plain_model": True,
            "largest_logit_difference_base_to_plain": 0.0,
        },
        "environment": {},
        "seconds": {"loading": 4.0},
        "problems": [{"level": "warning", "what": "Stopped.", "fix": "", "row": None, "column": None}],
    }


def test_a_report_of_the_first_release_is_read_and_shown():
    report = Report.from_dict(first_release())
    result = report.benchmarks["arc_easy"]
    assert report.schema == SCHEMA
    assert (result.p, result.source, result.too_long) == (0.109, None, 2)
    assert (report.heldout.bits_per_byte, report.heldout.metrics, report.environment) == (None, {}, None)
    assert "ARC-Easy: 8 questions lost, 2 gained, 90 unchanged (McNemar's exact p = 0.109)." in summarise(report)
    assert all(to_text(report, ending) for ending in FORMATS)
    assert comparison.compare([("One", report), ("Two", read(full_report()))])[2]


def test_subjects_of_before_were_numbers_or_estimates():
    raw = first_release()
    sides = {"base": {"mean": 0.4}, "tuned": {"mean": 0.5}}
    raw["benchmarks"]["arc_easy"]["subjects"] = [
        {"name": "mmlu_anatomy", "n": 10, **sides, "difference": 0.1},
        {"name": "mmlu_law", "n": 10, "base": 0.4, "tuned": 0.5, "difference": interval(0.4, 0.5, -0.1, 0.3, 10)},
    ]
    first, second = Report.from_dict(raw).benchmarks["arc_easy"].subjects
    assert first.difference == Interval(0.4, 0.5, 0.1, None, None, 10)
    assert second.difference.high == 0.3


def test_what_is_read_is_written_with_the_same_keys():
    raw = full_report()
    raw["heldout"]["labels"] = labels()
    written = json.loads(json.dumps(Report.from_dict(raw).to_dict()))
    assert holds(written, {**raw, "schema": SCHEMA})
    assert Report.from_dict(written) == Report.from_dict(raw)
    assert Report.from_dict(written).to_dict() == written
    assert "labels" not in Report.from_dict(full_report()).to_dict()["heldout"]  # what was not measured has no key
    empty = read({}).to_dict()
    assert (empty["heldout"], empty["proof"], empty["benchmarks"], empty["problems"]) == ({}, {}, {}, [])


def test_sources_are_a_folder_or_a_data_set():
    raw = full_report()
    raw["benchmarks"]["arc_easy"]["source"] = {"hub": "allenai/ai2_arc", "revision": None}
    report = Report.from_dict(raw)
    assert report.benchmarks["arc_easy"].source == Source(hub="allenai/ai2_arc")
    assert report.benchmarks["hellaswag"].source == Source(folder="benchmarks")


def damaged(change) -> dict:
    raw = copy.deepcopy(full_report())
    change(raw)
    return raw


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ([1, 2], "The evaluation's report cannot be read: it holds no JSON object"),
        ({"schema": SCHEMA + 1}, f"has the schema {SCHEMA + 1}, and this version of Tunewright knows 1 to {SCHEMA}"),
        ({"schema": "x"}, "has the schema x"),
        ({}, "cannot be read: at spec, field required"),
        (first_release() | {"benchmarks": ["arc_easy"]}, "a part of it has a shape that no release wrote"),
        (
            first_release() | {"benchmarks": {"arc_easy": {"subjects": [{}]}}},
            "a part of it has a shape that no release",
        ),
        (damaged(lambda r: r["heldout"].pop("difference")), "at heldout.difference, field required"),
        (damaged(lambda r: r["heldout"].update(rows="many")), "at heldout.rows, input should be a valid integer"),
        (damaged(lambda r: r["benchmarks"]["mmlu"].pop("metrics")), "at benchmarks.mmlu.metrics, field required"),
        (damaged(lambda r: r["spec"].pop("model")), "at spec.model, field required"),
    ],
)
def test_what_is_no_report_is_refused_in_a_sentence(raw, sentence):
    with pytest.raises(UserError) as caught:
        Report.from_dict(raw)
    assert sentence in str(caught.value)
    assert "Restore it" in str(caught.value) or "Update Tunewright" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b'{"schema": 2, "spec"', b"\xff\xfe"])
def test_a_file_that_is_no_json_is_refused_in_a_sentence(content, tmp_path):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(UserError, match=r"it is no JSON .* Restore report.json"):
        report_in(tmp_path)


def test_a_specification_of_before_has_what_came_later():
    spec = EvaluationSpec.from_dict(FIRST_RELEASE_SPEC)
    assert (spec.template, spec.quantization, spec.base_weights_sha256) == ("", "none", None)
    assert (spec.strengths, spec.checkpoints, spec.size, spec.shots) == ((), False, None, {})
    assert EvaluationSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert holds(spec.to_dict(), {**FIRST_RELEASE_SPEC, "schema": 2})
    with pytest.raises(UserError, match="The specification of the evaluation cannot be read: at decoding, "):
        EvaluationSpec.from_dict({**SPEC, "decoding": 96})
