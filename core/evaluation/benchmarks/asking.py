"""Base against tuned on lm-eval's benchmarks: the same random items, lm-eval's own metrics, paired statistics.

The model side is `packed_lm`, the tasks are `tasks.load`, what differs is said by `paired.compare`. Each answer is
kept as soon as it is known (see `scores`), so an evaluation that was stopped or killed goes on where it was.
"""

from __future__ import annotations

import json
import random
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.engine.score_cache import Scores
from core.engine.scoring import Progress, ShouldStop, Stopped
from core.errors import Problem, UserError
from core.evaluation.benchmarks.overlap import overlap_of
from core.evaluation.benchmarks.paired import Sample, clusters_of, compare, reported
from core.evaluation.benchmarks.result import BenchmarkResult
from core.evaluation.benchmarks.tasks import Loaded, first_line, load, newest_revisions
from core.files import write_atomically
from core.models.sides import Sides
from core.statistics import sequential, tests
from core.statistics.intervals import Interval
from core.types import SIDES, Example, Side

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SUBJECTS = 57
"""Of MMLU on the Hub."""

Results = dict[str, BenchmarkResult]
"""By the name of lm-eval's task."""


@dataclass(frozen=True)
class How:
    """In which way all benchmarks of an evaluation are asked."""

    limit: int | None = None
    """Items of each benchmark, drawn at random; None: all of them."""
    seed: int = 0
    shots: dict[str, int] = field(default_factory=dict)
    """Benchmark → examples before each question, where it is not the task's own number."""
    chat: bool = False
    """Whether questions are put into the model's chat template."""
    early_stop: bool = False
    """Whether a benchmark ends as soon as the interval of its difference is narrow enough (see `sequential`)."""
    revisions: dict[str, str] = field(default_factory=dict)
    """Benchmark → commit of its data set on the Hub; others take the newest."""


def run(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    names: Sequence[str],
    folder: Path | None,
    how: How,
    kept: dict[Side, Scores] | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    packed: bool | None = None,
    keep: Callable[[Results], None] | None = None,
    training: Callable[[], Iterable[Example]] | None = None,
) -> tuple[Results, list[Problem]]:
    """Ask both sides. `kept`: side → what it has answered before, and where new answers go. `training`: the rows that
    the tuned side was trained on, in which the questions are looked for.

    A benchmark that fails becomes a problem, with its traceback on stderr unless it is a UserError; asked to stop, it
    returns the benchmarks that are complete. `keep` is given the results so far whenever some are complete, so that
    they outlive whatever comes next.
    """
    kept = kept or {side: Scores() for side in SIDES}
    loaded, drawn, problems = _load(names, folder, how)
    total = 2 * sum(len(items) for items in drawn.values())
    asked = _Asked(sides, tokenizer, how, kept, packed, should_stop, training)
    results: Results = {}
    done = 0
    for family in _families(loaded):
        size = 2 * sum(len(drawn[one.name]) for one in family)
        tell = _within(progress, done, size, total)
        try:
            results |= _family(asked, family, drawn, tell)
        except Stopped:
            break
        except Exception as e:
            problems.append(_failed(" and ".join(one.benchmark.title for one in family), e))
        else:
            if keep:
                keep(corrected(results))
        done += size
    return corrected(results), [*problems, *notes(results)]


def pinned_revisions(path: Path, names: Sequence[str], folder: Path | None) -> dict[str, str]:
    """Benchmark → commit of its data set on the Hub; kept in `path`, so that an evaluation goes on with the same."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if newest := newest_revisions([name for name in names if name not in known], folder):
        known |= newest
        write_atomically(path, json.dumps(known, indent=2))
    return known


def notes(results: Results) -> list[Problem]:
    """What to know of these results: subjects that a folder does not have."""
    subjects = {result.title: result.subjects_available or SUBJECTS for result in results.values()}
    few = [f"{title}: the folder has {n} of the {SUBJECTS} subjects." for title, n in subjects.items() if n < SUBJECTS]
    return [Problem("note", what, "The result is of these subjects.") for what in few]


def corrected(results: Results) -> Results:
    """With each benchmark's p corrected for the number of benchmarks, in `p_holm`."""
    tested = {name: result.p for name, result in results.items() if result.p is not None}
    p_holm = dict(zip(tested, tests.holm(list(tested.values())), strict=True))
    return {name: replace(result, p_holm=p_holm.get(name)) for name, result in results.items()}


