"""What of a dataset will actually be trained: lengths, cuts, drops, and what padding costs and prefix sharing saves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from core.packing import pack
from core.rendering import render
from core.training.rows import to_rows
from core.training.spec import TrainSettings
from core.types import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class DatasetTokens:
    rows: int
    """Training rows of the version."""
    kept: int
    truncated: int
    dropped: int
    tokens: int
    """Per pass over the rows, after cutting."""
    trained_tokens: int
    longest: int
    """Tokens of the longest row before cutting."""
    without_end: int
    """Rows whose end-of-turn token is cut off: from them the model does not learn to stop."""
    padded_tokens: int
    """Tokens a padded batch of `rows_per_step` rows would feed per pass."""
    packed_tokens: int
    """Tokens that shared-prefix packing feeds per pass."""
    steps: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def dataset_tokens(
    examples: list[Example], tokenizer: PreTrainedTokenizerBase, settings: TrainSettings
) -> DatasetTokens:
    """Token statistics of the training rows under these settings, through the trainer's own `to_rows`."""
    examples = [e for e in examples if e.split == "train"]
    made = to_rows(examples, tokenizer, settings.max_length)
    whole = lengths(examples, tokenizer)
    batches = [made.rows[i : i + settings.rows_per_step] for i in range(0, len(made.rows), settings.rows_per_step)]
    return DatasetTokens(
        rows=len(examples),
        kept=len(made.rows),
        truncated=made.truncated,
        dropped=made.dropped,
        tokens=made.tokens,
        trained_tokens=made.trained_tokens,
        longest=int(whole["total"].max()) if len(examples) else 0,
        without_end=made.truncated,
        padded_tokens=sum(len(b) * max(len(ids) for ids, _ in b) for b in batches),
        packed_tokens=sum(len(pack(b).ids) for b in batches),
        steps=settings.steps(len(made.rows)) if made.rows else 0,
    )


def lengths(examples: list[Example], tokenizer: PreTrainedTokenizerBase) -> dict[str, np.ndarray]:
    """Tokens of each example before any cut: int64 arrays `prompt`, `answer`, `total` of len(examples)."""
    rendered = [render(e, tokenizer) for e in examples]
    prompt = np.array([r.prompt_length for r in rendered], dtype=np.int64)
    total = np.array([len(r.ids) for r in rendered], dtype=np.int64)
    return {"prompt": prompt, "answer": total - prompt, "total": total}
