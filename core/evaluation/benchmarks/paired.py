"""Two sides' answers to one benchmark → its `BenchmarkResult`: metrics with intervals, items lost and gained."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

from core.errors import UserError
from core.evaluation.benchmarks.result import BenchmarkResult, DiscordantPairs, Metric, Question, Subject
from core.evaluation.benchmarks.table import Benchmark
from core.evaluation.benchmarks.tasks import Loaded
from core.statistics import clustered, intervals, tests
from core.statistics.intervals import Estimate, Interval

Sample = dict[str, Any]
"""lm-eval's logged sample of one item, with `task`."""


PREFERRED = ("acc_norm", "acc", "exact_match")
"""Which metric of a task that is not ours is reported, if it can be compared; else the first that can."""
RATIOS = ("perplexity", "bits_per_byte")
"""How one number is made of log-likelihoods and weights, words or bytes of a text; all else is a mean."""


def compare(one: Loaded, base: list[Sample], tuned: list[Sample]) -> BenchmarkResult:
    """`metrics` are lm-eval's, item by item; `metric` is the one to report, `p` that of no difference in it by `test`.

    Of a benchmark by subjects the subjects are what is random, for interval and test (`clustered_by`); `subjects` has
    each one's values. Raises UserError where no metric of the task can be compared.
    """
    import lm_eval

    clusters = clusters_of(one, base)
    kinds = _kinds(one, base, tuned)
    reported_metric = _reported(one, kinds)
    task = next(iter(one.tasks.values()))
    several_filters = len(task.get_config("filter_list") or []) > 1
    return BenchmarkResult(
        title=one.benchmark.title,
        lm_eval=lm_eval.__version__,
        version=task.VERSION,
        shots=task.get_config("num_fewshot"),
        n=len(base),
        metric=reported_metric,
        metrics={metric: _metric(task, base, tuned, metric, kind, clusters) for metric, kind in kinds.items()},
        filter=base[0]["filter"] if several_filters else None,
        source=one.source,
        **_tested(one, base, tuned, reported_metric, kinds[reported_metric], clusters),
    )


def _metric(
    task: Any, base: list[Sample], tuned: list[Sample], metric: str, kind: str, clusters: list[str] | None
) -> Metric:
    better = bool(task.higher_is_better().get(metric, True))
    if kind in RATIOS:
        return Metric(*_ratio(base, tuned, metric, kind), kind, better)
    of_base, of_tuned = _values(base, metric), _values(tuned, metric)
    difference = _difference(of_base, of_tuned, clusters)
    return Metric(intervals.mean(of_base), intervals.mean(of_tuned), difference, kind, better)


def _tested(
    one: Loaded, base: list[Sample], tuned: list[Sample], metric: str, kind: str, clusters: list[str] | None
) -> dict[str, Any]:
    """The fields of the result that say whether the reported metric changed, by which test, and what changed."""
    if kind in RATIOS:
        sums, weights = _sums(base, tuned, metric)
        return {"p": tests.ratio_p(*sums, weights), "test": "ratio"}
    values = _values(base, metric), _values(tuned, metric)
    rates = set(values[0]) | set(values[1]) <= {0.0, 1.0}
    fields: dict[str, Any] = {"p": tests.paired_p(*values), "test": "mcnemar" if rates else "t"}
    if clusters:
        fields = {"p": clustered.clustered_p(*values, clusters), "test": "clustered", "clustered_by": "subject"}
    if one.subjects:
        fields["subjects"] = _subjects(one, base, *values)
    return fields | (_changes(one, base, tuned, metric, clusters) if one.benchmark.one_answer and rates else {})


def _kinds(one: Loaded, base: list[Sample], tuned: list[Sample]) -> dict[str, str]:
    """Metric → how its value of all items is made, "mean" or one of `RATIOS`, of those that can be compared."""
    task = next(iter(one.tasks.values()))
    kinds = {}
    for metric in base[0]["metrics"]:
        values = [sample.get(metric) for side in (base, tuned) for sample in side]
        kind = _kind(task, metric, values)
        # Ours has a number for each item: where one is missing, `_values` says why.
        if kind or metric == one.benchmark.metric:
            kinds[metric] = kind or "mean"
    if not kinds:
        raise UserError(
            f"its metric ({', '.join(base[0]['metrics'])}) is no mean over the questions, or has no number for one of "
            "them, so the sides cannot be compared question by question. Choose another task."
        )
    return kinds


