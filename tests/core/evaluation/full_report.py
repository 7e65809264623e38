"""A report with everything an evaluation can hold, made by hand as JSON: for tests of what is shown and written."""

from __future__ import annotations

from typing import Any

from core.evaluation.result import Report
from core.types import SIDES

EVIL = "<img src=x onerror=alert(1)>\"'& {{x}} ${y} | *b*"


def interval(base, tuned, low, high, n=40):
    return {"base": base, "tuned": tuned, "difference": tuned - base, "low": low, "high": high, "n": n}


def metric(base, tuned, low, high, n=40):
    sides = {"base": estimate(base, None, None, n), "tuned": estimate(tuned, None, None, n)}
    return {**sides, "difference": interval(base, tuned, low, high, n)}


def estimate(mean, low, high, n=40):
    return {"mean": mean, "low": low, "high": high, "n": n}


SPEC: dict[str, Any] = {
    "model": "starter",
    "revision": None,
    "adapter": "adapter",
    "dataset_version": "v1",
    "rows_file": "rows.parquet",
    "split": "test",
    "max_length": 512,
    "decoding": {"max_new_tokens": 96, "temperature": 0.0, "seed": 0},
}
"""The least that an evaluation is asked for."""


def read(raw: dict[str, Any]) -> Report:
    """The report that a file holds; without a specification of its own, of the least."""
    return Report.from_dict({"spec": SPEC, **raw})


def holds(whole: Any, part: Any) -> bool:
    """Has `whole` all that `part` has, at the same places?"""
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(part, list):
        return len(whole) == len(part) and all(map(holds, whole, part))
    return whole == part


def heldout(rows: int, difference: dict[str, Any]) -> dict[str, Any]:
    """The loss alone."""
    sides = {side: {"loss": difference[side], "perplexity": 1.0, "low": None, "high": None} for side in SIDES}
    return {**sides, "difference": difference, "rows": rows}


def question(i: int) -> dict:
    asked = f"{EVIL} Which of these {i} is a liquid at room temperature?"
    return {"item": i, "question": asked, "choices": ["iron", "water", EVIL, "salt"], "gold": 1, "base": 1, "tuned": 2}


def benchmark(title: str, name: str, values: tuple, p_holm: float, lost: int, gained: int) -> dict:
    n = values[-1]
    won = [{**question(i), "base": 0, "tuned": 1} for i in range(gained)]
    return {
        "title": title,
        "lm_eval": "0.4.13",
        "version": 1.0,
        "shots": 0,
        "n": n,
        "available": 2376,
        "seed": 0,
        "source": {"folder": "benchmarks"},
        "metric": name,
        "metrics": {name: metric(*values), "acc_bytes": metric(*values)},
        "mcnemar": {"lost": lost, "gained": gained, "unchanged": n - lost - gained, "p": 0.03},
        "p_holm": p_holm,
        "minimum_detectable_difference": 0.028,
        "lost": [question(i) for i in range(lost)],
        "gained": won,
        "truncated": 0,
        "seconds": {"base": 20.0, "tuned": 21.0},
    }


BY_SUBJECT = ("subjects", "clustered_by", "test", "mcnemar", "lost", "gained")


def full_report() -> dict:
    return {
        "schema": 1,
        "heldout": of_rows(),
        "benchmarks": of_benchmarks(),
        "strength": of_strengths(),
        "checkpoints": of_checkpoints(),
        "judge": of_judge(),
        "proof": {
            "adapter_off_equals_plain_model": True,
            "largest_logit_difference_base_to_plain": 0.0,
            "base_weights_sha256": "ab" * 32,
            "adapter_sha256": "cd" * 32,
        },
        "environment": {
            "python": "3.11.9",
            "versions": {"torch": "2.13"},
            "device": "cpu",
            "dtype": "float32",
            "threads": 2,
        },
        "spec": asked(),
        "about": {
            "project": EVIL,
            "evaluation": 3,
            "run": 2,
            "created": "2026-11-23T15:00:00.000000Z",
            "dataset": {"version": 1, "content_hash": "ef" * 32, "rows": {"test": 40}},
            "command": "python -m core evaluate --run 2 --benchmark arc_easy",
        },
        "seconds": {"loading": 4.0, "heldout": 12.0, "generation": 40.0, "benchmarks": 300.0},
        "problems": [{"level": "warning", "what": EVIL, "fix": "", "row": None, "column": None}],
    }


def of_rows() -> dict:
    """The loss, the texts, and slices of them."""
    slices = [
        {
            "name": EVIL,
            "n": 12,
            "loss": interval(4.0, 0.5, -3.9, -3.1, 12),
            "token_f1": interval(0.1, 0.5, 0.3, 0.5, 12),
        },
        {"name": "long", "n": 28, "loss": interval(4.4, 0.3, -4.3, -3.9, 28), "token_f1": None},
    ]
    return {
        "base": {"loss": 4.49, "perplexity": 89.0, "low": 4.3, "high": 4.7},
        "tuned": {"loss": 0.37, "perplexity": 1.45, "low": 0.3, "high": 0.44},
        "difference": interval(4.49, 0.37, -4.31, -3.93),
        "bits_per_byte": metric(1.6, 0.2, -1.6, -1.2),
        "rows": 40,
        "tokens": 1189,
        "skipped": 1,
        "truncated": 0,
        "token_f1": metric(0.075, 0.478, 0.31, 0.49),
        "rouge_l": metric(0.09, 0.47, 0.28, 0.48),
        "chrf": metric(0.2, 0.5, 0.2, 0.4),
        "bleu": metric(0.02, 0.3, 0.2, 0.36),
        "semantic": metric(0.4, 0.8, 0.3, 0.5),
        "exact_match": metric(0.0, 0.1, -0.015, 0.206),
        "slices": {"length": slices},
    }


