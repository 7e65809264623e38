"""The loss of base and tuned on rows that were not trained on, row by row, through the one rendering."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from core.engine.packing import Row
from core.engine.rendering import Refused, Rendered, render
from core.engine.scoring import Progress, ShouldStop, score
from core.errors import Problem, UserError
from core.evaluation.heldout import turns
from core.evaluation.heldout.result import HeldOut, SideLoss
from core.models.sides import Sides
from core.statistics import intervals
from core.statistics.intervals import Compared, Estimate, Interval
from core.types import SIDES, Example, Side

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class Rows:
    """Rows as they are scored. The first five lists have one entry per row that can be measured."""

    examples: list[Example]
    rows: list[Row]
    tokens: list[int]
    """Predicted tokens: the answers and the end-of-turn token of each."""
    bytes: list[int]
    """Bytes of the answers in UTF-8, as far as they are measured."""
    prompt_tokens: list[int]
    problems: list[Problem]
    """One for each row that cannot be measured."""
    truncated: int
    """Rows that are cut at the maximum length and measured up to there."""
    lengths: np.ndarray | None = None
    """Tokens of the answers of all the data set's rows, about: few test rows may be alike in length by chance."""


@dataclass(frozen=True)
class Losses:
    """What was measured, each list with one entry per row."""

    rows: Rows
    base: list[float]
    """Negative log-probability of the row's answer in nats, summed over its tokens."""
    tuned: list[float]

    def report(self) -> HeldOut:
        """Loss per token in nats, and per byte of the answer in bits; the intervals are over rows.

        The end-of-turn token is predicted too and counts in both: as one token, and as no byte.
        """
        tokens, size, of = self.rows.tokens, self.rows.bytes, turns.conversations(self.rows.examples)
        base, tuned = ([loss / math.log(2) for loss in side] for side in (self.base, self.tuned))
        bits_per_byte = Compared(
            turns.ratio(base, size, of, self.rows.lengths),
            turns.ratio(tuned, size, of, self.rows.lengths),
            turns.ratio_difference(base, tuned, size, of, self.rows.lengths),
        )
        fell_from, fell_to = turns.summed(self.base, of), turns.summed(self.tuned, of)
        return HeldOut(
            base=_side(self.per_token(self.base)),
            tuned=_side(self.per_token(self.tuned)),
            difference=self.against_base(self.tuned),
            bits_per_byte=bits_per_byte,
            fell=intervals.rate(sum(t < b for b, t in zip(fell_from, fell_to, strict=True)), len(fell_from)),
            rows=len(self.rows.examples) if of is None else len(set(of)),
            asked=None if of is None else len(of),
            tokens=sum(tokens),
            skipped=len(self.rows.problems),
            truncated=self.rows.truncated,
        )

    def against_base(self, losses: list[float]) -> Interval:
        """The loss per token of another model on the same rows (nats, summed over each) against the base's."""
        of = turns.conversations(self.rows.examples)
        return turns.ratio_difference(self.base, losses, self.rows.tokens, of, self.rows.lengths)

    def per_token(self, losses: list[float]) -> Estimate:
        """A model's loss per token on these rows (nats, summed over each)."""
        of = turns.conversations(self.rows.examples)
        return turns.ratio(losses, self.rows.tokens, of, self.rows.lengths)


def measure(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    max_length: int | None,
    packed: bool | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    characters: np.ndarray | None = None,
) -> Losses:
    """Both sides' loss on the same rows. Raises UserError when no row can be measured, `Stopped` when asked to stop.

    `characters`: of the answers of all the data set's rows, where these are a sample of them.
    """
    rows = rows_of(examples, tokenizer, max_length)
    if characters is not None:
        tokens = characters * (sum(rows.tokens) / max(1, sum(len(e.target) for e in rows.examples))) + 1
        rows = replace(rows, lengths=np.minimum(tokens, max_length or np.inf))
    losses: dict[Side, list[float]] = {}
    for n, side in enumerate(SIDES):
        tell = (lambda done, total, n=n: progress(n * total + done, 2 * total)) if progress else None
        with sides.use(side) as model:
            losses[side] = losses_of(model, rows, packed, tell, should_stop)
    return Losses(rows, losses["base"], losses["tuned"])


def losses_of(
    model: PreTrainedModel,
    rows: Rows,
    packed: bool | None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[float]:
    """Of each row the negative log-probability of its answer, summed, in nats.

    Raises UserError where the model computes no number, `Stopped` when asked to stop.
    """
    name = lambda i: f"test row {rows.examples[i].row}"  # noqa: E731
    scores = score(model, rows.rows, packed=packed, progress=progress, should_stop=should_stop, name=name)
    return [-s.logprob_sum for s in scores]


def rows_of(examples: list[Example], tokenizer: PreTrainedTokenizerBase, max_length: int | None) -> Rows:
    """Render the examples. Raises UserError when none can be measured."""
    rows = Rows([], [], [], [], [], [], 0)
    truncated = 0
    for example in examples:
        try:
            rendered = render(example, tokenizer, max_length, last_only=example.turn is not None)
        except Refused as e:
            rows.problems.append(Problem("warning", e.why, "Its loss is not measured.", example.row))
            continue
        if any(rendered.trained[1:]):
            rows.examples.append(example)
            rows.rows.append((rendered.ids, rendered.trained))
            rows.tokens.append(sum(rendered.trained[1:]))
            rows.bytes.append(_bytes(example, rendered, tokenizer))
            rows.prompt_tokens.append(rendered.prompt_length)
            truncated += bool(rendered.cut_ids)
            continue
        length = len(rendered.ids) + len(rendered.cut_ids)
        what = f"The row has no answer within the maximum length ({length:,} tokens, the limit is {max_length:,})."
        if not rendered.cut_ids:
            what = "The row has no answer."
        rows.problems.append(Problem("warning", what, "Its loss is not measured.", example.row))
    if not rows.rows:
        raise UserError(
            f"None of the {len(examples)} test rows has an answer within the maximum length of {max_length} tokens. "
            "Raise the maximum length of the run, or check that the rows have answers."
        )
    return replace(rows, truncated=truncated)


def _bytes(example: Example, rendered: Rendered, tokenizer: PreTrainedTokenizerBase) -> int:
    if not rendered.cut_ids and not example.answer and len(rendered.spans) == 1:
        return len(example.target.encode("utf-8", "replace"))
    measured = [i for i, trained in zip(rendered.ids, rendered.trained, strict=True) if trained]
    text = tokenizer.decode(measured, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return max(1, len(text.encode("utf-8", "replace")))


def _side(loss: Estimate) -> SideLoss:
    # e^700 is near the largest float: a broken model must not make the report unreadable.
    return SideLoss(loss.mean, math.exp(min(loss.mean, 700)), loss.low, loss.high)
