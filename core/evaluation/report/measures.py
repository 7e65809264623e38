"""Everything that a report measured with an interval, as one list: what sentences, tables, pictures and files show.

Computes nothing new. A measure is called better or worse only where its interval excludes 0 and, where several
benchmarks were asked, the p-value corrected for their number is below 0.05. Of several metrics of the same answers one
is the headline, named before the run; the others are details, of which a difference is told only where the headline has
one. So with no difference at all, 5 % of evaluations at most call any of them one (Westfall and Krishen, 2001:
tests in a fixed order).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.evaluation.benchmarks.result import BenchmarkResult
from core.evaluation.headline import BEFORE
from core.evaluation.heldout.result import HeldOut
from core.evaluation.result import Report
from core.judge import verdicts
from core.judge.result import Judgement
from core.statistics import bounds
from core.statistics.intervals import Estimate, Interval
from core.statistics.tests import holm_level
from core.types import SIDES
from core.wording import count

LEVEL = 0.05


TEXT_METRICS = {
    "token_f1": ("Token F1", "The words shared with your answers (token F1)"),
    "rouge_l": ("ROUGE-L", "The word order shared with your answers (ROUGE-L)"),
    "chrf": ("chrF", "The letters shared with your answers (chrF)"),
    "bleu": ("BLEU", "The phrases shared with your answers (BLEU)"),
    "semantic": ("Similarity in meaning", "The similarity in meaning to your answers"),
    "exact_match": ("Exact match", "The share of answers equal to yours (exact match)"),
}


LABEL_METRICS = {
    "accuracy": ("Accuracy", "The share of right labels (accuracy)"),
    "macro_f1": ("Macro F1", "The mean over the labels of their F1 (macro F1)"),
}


WARNING = "Better on your data can be worse elsewhere."


REMEDY = (
    "What helps: fewer passes, a lower learning rate, general rows mixed into yours, or less of the adapter's strength."
)


Kind = Literal["score", "points", "plain"]
"""score: 0 to 1 with two decimals; points: 0 to 1, shown as per cent; plain: a number with its unit."""


@dataclass(frozen=True)
class Measure:
    key: str
    """Key in the report: loss, token_f1, labels.accuracy, or the name of a benchmark."""
    group: Literal["rows", "benchmarks"]
    """Their own task, or benchmarks."""
    name: str
    subject: str
    """What a sentence is about: "On your 40 test rows the loss"."""
    difference: Interval
    kind: Kind = "score"
    unit: str = ""
    more_is_better: bool = True
    items: str = "row"
    result: BenchmarkResult | None = None
    """The benchmark's part of the report; None of their rows."""
    main: bool = True
    """False for further metrics of the same thing, which tables show and pictures leave out."""
    gate: bool | None = None
    """Of a detail: is a difference told in the headline, so that one may be told here? None of what is no detail."""

    @property
    def p_holm(self) -> float | None:
        return self.result.p_holm if self.result and self.main else None

    @property
    def known(self) -> bool:
        """Has it an interval?"""
        return self.difference.low is not None

    @property
    def gain(self) -> tuple[float, float, float]:
        """(difference, low, high), turned so that more is better. Only where `known`."""
        d = self.difference
        assert d.low is not None and d.high is not None
        if self.more_is_better:
            return d.difference, d.low, d.high
        return -d.difference, -d.high, -d.low

    @property
    def verdict(self) -> str:
        """better | worse | unclear"""
        if not self.known or self.gate is False:
            return "unclear"
        _, low, high = self.gain
        if self.p_holm is not None and self.p_holm >= LEVEL:
            return "unclear"
        return "better" if low > 0 else "worse" if high < 0 else "unclear"

    def plain(self, x: float) -> str:
        return f"{100 * x:.1f} %" if self.kind == "points" else f"{x:,.2f}"

    @property
    def digits(self) -> int:
        """Decimals of a difference: more than usual where rounding would turn an interval into one that has 0 in it, or
        into one of no width."""
        d, usual = self.difference, 1 if self.kind == "points" else 2
        if d.low is None or d.high is None or d.low == d.high:
            return usual
        bounds = [100 * x if self.kind == "points" else x for x in (d.low, d.high)]

        def told(digits: int) -> bool:
            low, high = (round(x, digits) for x in bounds)
            return low != high and (not d.settled or (low != 0 and high != 0))

        return next((digits for digits in range(usual, 9) if told(digits)), 9)

    def signed(self, x: float) -> str:
        scaled = abs(100 * x) if self.kind == "points" else abs(x)
        text = f"{scaled:,.{self.digits}f}"
        return ("−" if x < 0 else "+") + text if float(text.replace(",", "")) else text

    def size(self, x: float) -> str:
        """A difference without its sign."""
        return self.signed(abs(x)).removeprefix("+")

    @property
    def interval(self) -> str:
        d = self.difference
        return "" if d.low is None or d.high is None else f"{self.signed(d.low)} to {self.signed(d.high)}"

    @property
    def why_none(self) -> str:
        """Why there is no interval."""
        d = self.difference
        items = f"{self.items}s"
        match d.why:
            case "alike":
                return f"both sides are alike in all {d.n:,} {items}"
            case "few rows":
                by = self.result.clustered_by if self.result else None
                return f"too few {by}s" if by else f"too few {items}: {d.n:,}"
            case "few changed":
                return f"too few {items} changed: {d.changed:,} of {d.n:,}"
            case "uneven":
                return f"a few long {items} hold most of the tokens"
            case _:
                return f"one {self.items} alone gives no interval"


