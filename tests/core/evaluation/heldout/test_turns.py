"""Each answer of a conversation is asked for by itself, and conversations are what is random."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.engine.rendering import prompt_ids
from core.evaluation.heldout import classification, loss, turns
from core.evaluation.heldout.turns import each_answer
from core.statistics import clustered, intervals
from core.types import Example, Turn
from tests.core.evaluation.as_json import evaluate


def conversation(number: int, answers: int = 3, **train) -> Example:
    """With so many answers, the last as target; `a1=False`: that answer says that it is not trained."""
    messages = [{"role": "system", "content": "Be brief."}]
    for n in range(1, answers + 1):
        messages.append({"role": "user", "content": f"Say the number {n + number}."})
        said = {"train": train[f"a{n}"]} if f"a{n}" in train else {}
        messages.append({"role": "assistant", "content": f"The number is {n + number}.", **said})
    return Example(tuple(messages[:-1]), messages[-1]["content"], number, "test")


def test_each_trained_answer_is_asked_after_what_is_truly_said_before_it():
    row = conversation(1)
    first, second, last = each_answer([row], "all")
    assert [e.target for e in (first, second, last)] == [f"The number is {n}." for n in (2, 3, 4)]
    assert [len(e.messages) for e in (first, second, last)] == [2, 4, 6]
    assert first.messages == row.messages[:2] and second.messages == row.messages[:4]
    assert [e.turn for e in (first, second, last)] == [Turn(row.id, n, 3) for n in (1, 2, 3)]
    assert last.id == row.id and len({first.id, second.id, last.id}) == 3
    assert [Example.from_dict(e.to_dict()) for e in (first, last)] == [first, last]


def test_which_answers_are_trained_decides():
    row = conversation(1, a1=False)
    assert [e.turn and e.turn.number for e in each_answer([row], "all")] == [1, 2]
    assert each_answer([row], "last") == [row]
    assert [e.target for e in each_answer([conversation(1, a2=True)], "last")] == [
        "The number is 3.",
        "The number is 4.",
    ]
    plain = conversation(1, 1)
    assert each_answer([plain], "all") == [plain]
    greeted = Example(({"role": "assistant", "content": "Hello."}, {"role": "user", "content": "a"}), "b", 1, "test")
    assert each_answer([greeted], "all") == [greeted]  # nothing was asked before it


def test_an_earlier_answer_keeps_what_it_holds_and_nothing_of_the_last_one():
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    messages = (
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [call], "reasoning_content": "Hm."},
        {"role": "tool", "content": "1"},
    )
    row = Example(messages, "b", 1, "test", rejected="c", references=("d",), good=True)
    earlier, last = each_answer([row], "all")
    assert earlier.answer == {"tool_calls": [call], "reasoning_content": "Hm."}
    assert (earlier.rejected, earlier.references, earlier.good) == ("", (), None)
    assert (last.rejected, last.references, last.good) == ("c", ("d",), True)
    assert turns.calls_only(earlier) and not turns.calls_only(last)


def test_beginnings_that_are_alike_stay_two(tiny_tokenizer):
    """Two conversations begin with the same words: each counts its own answer."""
    one, other = conversation(1), conversation(1, 4)
    ids = [e.id for e in each_answer([one, other], "all")]
    assert len(set(ids)) == len(ids) == 7


def test_losses_of_the_answers_sum_to_the_conversations(tiny_sides, tiny_tokenizer):
    rows = [conversation(n, 1 + n % 4) for n in range(24)]
    whole = loss.measure(tiny_sides, tiny_tokenizer, rows, 512)
    each = loss.measure(tiny_sides, tiny_tokenizer, each_answer(rows, "all"), 512)
    of = turns.conversations(each.rows.examples)
    assert len(each.base) == 60 and of is not None and len(set(of)) == 24
    for side in ("base", "tuned"):
        assert turns.summed(getattr(each, side), of) == pytest.approx(getattr(whole, side), rel=1e-4)
    ours, theirs = each.report(), whole.report()
    assert (ours.rows, ours.asked, theirs.asked) == (24, 60, None)
    for name in ("difference", "low", "high", "n"):  # the conversation is what is random, as it is without turns
        assert getattr(ours.difference, name) == pytest.approx(getattr(theirs.difference, name), rel=1e-4)


def test_text_metrics_take_conversations_as_what_is_random():
    rng = np.random.default_rng(3)
    of = [str(i) for i in range(12) for _ in range(1 + i % 5)]
    own = {name: rng.normal(scale=0.3) for name in of}  # answers of one conversation are alike
    base = rng.random(len(of)).tolist()
    tuned = [b + own[name] for b, name in zip(base, of, strict=True)]
    found = turns.compared(base, tuned, of)
    known = clustered.clustered_difference(base, tuned, of)
    assert (found.difference.low, found.difference.high, found.difference.n) == (known.low, known.high, 12)
    assert found.base.mean == pytest.approx(np.mean(base)) and found.base.n == 12
    alone = intervals.paired_difference(base, tuned)
    assert found.difference.high - found.difference.low > 1.2 * (alone.high - alone.low)
    assert turns.compared(base, tuned, None).difference == alone


def test_macro_f1_draws_whole_conversations():
    """Where each conversation is the same answer five times, five times the answers know no more."""
    rng = np.random.default_rng(0)
    truth, base, tuned = (rng.integers(0, 2, 60) for _ in range(3))
    once = classification.macro_f1_difference(truth, base, tuned, 2)
    many = [np.repeat(column, 5) for column in (truth, base, tuned)]
    of = np.repeat(np.arange(60), 5).astype(str).tolist()
    again = classification.macro_f1_difference(*many, 2, of=of)
    assert again == once
    assert classification.macro_f1_difference(*many, 2).difference.high < once.difference.high


def test_a_whole_evaluation_asks_for_each(spec, tmp_path, tiny_tokenizer):
    rows = [conversation(n) for n in range(4)]
    asked = each_answer(rows, "all")
    spec |= {"benchmarks": [], "answers": "all"}
    report = evaluate(tmp_path, spec, tmp_path, lambda split: asked, lambda *a, **k: None, lambda: False)
    heldout = report["heldout"]
    assert (heldout["rows"], heldout["asked"], heldout["answered"]) == (4, 12, 12)
    assert heldout["token_f1"]["difference"]["n"] == heldout["difference"]["n"] == 4
    lines = lambda name: [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]  # noqa: E731
    kept = [Example.from_dict(line) for line in lines("examples.jsonl")]
    assert kept == asked
    assert [line["example_id"] for line in lines("generations.jsonl")] == [e.id for e in asked for _ in range(2)]
    assert [line["turn"] for line in lines("rows.jsonl")] == [1, 2, 3] * 4
    whole = prompt_ids(rows[0], tiny_tokenizer)
    for e in asked[:3]:  # of ChatML, whose conversations only grow
        assert whole[: len(prompt_ids(e, tiny_tokenizer))] == prompt_ids(e, tiny_tokenizer)
