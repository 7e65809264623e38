"""One whole evaluation: what the worker calls. Writes report.json, rows.jsonl and generations.jsonl into its folder.

Each phase leaves its results on disk before the next begins, so a stop or a crash keeps what was measured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.engine.rendering import is_written
from core.engine.score_cache import Scores
from core.engine.scoring import ShouldStop, Stopped
from core.engine.templates import RenderSettings
from core.errors import Problem, UserError
from core.evaluation import identity
from core.evaluation.benchmarks import asking
from core.evaluation.benchmarks.asking import Results
from core.evaluation.heldout import classification, relevance, slices, texts, turns
from core.evaluation.heldout import loss as heldout_loss
from core.evaluation.heldout.loss import Losses
from core.evaluation.result import Checkpoint, Environment, Report, Strength, StrengthPoint, report_in
from core.evaluation.spec import EvaluationSpec
from core.files import append_lines, write_atomically, written_atomically
from core.models import adapter_scaling, checkpoints, generation, loading
from core.models.sides import Sides, adapter_hash, load_sides
from core.statistics.intervals import Interval
from core.store import queries
from core.types import Example, Generation, Side, Split
from core.version import VERSION

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerBase

Log = Callable[..., None]
"""log(kind, payload, step=None)"""

PHASES = {"loading": 1, "heldout": 2, "generation": 5, "benchmarks": 5, "checkpoints": 3, "strength": 10}
"""Rough shares of the whole time, for the progress bar."""
PARTIAL = "answers.partial.jsonl"
"""Answers as they come, until all of them are there."""
OPTIONAL = {"benchmarks": "benchmarks", "checkpoints": "checkpoints", "strength": "strengths"}
"""Phase → the field of the specification that asks for it."""


def evaluate(
    folder: Path,
    spec: EvaluationSpec,
    models: Path,
    examples_of: Callable[[Split], list[Example]],
    log: Log,
    should_stop: ShouldStop,
    cache: Path | None = None,
) -> Report:
    """Measure base against tuned as `spec` says and return the report, which is also in `folder`/report.json.

    `cache` is a folder that several evaluations share: what a base answered once is kept there by its weights.

    Raises UserError when nothing can be measured; a part that fails, and a stop, are in the report's `problems`.
    """
    examples = examples_of(spec.split)
    if not examples:
        raise UserError(f"The dataset has no rows in the split “{spec.split}”. Import it with a share for it.")
    job = _Job(folder, spec, log, should_stop, cache)
    if any(e.turn for e in examples):
        _keep_turns(folder, examples, job)
    job.earlier = _earlier(folder, Path(spec.adapter))
    job.report = replace(job.report, benchmarks=job.earlier.benchmarks if job.earlier else {})
    asked = [e for e in examples if e.messages and not turns.calls_only(e)]
    if texts_alone := sum(not e.messages for e in examples):
        what = f"{texts_alone:,} test rows are plain text and ask nothing."
        job.problems.append(Problem("note", what, "Of them the loss is measured, over the maximum length."))
    try:
        _phases(job, models, examples, asked, examples_of)
    except Stopped:
        text = f"The evaluation was stopped during {job.current}."
        job.problems.append(Problem("warning", text, "What was measured before is complete."))
    job.write()
    return job.report


def _keep_turns(folder: Path, examples: list[Example], job: _Job) -> None:
    """Write examples.jsonl: no row of the dataset stands for an earlier answer, so whoever reads answers needs them."""
    with written_atomically(folder / "examples.jsonl") as file:
        file.writelines(json.dumps(e.to_dict(), ensure_ascii=False) + "\n" for e in examples)
    if silent := sum(turns.calls_only(e) for e in examples):
        what = f"{silent:,} earlier answers only call tools."
        job.problems.append(Problem("note", what, "Of them the loss is measured; there is no text to compare."))


def _phases(
    job: _Job,
    models: Path,
    examples: list[Example],
    asked: list[Example],
    examples_of: Callable[[Split], list[Example]],
) -> None:
    """Measure one thing after the other. `asked` are the examples that can be answered."""
    spec = job.spec
    with job.phase("loading", "Loading the model …"):
        sides, tokenizer = _load(models, job)
        asked = _fitting(sides, tokenizer, asked, job)
    with job.phase("heldout", f"Measuring the loss on {len(examples):,} rows …"):
        losses = _losses(sides, tokenizer, examples, job)
    if losses:
        with job.phase("generation", f"Base and tuned each answer {len(asked):,} rows …"):
            pairs = _answers(sides, tokenizer, asked, job)
            train = turns.of_rows(examples_of("train"), spec.answers, RenderSettings.of(spec.rendering).answers)
            names = classification.label_names([*train, *examples])
            of_texts = texts.measured_texts(job.folder, models, examples, losses, pairs, names, spec.headline)
            if of_texts and job.report.heldout:
                job.report = replace(job.report, heldout=replace(job.report.heldout, **vars(of_texts)))
            _relevance(sides, tokenizer, asked, pairs, examples_of("train"), job)
            job.stop_if_asked()
    if spec.benchmarks:
        with job.phase("benchmarks", "Asking both sides the benchmarks' questions …"):
            _missing_benchmarks(sides, tokenizer, job, lambda: examples_of("train"))
            job.stop_if_asked()
    if losses and spec.checkpoints:
        with job.phase("checkpoints", "Measuring the checkpoints of the run …"):
            _checkpoints(sides, losses, job)
    if losses and spec.strengths:
        with job.phase("strength", "Measuring the tuned model at several strengths …"):
            _strengths(sides, tokenizer, losses, job)
    if not losses and not job.report.benchmarks:
        raise UserError(next(p.what for p in job.problems if p.level == "error"))


@dataclass
class _Job:
    """What the phases share: the report as far as it is, and where progress goes."""

    folder: Path
    spec: EvaluationSpec
    log: Log
    should_stop: ShouldStop
    cache: Path | None = None
    packed: bool | None = None
    earlier: Report | None = None
    """Of an earlier attempt at this job, whose answers are kept; None, too, where they are another model's."""
    current: str = ""
    problems: list[Problem] = field(default_factory=list)
    report: Report = field(init=False)
    part: tuple[int, int] = (0, 1)
    """Which part of the phase is at work, and of how many: `tell` counts within it."""
    shown: float = -1.0

    def __post_init__(self) -> None:
        self.report = Report(version=VERSION, spec=self.spec)

    @contextmanager
    def phase(self, name: str, text: str) -> Iterator[None]:
        """Say what begins, time it, and write the report when it ends, well or not."""
        self.current, self.part = name, (0, 1)
        self.log("status", {"text": text})
        began = time.perf_counter()
        try:
            yield
        finally:
            seconds = {**self.report.seconds, name: round(time.perf_counter() - began, 2)}
            self.report = replace(self.report, seconds=seconds)
            self.write()

    def tell(self, done: int, total: int) -> None:
        """Progress within the current phase, as a share of the whole job; at most about a hundred events."""
        weights = {name: w for name, w in PHASES.items() if getattr(self.spec, OPTIONAL.get(name, "model"))}
        earlier = sum(list(weights.values())[: list(weights).index(self.current)])
        within = (self.part[0] + done / max(total, 1)) / self.part[1]
        share = (earlier + weights[self.current] * within) / sum(weights.values())
        if share - self.shown >= 0.01 or (done == total and share > self.shown):
            self.shown = share
            payload = {"phase": self.current, "done": done, "total": total, "share": round(share, 4)}
            self.log("progress", payload)

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise Stopped

    def write(self) -> None:
        self.report = replace(self.report, problems=tuple(self.problems))
        text = json.dumps(self.report.to_dict(), ensure_ascii=False, indent=2)
        write_atomically(self.folder / "report.json", text)