def of_benchmarks() -> dict:
    """Four, one of them by subject, and one whose interval its correction takes back."""
    subjects = [
        {"name": name, "n": 100, "base": 0.4, "tuned": 0.41, "difference": interval(0.4, 0.41, -0.05, 0.07, 100)}
        for name in ("mmlu_anatomy", "mmlu_us_foreign_policy", "mmlu_high_school_mathematics")
    ]
    mmlu = benchmark("MMLU", "acc", (0.402, 0.399, -0.019, 0.013, 1000), 1.0, 4, 1)
    mmlu |= {"subjects": subjects, "clustered_by": "subject", "shots": 5, "test": "clustered", "p": 0.62}
    mmlu["mcnemar"].pop("p")
    return {
        "arc_easy": benchmark("ARC-Easy", "acc", (0.54, 0.48, -0.092, -0.03, 1000), 0.003, 23, 4),
        "hellaswag": benchmark("HellaSwag", "acc_norm", (0.42, 0.44, 0.001, 0.039, 1000), 0.12, 2, 9),
        "mmlu": mmlu,
        "truthfulqa_mc2": {
            **{k: v for k, v in mmlu.items() if k not in BY_SUBJECT},
            "title": "TruthfulQA MC2",
            "metrics": {"acc": metric(0.39, 0.43, 0.02, 0.06, 817)},
            "n": 817,
            "p_holm": 0.01,
        },
    }


def of_strengths() -> dict:
    """Five, from the base to the whole adapter."""
    at = lambda s, d: {  # noqa: E731
        "strength": s,
        "heldout": interval(4.49, 4.49 - d, -d - 0.2 * s, -d + 0.2 * s),
        "benchmarks": {
            "arc_easy": interval(0.5, 0.5 - 0.06 * s * s, -0.06 * s * s - 0.03, -0.06 * s * s + 0.03, 1000),
            "mmlu": interval(0.4, 0.4 - 0.003 * s, -0.019, 0.013, 1000),
        },
    }
    return {
        "how": "The adapter's matrix B is multiplied.",
        "points": [at(s / 4, 4.12 * s / 4) for s in range(5)],
    }


def of_checkpoints() -> list:
    """Three, the last of them kept."""
    return [
        {
            "step": step,
            "final": step == 60,
            "loss": estimate(loss, loss - 0.1, loss + 0.1),
            "difference_to_base": interval(4.49, loss, loss - 4.6, loss - 4.4),
        }
        for step, loss in ((20, 0.9), (40, 0.5), (60, 0.37))
    ]


def of_judge() -> dict:
    """What a judge said of forty pairs."""
    return {
        "model": "judge-1",
        "endpoint": "api.example.org",
        "schema": 1,
        "pairs": 40,
        "wins": {"tuned": 25, "base": 9, "tie": 6},
        "win_rate": estimate(0.7, 0.56, 0.81),
        "identical": 2,
        "inconsistent": 4,
        "position_bias": {**estimate(0.08, 0.02, 0.21, 38), "first": 2, "second": 1},
        "agreement": {
            **{"rate": 0.8, "low": 0.58, "high": 0.92, "n": 20, "kappa": 0.6, "kappa_low": 0.3, "kappa_high": 0.9},
            "table": [[4, 1, 0], [1, 11, 1], [0, 1, 1]],
            "names": ["base", "tuned", "tie"],
        },
        "cost": {**{"replies": 78, "unreported": 0, "prompt_tokens": 12000, "completion_tokens": 800, "money": None}},
        "failed": 1,
        "missing": 0,
        "verdicts": [
            {
                **{"example_id": "e1", "prompt": EVIL, "reference": f"The number is {EVIL}.", "base": EVIL},
                **{"tuned": "The number is 3.", "base_first": "B", "tuned_first": "A"},
                **{"winner": "tuned", "consistent": True, "failed": False},
            }
        ],
        "problems": [],
    }


def asked() -> dict:
    """What all of this was asked by."""
    return {
        **SPEC,
        "max_rows": None,
        "benchmarks": ["arc_easy", "hellaswag", "mmlu", "truthfulqa_mc2"],
        "shots": {"mmlu": 5},
        "size": "standard",
        "benchmark_limit": 1000,
        "benchmark_folder": "benchmarks",
        "seed": 0,
    }


def labels() -> dict:
    """The part of a report that only label tasks have."""
    return {
        "names": ["bug", EVIL, "praise"],
        "accuracy": metric(0.4, 0.8, 0.2, 0.6),
        "macro_f1": metric(0.35, 0.78, 0.2, 0.6),
        "confusion": {
            "base": [[5, 3, 2, 3], [4, 5, 2, 2], [6, 1, 6, 1]],
            "tuned": [[11, 1, 1, 0], [1, 11, 1, 0], [2, 1, 10, 1]],
        },
        "mcnemar": {"lost": 2, "gained": 18, "unchanged": 20, "p": 0.0004},
    }
