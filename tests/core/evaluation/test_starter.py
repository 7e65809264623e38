"""The real starter model, end to end: it answers, stops by itself, and scores what lm-eval's own backend scores."""

from __future__ import annotations

import pytest

from core.types import Decoding, Example

pytestmark = pytest.mark.starter


def test_the_starter_model_answers_and_scores(starter_models, samples):
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    from core.evaluation.benchmarks import asking, tasks
    from core.models import loading
    from core.models.generation import generate

    model, tokenizer = loading.load("starter", starter_models), loading.tokenizer("starter", starter_models)
    asked = [Example(({"role": "user", "content": "What is the capital of France? One word."},), "Paris", 1)]
    (answer,) = generate(model, tokenizer, asked, "base", Decoding(max_new_tokens=24))
    assert "Paris" in answer.text
    assert "<|" not in answer.text
    assert answer.finish == "stop"

    items = list(range(8))
    task = tasks.load("arc_easy", samples).tasks["arc_easy"]
    found, _ = asking.answers(model, tokenizer, {"arc_easy": task}, {"arc_easy": items})
    ours = found["arc_easy"]
    hf = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=1)
    theirs = evaluate(hf, {"tasks": {"arc_easy": task}, "groups": {}}, samples={"arc_easy": items}, bootstrap_iters=0)
    for mine, other in zip(ours, theirs["samples"]["arc_easy"], strict=True):
        assert [r[0][0] for r in mine["resps"]] == pytest.approx([r[0][0] for r in other["resps"]], abs=1e-3)
    assert sum(s["acc"] for s in ours) >= 4  # chance would be about 2 of 8