def _load(models: Path, job: _Job) -> tuple[Sides, PreTrainedTokenizerBase]:
    import platform

    import peft
    import torch
    import transformers

    from core.engine.packing import takes_packs

    spec = job.spec
    loading.locate(spec.model, models, lambda share, what: job.tell(int(100 * share), 100))
    tokenizer = loading.tokenizer(spec.model, models, spec.revision, spec.template, RenderSettings.of(spec.rendering))
    adapter = Path(spec.adapter)
    trained = spec.base_weights_sha256, spec.quantization, spec.base_settings
    sides = load_sides(spec.model, adapter, models, spec.revision, *trained)
    job.packed = takes_packs(sides.model)
    proof = identity.proof_of(sides, spec)
    if job.earlier and job.earlier.proof and (changed := identity.differences(job.earlier.proof, proof)):
        what = f"Since the first attempt at this evaluation something has changed: {', '.join(changed)}."
        job.problems.append(Problem("note", what, "So everything was measured anew."))
        job.earlier, job.report = None, replace(job.report, benchmarks={})
        for name in ("generations.jsonl", PARTIAL):
            (job.folder / name).unlink(missing_ok=True)
    device, dtype = identity.where(sides)
    environment = Environment(
        python=platform.python_version(),
        versions={m.__name__: m.__version__ for m in (torch, transformers, peft)},
        device=device,
        dtype=dtype,
        threads=torch.get_num_threads(),
        packed=job.packed,
    )
    job.report = replace(job.report, proof=proof, environment=environment)
    return sides, tokenizer


