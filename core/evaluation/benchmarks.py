"""Base against tuned on lm-eval's benchmarks: the same random items, lm-eval's own metrics, paired statistics.

The model side is `packed_lm`, the tasks are `tasks.load_tasks`. Later: shots; the base's answers cached by
weights hash, task version and item; clustered errors and Holm's correction.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.evaluation import statistics
from core.evaluation.scorer import Progress, ShouldStop, Stopped
from core.evaluation.tasks import BENCHMARKS, load_tasks
from core.models.loading import Sides
from core.types import Problem, UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def run(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    names: Sequence[str],
    folder: Path | None,
    limit: int | None,
    seed: int = 0,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    packed: bool | None = None,
) -> dict[str, Any]:
    """Score both sides on `limit` random items of each benchmark (None: all of them).

    Returns {"tasks": {name: see `_both` and `_compare`}, "problems": [Problem as dict]}. A benchmark that fails with a
    UserError becomes a problem; asked to stop, it returns the benchmarks that are complete.
    """
    tasks, problems = _load(names, folder)
    items = {name: _items(name, len(task.eval_docs), limit, seed) for name, task in tasks.items()}
    total = 2 * sum(len(chosen) for chosen in items.values())
    done = 0
    compared: dict[str, Any] = {}
    for name, task in tasks.items():
        tell = (lambda part, done=done: progress(done + part, total)) if progress else None
        try:
            found = _both(sides, tokenizer, name, task, items[name], packed, tell, should_stop)
            compared[name] = {**found, "seed": seed, "source": "hub" if folder is None else "folder"}
        except Stopped:
            break
        except UserError as e:
            problems.append(Problem("error", f"{BENCHMARKS[name].title}: {e}"))
        done += 2 * len(items[name])
    return {"tasks": compared, "problems": [asdict(p) for p in problems]}


def _load(names: Sequence[str], folder: Path | None) -> tuple[dict[str, Any], list[Problem]]:
    tasks: dict[str, Any] = {}
    problems = []
    for name in names:
        try:
            tasks.update(load_tasks([name], folder))
        except UserError as e:
            problems.append(Problem("error", str(e)))
    return tasks, problems


def _items(name: str, available: int, limit: int | None, seed: int) -> list[int]:
    """Indices of the drawn items, ascending (lm-eval pairs them with documents in that order)."""
    if limit is None or limit >= available:
        return list(range(available))
    return sorted(random.Random(f"{seed} {name}").sample(range(available), limit))


def _both(sides, tokenizer, name: str, task, items: list[int], packed, tell, should_stop) -> dict[str, Any]:
    samples, seconds, truncated = {}, {}, 0
    for n, side in enumerate(("base", "tuned")):
        to_items = (lambda i, of, n=n: tell(round((n + i / of) * len(items)))) if tell else None
        began = time.perf_counter()
        with sides.use(side) as model:
            samples[side], truncated = answers(model, tokenizer, name, task, items, packed, to_items, should_stop)
        seconds[side] = round(time.perf_counter() - began, 2)
    compared = _compare(name, task, samples["base"], samples["tuned"])
    return {**compared, "available": len(task.eval_docs), "truncated": truncated, "seconds": seconds}


def answers(
    model,
    tokenizer: PreTrainedTokenizerBase,
    name: str,
    task,
    items: list[int],
    packed: bool | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> tuple[list[dict[str, Any]], int]:
    """lm-eval's logged samples of `items`, in order, and how many requests were cut at the left to fit the model.

    Through lm-eval's `evaluate`, not its `simple_evaluate`, which also asks git and the Hub about the machine.
    """
    from lm_eval.evaluator import evaluate

    from core.evaluation.packed_lm import packed_lm

    lm = packed_lm(model, tokenizer, packed, progress, should_stop)
    loaded = {"tasks": {name: task}, "groups": {}}
    results = evaluate(lm, loaded, samples={name: items}, bootstrap_iters=0, log_samples=True)
    return sorted(results["samples"][name], key=lambda sample: sample["doc_id"]), lm.truncated


def _compare(name: str, task, base: list[dict[str, Any]], tuned: list[dict[str, Any]]) -> dict[str, Any]:
    """One benchmark's part of the report. `metrics` are lm-eval's, item by item; `metric` is the one to report."""
    import lm_eval

    benchmark = BENCHMARKS[name]
    metrics = {}
    for metric in base[0]["metrics"]:
        values = [_values(side, metric) for side in (base, tuned)]
        metrics[metric] = {
            "base": statistics.mean(values[0]).to_dict(),
            "tuned": statistics.mean(values[1]).to_dict(),
            "difference": statistics.paired_difference(*values).to_dict(),
        }
    compared = {
        "title": benchmark.title,
        "lm_eval": lm_eval.__version__,
        "version": task.VERSION,
        "shots": task.get_config("num_fewshot"),
        "n": len(base),
        "metric": benchmark.metric,
        "metrics": metrics,
    }
    return {**compared, **(_changes(benchmark, task, base, tuned) if benchmark.one_answer else {})}


def _changes(benchmark, task, base: list[dict[str, Any]], tuned: list[dict[str, Any]]) -> dict[str, Any]:
    """McNemar's test, what difference so many items can show, and the items that changed."""
    before, after = _values(base, benchmark.metric), _values(tuned, benchmark.metric)
    flips = statistics.mcnemar_exact(before, after)
    # One lost and one gained item are added, as in the interval: no change seen does not mean that none can happen.
    discordant = (flips.lost + flips.gained + 2) / (len(base) + 2)
    changed = [(b, t) for b, t, x, y in zip(base, tuned, before, after, strict=True) if x != y]
    shown = [_item(benchmark, task, b, t) for b, t in changed]
    return {
        "mcnemar": flips.to_dict(),
        "minimum_detectable_difference": statistics.minimum_detectable_difference(discordant, len(base)),
        "lost": [item for item in shown if item["base"] == item["gold"]],
        "gained": [item for item in shown if item["tuned"] == item["gold"]],
    }


def _item(benchmark, task, base: dict[str, Any], tuned: dict[str, Any]) -> dict[str, Any]:
    """One question for a person: `gold`, `base` and `tuned` are indices into `choices`."""
    choices = task.doc_to_choice(base["doc"])
    return {
        "item": base["doc_id"],
        "question": base["doc"][benchmark.question],
        "choices": choices,
        "gold": int(base["target"]),
        "base": _pick(base, choices, benchmark.metric),
        "tuned": _pick(tuned, choices, benchmark.metric),
    }


def _pick(sample: dict[str, Any], choices: list[str], metric: str) -> int:
    """Which choice a side takes: the most probable one, per character for acc_norm, as lm-eval's metric decides."""
    logprobs = [response[0][0] for response in sample["resps"]]
    lengths = [len(c) if metric == "acc_norm" else 1 for c in choices]
    return max(range(len(choices)), key=lambda i: logprobs[i] / lengths[i])


def _values(samples: list[dict[str, Any]], metric: str) -> list[float]:
    values = [float(sample[metric]) for sample in samples]
    wrong = next((s for s, v in zip(samples, values, strict=True) if not math.isfinite(v)), None)
    if wrong is not None:
        raise UserError(
            f"One side gives every answer of item {wrong['doc_id'] + 1} a probability of zero, so {metric} has no "
            "value. Its adapter is damaged, as after training with too high a learning rate: train again with a lower."
        )
    return values
