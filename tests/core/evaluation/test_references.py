"""The longest answer follows the references: their 99th percentile in this model's tokens, and some room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.engine.rendering import render
from core.evaluation.effort import seconds_for_rows
from core.evaluation.references import LEAST_ROOM, WITHOUT, of_examples, sentence
from core.evaluation.result import Report
from core.types import Example
from tests.core.evaluation.full_report import full_report


def row(words: int, number: int = 1, **more) -> Example:
    return Example(({"role": "user", "content": "Go on."},), " ".join(["the cat"] * words), number, "test", **more)


def tokens_of(example: Example, tokenizer) -> int:
    """By the one rendering: the trained tokens of the last answer, the end of its turn included."""
    return sum(render(example, tokenizer, last_only=True).trained)


@pytest.mark.parametrize(("rows", "place"), [(44, 44), (100, 99), (300, 297)])
def test_the_limit_is_the_99th_percentile_and_a_quarter(rows, place, tiny_tokenizer):
    examples = [row(n + 40, n + 1) for n in range(rows)]
    followed = of_examples(examples, tiny_tokenizer, None)
    tokens = tokens_of(examples[place - 1], tiny_tokenizer)
    assert (followed.asked, followed.references, followed.tokens) == (rows, rows, tokens)
    assert followed.limit == tokens + -(-tokens // 4)
    assert f"({followed.limit:,} tokens: 99 % of {rows} references have at most {tokens:,})" in sentence(followed)


def test_short_references_have_some_room_too(tiny_tokenizer):
    followed = of_examples([row(1)], tiny_tokenizer, None)
    assert followed.limit == followed.tokens + LEAST_ROOM


def test_what_a_reference_reasons_has_room_of_its_own(tiny_tokenizer):
    plain = of_examples([row(3)], tiny_tokenizer, None)
    thoughts = "the dog ran to the mat " * 50
    apart = replace(row(3), answer={"reasoning_content": thoughts})
    within = replace(row(3), target=f"<think>\n{thoughts}\n</think>\n\n{row(3).target}")
    assert of_examples([apart], tiny_tokenizer, None) == of_examples([within], tiny_tokenizer, None) == plain


def test_every_right_answer_counts(tiny_tokenizer):
    several = replace(row(1), references=(row(30).target,))
    followed = of_examples([several], tiny_tokenizer, None)
    assert (followed.asked, followed.references) == (1, 2)
    assert followed.tokens == tokens_of(row(30), tiny_tokenizer)


def test_the_room_leaves_no_row_without_its_place_in_the_context(tiny_tokenizer):
    """A row that fits with its reference is asked; one that does not fit even so is not followed."""
    long = replace(row(20), messages=({"role": "user", "content": "the mat " * 60},))
    whole, too_long = len(render(long, tiny_tokenizer).ids), replace(row(900), row=2)
    answer = tokens_of(long, tiny_tokenizer)
    assert of_examples([long, too_long], tiny_tokenizer, whole).limit == answer
    assert of_examples([long], tiny_tokenizer, whole + 3).limit == answer + 3


def test_without_references_there_is_nothing_to_follow(tiny_tokenizer):
    prompts = [replace(row(1), target=""), Example((), "Plain text.", 2, "test")]
    followed = of_examples(prompts, tiny_tokenizer, None)
    assert (followed.asked, followed.references, followed.limit) == (2, 0, WITHOUT)
    assert "no row has a reference" in sentence(followed)


def test_what_a_longer_limit_costs_is_in_the_estimate():
    earlier = full_report()
    earlier["seconds"] = {"loading": 5.0, "heldout": 4.0, "generation": 40.0}
    n, limit = earlier["heldout"]["rows"], earlier["spec"]["decoding"]["max_new_tokens"]

    def estimate(cut: dict[str, int], asked: int, longest: int) -> float | None:
        heldout = {**earlier["heldout"], "cut": cut, "answered": n}
        return seconds_for_rows([Report.from_dict({**earlier, "heldout": heldout})], asked, longest)

    assert estimate({"base": 3, "tuned": 1}, n, limit) == pytest.approx(49)
    assert estimate({"base": 3, "tuned": 1}, n, 2 * limit) == pytest.approx(89)
    assert estimate({"base": 3, "tuned": 1}, 3 * n, 2 * limit) == pytest.approx(5 + 12 + 240)
    assert estimate({"base": 0, "tuned": 0}, n, 2 * limit) == pytest.approx(49)  # none was cut: they stay as long