def _within(progress: Progress | None, done: int, size: int, total: int) -> Progress | None:
    return (lambda part, of: progress(done + round(size * part / of), total)) if progress else None


@dataclass(frozen=True)
class _Asked:
    sides: Sides
    tokenizer: Any
    how: How
    kept: dict[Side, Scores]
    packed: bool | None
    should_stop: ShouldStop | None
    training: Callable[[], Iterable[Example]] | None


def _load(
    names: Sequence[str], folder: Path | None, how: How
) -> tuple[list[Loaded], dict[str, list[tuple[str, int]]], list[Problem]]:
    """The benchmarks that can be asked, what is asked of each, and why others cannot."""
    loaded, drawn, problems = [], {}, []
    for name in names:
        try:
            one = load(name, folder, how.shots.get(name), how.revisions.get(name))
            drawn[name] = _draw(one, how)
            loaded.append(one)
        except UserError as e:
            problems.append(Problem("error", str(e)))
        except Exception as e:
            problems.append(_failed(name, e))
    return loaded, drawn, problems


def _failed(title: str, error: Exception) -> Problem:
    """What became of a benchmark: tasks of lm-eval bring code of their own, which may raise anything."""
    others = "The other measures are not affected."
    if isinstance(error, UserError):
        return Problem("error", f"{title}: {error}", others)
    traceback.print_exception(error)
    if isinstance(error, ModuleNotFoundError) and error.name:
        needs = f"{title} needs the package {error.name}, which is not installed."
        return Problem("error", needs, f"Install it, and evaluate again. {others}")
    fix = f"Leave it out; worker.log in the job's folder has the details. {others}"
    return Problem("error", f"{title} could not be asked. {first_line(error)}", fix)


def _families(loaded: list[Loaded]) -> list[list[Loaded]]:
    """Benchmarks that are asked together, in the order of the first of each."""
    families: dict[str, list[Loaded]] = {}
    for one in loaded:
        families.setdefault(_family_name(one), []).append(one)
    return list(families.values())


def _family_name(one: Loaded) -> str:
    return one.benchmark.family or one.name


def _draw(one: Loaded, how: How) -> list[tuple[str, int]]:
    """(task, index of the item) of what is asked, in random order where not all are asked or it may stop early."""
    pool = [(name, i) for name, task in one.tasks.items() for i in range(len(task.eval_docs))]
    # Benchmarks with the same questions are asked the same of them.
    drawing = random.Random(f"{how.seed} {_family_name(one)}")
    if how.limit is not None and how.limit < len(pool):
        return drawing.sample(pool, how.limit)
    return drawing.sample(pool, len(pool)) if how.early_stop else pool


def _family(
    asked: _Asked, family: list[Loaded], drawn: dict[str, list[tuple[str, int]]], tell: Progress | None
) -> Results:
    """The results of benchmarks that are asked together."""
    count = max(len(drawn[one.name]) for one in family)
    ends = sequential.looks(count) if asked.how.early_stop else [count]
    seconds: dict[Side, float] = dict.fromkeys(SIDES, 0.0)
    for end in ends:
        items = {one.name: drawn[one.name][:end] for one in family}
        samples: dict[Side, dict[str, list[Sample]]] = {}
        for n, side in enumerate(SIDES):
            part = (lambda i, of, n=n, end=end: tell(end * (n * of + i), 2 * of * count)) if tell else None
            began = time.perf_counter()
            with asked.sides.use(side) as model:
                samples[side], truncated = _answers(asked, model, side, family, items, part)
            seconds[side] = round(seconds[side] + time.perf_counter() - began, 2)
        sequences = [_confidence_sequence(one, samples) for one in family] if asked.how.early_stop else [None]
        stopped = all(interval and sequential.narrow_enough(interval) for interval in sequences)
        if stopped:
            break
    results = {}
    for one in family:
        available = sum(len(task.eval_docs) for task in one.tasks.values())
        result = compare(one, *(samples[side][one.name] for side in SIDES))
        results[one.name] = replace(
            result,
            available=available,
            truncated=truncated[one.name],
            seconds=seconds,
            seed=asked.how.seed,
            chat_template=asked.how.chat,
            subjects_available=len(one.tasks) if one.benchmark.by_subject else None,
            overlap=overlap_of(one, samples["base"][one.name], samples["tuned"][one.name], asked.training())
            if asked.training
            else None,
        )
        interval = _confidence_sequence(one, samples) if asked.how.early_stop else None
        if interval:
            results[one.name] = _looked_at(
                results[one.name], interval, ends.index(end) + 1, bool(stopped and end < count)
            )
    return results


