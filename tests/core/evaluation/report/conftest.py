"""The report that the simplest evaluation leaves."""

from __future__ import annotations

import pytest

from tests.core.evaluation.full_report import SPEC, interval, metric


@pytest.fixture
def report():
    """What the simplest evaluation leaves: their rows and one benchmark."""
    return {
        "heldout": {
            "base": {"loss": 2.91, "perplexity": 18.36, "low": 2.8, "high": 3.0},
            "tuned": {"loss": 1.2, "perplexity": 3.32, "low": 1.1, "high": 1.3},
            "difference": interval(2.91, 1.2, -1.9, -1.52),
            "rows": 40,
            "skipped": 1,
            "token_f1": metric(0.25, 0.5, 0.21, 0.33),
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
                "metrics": {
                    "acc": metric(0.54, 0.53, -0.061, 0.041, 100),
                    "acc_norm": metric(0.5, 0.4, -0.2, -0.01, 100),
                },
                "mcnemar": {"lost": 3, "gained": 2, "unchanged": 95, "p": 1.0},
                "minimum_detectable_difference": 0.0733,
                "lost": [],
                "gained": [],
                "truncated": 1,
            }
        },
        "proof": {
            "adapter_off_equals_plain_model": True,
            "base_weights_sha256": "ab" * 32,
            "adapter_sha256": "cd" * 32,
        },
        "spec": SPEC,
        "problems": [{"level": "error", "what": "HellaSwag needs a file.", "fix": "Put it there.", "row": None}],
    }
