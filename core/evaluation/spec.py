"""What an evaluation is asked for: on the page or the command line, and as it stands in its spec.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.evaluation.references import References
from core.records import absent, check_schema, plain, read
from core.training.answering import Answering
from core.types import Decoding

SCHEMA = 2
"""2: `headline`, `answers` and `references`. Older ones asked for the last answer, at most as many tokens as a person
or the default of 96 said."""


@dataclass(frozen=True)
class EvaluationChoice:
    """What an evaluation measures besides the held-out loss."""

    max_rows: int | None = None
    """Test rows to generate for; None: all."""
    answers: str = "last"
    """Which answers of a conversation are asked for: a key of core.evaluation.heldout.turns.ANSWERS."""
    max_new_tokens: int | None = None
    """None: it follows the references, see core/evaluation/references.py."""
    reasoning_tokens: int = 1024
    """Room besides for what a model reasons before it answers, on both sides."""
    benchmarks: tuple[str, ...] = ()
    benchmark_items: int = 100
    """Items per benchmark, drawn at random with the seed; the same for both sides."""
    benchmark_folder: str | None = None
    """Folder of benchmark files; None: the Hub."""
    seed: int = 0
    strengths: tuple[float, ...] = ()
    """Adapter scales between 0 and 1 to measure too: see core/models/adapter_scaling.py."""
    checkpoints: bool = False
    """Whether the run's checkpoints are measured too."""
    size: str = ""
    """quick | standard | full: how many items per benchmark, in the place of `benchmark_items`."""
    shots: tuple[tuple[str, int], ...] = ()
    """(benchmark, examples shown before each question), where it is not the task's own number."""
    chat_template: bool = False
    """Whether benchmarks' questions are put into the model's chat template, as lm-eval's --apply_chat_template does."""
    early_stop: bool = False
    """Whether a benchmark may stop as soon as the interval of its difference is narrow enough."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSpec(Answering):
    """spec.json of an evaluation: all that is needed to measure, and to measure the same again."""

    schema: int = SCHEMA
    max_length: int | None
    """Of a row in tokens, as the run was trained."""
    decoding: Decoding
    max_rows: int | None = None
    answers: str = "last"
    references: References | None = absent()
    """What `decoding.max_new_tokens` follows; None where a person gave the number."""
    benchmarks: tuple[str, ...] = ()
    """In the order in which they are asked."""
    benchmark_limit: int | None = None
    """Questions of each benchmark; None: all of them."""
    benchmark_folder: str | None = None
    seed: int = 0
    strengths: tuple[float, ...] = ()
    checkpoints: bool = False
    size: str | None = None
    """What `benchmark_limit` was chosen by, where it was by a word."""
    shots: dict[str, int] = field(default_factory=dict)
    chat_template: bool = False
    early_stop: bool = False
    headline: tuple[str, ...] = ()
    """The measure that the evaluation is about, named before it ran: the first of these that is measured. See
    headline.py; empty in evaluations of before."""

    @classmethod
    def from_dict(cls, raw: Any) -> EvaluationSpec:
        """Raises UserError for what is no specification. Parts that came later have their defaults in older ones."""
        what = "The specification of the evaluation"
        check_schema(raw, SCHEMA, what)
        return read(cls, {**raw, "schema": SCHEMA}, what)

    def to_dict(self) -> dict[str, Any]:
        return {"schema": self.schema, **plain(self)}
