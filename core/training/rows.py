"""Examples → rows for the trainer, and what was dropped on the way. Preflight and worker use the same function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.packing import Row
from core.rendering import render
from core.types import Example, Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TrainingRows:
    rows: list[Row]
    examples: list[Example]
    """The example of each row."""
    problems: list[Problem]
    truncated: int
    """Rows that were cut at the maximum length, the dropped ones included."""
    dropped: int
    """Rows without a single trainable token within the maximum length."""
    tokens: int
    trained_tokens: int


def to_rows(examples: list[Example], tokenizer: PreTrainedTokenizerBase, max_length: int) -> TrainingRows:
    """Render examples; a row with nothing left to train is dropped and reported, never trained at loss 0."""
    rows, kept, problems, truncated = [], [], [], 0
    for example in examples:
        rendered = render(example, tokenizer, max_length)
        problems += rendered.problems
        truncated += bool(rendered.cut_ids)
        if rendered.trainable == 0:
            length = len(rendered.ids) + len(rendered.cut_ids)
            what = f"The prompt alone fills the maximum length ({length:,} tokens, the limit is {max_length:,})."
            fix = "The row is not trained; raise the maximum length or shorten the prompt."
            problems.append(Problem("warning", what, fix, example.row))
            continue
        rows.append((rendered.ids, rendered.trained))
        kept.append(example)
    tokens = sum(len(ids) for ids, _ in rows)
    trained = sum(sum(mask) for _, mask in rows)
    return TrainingRows(rows, kept, problems, truncated, len(examples) - len(rows), tokens, trained)
