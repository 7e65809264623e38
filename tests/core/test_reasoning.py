"""An answer is told from the reasoning before it, whichever marks a model writes, and whether or not it ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import reasoning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paris.", ("", "Paris.")),
        ("  Paris.", ("", "  Paris.")),
        ("<think>\nFrance …\n</think>\n\nParis.", ("France …", "Paris.")),
        ("<think>\n\n</think>\n\nParis.", ("", "Paris.")),
        ("France …\n</think>\n\nParis.", ("France …", "Paris.")),  # the prompt ended with <think>
        ("<think>\nFrance is", ("France is", "")),  # cut before it ended
        ("[THINK]Hm[/THINK]Paris.", ("Hm", "Paris.")),
        ("Write <think> and then </think>.", ("", "Write <think> and then </think>.")),
        ("<think>a</think>Close with </think>.", ("a", "Close with </think>.")),
        ("", ("", "")),
    ],
)
def test_reasoning_and_answer(text, expected):
    assert reasoning.split(text) == expected


@given(st.text(alphabet="ab \n<>", max_size=20), st.text(alphabet="ab<>", max_size=20))
def test_whatever_is_written_between_the_marks_is_no_answer(thought, answer):
    for opening, closing in reasoning.MARKS:
        assert reasoning.answer_of(f"{opening}{thought}{closing}{answer}") == answer
        assert reasoning.split(answer) == ("", answer)
