"""The loss on held-out rows is that of the trainer's own rows, side by side."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.engine.rendering import render
from core.errors import UserError
from core.evaluation.heldout import loss as heldout_loss
from core.records import plain
from core.types import SIDES, Example

USER = {"role": "user", "content": "Say hello."}


def loss_alone(model, tokenizer, example) -> float:
    import torch

    rendered = render(example, tokenizer)
    labels = torch.tensor([[i if t else -100 for i, t in zip(rendered.ids, rendered.trained, strict=True)]])
    with torch.no_grad():
        return model(input_ids=torch.tensor([rendered.ids]), labels=labels).loss.item()


def test_losses_equal_transformers_own(tiny_sides, tiny_tokenizer, examples):
    found = heldout_loss.measure(tiny_sides, tiny_tokenizer, examples, 512)
    for side in SIDES:
        with tiny_sides.use(side) as model:
            expected = [loss_alone(model, tiny_tokenizer, e) for e in examples]
        sums = getattr(found, side)
        assert [s / n for s, n in zip(sums, found.rows.tokens, strict=True)] == pytest.approx(expected, abs=1e-4)
    assert found.base != pytest.approx(found.tuned, abs=1e-3)


def test_report(tiny_sides, tiny_tokenizer, examples):
    seen = []
    found = heldout_loss.measure(tiny_sides, tiny_tokenizer, examples, 512, progress=lambda d, t: seen.append((d, t)))
    report = plain(found.report())
    loss = sum(found.base) / sum(found.rows.tokens)
    assert report["base"]["loss"] == pytest.approx(loss)
    assert report["base"]["perplexity"] == pytest.approx(math.exp(loss))
    assert report["base"]["low"] < loss < report["base"]["high"]
    assert report["difference"]["difference"] == pytest.approx(report["tuned"]["loss"] - loss)
    assert (report["rows"], report["skipped"], report["truncated"]) == (20, 0, 0)
    assert report["tokens"] == sum(found.rows.tokens)
    size = sum(len(e.target) for e in examples)
    assert report["bits_per_byte"]["tuned"]["mean"] == pytest.approx(sum(found.tuned) / math.log(2) / size)
    assert report["bits_per_byte"]["difference"]["low"] < report["bits_per_byte"]["difference"]["high"]
    assert seen[-1] == (40, 40)


def test_rows_without_an_answer_are_counted_and_named(tiny_sides, tiny_tokenizer, examples):
    length = len(render(examples[0], tiny_tokenizer).ids) - 2
    empty = Example((USER,), "", 99, "test")
    found = heldout_loss.measure(tiny_sides, tiny_tokenizer, [*examples, empty], length)
    assert found.report().skipped == len(found.rows.problems) > 1
    assert found.rows.problems[-1].row == 99
    assert found.rows.truncated >= 1
    assert found.rows.examples[0] == examples[0]
    with pytest.raises(UserError, match="None of the 1 test rows"):
        heldout_loss.measure(tiny_sides, tiny_tokenizer, [empty], 512)
    with pytest.raises(UserError, match="maximum length of 3 tokens"):
        heldout_loss.measure(tiny_sides, tiny_tokenizer, examples, 3)


def test_a_broken_model_keeps_the_report_readable():
    rows = heldout_loss.Rows([Example((USER,), "x", 1)], [], [2], [1], [9], [], 0)
    found = heldout_loss.Losses(rows, [5000.0], [2.0])
    assert math.isfinite(found.report().base.perplexity)


def test_bytes_are_those_of_the_answer_in_utf_8(tiny_tokenizer):
    rows = [Example((USER,), answer, 1, "test") for answer in ("cat", "Größe", "北京", "the cat sat on the mat")]
    assert heldout_loss.rows_of(rows, tiny_tokenizer, None).bytes == [3, 7, 6, 22]
    whole = render(rows[3], tiny_tokenizer)
    cut = heldout_loss.rows_of(rows[3:], tiny_tokenizer, whole.prompt_length + 3)
    kept = tiny_tokenizer.decode(whole.ids[whole.prompt_length :][:3])
    assert cut.bytes == [len(kept)]
    assert (cut.truncated, cut.tokens, cut.prompt_tokens) == (1, [3], [whole.prompt_length])


def test_every_trained_answer_is_measured(tiny_tokenizer):
    turns = (
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "the mat"},
        {"role": "user", "content": "c"},
    )
    row = Example(turns, "sat", 1)
    rows = heldout_loss.rows_of([row], tiny_tokenizer, None)
    assert rows.bytes == [len("the mat" + "sat")]
    assert rows.tokens == [render(row, tiny_tokenizer).trainable]


def test_lengths_of_the_whole_data_set_decide_whether_a_loss_per_token_has_an_interval(tiny_sides, tiny_tokenizer):
    rows = [Example(({"role": "user", "content": f"cat {n}"},), f"the dog sat {n}", n) for n in range(1, 25)]
    lengths = {"alike": np.full(300, 12), "few long": np.tile(np.r_[np.full(19, 12), 3000], 15)}
    for name, characters in lengths.items():
        found = heldout_loss.measure(tiny_sides, tiny_tokenizer, rows, 512, characters=characters).report()
        assert (found.difference.low is None, found.bits_per_byte.base.low is None) == ((name == "few long"),) * 2
    # What is cut at the maximum length is no longer than that.
    cut = heldout_loss.measure(tiny_sides, tiny_tokenizer, rows, 24, characters=lengths["few long"])
    assert cut.rows.lengths.max() == 24
    assert cut.report().difference.low is not None
