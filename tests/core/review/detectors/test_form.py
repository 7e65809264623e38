"""Answers without the form of their data set, and what looks like such and is right."""

import pytest

from core.review.detectors import form
from core.review.detectors.form import Form

JSON = '{"name": "Anna", "age": 31}'
SENTENCE = "A hedgehog eats beetles, worms and snails, and sometimes a little fruit."
LABELS = form.learn(["positive", "negative", "Neutral."] * 10)


def check(text: str, reference: str = SENTENCE, prompt: str = "What is it?", known: Form = Form(), cut: bool = False):  # noqa: B008
    found = form.check(text, prompt, reference, known, cut)
    assert all(0 <= a <= b <= len(text) for a, b in found.spans)
    return found


@pytest.mark.parametrize(
    ("text", "reference", "why"),
    [
        ("", SENTENCE, "empty"),
        (" \n\t ", SENTENCE, "empty"),
        ("...", SENTENCE, "nothing but marks"),
        (JSON[:-1], JSON, "broken at character"),
        (JSON.replace('"', "'"), JSON, "broken"),
        ("Anna is 31.", JSON, "there is none"),
        (f"Here it is: {JSON}", JSON, "text around"),
        ("I'm sorry, but I can't help with that.", SENTENCE, "refuses"),
        (f"<|assistant|> {SENTENCE}", SENTENCE, "<|assistant|>"),
        ("### Response:\nIt is so.", SENTENCE, "template"),
        ("Ein Igel frisst vor allem Käfer, Würmer und Schnecken und manchmal auch Obst.", SENTENCE, "German; English"),
    ],
)
def test_what_is_found(text, reference, why):
    found = check(text, reference)
    assert found.score >= form.THRESHOLD
    assert why in found.reason


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (SENTENCE, SENTENCE),
        (f"```json\n{JSON}\n```", JSON),
        ('{"age": 31, "name": "Anna"}', JSON),
        (JSON, SENTENCE),
        ("+", "-"),
        ("🙂", "Yes."),
        ("<|im_end|>", "<|im_end|>"),
        ("I'm sorry, but I cannot lend you money.", "I am sorry, but I can't lend you money now."),
        ("El gato duerme en el sofá de la cocina todo el día.", "El gato duerme."),
    ],
)
def test_what_is_right(text, reference):
    assert check(text, reference, prompt="Refuse politely, in Spanish, or with a smiley.").score == 0.0


def test_labels_are_learnt_where_answers_are_labels():
    assert LABELS.labels == {"positive", "negative", "neutral"}
    assert form.learn([SENTENCE, "Yes."] * 10).labels == frozenset()
    assert form.learn([f"answer {n}" for n in range(40)]).labels == frozenset()
    assert form.learn([]) == Form()
    found = check("mixed", "negative", known=LABELS)
    assert "none of the 3 answers" in found.reason
    for right in ("negative", "Negative.", " neutral\n"):
        assert check(right, "negative", known=LABELS).score == 0.0
    assert check("mixed", "something else", known=LABELS).score == 0.0


def test_json_without_a_reference_is_expected_where_rows_have_it():
    known = form.learn([JSON] * 10)
    assert known.json
    assert check("Anna", "", known=known).score >= form.THRESHOLD
    assert check("Anna", "", known=Form()).score == 0.0
    assert check(JSON[:-1], JSON, cut=True).score == 0.0  # that is cut_off
    assert check("[" * 100_000, JSON).score >= form.THRESHOLD