def _losses(sides: Sides, tokenizer: PreTrainedTokenizerBase, examples: list[Example], job: _Job) -> Losses | None:
    """The loss of both sides, also in the report; None, and a problem, where there is none."""
    try:
        losses = heldout_loss.measure(
            *(sides, tokenizer, examples, job.spec.max_length, job.packed, job.tell, job.should_stop),
            _characters(Path(job.spec.rows_file)),
        )
    except UserError as e:
        what = f"The loss on the test rows was not measured. {e}"
        job.problems.append(Problem("error", what, "Nothing was generated either."))
        return None
    heldout = replace(losses.report(), slices=slices.report(losses))
    job.report = replace(job.report, heldout=heldout)
    job.problems += losses.rows.problems
    texts.write_rows(job.folder, examples, losses, [])
    return losses


def _characters(rows_file: Path) -> np.ndarray | None:
    """Lengths of all the data set's answers, where its rows are there; an evaluation by itself may do without."""
    return queries.Rows(rows_file).answer_characters() if rows_file.is_file() else None


def _earlier(folder: Path, adapter: Path) -> Report | None:
    """The report of an earlier attempt at this job, whose specification is the same.

    Raises UserError where the run was trained on since then: half of the answers would be another model's.
    """
    if not (folder / "report.json").is_file():
        return None
    earlier = report_in(folder)
    measured, now = earlier.proof.adapter_sha256 if earlier.proof else None, adapter_hash(adapter)
    if measured is not None and measured != now:
        raise UserError(
            f"The run was trained on since this evaluation began: it measured the adapter {measured[:12]}, now there "
            f"is {now[:12]}. What it measured is kept; start a new evaluation of the run."
        )
    return earlier


def _fitting(sides: Sides, tokenizer: PreTrainedTokenizerBase, asked: list[Example], job: _Job) -> list[Example]:
    """The examples that can be answered; the others are counted in a problem."""
    decoding = job.spec.decoding
    asked = [e for e in asked if is_written(e, tokenizer)]  # the others are named where the loss is measured
    left_out = generation.too_long(sides.model, tokenizer, asked, decoding)
    if left_out:
        rows = ", ".join(f"{e.row:,}" for e in left_out[:5]) + (" …" if len(left_out) > 5 else "")
        what = f"{len(left_out):,} of {len(asked):,} test rows leave no room for {decoding.max_new_tokens:,} new tokens"
        fix = "Of them only the loss is measured, over the maximum length. Lower the new tokens, or shorten the rows."
        job.problems.append(Problem("warning", f"{what} in the model's context: row {rows}.", fix))
    known = {e.id for e in left_out}
    return [e for e in asked if e.id not in known]


def _answers(
    sides: Sides, tokenizer: PreTrainedTokenizerBase, asked: list[Example], job: _Job
) -> list[tuple[Generation, Generation]]:
    """Both sides' answers as pairs, in the order of `asked`; what an earlier attempt at this job kept is not asked for
    again. Each batch is on disk before the next begins."""
    partial = job.folder / PARTIAL
    known = generation.read_pairs([job.folder / "generations.jsonl", partial])
    missing = [e for e in asked if e.id not in known]

    def keep(pairs: list[tuple[Generation, Generation]]) -> None:
        append_lines(partial, (json.dumps(g.to_dict(), ensure_ascii=False) for pair in pairs for g in pair))

    pairs = generation.generate_both(sides, tokenizer, missing, job.spec.decoding, job.tell, job.should_stop, keep)
    known |= {pair[0].example_id: pair for pair in pairs}
    return [known[e.id] for e in asked if e.id in known]


def _relevance(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    asked: list[Example],
    pairs: list[tuple[Generation, Generation]],
    train: list[Example],
    job: _Job,
) -> None:
    """Ask the base, while it is loaded, which answers fit other prompts as well; the detectors read it (worker.py)."""
    answers = [g for pair in pairs for g in pair]
    try:
        scores = relevance.measure(sides, tokenizer, asked, answers, train, job.packed, should_stop=job.should_stop)
    except UserError as e:
        what = f"Whether answers are off topic is judged by their wording alone. {e}"
        job.problems.append(Problem("note", what))
        return
    relevance.write(job.folder, scores)


def _missing_benchmarks(
    sides: Sides, tokenizer: PreTrainedTokenizerBase, job: _Job, training: Callable[[], list[Example]]
) -> None:
    """Ask what an earlier attempt has not finished; each benchmark is in the report as soon as it is complete."""
    kept = job.report.benchmarks

    def keep(results: Results) -> None:
        job.report = replace(job.report, benchmarks=asking.corrected(kept | results))
        job.write()

    job.problems += asking.notes(kept)
    if missing := [name for name in job.spec.benchmarks if name not in kept]:
        results, problems = _benchmarks(missing, sides, tokenizer, job, keep=keep, training=training)
        keep(results)
        job.problems += problems