def _kind(task: Any, metric: str, values: list[Any]) -> str | None:
    """None where no statistic of ours compares it: lm-eval makes it of all items at once, or an item has no number."""
    from lm_eval.api import metrics

    how = task.aggregation().get(metric, metrics.mean)  # as lm-eval does where a task names none
    if how in (metrics.mean, metrics.nanmean):
        return "mean" if all(_is_finite(value) for value in values) else None
    pairs = all(isinstance(v, tuple) and len(v) == 2 and _is_finite(v[0]) and _is_finite(v[1]) for v in values)
    if not pairs or not all(weight > 0 for _, weight in values):
        return None
    return {metrics.weighted_perplexity: "perplexity", metrics.bits_per_byte: "bits_per_byte"}.get(how)


def _is_finite(value: Any) -> bool:
    return isinstance(value, Real | np.bool_) and math.isfinite(value)


def _reported(one: Loaded, kinds: dict[str, str]) -> str:
    return next(metric for metric in (one.benchmark.metric, *PREFERRED, *kinds) if metric in kinds)


def _sums(base: list[Sample], tuned: list[Sample], metric: str) -> tuple[tuple[list[float], list[float]], list[float]]:
    """((negative log-likelihoods of each side), the items' weights): nats, and words or bytes."""
    of_base, of_tuned = ([-float(sample[metric][0]) for sample in side] for side in (base, tuned))
    return (of_base, of_tuned), [float(sample[metric][1]) for sample in base]


def _ratio(base: list[Sample], tuned: list[Sample], metric: str, kind: str) -> tuple[Estimate, Estimate, Interval]:
    """Base, tuned and their difference in lm-eval's perplexity or bits per byte, the texts being what is random.

    The interval of a difference of perplexities is that of their ratio, from the base's perplexity as it was measured:
    it excludes 0 where that of the log-likelihoods does.
    """
    sums, weights = _sums(base, tuned, metric)
    nats = math.log(2) if kind == "bits_per_byte" else 1.0
    one, other = ([x / nats for x in side] for side in sums)
    sides = [intervals.ratio(side, weights) for side in (one, other)]
    difference = intervals.ratio_difference(one, other, weights)
    if kind == "perplexity":
        sides = [Estimate(math.exp(e.mean), _exp(e.low), _exp(e.high), e.n) for e in sides]
        of_base, of_tuned = (e.mean for e in sides)
        low, high = (None if x is None else of_base * math.expm1(x) for x in (difference.low, difference.high))
        difference = Interval(of_base, of_tuned, of_tuned - of_base, low, high, difference.n)
    return sides[0], sides[1], difference


def _exp(x: float | None) -> float | None:
    return None if x is None else math.exp(x)


def clusters_of(one: Loaded, samples: list[Sample]) -> list[str] | None:
    """The subject of each item; None where there are no subjects, or only one."""
    clusters = [sample["task"] for sample in samples] if one.subjects else []
    return clusters if len(set(clusters)) > 1 else None


def _difference(base: list[float], tuned: list[float], clusters: list[str] | None) -> Interval:
    if clusters is None:
        return intervals.paired_difference(base, tuned)
    return clustered.clustered_difference(base, tuned, clusters)


def reported(one: Loaded, base: list[Sample], tuned: list[Sample]) -> tuple[list[float], list[float]] | None:
    """Each side's values of the metric that is reported, item by item; None where it is no mean of items."""
    kinds = _kinds(one, base, tuned)
    metric = _reported(one, kinds)
    return (_values(base, metric), _values(tuned, metric)) if kinds[metric] == "mean" else None


def difference_of(one: Loaded, base: list[Sample], tuned: list[Sample]) -> Interval:
    """Base against tuned in the metric that is reported, on these items."""
    kinds = _kinds(one, base, tuned)
    metric = _reported(one, kinds)
    task = next(iter(one.tasks.values()))
    return _metric(task, base, tuned, metric, kinds[metric], clusters_of(one, base)).difference


def _subjects(
    one: Loaded, base: list[Sample], base_values: list[float], tuned_values: list[float]
) -> tuple[Subject, ...]:
    subjects = []
    for task, subject in one.subjects.items():
        at = [i for i, sample in enumerate(base) if sample["task"] == task]
        if at:
            difference = intervals.paired_difference([base_values[i] for i in at], [tuned_values[i] for i in at])
            subjects.append(Subject(subject, len(at), difference.base, difference.tuned, difference))
    return tuple(subjects)


