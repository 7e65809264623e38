"""Does the model have an embedding for every token that its tokenizer makes? Ids beyond its end fail in mid-run.

The other way round is usual and harmless: embeddings are padded to a round number.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import UserError
from core.models import loading

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def check(model: str, models: Path, revision: str | None = None, template: str = "") -> None:
    """Raise UserError where the tokenizer is larger than the model, before any weight is loaded."""
    check_size(model, loading.tokenizer(model, models, revision, template), loading.vocabulary(model, models, revision))


def check_size(model: str, tokenizer: PreTrainedTokenizerBase, rows: int | None) -> None:
    """Raise UserError where the tokenizer makes ids that a model of `rows` embeddings has none for.

    A control token beyond the end that neither the chat template nor the tokenizer itself writes is no harm: rows never
    hold it (Gemma 3's text models share a tokenizer with the others, and its last token stands for an image).
    """
    largest = max(tokenizer.get_vocab().values(), default=-1) + 1
    if rows is None or largest <= rows:
        return
    written = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    added = tokenizer.added_tokens_decoder
    beyond = {id: piece for piece, id in tokenizer.get_vocab().items() if id >= rows}
    harmless = all(
        id in added and added[id].special and id not in written and piece not in str(tokenizer.chat_template or "")
        for id, piece in beyond.items()
    )
    if harmless:
        return
    first = min(beyond)
    raise UserError(
        f"The tokenizer of the model “{model}” makes {largest:,} different tokens, but the model has embeddings for "
        f"{rows:,}: from “{beyond[first]}” on it knows none. Give the folder of a model with its own tokenizer, or one "
        "whose embeddings were resized to it."
    )
