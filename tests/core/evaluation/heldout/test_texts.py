"""What answers are worth: the closest right answer counts, reasoning is not compared, and the report says so."""

from __future__ import annotations

import json

import pytest

from core.evaluation.heldout.loss import Losses, Rows
from core.evaluation.heldout.texts import measured_texts
from core.types import Example, Generation


def measured(tmp_path, rows, labels=None):
    """`rows`: (target, references, base's text, tuned's text)."""
    examples = [
        Example(({"role": "user", "content": f"{i}?"},), target, i, "test", references=references)
        for i, (target, references, _, _) in enumerate(rows, start=1)
    ]
    pairs = [
        (Generation(e.id, "base", base, 1, "stop", 0.1), Generation(e.id, "tuned", tuned, 1, "stop", 0.1))
        for e, (_, _, base, tuned) in zip(examples, rows, strict=True)
    ]
    n = len(examples)
    losses = Losses(Rows(examples, [], [1] * n, [1] * n, [1] * n, [], 0), [1.0] * n, [1.0] * n)
    return measured_texts(tmp_path, tmp_path, examples, losses, pairs, labels)


def test_any_right_answer_is_right_and_reasoning_is_not_compared(tmp_path):
    texts = measured(
        tmp_path,
        [
            ("Paris", ("the French capital",), "Rome", "The French capital."),
            ("4", (), "<think>\n2 and 2\n</think>\n\n4", "<think>\n5? no, 4 it is"),
            ("<think>\nEasy.\n</think>\n\nC++", (), "C", "c++"),
        ],
    )
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row["base"]["exact_match"], row["tuned"]["exact_match"]) for row in rows] == [(0, 1), (1, 0), (0, 1)]
    assert texts.exact_match.tuned.mean == pytest.approx(2 / 3)
    notes = " ".join(texts.notes)
    assert "C, C++ and C#" in notes and "1 of 3 rows have more than one right answer" in notes
    assert "The base model reasoned before 1 of 3 answers" in notes and "0 ended within" in notes
    assert "The tuned model reasoned before 1 of 3 answers" in notes and "1 ended within their reasoning" in notes
    kept = [json.loads(line)["text"] for line in (tmp_path / "generations.jsonl").read_text().splitlines()]
    assert kept[2] == "<think>\n2 and 2\n</think>\n\n4"  # what people review is the whole text


def test_a_label_is_read_behind_the_reasoning(tmp_path):
    rows = [("spam", (), "<think>Buy now?</think>spam", "ham"), ("ham", (), "spam", "<think>A friend.</think>\nHam.")]
    labels = measured(tmp_path, rows, ["ham", "spam"]).labels
    assert (labels.accuracy.base.mean, labels.accuracy.tuned.mean) == (0.5, 0.5)
    assert labels.read["tuned"] == {"exact": 1, "normalised": 1, "other": 0}


def test_cut_answers_are_counted(tmp_path):
    example = Example(({"role": "user", "content": "?"},), "yes", 1, "test")
    pair = (
        Generation(example.id, "base", "yes and", 1, "length", 0.1),
        Generation(example.id, "tuned", "yes", 1, "stop", 0.1),
    )
    losses = Losses(Rows([example], [], [1], [1], [1], [], 0), [1.0], [1.0])
    texts = measured_texts(tmp_path, tmp_path, [example], losses, [pair], None)
    assert (texts.cut, texts.answered) == ({"base": 1, "tuned": 0}, 1)
