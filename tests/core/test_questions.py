"""When two texts ask the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.questions import asks_hash, canonical, canonical_all
from core.types import Example

SAME = [
    ("What is X?", "what  is x"),
    ("What is X?", " WHAT\tis\nX ?! "),
    ("What is X?", "What\u00a0is\u2009X…"),
    ("What is “X”?", 'What is "X"'),
    ("It’s – so", "it's - so."),
    ("Ｗｈａｔ is ﬁne", "what is fine"),
    ("What\u200b is X?\ufeff", "What is X"),
    ("¿Qué es X?", "qué es x"),
    ("什么是光合作用？", "什么是光合作用。"),
    ("Straße", "STRASSE"),
    ("Cafe\u0301", "Café"),
]
OTHER = [("5!", "5"), ("C++", "C"), ("x > 5", "x < 5"), ("?", "!"), ("a b", "ab"), ("3+4", "3+5"), ("don't", "dont")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_how_it_is_written_makes_no_other_question(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_it_says_does(one, other):
    assert canonical(one) != canonical(other)


TEXTS = (
    st.text() | st.text("aB \t\n\r\v\x1c.?!5\0\u00a0“’–é") | st.sampled_from([text for pair in SAME for text in pair])
)


@given(texts=st.lists(TEXTS))
def test_many_at_once_are_as_each_alone_and_once_is_enough(texts):
    assert canonical_all(texts) == [canonical(text) for text in texts]
    assert [canonical(canonical(text)) for text in texts] == [canonical(text) for text in texts]
    assert not any("\n" in canonical(text) for text in texts)


def asks(*turns: tuple[str, str]) -> int:
    return asks_hash(Example(tuple({"role": role, "content": text} for role, text in turns), "answer", 1).asks)


def test_a_conversation_asks_by_its_turns_whatever_its_system_prompt():
    bare = asks(("user", "What is X?"))
    assert bare == asks(("system", "Be brief."), ("user", "what is X"))
    talk = (("user", "Hello"), ("assistant", "Hi."), ("user", "And now?"))
    assert asks(*talk) == asks(("system", "Be kind."), *talk)
    assert len({bare, asks(*talk), asks(talk[2]), asks(talk[0], ("assistant", "Ho."), talk[2])}) == 4
