"""What is measured on rows that were never trained: the part `heldout` of a report, as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.records import absent
from core.statistics.intervals import Compared, Estimate, Interval
from core.statistics.tests import Flips
from core.types import Side


@dataclass(frozen=True)
class SideLoss:
    loss: float
    """Nats per token."""
    perplexity: float
    low: float | None
    """The 95 % interval of the loss; None of one row."""
    high: float | None


@dataclass(frozen=True)
class Slice:
    """The measures on some of the rows."""

    name: str
    n: int
    loss: Interval
    token_f1: Interval | None
    """None where the model answered none of these rows."""
    small: bool = False
    """So few rows that little can be told."""


@dataclass(frozen=True)
class Labels:
    """A task whose answer is one of a few labels."""

    names: tuple[str, ...]
    accuracy: Compared
    macro_f1: Compared
    confusion: dict[Side, tuple[tuple[int, ...], ...]]
    """Rows of each true label, by answer; the last column is of answers that are no label."""
    mcnemar: Flips | None = None
    read: dict[Side, dict[str, int]] = field(default_factory=dict)
    """Side → how many answers were read as a label how: exact, normalised, other."""
    rows: int = 0


@dataclass(frozen=True)
class Published:
    """A metric exactly as its reference program computes it, for comparison with papers: means without intervals."""

    base: float
    tuned: float
    differ: int
    """Answers, of both sides together, to which ours gives another value."""


TEXT_METRICS = ("token_f1", "rouge_l", "chrf", "bleu", "semantic", "exact_match")
"""Fields of `Texts`, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What the answers' texts are worth against the references; each metric is None where it was not measured."""

    token_f1: Compared | None = absent()
    rouge_l: Compared | None = absent()
    chrf: Compared | None = absent()
    bleu: Compared | None = absent()
    semantic: Compared | None = absent()
    exact_match: Compared | None = absent()
    labels: Labels | None = absent()
    slices: dict[str, tuple[Slice, ...]] = field(default_factory=dict)
    """label | length | source → its slices."""
    cut: dict[Side, int] | None = absent()
    """Answers that were cut at the longest length, by side; reports of before 0.3 do not say."""
    answered: int | None = absent()
    """Answers of both sides: one for each row, or for each answer of its conversation."""
    published: dict[str, Published] = field(default_factory=dict)
    """Metric → what its reference program says, where ours reads words in another way."""
    signatures: dict[str, str] = field(default_factory=dict)
    """How chrF and BLEU were computed, in sacrebleu's words."""
    notes: tuple[str, ...] = ()
    """On what was measured how, or not."""

    @property
    def metrics(self) -> dict[str, Compared]:
        """The text metrics that there are."""
        return {name: value for name in TEXT_METRICS if (value := getattr(self, name)) is not None}


@dataclass(frozen=True, kw_only=True)
class HeldOut(Texts):
    """The loss on held-out rows and, as soon as they are answered, what the texts are worth: one flat object."""

    base: SideLoss
    tuned: SideLoss
    difference: Interval
    """Of the loss per token, in nats; the rows are what is random."""
    bits_per_byte: Compared | None = absent()
    """Bits per byte of the answers in UTF-8; reports of the first releases have none."""
    fell: Estimate | None = absent()
    """The share of rows whose loss is lower after training; it has an interval whatever the rows' lengths."""
    rows: int
    asked: int | None = absent()
    """Answers of these rows that were asked for, where it was each of a conversation and not the last."""
    tokens: int = 0
    skipped: int = 0
    """Rows that could not be measured."""
    truncated: int = 0
    """Rows that are measured up to the maximum length."""