def measures(report: Report) -> list[Measure]:
    """Their task's measures first, then the benchmarks, each with its reported metric before its others."""
    of_rows = _of_rows(report.heldout) if report.heldout else []
    if report.judge and report.judge.win_rate:
        of_rows.append(_judged(report.judge.win_rate))
    order = report.spec.headline
    of_rows = _in_order(of_rows, order or BEFORE)
    if order and "judge" not in order:
        of_rows = [_corrected(m, report.judge, of_rows) if m.key == "judge" and report.judge else m for m in of_rows]
    return of_rows + [m for key, result in report.benchmarks.items() for m in _of_benchmark(key, result)]


def headline(all_measures: Sequence[Measure]) -> Measure | None:
    """The one measure of their task that the first sentence is about; the loss where nothing was answered."""
    return next((m for m in all_measures if m.group == "rows" and m.main), None)


def headline_line(report: Report) -> tuple[str, str] | None:
    """(the difference, what it is of): the first and largest number of a report; None where nothing was measured."""
    m = headline(measures(report))
    if m is None:
        return None
    d = m.difference
    interval = f"95 % interval {m.interval}" if m.known else f"no interval: {m.why_none}"
    verdict = "" if m.verdict == "unclear" else f", {m.verdict}"
    of = f"{m.name}, {m.plain(d.base)} → {m.plain(d.tuned)}{verdict}; {interval}, {count(d.n, m.items)}"
    return m.signed(d.difference), of


def details(all_measures: Sequence[Measure]) -> list[Measure]:
    """Further metrics of what a main measure says already."""
    return [m for m in all_measures if m.group == "rows" and m.gate is not None and not m.main]


def _in_order(of_rows: list[Measure], order: Sequence[str]) -> list[Measure]:
    """The headline first, then the loss and what a judge says, then the details, each with its gate.

    Where the order names several that were measured, each is the gate of the next, and all of them of the others.
    """
    by_key = {m.key: m for m in of_rows}
    named = [by_key[key] for key in order if key in by_key] or [
        m for m in of_rows if m.key not in ("loss", "bits_per_byte", "judge")
    ][:1]
    main: list[Measure] = []
    rest: list[Measure] = []
    open_ = True
    for n, m in enumerate(named):
        (rest if n else main).append(replace(m, main=not n, gate=open_ if n else None))
        open_ = open_ and m.difference.settled
    for m in of_rows:
        if m.key == "bits_per_byte":
            rest.append(replace(m, main=False, gate=by_key["loss"].difference.settled))
        elif m.key in ("loss", "judge"):
            main += [m] if m not in named else []
        elif m not in named:
            rest.append(replace(m, main=False, gate=open_))
    return main + rest


def asked_elsewhere(all_measures: Sequence[Measure]) -> list[Measure]:
    return [m for m in all_measures if m.group == "benchmarks" and m.main and m.known]