def _benchmarks(
    names: list[str],
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    job: _Job,
    strength: float = 1.0,
    keep: Callable[[Results], None] | None = None,
    training: Callable[[], list[Example]] | None = None,
) -> tuple[Results, list[Problem]]:
    """Ask both sides. What the tuned side has answered is in the job's folder, what the base has, in the cache.

    `keep` is given the benchmarks that are complete whenever another is.
    """
    spec = job.spec
    chosen = Path(spec.benchmark_folder) if spec.benchmark_folder else None
    how = asking.How(
        spec.benchmark_limit,
        spec.seed,
        spec.shots,
        spec.chat_template,
        spec.early_stop,
        asking.pinned_revisions(job.folder / "revisions.json", names, chosen),
    )
    proof, adapter = identity.proof_of(sides, spec), Path(spec.adapter)
    scores: dict[Side, Scores] = {
        "base": Scores((job.cache or job.folder / "scores") / f"{identity.known_by('base', proof, adapter)}.jsonl"),
        "tuned": Scores(
            job.folder / "scores" / f"tuned-{100 * strength:g}-{identity.known_by('tuned', proof, adapter)}.jsonl"
        ),
    }
    return asking.run(
        *(sides, tokenizer, names, chosen, how, scores, job.tell, job.should_stop, job.packed, keep, training)
    )


def _checkpoints(sides: Sides, losses: Losses, job: _Job) -> None:
    """The loss of each kept checkpoint and of the final adapter, added to the report one by one."""
    run = Path(job.spec.adapter).parent
    kept = checkpoints.find(run)
    if not kept:
        what, fix = "The run kept no checkpoints.", "Only its final adapter is compared."
        job.problems.append(Problem("note", what, fix))

    def add(step: int | None, final: bool, tuned: list[float]) -> None:
        point = Checkpoint(step, final, losses.per_token(tuned), losses.against_base(tuned))
        job.report = replace(job.report, checkpoints=(*job.report.checkpoints, point))

    for n, (step, folder) in enumerate(kept):
        job.part = (n, len(kept))
        try:
            with checkpoints.loaded(sides, folder) as model:
                add(step, False, heldout_loss.losses_of(model, losses.rows, job.packed, job.tell, job.should_stop))
        except UserError as e:
            job.problems.append(Problem("error", f"The checkpoint of step {step} was not measured. {e}"))
    add(checkpoints.step_of_final(run), True, losses.tuned)


def _strengths(sides: Sides, tokenizer: PreTrainedTokenizerBase, losses: Losses, job: _Job) -> None:
    """Loss and benchmarks at each strength, added to the report one by one. 0 and 1 are what was measured before."""
    try:
        how = adapter_scaling.check(Path(job.spec.adapter))
        between = sorted({adapter_scaling.checked(s) for s in job.spec.strengths} - {0.0, 1.0})
    except UserError as e:
        job.problems.append(Problem("error", f"The strengths were not measured. {e}"))
        return
    compared = _differences(job.report.benchmarks)
    points = {
        0.0: StrengthPoint(0.0, losses.against_base(losses.base), {name: _at_base(d) for name, d in compared.items()}),
        1.0: StrengthPoint(1.0, losses.against_base(losses.tuned), compared),
    }

    def add(point: StrengthPoint) -> None:
        points[point.strength] = point
        job.report = replace(job.report, strength=Strength(how, tuple(points[s] for s in sorted(points))))

    add(points[0.0])
    steps = len(between) * (2 if compared else 1)
    for n, s in enumerate(between):
        job.part = (n * steps // len(between), steps)
        try:
            with adapter_scaling.at(sides, s) as model:
                at_s = heldout_loss.losses_of(model, losses.rows, job.packed, job.tell, job.should_stop)
        except UserError as e:
            job.problems.append(Problem("error", f"Strength {s:g} was not measured. {e}"))
            continue
        point = StrengthPoint(s, losses.against_base(at_s))
        add(point)
        if not compared:
            continue
        job.part = (n * steps // len(between) + 1, steps)
        results, problems = _benchmarks(list(compared), adapter_scaling.part(sides, s), tokenizer, job, s)
        wrong = [p for p in problems if p.level != "note"]  # notes were told of the whole evaluation
        job.problems += [Problem(p.level, f"At strength {s:g}: {p.what}", p.fix) for p in wrong]
        add(replace(point, benchmarks=_differences(results)))
        job.stop_if_asked()


def _at_base(difference: Interval) -> Interval:
    """What strength 0 has: the base against itself."""
    return replace(difference, tuned=difference.base, difference=0.0, low=0.0, high=0.0)


def _differences(results: Results) -> dict[str, Interval]:
    """Benchmark → the difference in the metric that is reported of it, of those whose metric is a share of items.

    A perplexity has no place on the one scale that strengths are shown on.
    """
    return {
        name: result.reported.difference
        for name, result in results.items()
        if result.reported.aggregation == "mean" and result.reported.higher_is_better
    }
