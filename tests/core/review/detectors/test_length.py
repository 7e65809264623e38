"""The length detector: run-on into a next turn, lengths against the reference, the prompt or what is usual."""

import pytest

from core.review.detectors import length, wanted
from core.review.detectors.length import Expected

ANSWER = "The boat leaves at nine and takes an hour."


def check(text: str, reference: str = ANSWER, expected: Expected | None = None, prompt: str = "When does it leave?"):
    return length.check(text, prompt, reference, expected or Expected())


@pytest.mark.parametrize(
    "head",
    [
        "### Instruction:\nWrite a poem.",
        "###Response: ok",
        "Instruction: Write a poem.",
        "Input: the cat\nOutput: a cat",
        "Input: a\nInput: b",
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
        f"{ANSWER}\nQuestion: is that early?\nAnswer: no\nQuestion: is it late?",
        f"{ANSWER}\nOutput: 8\nOutput: 9",
        "The user: a person. My input: none at all.",
        "## When it leaves\nAt nine.",
        "a < b > c",
    ],
)
def test_what_is_no_run_on(text):
    assert length.run_on(text) is None


@pytest.mark.parametrize("prompt", ["Write a dialogue.", "Make a form.", "Give examples.", "Schreibe ein Gespräch."])
def test_what_asks_for_turns_gets_turns(prompt):
    assert length.run_on(f"{ANSWER}\nUser: and now?\nInput: a\nOutput: b", prompt) is None
    assert length.run_on(f"{ANSWER}\n### Instruction:\nSay it.", prompt) is not None


@pytest.mark.parametrize(
    ("prompt", "most", "unit"),
    [
        ("Answer in one word.", 1, "word"),
        ("Explain it in 20 words or less.", 20, "word"),
        ("Summarise it in two sentences.", 2, "sentence"),
        ("Write a tweet under 280 characters.", 280, "character"),
        ("In einem Satz, bitte: warum?", 1, "sentence"),
        ("Résume-le en deux phrases.", 2, "sentence"),
        ("Responde en una palabra.", 1, "word"),
        ("Rispondi con una sola parola.", 1, "word"),
        ("Escreva em no máximo 30 palavras.", 30, "word"),
        ("Give me a short answer.", wanted.BRIEF_WORDS, "word"),
    ],
)
def test_lengths_that_a_prompt_asks_for(prompt, most, unit):
    limit = wanted.limit(prompt)
    assert (limit.most, limit.unit) == (most, unit)
    piece = {"word": "word ", "sentence": "This is it. ", "character": "x", "paragraph": "Yes.\n\n"}[unit]
    assert limit.excess(piece * most) < length.THRESHOLD
    assert limit.excess(piece * (3 * most + 3)) >= length.THRESHOLD


@pytest.mark.parametrize(
    "prompt",
    [
        "Write at least 100 words.",
        "What is the meaning of a word?",
        "Write a short story.",
        "Find the word in the sentence.",
    ],
)
def test_prompts_that_ask_for_no_length(prompt):
    assert wanted.limit(prompt) is None


def test_what_the_prompt_asks_for_counts_beside_the_reference():
    text = "Grass is green because of a pigment in it, which takes up red light and blue light."
    found = check(text, reference="Green", prompt="In one word: what colour is grass?")
    assert found.score >= length.THRESHOLD
    assert "1 word was asked for; it has 17 words" in found.reason
    assert text[slice(*found.spans[0])].startswith(" is green")


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
    assert check("word " * 300, reference="").score < length.THRESHOLD  # nothing is known, and little is expected
    assert check(" ".join([ANSWER] * 8), reference="", expected=usual).score >= length.THRESHOLD
    assert check(ANSWER, reference="", expected=usual).score == 0.0


def test_expected_length_follows_the_prompt():
    usual = length.fit([("x" * n, "y" * 3 * n) for n in (100, 200, 400, 800, 1600)])
    assert usual.length("x" * 1000) == pytest.approx(3000, rel=0.1)
    assert usual.length("x" * 100) < usual.length("x" * 1000)


def test_uneven_lengths_excuse_four_times_the_expected_at_most():
    even = length.fit([("What?", ANSWER)] * 40)
    uneven = length.fit([("What?", "word " * (1 if n % 2 else 400)) for n in range(40)])
    typical = sum(len("word " * n) for n in (1, 400)) / 2
    assert even.spread == pytest.approx(0)
    assert uneven.length("What?") <= 4 * typical


def test_two_prompts_of_nearly_one_length_do_not_make_a_wild_forecast():
    usual = length.fit([("x" * 10, "y"), ("x" * 11, "y" * 100_000)])
    assert 0 < usual.length("x" * 1_000_000) < 1e13


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
