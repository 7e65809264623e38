"""What people write is kept as they wrote it, or refused with what is wrong of it."""

from __future__ import annotations

import pytest

from core.errors import UserError, require_text


@pytest.mark.parametrize("text", ["", "a\u2028b\r\n\t é 😀", "\x07", "x" * 9])
def test_texts_that_can_be_stored(text):
    require_text(text, "answer", 10)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x" * 1_001, "The answer has 1,001 characters. Shorten it to 1,000."),
        ("a\0b", r"The answer contains the character U\+0000, which cannot be stored"),
        ("a\ud83d", r"The answer contains the character U\+D83D, which cannot be stored"),
    ],
)
def test_texts_that_cannot(text, why):
    with pytest.raises(UserError, match=why):
        require_text(text, "answer", 1_000)