def _looked_at(result: BenchmarkResult, interval: Interval, looks: int, stopped_early: bool) -> BenchmarkResult:
    """With the interval that holds at every look in the place of the one that holds at the end."""
    metrics = {**result.metrics, result.metric: replace(result.reported, difference=interval)}
    return replace(result, metrics=metrics, stopped_early=stopped_early, looks=looks, looks_by=result.clustered_by)


def _confidence_sequence(one: Loaded, samples: dict[Side, dict[str, list[Sample]]]) -> Interval | None:
    """None where the metric is no mean of items: such a benchmark is asked to its end."""
    base, tuned = (samples[side][one.name] for side in SIDES)
    values = reported(one, base, tuned)
    return sequential.confidence_sequence(*values, clusters_of(one, base)) if values else None


def _answers(
    asked: _Asked,
    model: PreTrainedModel,
    side: Side,
    family: list[Loaded],
    drawn: dict[str, list[tuple[str, int]]],
    tell: Progress | None,
) -> tuple[dict[str, list[Sample]], dict[str, int]]:
    """Benchmark → lm-eval's logged samples, and → requests that were cut at the left to fit the model."""
    by_name, truncated = {}, {}
    # All requests of the family come at once, so that what they share is computed once.
    tasks = {name: task for one in family for name, task in one.tasks.items()}
    items: dict[str, list[int]] = {}
    for one in family:
        for task, i in drawn[one.name]:
            items.setdefault(task, []).append(i)
    samples, cut = answers(
        model, asked.tokenizer, {name: tasks[name] for name in items}, items,
        asked.packed, asked.kept[side], tell, asked.should_stop, asked.how.chat,
    )  # fmt: skip
    for one in family:
        by_name[one.name] = [sample | {"task": name} for name in one.tasks for sample in samples.get(name, [])]
        truncated[one.name] = cut
    return by_name, truncated


def answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    tasks: dict[str, Any],
    items: dict[str, list[int]],
    packed: bool | None = None,
    scores: Scores | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
    chat: bool = False,
) -> tuple[dict[str, list[Sample]], int]:
    """Task → lm-eval's logged samples of its `items`, in order; and how many requests were cut at the left.

    Of a task with several filters, which read the answer from a text in several ways, lm-eval's first counts.
    Through lm-eval's `evaluate`, not its `simple_evaluate`, which also asks git and the Hub about the machine.
    """
    from lm_eval.evaluator import evaluate

    from core.evaluation.benchmarks.packed_lm import packed_lm

    lm = packed_lm(model, tokenizer, packed, scores, progress, should_stop)
    # lm-eval pairs items with documents in ascending order.
    asked = {name: sorted(indices) for name, indices in items.items()}
    loaded = {"tasks": tasks, "groups": {}}
    results = evaluate(lm, loaded, samples=asked, bootstrap_iters=0, log_samples=True, apply_chat_template=chat)
    samples = {}
    for name in tasks:
        logged = results["samples"][name]
        first = [sample for sample in logged if sample["filter"] == logged[0]["filter"]]
        samples[name] = sorted(first, key=lambda s: s["doc_id"])
    return samples, lm.truncated
