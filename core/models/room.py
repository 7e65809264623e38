"""How long an answer may be: what a model reasons before it has room of its own, so that it comes to an answer."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.reasoning import MARKS
from core.types import Decoding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MARK = 24
"""Tokens that are enough for any mark, however it is cut into pieces."""


class Room:
    """The new tokens that one answer may have.

    `max_new_tokens` count from where its reasoning ends. Reasoning that has not ended after `reasoning_tokens` is cut,
    and there is no answer. An answer that does not reason has `max_new_tokens`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int], decoding: Decoding) -> None:
        self._tokenizer, self._decoding = tokenizer, decoding
        self._limit: int | None = None
        # Does it reason? A template may write the mark that opens; without room of its own it is no matter.
        self._reasons: bool | None = False
        if decoding.reasoning_tokens:
            end = self._text(prompt[-_MARK:]).rstrip()
            self._reasons = any(end.endswith(opening) for opening, _ in MARKS) or None
        self._looked = False

    @property
    def most(self) -> int:
        """Tokens that no answer exceeds."""
        return self._decoding.max_new_tokens + self._decoding.reasoning_tokens

    def full(self, new: Sequence[int]) -> bool:
        """Is the room used up by these new tokens? To be asked after each token."""
        n, usual = len(new), self._decoding.max_new_tokens
        if n < usual:
            return False
        if self._limit is None:
            self._limit = self._settled(new)
        if self._limit is None and n >= max(usual, self._decoding.reasoning_tokens):
            self._limit = n
        return self._limit is not None and n >= self._limit

    def kept(self, new: Sequence[int]) -> Sequence[int]:
        """The tokens that had room. What comes behind them is of a batch that went on."""
        return new[: self.most if self._limit is None else self._limit]

    def _settled(self, new: Sequence[int]) -> int | None:
        """The limit, as far as it can be known now; None while the model still reasons, or may be about to."""
        usual = self._decoding.max_new_tokens
        if self._reasons is None:
            text = self._text(new).lstrip()
            if any(opening.startswith(text) for opening, _ in MARKS):
                return None
            self._reasons = any(text.startswith(opening) for opening, _ in MARKS)
        if not self._reasons:
            return usual
        looked, self._looked = self._looked, True
        if not self._closed(new[-_MARK:] if looked else new):
            return None
        end = bisect_left(range(len(new) + 1), True, key=lambda n: self._closed(new[:n]))
        return min(end, self._decoding.reasoning_tokens) + usual

    def _closed(self, ids: Sequence[int]) -> bool:
        text = self._text(ids)
        return any(closing in text for _, closing in MARKS)

    def _text(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
