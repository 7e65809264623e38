"""The nearest prompt by ROUGE-L: the score against rouge-score's own, the nearest against comparing with all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from core.augmentation.rouge import Prompts, rouge_l, words_of

WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "ran", "你好")
sentences = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)


@settings(max_examples=50, deadline=None)
@given(st.lists(sentences, min_size=1, max_size=12), sentences)
def test_the_nearest_is_what_comparing_with_all_finds(texts, text):
    prompts = Prompts()
    for i, one in enumerate(texts):
        prompts.add(one, str(i))
    best = max(rouge_l(text, one) for one in texts)
    found = prompts.nearest(text, 0.7)
    assert (found[0] if found else 0.0) == (best if best >= 0.7 else 0.0)
    if found:
        assert rouge_l(text, texts[int(found[1])]) == best


@settings(max_examples=50, deadline=None)
@given(sentences, sentences)
def test_it_is_rouge_scores_own(a, b):
    class Words:
        def tokenize(self, text):
            return words_of(text)

    scorer = RougeScorer(["rougeL"], tokenizer=Words())
    assert rouge_l(a, b) == pytest.approx(scorer.score(a, b)["rougeL"].fmeasure)


def test_case_and_marks_are_no_difference_and_scripts_without_spaces_are_compared():
    assert rouge_l("Name a COLOUR!", "name a colour") == 1
    assert 0.5 < rouge_l("东京是首都", "东京是日本首都") < 1
