"""One row, token by token, from the ids that the trainer would be fed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.engine.rendering import Rendered, render, special_ids, template_of
from core.errors import Problem
from core.tokens.rows import windows
from core.types import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TokenView:
    position: int
    id: int
    piece: str
    """As the vocabulary writes it, e.g. `Ġthe`."""
    text: str
    """What it stands for. Bytes that are no character by themselves are shown as ⟨E2⟩."""
    special: bool
    trained: bool
    cut: bool
    """Behind the maximum length: the model never sees it."""


@dataclass(frozen=True)
class Preview:
    rendered: Rendered
    tokens: list[TokenView]
    problems: list[Problem]
    own_template: bool
    """False where the model brings no chat template and the plain one is used."""
    windows: int = 1
    """Rows that training makes of it: plain text is trained in windows of the maximum length, other rows are cut."""


def preview(example: Example, tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> Preview:
    """The row as the model will see it. `tokens` holds the kept ids and, behind them, those that were cut."""
    is_text = example.kind == "text"
    rendered = render(example, tokenizer, None if is_text else max_length)
    parts = len(windows(rendered, max_length, tokenizer.bos_token_id)) if is_text and max_length else 1
    problems = list(rendered.problems)
    if parts > 1:
        what = f"The text is longer than {max_length:,} tokens: it is trained in {parts:,} parts."
        problems.append(Problem("note", what, "Nothing is cut off.", example.row))
    special = special_ids(tokenizer)
    ids = [*rendered.ids, *rendered.cut_ids]
    pieces = tokenizer.convert_ids_to_tokens(ids)
    trained = [*rendered.trained, *([False] * len(rendered.cut_ids))]
    tokens = [
        TokenView(i, token, piece, text, token in special, is_trained, i >= len(rendered.ids))
        for i, (token, piece, text, is_trained) in enumerate(
            zip(ids, pieces, texts(ids, tokenizer), trained, strict=True)
        )
    ]
    return Preview(rendered, tokens, problems, is_text or template_of(tokenizer)[1], parts)


def context_problems(shown: Preview, context: int | None) -> list[Problem]:
    """What to say of a row that is longer than the model can take, whatever the maximum length."""
    length = len(shown.tokens)
    if context is None or length <= context or shown.windows > 1:
        return []
    fix = f"Set the maximum length to {context:,} or less; better, split the row."
    return [Problem("warning", f"The row has {length:,} tokens; the model takes {context:,}.", fix)]


def texts(ids: list[int], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What each id stands for. A character spread over several tokens is shown as its bytes, one token at a time."""
    decoded = tokenizer.batch_decode([[i] for i in ids], clean_up_tokenization_spaces=False)
    out = []
    for token, text in zip(ids, decoded, strict=True):
        if "\ufffd" in text:
            raw = _bytes_of(tokenizer.convert_ids_to_tokens(token))
            text = "".join(f"⟨{b:02X}⟩" for b in raw) if raw else text
        out.append(text)
    return out


def _bytes_of(piece: str) -> bytes | None:
    """The bytes that a piece of a byte-level vocabulary stands for; None where it is not of that kind."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    if piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:-1], 16)])
    table = {character: byte for byte, character in bytes_to_unicode().items()}
    return bytes(table[c] for c in piece) if all(c in table for c in piece) else None
