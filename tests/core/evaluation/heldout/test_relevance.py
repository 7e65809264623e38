"""The base model is asked whether answers fit other prompts as well: which, how often, and what is written of it."""

from __future__ import annotations

import pytest

from core.engine.rendering import render
from core.evaluation.heldout import relevance
from core.review.detectors import topic
from core.types import Example, Generation

ROWS = [
    Example(({"role": "user", "content": f"Tell me of {thing}."},), f"There is much to say about {thing}.", n, "test")
    for n, thing in enumerate(("bread", "rivers", "chess", "bees", "snow", "trains"), 1)
]


def answer(row: Example, text: str) -> Generation:
    return Generation(row.id, "tuned", text, 9, "stop", 0.1)


def test_a_score_is_that_of_the_likelihoods_computed_alone(tiny_sides, tiny_tokenizer):
    import torch

    text = "There is much to say about all of this."
    [(name, found)] = relevance.measure(tiny_sides, tiny_tokenizer, ROWS, [answer(ROWS[0], text)], []).items()
    sums = []
    with tiny_sides.use("base") as model, torch.no_grad():
        for row in ROWS:
            rendered = render(Example(row.messages, text, 1), tiny_tokenizer, last_only=True)
            start = rendered.trained.index(True)
            ids = torch.tensor([rendered.ids[: start + relevance.TOKENS]])
            logprobs = model(input_ids=ids).logits[0].log_softmax(-1)
            sums.append(sum(float(logprobs[i - 1, ids[0, i]]) for i in range(start, ids.shape[1])))
    assert name == answer(ROWS[0], text).id
    assert found == pytest.approx(topic.of_likelihoods(sums[0], sums[1:], 1), abs=0.003)


def test_short_answers_are_not_asked_about_and_scores_are_kept(tiny_sides, tiny_tokenizer, tmp_path):
    answers = [answer(ROWS[0], "Yes."), answer(ROWS[1], "This is a long answer about nothing at all.")]
    found = relevance.measure(tiny_sides, tiny_tokenizer, ROWS, answers, [])
    assert list(found) == [answers[1].id]
    assert relevance.read(tmp_path) == {}
    relevance.write(tmp_path, found)
    assert relevance.read(tmp_path) == found


def test_one_prompt_alone_cannot_be_compared(tiny_sides, tiny_tokenizer):
    long = answer(ROWS[0], "This is a long answer about nothing at all.")
    assert relevance.measure(tiny_sides, tiny_tokenizer, ROWS[:1], [long], []) == {}
