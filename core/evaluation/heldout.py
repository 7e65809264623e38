"""The loss of base and tuned on rows that were not trained on, row by row, through the one rendering."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.evaluation import statistics
from core.evaluation.scorer import Progress, ShouldStop, score
from core.models.loading import Sides
from core.packing import Row
from core.rendering import render
from core.types import Example, Problem, UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class HeldOut:
    """What was measured. All lists but `problems` have one entry per row in `examples`."""

    examples: list[Example]
    tokens: list[int]
    """Predicted tokens of each row: the answer and its end-of-turn token."""
    base: list[float]
    """Negative log-probability of the row's answer in nats, summed over its tokens."""
    tuned: list[float]
    problems: list[Problem]
    """One for each row that could not be measured."""
    truncated: int
    """Rows that were cut at the maximum length and measured up to there."""

    def report(self) -> dict[str, Any]:
        """Loss per token in nats; the interval is over rows."""
        difference = statistics.ratio_difference(self.base, self.tuned, self.tokens)
        return {
            "base": _side(self.base, self.tokens),
            "tuned": _side(self.tuned, self.tokens),
            "difference": difference.to_dict(),
            "rows": len(self.examples),
            "tokens": sum(self.tokens),
            "skipped": len(self.problems),
            "truncated": self.truncated,
        }


def measure(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    max_length: int | None,
    packed: bool | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> HeldOut:
    """Both sides' loss on the same rows. Raises UserError when no row can be measured, `Stopped` when asked to stop."""
    rows, kept, problems, truncated = _rows(examples, tokenizer, max_length)
    if not rows:
        raise UserError(
            f"None of the {len(examples)} test rows has an answer within the maximum length of {max_length} tokens. "
            "Raise the maximum length of the run, or check that the rows have answers."
        )
    name = lambda i: f"test row {kept[i].row}"  # noqa: E731
    losses: dict[str, list[float]] = {}
    for n, side in enumerate(("base", "tuned")):
        tell = (lambda done, total, n=n: progress(n * total + done, 2 * total)) if progress else None
        with sides.use(side) as model:
            scores = score(model, rows, packed=packed, progress=tell, should_stop=should_stop, name=name)
        losses[side] = [-s.logprob_sum for s in scores]
    return HeldOut(kept, [s.tokens for s in scores], losses["base"], losses["tuned"], problems, truncated)


def _rows(examples: list[Example], tokenizer: PreTrainedTokenizerBase, max_length: int | None):
    rows: list[Row] = []
    kept: list[Example] = []
    problems: list[Problem] = []
    truncated = 0
    for example in examples:
        rendered = render(example, tokenizer, max_length)
        if any(rendered.trained[1:]):
            rows.append((rendered.ids, rendered.trained))
            kept.append(example)
            truncated += bool(rendered.cut_ids)
            continue
        length = len(rendered.ids) + len(rendered.cut_ids)
        what = f"The row has no answer within the maximum length ({length:,} tokens, the limit is {max_length:,})."
        if not rendered.cut_ids:
            what = "The row has no answer."
        problems.append(Problem("warning", what, "Its loss is not measured.", example.row))
    return rows, kept, problems, truncated


def _side(losses: list[float], tokens: list[int]) -> dict[str, Any]:
    loss = statistics.ratio(losses, tokens)
    # e^700 is near the largest float: a broken model must not make the report unreadable.
    return {"loss": loss.mean, "perplexity": math.exp(min(loss.mean, 700)), "low": loss.low, "high": loss.high}
