"""Answers that had no tokens left, and answers that stop in the middle by themselves."""

import pytest

from core.review.detectors import cut

WHOLE = "The boat leaves at nine and takes an hour. It stops twice on the way."


def test_a_generation_without_tokens_left_is_cut_for_sure():
    found = cut.check("The boat leaves at", 96, WHOLE)
    assert (found.score, found.spans) == (1.0, ((0, 18),))
    assert "96 tokens, before it was as long as the reference: raise the limit" in found.reason
    assert cut.check("", 4, "").spans == ()


@pytest.mark.parametrize(
    "text",
    [
        WHOLE[:60],
        "It is made of milk, which is warmed, and of the",
        "There were several causes, and the most important one was",
        "Here is the code:\n```python\ndef add(a, b):\n    return a +",
        "Bees, wasps and hornets belong to the same order,",
    ],
)
def test_ends_in_the_middle(text):
    found = cut.check(text, None, WHOLE)
    assert found.score >= cut.THRESHOLD
    assert found.spans[0][1] == len(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "Tokyo", WHOLE, "A Title Without a Full Stop for a Long Blog Post"),
        "- apples\n- pears\n- plums and other stone fruit",
        "The rain taps softly on the pane,\nand washes dust from field and lane",
        "B-PER O O B-LOC I-LOC O O O O O O O O O O O",
        "INSERT INTO t VALUES (1, 'a');\nINSERT INTO t VALUES (2, 'b');",
    ],
)
def test_ends_that_are_ends(text):
    assert cut.check(text, None, WHOLE).score == 0.0


def test_what_its_reference_does_too_is_no_error():
    assert cut.check(WHOLE[:60], None, WHOLE[:60]).score == 0.0