def _changes(
    one: Loaded, base: list[Sample], tuned: list[Sample], metric: str, clusters: list[str] | None
) -> dict[str, Any]:
    """What changed with McNemar's test, what difference so many items can show, and the items that changed."""
    values = _values(base, metric), _values(tuned, metric)
    flips = tests.mcnemar_exact(*values)
    # One lost and one gained item are added, as in the interval: no change seen does not mean that none can happen.
    discordant = (flips.lost + flips.gained + 2) / (len(base) + 2)
    smallest = intervals.minimum_detectable_difference(discordant, len(base))
    if clusters:
        # Of clusters the standard error is theirs, but not smaller than that of questions of which none are alike.
        differences = [y - x for x, y in zip(*values, strict=True)]
        error = clustered.clustered_error(differences, clusters)
        smallest = max(smallest, (intervals.Z + intervals.Z_POWER) * error)
    pairs = zip(base, tuned, *values, strict=True)
    changed = [(x, _question(one.benchmark, one.tasks[b["task"]], b, t, metric)) for b, t, x, y in pairs if x != y]
    # McNemar's test takes no two questions as alike: where subjects are what is random, only its counts stay.
    p = None if clusters else flips.p
    return {
        "mcnemar": DiscordantPairs(flips.lost, flips.gained, flips.unchanged, p),
        "minimum_detectable_difference": smallest,
        "lost": tuple(question for was_right, question in changed if question and was_right),
        "gained": tuple(question for was_right, question in changed if question and not was_right),
    }


def _question(benchmark: Benchmark, task: Any, base: Sample, tuned: Sample, metric: str) -> Question | None:
    """One question for a person; of choices that are letters, their texts.

    None where the task does not say which one choice is right, or its metric does not say which one a side takes.
    """
    doc = base["doc"]
    choices = list(task.doc_to_choice(doc))
    gold = _gold(task, base, choices)
    if gold is None or metric not in LENGTHS:
        return None
    text = doc.get(benchmark.question)
    if text is None:
        # Where the choices are beginnings, as WinoGrande's, what is asked is how they go on.
        text = f"… {base['target']}" if task.multiple_input else task.doc_to_text(doc)
    shown = doc["choices"] if "choices" in doc and benchmark.by_subject else choices
    return Question(
        item=base["doc_id"],
        question=str(text),
        choices=tuple(str(choice) for choice in shown),
        gold=gold,
        base=_pick(base, choices, metric),
        tuned=_pick(tuned, choices, metric),
        task=base["task"],
    )


def _gold(task: Any, sample: Sample, choices: list[str]) -> int | None:
    """Which choice is right, as lm-eval's own metrics take it; None where that is several or none of them."""
    gold = task.doc_to_text(sample["doc"]) if task.multiple_input else sample["target"]
    if isinstance(gold, str):
        return choices.index(gold) if gold in choices else None
    return int(gold) if isinstance(gold, Integral) and 0 <= int(gold) < len(choices) else None


LENGTHS = {"acc": lambda choice: 1, "acc_norm": len, "acc_bytes": lambda choice: len(choice.encode())}
"""Metric that takes the most probable choice → what it divides the log-probabilities by."""


def _pick(sample: Sample, choices: list[str], metric: str) -> int:
    """Which choice a side takes: the most probable one, per character for acc_norm, as lm-eval's metric decides."""
    logprobs = [response[0][0] for response in sample["resps"]]
    return max(range(len(choices)), key=lambda i: logprobs[i] / max(LENGTHS[metric](choices[i]), 1))


def _values(samples: list[Sample], metric: str) -> list[float]:
    try:
        values = [float(sample[metric]) for sample in samples]
    except (KeyError, TypeError, ValueError) as e:
        raise UserError(f"The task gives no number for each item in {metric}, so sides cannot be compared.") from e
    wrong = next((s for s, v in zip(samples, values, strict=True) if not math.isfinite(v)), None)
    if wrong is not None:
        raise UserError(
            f"One side gives every answer of item {wrong['doc_id'] + 1} a probability of zero, so {metric} has no "
            "value. Its adapter is damaged, as after training with too high a learning rate: train again with a lower."
        )
    return values
