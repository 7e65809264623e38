"""The length detector: cut answers, run-on into a next turn, and lengths against the reference or what is usual."""

import pytest

from core.review.detectors import length
from core.review.detectors.length import Expected

ANSWER = "The boat leaves at nine and takes an hour."


def check(text: str, reference: str = ANSWER, cut_at: int | None = None, expected: Expected | None = None):
    return length.check(text, cut_at, "When does it leave?", reference, expected or Expected())


def test_a_cut_answer_is_too_long_for_sure():
    found = check(ANSWER + " And then", cut_at=96)
    assert found.score == 1.0
    assert "96 tokens" in found.reason
    assert check(ANSWER + " And then").score < length.THRESHOLD


def test_an_answer_cut_before_the_length_of_its_reference_says_to_raise_the_limit():
    found = check("The boat leaves", cut_at=3)
    assert found.score < length.THRESHOLD
    assert found.spans == ()
    assert "raise the limit" in found.reason


def test_an_empty_answer_that_was_cut_has_nothing_to_mark():
    assert check("", reference="", cut_at=4).spans == ()


@pytest.mark.parametrize(
    "head",
    [
        "### Instruction:\nWrite a poem.",
        "###Response: ok",
        "Instruction: Write a poem.",
        "Input: the cat\nOutput: a cat",
        "Output: a\nOutput: b",
        "Question: why?\nAnswer: so\nQuestion: how?",
        "User: and now?",
        "Human: and now?",
        "<|im_start|>user",
        "<start_of_turn>user",
        "[INST] more",
        "</s>",
    ],
)
def test_running_on_into_a_next_turn(head):
    text = f"{ANSWER}\n\n{head}"
    found = check(text)
    assert found.score == length.RUN_ON
    assert text[slice(*found.spans[0])].strip().startswith(head[:5])
    assert head.split("\n")[0][:10] in found.reason


@pytest.mark.parametrize(
    "text",
    [
        f"Output: {ANSWER}",
        f"Input: {ANSWER}",
        f"{ANSWER}\nOutput: 9",
        f"{ANSWER}\nQuestion: is that early?",
        "The user: a person. My input: none at all.",
        "## When it leaves\nAt nine.",
        "a < b > c",
    ],
)
def test_what_is_no_run_on(text):
    assert length.run_on(text) is None


def test_a_head_that_the_reference_has_too_is_no_run_on():
    text = f"{ANSWER}\nInput: the cat"
    assert check(text, reference=text).score == 0.0


def test_where_answers_hold_turns_none_counts():
    dialogue = f"{ANSWER}\nUser: and back?\nUser: thanks"
    usual = length.fit([("Write a dialogue.", dialogue)] * 20)
    assert usual.turns
    assert check(dialogue, expected=usual).score < length.THRESHOLD
    assert not length.fit([("Say it.", ANSWER)] * 99 + [("Say it.", dialogue)]).turns


def test_length_against_the_reference():
    assert check(ANSWER).score == 0.0
    assert check(ANSWER * 2).score < length.THRESHOLD
    text = " ".join([ANSWER] * 8)
    found = check(text)
    assert found.score >= length.THRESHOLD
    assert found.spans == ((len(ANSWER), len(text)),)
    assert "8.2 times" in found.reason


def test_a_few_characters_more_than_a_very_short_reference_are_fine():
    assert check("Yes, it is.", reference="Yes").score < 0.2


def test_without_a_reference_the_usual_length_counts():
    usual = length.fit([("Why is that so?", ANSWER)] * 10)
    assert usual.length("Why is that so?") == pytest.approx(len(ANSWER))
    assert check(" ".join([ANSWER] * 8), reference="", expected=usual).score >= length.THRESHOLD
    assert check(ANSWER, reference="", expected=usual).score == 0.0


def test_expected_length_follows_the_prompt():
    usual = length.fit([("x" * n, "y" * 3 * n) for n in (100, 200, 400, 800, 1600)])
    assert usual.length("x" * 1000) == pytest.approx(3000, rel=0.1)
    assert usual.length("x" * 100) < usual.length("x" * 1000)


def test_two_prompts_of_nearly_one_length_do_not_make_a_wild_forecast():
    usual = length.fit([("x" * 10, "y"), ("x" * 11, "y" * 100_000)])
    assert 0 < usual.length("x" * 1_000_000) < 1e12


def test_fit_of_nothing_and_of_equal_prompts():
    assert length.fit([]) == Expected()
    assert length.fit([("", "")]).length("") == pytest.approx(0.0)
    assert length.fit([("same", "a" * 10), ("same", "a" * 100)]).slope == 0.0


def test_run_on_in_real_outputs(predictions):
    rates = {k: sum(length.run_on(p[k]) is not None for p in predictions) for k in ("base", "tuned", "reference")}
    print(f"run-on of {len(predictions)}: {rates}")
    assert rates["base"] >= 0.6 * len(predictions)
    assert rates["tuned"] <= 0.02 * len(predictions)
    assert rates["reference"] <= 0.02 * len(predictions)
