"""How long an answer may be: as long as the references are, and some room, unless a person says otherwise.

A limit below the references cuts right answers, and one far above them only gives time to a model that does not stop.
So it is the 99th percentile of the references in tokens of this very model, the token that ends a turn included, and a
quarter more, at least 16: a model says the same in other words, and answers that were learnt scatter around what they
were learnt from, while whatever runs on beyond that is no longer like the references. Both sides have the same limit.

What a reference reasons does not count, because reasoning has room of its own (core/models/room.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.evaluation.heldout import turns
from core.models.process import TOKENIZERS, Progress
from core.reasoning import answer_of
from core.tokens.lengths import lengths
from core.tokens.views import ALL_ROWS, Written
from core.types import Example, Split
from core.wording import count

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PERCENTILE = 99
ROOM, LEAST_ROOM = 0.25, 16
"""Beyond the percentile: a part of it, and at least so many tokens."""
MOST = 4096
"""Tokens that no answer has by default, however long the references."""
WITHOUT = 256
"""Tokens where there is no reference to follow."""


@dataclass(frozen=True)
class References:
    """What the longest answer follows."""

    asked: int
    """Answers that are asked for."""
    references: int
    """References that were measured; 0: there is nothing to follow."""
    tokens: int
    """Their 99th percentile."""
    limit: int
    """Tokens of the longest answer."""


def sentence(followed: References) -> str:
    """What the longest answer is, and why, without a full stop."""
    if not followed.references:
        return f"{followed.limit:,} tokens, because no row has a reference to follow"
    known = count(followed.references, "reference")
    why = f"{PERCENTILE} % of {known} have at most {followed.tokens:,}"
    return f"follows the references ({followed.limit:,} tokens: {why})"


def follow(written: Written, rows_file: str, split: Split, most: int | None, answers: str) -> References:
    """The limit for the answers of a version's rows, the first `most`; `answers` is a key of turns.ANSWERS.

    Worked out in a process that has the tokenizer. Raises UserError where the tokenizer cannot be had.
    """
    return _follow(written, rows_file, split, most, answers)


@lru_cache(maxsize=64)  # a version's rows never change, and a form asks at every click
def _follow(written: Written, rows_file: str, split: Split, most: int | None, answers: str) -> References:
    asked = asdict(written), rows_file, split, most, answers
    return References(**TOKENIZERS.call(answer_follow, *asked, patience=ALL_ROWS))


def answer_follow(
    raw: dict[str, Any],
    rows_file: str,
    split: Split,
    most: int | None,
    answers: str,
    progress: Progress = lambda share, what: None,
) -> dict[str, int]:
    from core.models import loading

    written = Written.of(raw)
    tokenizer = written.tokenizer(progress)
    examples = turns.asked(Path(rows_file), split, most, answers, written.rendering.answers)
    context = loading.context_length(written.model, Path(written.models), written.revision)
    return asdict(of_examples(examples, tokenizer, context))


def of_examples(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, context: int | None) -> References:
    """The limit for the answers to these examples. `context`: tokens that the model takes; None: no limit.

    Where the room would leave rows without a place in the context that have one with their reference, there is less.
    """
    measured = lengths([alone for e in examples for alone in _alone(e)], tokenizer)
    sizes = measured.total - measured.prompt
    here = (measured.total > 0) & (sizes > 0)  # the template refuses the others
    if context:
        here &= measured.total <= context
    if not here.any():
        return References(len(examples), 0, 0, min(WITHOUT, context or WITHOUT))
    tokens = int(np.percentile(sizes[here], PERCENTILE, method="inverted_cdf"))
    limit = min(tokens + max(LEAST_ROOM, math.ceil(ROOM * tokens)), MOST)
    if context:
        limit = min(limit, max(tokens, context - int(measured.prompt[here].max())))
    return References(len(examples), int(here.sum()), tokens, limit)


def _alone(example: Example) -> Iterator[Example]:
    """The example with each of its right answers, without what they reason."""
    if not example.messages:
        return
    answer = {name: part for name, part in example.answer.items() if name != "reasoning_content"}
    for text in (example.target, *example.references):
        if text or answer:
            yield replace(example, target=answer_of(text), answer=answer)
