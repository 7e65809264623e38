"""Text → ids, in which only the template's own control tokens are control tokens.

A control token (one that the tokenizer calls special) that stands in a row's text is encoded as ordinary characters.
Other added tokens, such as `<think>` of some vocabularies, are what the tokenizer makes of them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

HIDDEN = "\ue0f2"
"""Stands in the place of each character of a control token in a row's text; private, so that no template writes it."""


class Control(NamedTuple):
    """A control token that the template wrote: characters [start, end) of the text, and its id."""

    start: int
    end: int
    id: int


@dataclass(frozen=True)
class Encoded:
    """A text as ids, and where in them a character stands."""

    text: str
    ids: tuple[int, ...]
    controls: tuple[Control, ...]
    pieces: tuple[tuple[int, tuple[int, ...]], ...]
    """(first character, ids) of each stretch and each control token; empty where they are not encoded apart."""
    tokenizer: PreTrainedTokenizerBase

    def index(self, character: int) -> int:
        """How many ids stand for the text before `character`. One that stands for text on both sides does not."""
        if not self.pieces:
            return shared(tuple(self.tokenizer(self.text[:character], add_special_tokens=False)["input_ids"]), self.ids)
        begin = 0
        for (first, ids), following in zip(self.pieces, [*self.pieces[1:], (len(self.text), ())], strict=True):
            if character >= following[0]:
                begin += len(ids)
                continue
            if character <= first:
                return begin
            part = self.text[first:character]
            return begin + shared(_plain(part, self.tokenizer, bool(self.controls)), ids)
        return begin


def shared(a: Sequence[int], b: Sequence[int]) -> int:
    """Ids that both begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def control_texts(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Control tokens as they would be written in a text, longest first."""
    cached = getattr(tokenizer, "_tunewright_control_texts", None)
    if cached is None:
        texts = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special and t.content]
        cached = tuple(sorted(texts, key=len, reverse=True))
        tokenizer._tunewright_control_texts = cached
    return cached


def control_pattern(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Finds control tokens as tokenizers do: the leftmost, and of those the longest."""
    return re.compile("|".join(map(re.escape, control_texts(tokenizer))) or "(?!)")


def hidden(text: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """The text, as long as before, with no control token in it."""
    return control_pattern(tokenizer).sub(lambda found: HIDDEN * len(found[0]), text)


def encode(text: str, tokenizer: PreTrainedTokenizerBase, guarded: str = "", parts: bool = True) -> Encoded:
    """The ids of a rendered text. `guarded` is the same text with the row's own control tokens hidden, where it has
    any; `parts`: places in it will be asked for.
    """
    controls = _controls(guarded or text, tokenizer)
    if guarded and guarded != text:
        pieces = tuple(_pieces(text, controls, tokenizer))
        return Encoded(text, tuple(i for _, ids in pieces for i in ids), controls, pieces, tokenizer)
    ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    pieces = tuple(_pieces(text, controls, tokenizer)) if parts and controls else ()
    if tuple(i for _, part in pieces for i in part) != ids:
        pieces = ()
    return Encoded(text, ids, controls, pieces, tokenizer)


def _controls(text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[Control, ...]:
    known = {t.content: (i, t) for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    controls, behind = [], 0
    for match in control_pattern(tokenizer).finditer(text):
        id_, token = known[match[0]]
        start, end = match.span()
        # Some tokens swallow the white space beside them.
        while token.lstrip and start > behind and text[start - 1].isspace():
            start -= 1
        while token.rstrip and end < len(text) and text[end].isspace():
            end += 1
        controls.append(Control(start, end, id_))
        behind = end
    return tuple(controls)


def _pieces(
    text: str, controls: tuple[Control, ...], tokenizer: PreTrainedTokenizerBase
) -> list[tuple[int, tuple[int, ...]]]:
    pieces: list[tuple[int, tuple[int, ...]]] = []
    at = 0
    for control in [*controls, None]:
        end = control.start if control else len(text)
        if text[at:end]:
            pieces.append((at, _plain(text[at:end], tokenizer, bool(pieces))))
        if control:
            pieces.append((control.start, (control.id,)))
            at = control.end
    return pieces


def _plain(text: str, tokenizer: PreTrainedTokenizerBase, behind: bool) -> tuple[int, ...]:
    """Ids of text in which nothing is a control token; `behind`: something stands before it."""
    if not behind or not _begins_with_space(tokenizer):
        return _raw(text, tokenizer)
    line, ids = _raw("\n", tokenizer), _raw("\n" + text, tokenizer)
    return ids[len(line) :] if ids[: len(line)] == line else _raw(text, tokenizer)


def _raw(text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    if not getattr(tokenizer, "is_fast", False):
        return tuple(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
    plain = getattr(tokenizer, "_tunewright_plain", None)
    if plain is None:
        # A copy: how control tokens are taken is a state of the tokenizer, which others may be encoding with.
        plain = copy.deepcopy(tokenizer.backend_tokenizer)
        plain.no_truncation()
        plain.no_padding()
        plain.encode_special_tokens = True
        tokenizer._tunewright_plain = plain
    return tuple(plain.encode(text, add_special_tokens=False).ids)


def _begins_with_space(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Does the tokenizer put a space before a text, which behind other text it does not?"""
    cached = getattr(tokenizer, "_tunewright_begins_with_space", None)
    if cached is None:
        cached = _raw("\na", tokenizer) != (*_raw("\n", tokenizer), *_raw("a", tokenizer))
        tokenizer._tunewright_begins_with_space = cached
    return cached
