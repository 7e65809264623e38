"""What a person reads: numbers with their intervals, and plain words where no difference can be told."""

from __future__ import annotations

import copy

import pytest

from core.evaluation.report import summarise, to_markdown


def interval(base, tuned, low, high, n=40):
    return {"base": base, "tuned": tuned, "difference": tuned - base, "low": low, "high": high, "n": n}


def metric(*args):
    return {"base": {}, "tuned": {}, "difference": interval(*args)}


REPORT = {
    "schema": 1,
    "heldout": {
        "base": {"loss": 2.91, "perplexity": 18.36, "low": 2.8, "high": 3.0},
        "tuned": {"loss": 1.2, "perplexity": 3.32, "low": 1.1, "high": 1.3},
        "difference": interval(2.91, 1.2, -1.9, -1.52),
        "rows": 40,
        "tokens": 812,
        "skipped": 1,
        "truncated": 0,
        "token_f1": metric(0.25, 0.5, 0.1, 0.4),
        "rouge_l": metric(0.25, 0.3, -0.02, 0.12),
        "exact_match": metric(0.0, 0.1, -0.01, 0.2),
    },
    "benchmarks": {
        "arc_easy": {
            "title": "ARC-Easy",
            "lm_eval": "0.4.13",
            "version": 1.0,
            "shots": 0,
            "n": 100,
            "metric": "acc",
            "metrics": {"acc": metric(0.54, 0.53, -0.061, 0.041, 100), "acc_norm": metric(0.5, 0.4, -0.2, -0.01, 100)},
            "mcnemar": {"lost": 3, "gained": 2, "unchanged": 95, "p": 1.0},
            "minimum_detectable_difference": 0.0733,
            "lost": [],
            "gained": [],
            "truncated": 1,
        }
    },
    "proof": {"adapter_off_equals_plain_model": True, "base_weights_sha256": "ab" * 32, "adapter_sha256": "cd" * 32},
    "spec": {
        "model": "starter",
        "revision": None,
        "split": "test",
        "max_length": 512,
        "decoding": {"max_new_tokens": 96, "temperature": 0.0, "seed": 0},
    },
    "seconds": {},
    "problems": [
        {"level": "error", "what": "HellaSwag needs a file.", "fix": "Put it there.", "row": None, "column": None}
    ],
}


def test_sentences():
    lines = summarise(REPORT)
    assert lines[0] == (
        "On your 40 test rows the loss fell from 2.91 to 1.20 (difference −1.71, 95 % interval −1.90 to −1.52)."
    )
    assert lines[1] == "1 row could not be measured: no answer within the maximum length."
    assert lines[2].endswith("rose from 25.0 to 50.0 on 40 rows (difference +25.0, 95 % interval +10.0 to +40.0).")
    assert lines[3].endswith("(difference +5.0, 95 % interval −2.0 to +12.0): no difference can be told with 40 rows.")
    assert lines[5] == (
        "ARC-Easy (lm-eval 0.4.13, task version 1.0, 0-shot, acc) went from 54.0 % to 53.0 % on 100 questions "
        "(difference −1.0, 95 % interval −6.1 to +4.1): no difference can be told with 100 questions."
    )
    assert "3 questions lost, 2 gained, 95 unchanged (McNemar's exact p = 1)" in lines[6]
    assert "difference of 7.3 points or more" in lines[6]
    assert lines[7] == "ARC-Easy: 1 choice cut at the beginning to fit the model."
    assert lines[8] == "HellaSwag needs a file. Put it there."


@pytest.mark.parametrize("missing", ["heldout", "benchmarks", "proof", "problems"])
def test_a_report_that_was_stopped_early_is_readable(missing):
    report = copy.deepcopy(REPORT)
    report[missing] = type(report[missing])()
    assert summarise(report)
    assert to_markdown(report)


def test_an_empty_report_has_no_findings():
    assert summarise({}) == []
    assert to_markdown({}).startswith("# Base against tuned")


def test_one_row():
    report = {"heldout": {"rows": 1, "difference": interval(2.0, 1.0, None, None, 1)}}
    assert summarise(report) == [
        "On your 1 test row the loss went from 2.00 to 1.00 (difference −1.00; one alone gives no interval)."
    ]


def test_markdown():
    text = to_markdown(REPORT)
    assert "| Loss per token (nats) | 2.91 | 1.20 | −1.71 | −1.90 to −1.52 | 40 |" in text
    assert "| ARC-Easy acc_norm (%) | 50.0 | 40.0 | −10.0 | −20.0 to −1.0 | 100 |" in text
    assert "greedy, at most 96 new tokens, seed 0" in text
    assert "ab" * 32 in text
    assert text.endswith("\n")


def test_no_minus_before_zero():
    report = {"heldout": {"rows": 9, "difference": interval(1.0, 0.999, -0.004, 0.001, 9)}}
    assert "difference 0.00, 95 % interval 0.00 to 0.00): no difference" in summarise(report)[0]
