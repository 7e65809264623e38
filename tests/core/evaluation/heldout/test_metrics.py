"""Text metrics: SQuAD's numbers in English, sensible ones in every other script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation.heldout import metrics


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("The cat sat.", "cat sat", 1.0),
        ("the dog", "a cat", 0.0),
        ("Paris, in France", "Paris", 0.5),
        ("a a b", "a b b", 2 * 1 / 3),  # articles go, then {b} against {b, b}
        ("to to be", "to be be", 2 / 3),  # repeated words count as often as they occur on both sides
        ("", "", 1.0),
        ("", "word", 0.0),
        ("A", "B", 0.0),
        ("A", "a.", 1.0),  # an answer that is nothing but an article stays
        ("The", "A", 0.0),
        ("5", "-5", 0.0),
        ("3.14", "314", 0.0),
        ("1,000", "1000", 1.0),
        ("don’t", "don't", 1.0),
        ("gro\u0308ße", "GRÖSSE", 1.0),  # o with a mark is one letter or two characters
        ("Straße", "STRASSE", 1.0),
        ("Привет мир", "привет, мир!", 1.0),
        ("नमस्ते दुनिया", "नमस्ते", 2 / 3),
        ("北京大学", "北京", 2 * 2 / 6),
        ("สวัสดี", "สวัสดี", 1.0),
        ("«oui»", "oui", 1.0),
        ("!!", "??", 0.0),
    ],
)
def test_token_f1(prediction, reference, expected):
    assert metrics.token_f1(prediction, reference) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [("The answer is 4.", "answer is 4", 1), ("4 is answer", "answer is 4", 0), ("-5", "5", 0), ("", "", 1)],
)
def test_exact_match(prediction, reference, expected):
    assert metrics.exact_match(prediction, reference) == expected


@pytest.mark.parametrize(
    "different",
    [
        ("C", "C++", "C#", "C--"),
        ("x > 5", "x < 5", "x >= 5", "x = 5", "x != 5", "x == 5"),
        ("3/4", "34", "3*4", "3-4", "3+4", "3:4"),
        ("A", "A+", "A-", "A*", "AB-"),
        ("5", "-5", "5%", "$5", "€5"),
        ("2019-2020", "20192020"),
        ("10:30", "1030"),
        ("x^2", "x2"),
        ("snake_case", "snakecase"),
        ("__init__", "init"),
        ("1.5", "15", "1,5"),
        ("Python 3.10", "Python 3.1"),
        ("R&D", "RD"),
    ],
)
def test_signs_that_carry_meaning_make_another_answer(different):
    for i, a in enumerate(different):
        for b in different[:i]:
            assert metrics.exact_match(a, b) == metrics.exact_match(f"It is {a}.", f"It is {b}.") == 0, (a, b)
            assert metrics.token_f1(a, b) < 1 and metrics.token_f1(f"It is {a}.", f"It is {b}.") < 1, (a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3.0", "3"),
        ("3.00 apples", "3 apples"),
        ("2.50", "2.5"),
        ("+5", "5"),
        (".5", "0.5"),
        ("1,000", "1000"),
        ("1,234,567.0", "1234567"),
        ("−5", "-5"),
        ("3 / 4", "3/4"),
        ("x>5", "x > 5"),
        ("2019–2020", "2019-2020"),
        ("e-mail", "Email"),
        ("**Paris**", "paris."),
        ("_Paris_!", "(Paris)"),
        ("5 %", "5%"),
        ("red; green", "Red, green"),
        ("- one\n- two", "one, two"),
        ("C#.", "c#"),
    ],
)
def test_other_ways_of_writing_are_the_same_answer(a, b):
    assert metrics.exact_match(a, b) == metrics.token_f1(a, b) == 1


def test_the_closest_of_several_references_counts():
    scores = metrics.closest("two", ["2", "two", "a pair"])
    assert scores["exact_match"] == scores["token_f1"] == scores["chrf"] == pytest.approx(1)
    assert metrics.closest("two", ["2"])["exact_match"] == 0


def test_rouge_l_keeps_other_scripts_and_agrees_with_the_package_in_english():
    from rouge_score.rouge_scorer import RougeScorer

    prediction, reference = "the quick brown fox jumps", "a quick fox jumps over"
    expected = RougeScorer(["rougeL"]).score(reference, prediction)["rougeL"].fmeasure
    assert metrics.rouge_l(prediction, reference) == pytest.approx(expected)
    assert metrics.rouge_l("быстрая лиса прыгает", "лиса прыгает") == pytest.approx(0.8)
    assert metrics.rouge_l("", "word") == 0


@given(st.text(max_size=40), st.text(max_size=40))
def test_all_metrics_are_shares_and_perfect_on_themselves(a, b):
    for metric in metrics.METRICS.values():
        assert 0 <= metric(a, b) <= 1
    assert metrics.token_f1(a, a) == 1
    assert metrics.exact_match(a, a) == 1
    assert metrics.token_f1(a, b) == pytest.approx(metrics.token_f1(b, a))


def test_chrf_and_bleu_are_sacrebleus():
    from sacrebleu import sentence_bleu, sentence_chrf

    said, wanted = "the quick brown fox jumps high", "a quick brown fox jumps over"
    assert metrics.chrf(said, wanted) == pytest.approx(sentence_chrf(said, [wanted]).score / 100)
    assert metrics.bleu(said, wanted) == pytest.approx(sentence_bleu(said, [wanted]).score / 100)
    assert metrics.bleu("yes", "yes") == metrics.chrf("yes", "yes") == pytest.approx(1)
    assert metrics.bleu("yes", "no") == metrics.chrf("", "no") == metrics.bleu("", "no") == 0
    assert 0 < metrics.chrf("北京大学", "北京") < 1
    signatures = metrics.signatures()
    assert signatures["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:")
    assert signatures["bleu"].startswith("nrefs:1|case:mixed|eff:yes|tok:13a|smooth:exp|version:")


def test_what_the_reference_programs_say():
    """rouge-score's own tokenizer keeps a-z and 0-9 only; SQuAD deletes all punctuation, so C++ is C.
    SQuAD's values are by hand, from evaluate-v1.1.py."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"])
    for prediction, reference, f1, exact in (
        ("C++ is older", "the C is older", 1.0, 1.0),
        ("Zürich, x < 5!", "zurich x > 5", 2 / 3, 0.0),
        ("in 3/4 of it", "34 of it", 6 / 7, 0.0),
    ):
        found = metrics.published(prediction, [reference])
        assert found["rouge_l"] == scorer.score(reference, prediction)["rougeL"].fmeasure
        assert (found["token_f1"], found["exact_match"]) == (pytest.approx(f1), exact)
    assert metrics.exact_match("C++ is older", "the C is older") == 0
    assert metrics.published("two", ["one", "two"])["token_f1"] == 1
