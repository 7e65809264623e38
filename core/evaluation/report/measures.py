"""Everything that a report measured with an interval, as one list: what sentences, tables, pictures and files show.

Reads what `measuring.evaluate` makes; computes nothing new. A measure is called better or worse only where its 95 %
interval excludes 0 and, where several benchmarks were asked, the p-value corrected for their number is below 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.wording import count

Value = dict[str, Any]


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


ABOUT = {
    "arc_easy": "School science questions that simple recall can answer.",
    "arc_challenge": "School science questions that need more than recall.",
    "hellaswag": "How an everyday scene goes on: common sense about what follows.",
    "mmlu": "Exam questions from 57 subjects, from law to mathematics: general knowledge.",
    "mmlu_5_shots": "The same questions after five answered ones of the subject, which show the form.",
    "truthfulqa_mc1": "Questions that invite a common misconception: is the one true answer the most likely?",
    "truthfulqa_mc2": "The same questions: how much of the probability goes to true answers?",
}
"""What a benchmark measures, by the name of lm-eval's task."""


WARNING = "Better on your data can be worse elsewhere."


REMEDY = (
    "What helps: fewer passes, a lower learning rate, general rows mixed into yours, or less of the adapter's strength."
)


@dataclass(frozen=True)
class Measure:
    key: str
    """Key in the report: loss, token_f1, labels.accuracy, or the name of a benchmark."""
    group: str
    """rows (their own task) | benchmarks"""
    name: str
    subject: str
    """What a sentence is about: "On your 40 test rows the loss"."""
    difference: Value
    """An Interval as a dict: base, tuned, difference, low, high, n."""
    kind: str = "score"
    """score: 0 to 1 with two decimals; points: 0 to 1, shown as per cent; plain: a number with its unit."""
    unit: str = ""
    more_is_better: bool = True
    items: str = "row"
    task: Value = field(default_factory=dict)
    """The benchmark's part of the report."""
    main: bool = True
    """False for further metrics of the same thing, which tables show and pictures leave out."""

    @property
    def p_holm(self) -> float | None:
        return self.task.get("p_holm") if self.main else None

    @property
    def known(self) -> bool:
        """Has it an interval?"""
        return self.difference.get("low") is not None

    @property
    def gain(self) -> tuple[float, float, float]:
        """(difference, low, high), turned so that more is better. Only where `known`."""
        d = self.difference
        if self.more_is_better:
            return d["difference"], d["low"], d["high"]
        return -d["difference"], -d["high"], -d["low"]

    @property
    def verdict(self) -> str:
        """better | worse | unclear"""
        if not self.known:
            return "unclear"
        _, low, high = self.gain
        if self.p_holm is not None and self.p_holm >= LEVEL:
            return "unclear"
        return "better" if low > 0 else "worse" if high < 0 else "unclear"

    def plain(self, x: float) -> str:
        return f"{100 * x:.1f} %" if self.kind == "points" else f"{x:,.2f}"

    def signed(self, x: float) -> str:
        text = f"{abs(100 * x):.1f}" if self.kind == "points" else f"{abs(x):,.2f}"
        return ("−" if x < 0 else "+") + text if float(text.replace(",", "")) else text

    def size(self, x: float) -> str:
        """A difference without its sign."""
        return self.signed(abs(x)).removeprefix("+")

    @property
    def interval(self) -> str:
        d = self.difference
        return f"{self.signed(d['low'])} to {self.signed(d['high'])}" if self.known else ""


def measures(report: Value) -> list[Measure]:
    """Their task's measures first, then the benchmarks, each with its reported metric before its others."""
    heldout = report.get("heldout") or {}
    found = _rows(heldout, report.get("judge") or {})
    for key, task in (report.get("benchmarks") or {}).items():
        found += _benchmark(key, task)
    return found


def headline(found: Sequence[Measure]) -> Measure | None:
    """The one measure of their task that the first sentence is about."""
    order = ("labels.accuracy", "token_f1", "loss")
    ours = {m.key: m for m in found if m.group == "rows"}
    return next((ours[key] for key in order if key in ours and ours[key].known), None)


def asked_elsewhere(found: Sequence[Measure]) -> list[Measure]:
    return [m for m in found if m.group == "benchmarks" and m.main and m.known]


