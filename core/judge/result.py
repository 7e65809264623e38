"""What a judge leaves behind, as dataclasses: the lines of verdicts.jsonl, and judge.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import Problem
from core.files import finished_lines
from core.records import absent, check_schema, parsed, plain, read
from core.statistics.intervals import Estimate
from core.types import SIDES

SCHEMA = 1

Choice = Literal["A", "B", "tie"]
CHOICES: tuple[Choice, ...] = ("A", "B", "tie")
Winner = Literal["base", "tuned", "tie"]
OUTCOMES: tuple[Winner, ...] = (*SIDES, "tie")


@dataclass(frozen=True)
class Verdict:
    """A line of verdicts.jsonl: one reply to one comparison."""

    key: str
    """Hash of the comparison's whole prompt."""
    endpoint: str
    model: str
    example_id: str
    order: str
    """base_first | tuned_first"""
    verdict: Choice | None
    """None where the reply was none."""
    reply: str
    prompt_tokens: int | None
    """As the endpoint reports them; None where it does not."""
    completion_tokens: int | None
    seconds: float
    time: float
    """Since the epoch."""
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        return plain(self)


@dataclass(frozen=True)
class Comparison:
    """What one judge replied to one comparison."""

    newest: Verdict
    earlier: tuple[Verdict, ...] = ()
    """Replies that were no verdict: they were paid for, too."""


Comparisons = dict[str, Comparison]
"""By the key of the comparison; see `comparisons_of`."""


def comparisons_of(path: Path, host: str, model: str) -> Comparisons:
    """What one judge has replied so far, from verdicts.jsonl."""
    comparisons: Comparisons = {}
    for line in finished_lines(path)[0]:
        if (line["endpoint"], line["model"]) != (host, model):
            continue
        verdict = read(Verdict, line, f"A line of {path.name}")
        known = comparisons.get(verdict.key)
        earlier = (*known.earlier, known.newest) if known else ()
        comparisons[verdict.key] = Comparison(verdict, earlier)
    return comparisons


@dataclass(frozen=True)
class JudgedPair:
    """Both answers to one row, and what both orders say of them."""

    example_id: str
    prompt: str
    reference: str
    base: str
    tuned: str
    base_first: Choice | None
    tuned_first: Choice | None
    winner: Winner | None
    """None while one order has no verdict."""
    consistent: bool
    """Does the verdict stay with the side when the places are changed over?"""
    failed: bool
    """Was a reply no verdict?"""
    conversation: str | None = absent()
    """Id of the row whose conversation this answer is of, where each of its answers is asked for."""


@dataclass(frozen=True)
class PositionBias(Estimate):
    """Share of the pairs whose verdict stayed with the place."""

    first: int
    second: int


@dataclass(frozen=True)
class Cost:
    """Tokens as the endpoint reported them."""

    replies: int
    unreported: int
    """Replies without a usage: the true cost is then higher."""
    prompt_tokens: int
    completion_tokens: int
    money: float | None


@dataclass(frozen=True)
class Agreement:
    """How the judge agrees with what people said of the same rows."""

    rate: float
    """With Clopper and Pearson's interval."""
    low: float | None
    high: float | None
    n: int
    table: tuple[tuple[int, ...], ...]
    """Rows of each of people's verdicts, by the judge's; both as in `names`."""
    names: tuple[Winner, ...]
    kappa: float | None = None
    """Cohen's (1960); None where both gave one and the same verdict throughout."""
    kappa_low: float | None = None
    kappa_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """judge.json: wins, position bias, cost and every pair, as far as it is judged."""

    schema: int = SCHEMA
    model: str
    endpoint: str
    """Its host."""
    pairs: int
    """With a verdict in both orders."""
    identical: int
    """Pairs of one answer twice: ties that are not asked about."""
    wins: dict[Winner, int]
    inconsistent: int
    failed: int
    missing: int
    cost: Cost
    verdicts: tuple[JudgedPair, ...]
    win_rate: Estimate | None = absent()
    """Of tuned, a tie as half a win; None before the first pair."""
    position_bias: PositionBias | None = absent()
    agreement: Agreement | None = absent()
    """With the labels there are: made when it is read, never written into judge.json."""
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_dict(cls, raw: Any) -> Judgement:
        """Raises UserError for what is no judgement."""
        what = "judge.json of the evaluation"
        check_schema(raw, SCHEMA, what)
        return read(cls, {**raw, "schema": SCHEMA}, what)

    def to_dict(self) -> dict[str, Any]:
        return plain(self)


def judgement_in(folder: Path) -> Judgement | None:
    """What judge.json in the folder says; None where there is none. Raises UserError for a damaged one."""
    path = folder / "judge.json"
    return Judgement.from_dict(parsed(path, "judge.json of the evaluation")) if path.is_file() else None