def warning(all_measures: Sequence[Measure]) -> tuple[str, str]:
    """(level, text) of the course's warning, where it applies: ("", "") where nothing was measured at all.

    A loss that was shown is a warning; one that could hide in an interval, and benchmarks not asked, are notes.
    """
    elsewhere = asked_elsewhere(all_measures)
    if not elsewhere:
        if not all_measures:
            return "", ""
        return "note", f"Nothing was measured elsewhere. {WARNING} Choose a benchmark to see what was forgotten."
    lost = [m for m in elsewhere if m.verdict == "worse"]
    if lost:
        named = listed(f"{m.name} by {_span(m, -m.gain[2], -m.gain[1])} {_points(m)}" for m in lost)
        return "warning", f"{WARNING} Lost: {named}. {REMEDY}"
    # Points first: a perplexity is no size to compare them with.
    unclear = [m for m in elsewhere if m.verdict == "unclear"]
    hidden = max(unclear, key=lambda m: (m.kind == "points", -m.gain[1]), default=None)
    if hidden is None or hidden.gain[1] >= 0:
        return "", ""
    n = count(hidden.difference.n, hidden.items)
    return "note", (
        f"{WARNING} No loss was shown, but {n} of {hidden.name} could hide one of up to "
        f"{hidden.size(hidden.gain[1])} {_points(hidden)}.{_more(hidden)}"
    )


def _more(m: Measure) -> str:
    """Only where there are more to ask: of a benchmark that was asked to its end nothing narrows it."""
    available = m.result.available if m.result else None
    if available is None or available <= m.difference.n:
        return ""
    return " More questions narrow this."


def _span(m: Measure, low: float, high: float) -> str:
    return f"{m.size(max(low, 0.0))} to {m.size(high)}"


def _points(m: Measure) -> str:
    return "points" if m.kind == "points" else f"in {m.unit}"


def _of_rows(heldout: HeldOut) -> list[Measure]:
    n = count(heldout.rows, "test row")
    loss, bits = heldout.difference, heldout.bits_per_byte
    of_rows = [
        Measure("loss", "rows", "Loss", f"On your {n} the loss", loss, "plain", "nats per token", more_is_better=False)
    ]
    if bits:
        of_rows.append(
            Measure(
                *("bits_per_byte", "rows", "Bits per byte", "Bits per byte", bits.difference, "plain", "bits"),
                more_is_better=False,
                main=False,
            )
        )
    if heldout.labels:
        for key, (name, subject) in LABEL_METRICS.items():
            difference = getattr(heldout.labels, key).difference
            of_rows.append(Measure(f"labels.{key}", "rows", name, subject, difference))
    for key, compared in heldout.metrics.items():
        of_rows.append(Measure(key, "rows", *TEXT_METRICS[key], compared.difference))
    return of_rows


def _judged(rate: Estimate, level: float = bounds.LEVEL) -> Measure:
    """The tuned model's win rate against one half, which is what equal sides would have."""
    low, high = (None if bound is None else bound - 0.5 for bound in (rate.low, rate.high))
    against_half = Interval(0.5, rate.mean, rate.mean - 0.5, low, high, rate.n, level)
    subject = "The share of pairs that the judge gives to tuned, a tie as a half"
    return Measure("judge", "rows", "Judge: wins of tuned", subject, against_half, items="pair")


def _corrected(m: Measure, judge: Judgement, of_rows: Sequence[Measure]) -> Measure:
    """A judge's measure where another is the headline: one more of the family, the last that Holm's method tests.

    The others were tested as if it showed no difference (heldout/texts.py); what of them has shown one counts no more.
    """
    family = [other for other in details(of_rows) if other.key != "bits_per_byte"]
    level = holm_level(1 + sum(not other.difference.settled for other in family))
    first = headline(of_rows)
    gate = first is None or first.key == "judge" or first.difference.settled
    if not any(j.winner for j in judge.verdicts):  # reports of before may hold the rate alone
        return replace(m, gate=gate)
    return replace(_judged(verdicts.win_rate(judge.verdicts, level), level), gate=gate)


def _of_benchmark(key: str, result: BenchmarkResult) -> list[Measure]:
    of_benchmark = []
    for metric in sorted(result.metrics, key=lambda metric: metric != result.metric):
        main = metric == result.metric
        name = result.title if main else f"{result.title}, {metric}"
        about = [f"lm-eval {result.lm_eval}"] if result.lm_eval else []
        about += [f"task version {result.version}"] if result.version is not None else []
        about += [f"{result.shots}-shot"] if result.shots is not None else []
        subject = f"{result.title} ({', '.join([*about, metric])})"
        # Not every metric of any lm-eval task is a share between 0 and 1.
        measured = result.metrics[metric]
        d, mean = measured.difference, measured.aggregation == "mean"
        inside = mean and all(0 <= getattr(d, side) <= 1 for side in SIDES)
        kind: Kind = "points" if inside else "plain"
        better = measured.higher_is_better
        of_benchmark.append(
            Measure(key, "benchmarks", name, subject, d, kind, metric, better, "question", result, main)
        )
    return of_benchmark


def listed(parts: Iterable[str]) -> str:
    """a, b and c"""
    *rest, last = list(parts) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last