def warning(found: Sequence[Measure]) -> tuple[str, str]:
    """(level, text) of the course's warning, where it applies: ("", "") where nothing was measured at all.

    A loss that was shown is a warning; one that could hide in an interval, and benchmarks not asked, are notes.
    """
    elsewhere = asked_elsewhere(found)
    if not elsewhere:
        if not found:
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
    n = count(hidden.difference["n"], hidden.items)
    return "note", (
        f"{WARNING} No loss was shown, but {n} of {hidden.name} could hide one of up to "
        f"{hidden.size(hidden.gain[1])} {_points(hidden)}. More questions narrow this."
    )


def _span(m: Measure, low: float, high: float) -> str:
    return f"{m.size(max(low, 0.0))} to {m.size(high)}"


def _points(m: Measure) -> str:
    return "points" if m.kind == "points" else f"in {m.unit}"


def _rows(heldout: Value, judge: Value) -> list[Measure]:
    found = []
    if heldout.get("difference"):
        n = count(heldout["rows"], "test row")
        loss = Measure(
            "loss", "rows", "Loss", f"On your {n} the loss", heldout["difference"], "plain", "nats per token"
        )
        found.append(_lower(loss))
    if heldout.get("bits_per_byte"):
        bits = Measure(
            "bits_per_byte", "rows", "Bits per byte", "Bits per byte", heldout["bits_per_byte"]["difference"]
        )
        found.append(_lower(bits, kind="plain", unit="bits", main=False))
    labels = heldout.get("labels") or {}
    for key, (name, subject) in LABEL_METRICS.items():
        if key in labels:
            found.append(Measure(f"labels.{key}", "rows", name, subject, labels[key]["difference"]))
    for key, (name, subject) in TEXT_METRICS.items():
        if key in heldout:
            # Of an answer that is a label, shared words say nothing that accuracy does not say better.
            main = not labels and key not in ("chrf", "bleu")
            found.append(Measure(key, "rows", name, subject, heldout[key]["difference"], main=main))
    if judge.get("win_rate"):
        found.append(_judged(judge))
    return found


def _judged(judge: Value) -> Measure:
    """The tuned model's win rate against one half, which is what equal sides would have."""
    rate = judge["win_rate"]
    low, high = rate.get("low"), rate.get("high")
    moved = {
        "base": 0.5,
        "tuned": rate["mean"],
        "difference": rate["mean"] - 0.5,
        "low": None if low is None else low - 0.5,
        "high": None if high is None else high - 0.5,
        "n": rate["n"],
    }
    subject = "The share of pairs that the judge gives to tuned, a tie as a half"
    return Measure("judge", "rows", "Judge: wins of tuned", subject, moved, items="pair")


def _benchmark(key: str, task: Value) -> list[Measure]:
    title = task.get("title", key)
    found = []
    for metric in sorted(task["metrics"], key=lambda metric: metric != task["metric"]):
        main = metric == task["metric"]
        name = title if main else f"{title}, {metric}"
        d = task["metrics"][metric]["difference"]
        about = [f"lm-eval {task['lm_eval']}"] if task.get("lm_eval") else []
        about += [f"task version {task['version']}"] if "version" in task else []
        about += [f"{task['shots']}-shot"] if task.get("shots") is not None else []
        subject = f"{title} ({', '.join([*about, metric])})"
        # Not every metric of any lm-eval task is a share between 0 and 1. Reports of before have means alone.
        mean = task["metrics"][metric].get("aggregation", "mean") == "mean"
        inside = mean and all(0 <= d[side] <= 1 for side in ("base", "tuned"))
        better = task["metrics"][metric].get("higher_is_better", True)
        made = Measure(key, "benchmarks", name, subject, d, "points" if inside else "plain", metric, better)
        found.append(_with(made, items="question", task=task, main=main))
    return found


def _lower(measure: Measure, **changes: Any) -> Measure:
    return _with(measure, more_is_better=False, **changes)


def _with(measure: Measure, **changes: Any) -> Measure:
    from dataclasses import replace

    return replace(measure, **changes)


def listed(parts) -> str:
    """a, b and c"""
    *rest, last = list(parts) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last
