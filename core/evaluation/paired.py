"""Two sides' answers to one benchmark → its part of the report: metrics with intervals, items lost and gained."""

from __future__ import annotations

import math
from typing import Any

from core.evaluation import statistics
from core.evaluation.tasks import Benchmark, Loaded
from core.types import UserError

Sample = dict[str, Any]
"""lm-eval's logged sample of one item, with `task`."""


def compare(one: Loaded, base: list[Sample], tuned: list[Sample]) -> dict[str, Any]:
    """`metrics` are lm-eval's, item by item; `metric` is the one to report, `p` that of no difference in it by `test`.

    Of a benchmark by subjects the subjects are what is random, for interval and test (`clustered_by`); `subjects` has
    each one's values.
    """
    import lm_eval

    benchmark = one.benchmark
    clusters = clusters_of(one, base)
    metrics = {}
    for metric in base[0]["metrics"]:
        values = [_values(side, metric) for side in (base, tuned)]
        metrics[metric] = {
            "base": statistics.mean(values[0]).to_dict(),
            "tuned": statistics.mean(values[1]).to_dict(),
            "difference": _difference(*values, clusters).to_dict(),
        }
    before, after = reported(one, base), reported(one, tuned)
    task = next(iter(one.tasks.values()))
    rates = set(before) | set(after) <= {0.0, 1.0}
    compared = {
        "title": benchmark.title,
        "lm_eval": lm_eval.__version__,
        "version": task.VERSION,
        "shots": task.get_config("num_fewshot"),
        "n": len(base),
        "metric": benchmark.metric,
        "metrics": metrics,
        "p": statistics.clustered_p(before, after, clusters) if clusters else statistics.paired_p(before, after),
        "test": "clustered" if clusters else "mcnemar" if rates else "t",
    }
    if one.subjects:
        compared["subjects"] = _subjects(one, base, before, after)
    if clusters:
        compared["clustered_by"] = "subject"
    changes = _changes(one, base, tuned, before, after) if benchmark.one_answer and rates else {}
    if clusters and changes:
        changes["mcnemar"].pop("p")  # the counts stay; McNemar's test takes no two questions as alike
    return {**compared, **changes}


def clusters_of(one: Loaded, samples: list[Sample]) -> list[str] | None:
    """The subject of each item; None where there are no subjects, or only one."""
    clusters = [sample["task"] for sample in samples] if one.subjects else []
    return clusters if len(set(clusters)) > 1 else None


def _difference(base: list[float], tuned: list[float], clusters: list[str] | None) -> statistics.Interval:
    if clusters is None:
        return statistics.paired_difference(base, tuned)
    return statistics.clustered_difference(base, tuned, clusters)


def reported(one: Loaded, samples: list[Sample]) -> list[float]:
    """Each item's value of the metric that is reported."""
    return _values(samples, one.benchmark.metric)


def _subjects(one: Loaded, base: list[Sample], before: list[float], after: list[float]) -> list[dict[str, Any]]:
    made = []
    for task, subject in one.subjects.items():
        at = [i for i, sample in enumerate(base) if sample["task"] == task]
        if not at:
            continue
        difference = statistics.paired_difference([before[i] for i in at], [after[i] for i in at])
        sides = {"base": difference.base, "tuned": difference.tuned}
        made.append({"name": subject, "n": len(at), **sides, "difference": difference.to_dict()})
    return made


def _changes(
    one: Loaded, base: list[Sample], tuned: list[Sample], before: list[float], after: list[float]
) -> dict[str, Any]:
    """What changed with McNemar's test, what difference so many items can show, and the items that changed."""
    flips = statistics.mcnemar_exact(before, after)
    # One lost and one gained item are added, as in the interval: no change seen does not mean that none can happen.
    discordant = (flips.lost + flips.gained + 2) / (len(base) + 2)
    pairs = zip(base, tuned, before, after, strict=True)
    changed = [(x, _item(one.benchmark, one.tasks[b["task"]], b, t)) for b, t, x, y in pairs if x != y]
    return {
        "mcnemar": flips.to_dict(),
        "minimum_detectable_difference": statistics.minimum_detectable_difference(discordant, len(base)),
        "lost": [item for was_right, item in changed if was_right],
        "gained": [item for was_right, item in changed if not was_right],
    }


def _item(benchmark: Benchmark, task, base: Sample, tuned: Sample) -> dict[str, Any]:
    """One question for a person: `gold`, `base` and `tuned` are indices into `choices`; of letters their texts."""
    if "choices" in base["doc"] and benchmark.by_subject:
        choices = list(base["doc"]["choices"])
    else:
        choices = list(task.doc_to_choice(base["doc"]))
    text = base["doc"].get(benchmark.question)
    return {
        "item": base["doc_id"],
        "task": base["task"],
        "question": str(text if text is not None else task.doc_to_text(base["doc"])),
        "choices": [str(choice) for choice in choices],
        "gold": int(base["target"]),
        "base": _pick(base, choices, benchmark.metric),
        "tuned": _pick(tuned, choices, benchmark.metric),
    }


def _pick(sample: Sample, choices: list[str], metric: str) -> int:
    """Which choice a side takes: the most probable one, per character for acc_norm, as lm-eval's metric decides."""
    logprobs = [response[0][0] for response in sample["resps"]]
    lengths = [len(c) if metric == "acc_norm" else 1 for c in choices]
    return max(range(len(choices)), key=lambda i: logprobs[i] / lengths[i])


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
