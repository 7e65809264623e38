"""One whole evaluation: what the worker calls. Writes report.json, rows.jsonl and generations.jsonl into its folder.

Each phase leaves its results on disk before the next begins, so a stop or a crash keeps what was measured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.engine.score_cache import Scores
from core.engine.scoring import ShouldStop, Stopped
from core.errors import Problem, UserError
from core.evaluation.benchmarks import asking
from core.evaluation.heldout import classification, slices, texts
from core.evaluation.heldout import loss as heldout_loss
from core.files import write_atomically
from core.models import adapter_scaling, checkpoints, generation, loading
from core.models.sides import Sides, adapter_hash, load_sides
from core.statistics import intervals
from core.types import Decoding, Example, Generation

Log = Callable[..., None]
"""log(kind, payload, step=None)"""

PHASES = {"loading": 1, "heldout": 2, "generation": 5, "benchmarks": 5, "checkpoints": 3, "strength": 10}
"""Rough shares of the whole time, for the progress bar."""
OPTIONAL = {"benchmarks": "benchmarks", "checkpoints": "checkpoints", "strength": "strengths"}
"""Phase → the key of the specification that asks for it."""


def evaluate(
    folder: Path,
    spec: dict[str, Any],
    models: Path,
    examples_of: Callable[[str], list[Example]],
    log: Log,
    should_stop: ShouldStop,
    cache: Path | None = None,
) -> dict[str, Any]:
    """Measure base against tuned as `spec` says and return the report, which is also in `folder`/report.json.

    `cache` is a folder that several evaluations share: what a base answered once is kept there by its weights.

    Raises UserError when nothing can be measured; a part that fails, and a stop, are in the report's `problems`.
    """
    examples = examples_of(spec["split"])
    if not examples:
        raise UserError(f"The dataset has no rows in the split “{spec['split']}”. Import it with a share for it.")
    kept = _kept_benchmarks(folder, Path(spec["adapter"]))
    job = _Job(folder, spec, log, should_stop, cache)
    job.report["benchmarks"] = kept
    asked = [e for e in examples if e.messages]
    if len(asked) < len(examples):
        what = f"{len(examples) - len(asked):,} test rows are plain text and ask nothing."
        job.problems.append(Problem("note", what, "Of them the loss is measured, over the maximum length."))
    try:
        with job.phase("loading", "Loading the model …"):
            sides, tokenizer = _load(spec, models, job)
            decoding = Decoding(**spec["decoding"])
            asked = _fitting(sides, tokenizer, asked, decoding, job)
        with job.phase("heldout", f"Measuring the loss on {len(examples):,} rows …"):
            measured = _measured(sides, tokenizer, examples, job)
        if measured:
            with job.phase("generation", f"Base and tuned each answer {len(asked):,} rows …"):
                pairs = _answers(sides, tokenizer, asked, decoding, job)
                names = classification.label_names([*examples_of("train"), *examples])
                job.report["heldout"] |= texts.measured_texts(folder, models, examples, measured, pairs, names)
                job.stop_if_asked()
        if spec["benchmarks"]:
            with job.phase("benchmarks", "Asking both sides the benchmarks' questions …"):

                def keep(found: dict[str, Any]) -> None:
                    job.report["benchmarks"] = asking.corrected(kept | found)
                    job.write()

                asked_now = {**spec, "benchmarks": [name for name in spec["benchmarks"] if name not in kept]}
                problems = []
                if asked_now["benchmarks"]:
                    found, problems = _benchmarks(asked_now, sides, tokenizer, job, keep=keep)
                    keep(found)
                job.problems += [*asking.notes(kept), *problems]
                job.stop_if_asked()
        if measured and spec.get("checkpoints"):
            with job.phase("checkpoints", "Measuring the checkpoints of the run …"):
                _checkpoints(sides, measured, job)
        if measured and spec.get("strengths"):
            with job.phase("strength", "Measuring the tuned model at several strengths …"):
                _strengths(sides, tokenizer, measured, job)
        if not measured and not job.report["benchmarks"]:
            raise UserError(next(p.what for p in job.problems if p.level == "error"))
    except Stopped:
        text = f"The evaluation was stopped during {job.current}."
        job.problems.append(Problem("warning", text, "What was measured before is complete."))
    job.write()
    return job.report


@dataclass
class _Job:
    """What the phases share: the report as far as it is, and where progress goes."""

    folder: Path
    spec: dict[str, Any]
    log: Log
    should_stop: ShouldStop
    cache: Path | None = None
    packed: bool | None = None
    current: str = ""
    problems: list[Problem] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    part: tuple[int, int] = (0, 1)
    """Which part of the phase is at work, and of how many: `tell` counts within it."""
    shown: float = -1.0

    def __post_init__(self) -> None:
        empty = {"heldout": {}, "benchmarks": {}, "proof": {}, "environment": {}, "seconds": {}, "problems": []}
        self.report = {"schema": 1, "spec": self.spec, **empty}

    @contextmanager
    def phase(self, name: str, text: str) -> Iterator[None]:
        """Say what begins, time it, and write the report when it ends, well or not."""
        self.current, self.part = name, (0, 1)
        self.log("status", {"text": text})
        began = time.perf_counter()
        try:
            yield
        finally:
            self.report["seconds"][name] = round(time.perf_counter() - began, 2)
            self.write()

    def tell(self, done: int, total: int) -> None:
        """Progress within the current phase, as a share of the whole job; at most about a hundred events."""
        weights = {name: w for name, w in PHASES.items() if self.spec.get(OPTIONAL.get(name, "model"))}
        before = sum(list(weights.values())[: list(weights).index(self.current)])
        within = (self.part[0] + done / max(total, 1)) / self.part[1]
        share = (before + weights[self.current] * within) / sum(weights.values())
        if share - self.shown >= 0.01 or (done == total and share > self.shown):
            self.shown = share
            payload = {"phase": self.current, "done": done, "total": total, "share": round(share, 4)}
            self.log("progress", payload)

    def stop_if_asked(self) -> None:
        if self.should_stop():
            raise Stopped

    def write(self) -> None:
        self.report["problems"] = [asdict(p) for p in self.problems]
        write_atomically(self.folder / "report.json", json.dumps(self.report, ensure_ascii=False, indent=2))


def _load(spec: dict[str, Any], models: Path, job: _Job) -> tuple[Sides, Any]:
    import platform

    import peft
    import torch
    import transformers

    from core.engine.packing import takes_packs

    loading.locate(spec["model"], models, lambda share, what: job.tell(int(100 * share), 100))
    tokenizer = loading.tokenizer(spec["model"], models, spec["revision"], spec.get("template", ""))
    sides = load_sides(
        spec["model"],
        Path(spec["adapter"]),
        models,
        spec["revision"],
        spec.get("base_weights_sha256"),
        spec.get("quantization", "none"),
    )
    job.packed = takes_packs(sides.model)
    job.report["proof"] = sides.proof
    job.report["environment"] = {
        "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
        "device": str(sides.model.device),
        "dtype": str(sides.model.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "packed": job.packed,
    }
    return sides, tokenizer


def _measured(sides: Sides, tokenizer, examples: list[Example], job: _Job) -> heldout_loss.HeldOut | None:
    """The loss of both sides, also in the report; None, and a problem, where there is none."""
    try:
        measured = heldout_loss.measure(
            sides, tokenizer, examples, job.spec["max_length"], job.packed, job.tell, job.should_stop
        )
    except UserError as e:
        what = f"The loss on the test rows was not measured. {e}"
        job.problems.append(Problem("error", what, "Nothing was generated either."))
        return None
    job.report["heldout"] = measured.report() | {"slices": slices.report(measured)}
    job.problems += measured.rows.problems
    texts.write_rows(job.folder, examples, measured, [])
    return measured


def _kept_benchmarks(folder: Path, adapter: Path) -> dict[str, Any]:
    """The benchmarks that an earlier attempt at this job finished: its specification is the same.

    Raises UserError where the run was trained on since then: half of the answers would be another model's.
    """
    path = folder / "report.json"
    if not path.is_file():
        return {}
    before = json.loads(path.read_text(encoding="utf-8"))
    measured, now = before["proof"].get("adapter_sha256"), adapter_hash(adapter)
    if measured not in (None, now):
        raise UserError(
            f"The run was trained on since this evaluation began: it measured the adapter {measured[:12]}, now there "
            f"is {now[:12]}. What it measured is kept; start a new evaluation of the run."
        )
    return before["benchmarks"]


def _fitting(sides: Sides, tokenizer, asked: list[Example], decoding: Decoding, job: _Job) -> list[Example]:
    """The examples that can be answered; the others are counted in a problem."""
    left_out = generation.too_long(sides.model, tokenizer, asked, decoding)
    if left_out:
        rows = ", ".join(f"{e.row:,}" for e in left_out[:5]) + (" …" if len(left_out) > 5 else "")
        what = f"{len(left_out):,} of {len(asked):,} test rows leave no room for {decoding.max_new_tokens:,} new tokens"
        fix = "Of them only the loss is measured, over the maximum length. Lower the new tokens, or shorten the rows."
        job.problems.append(Problem("warning", f"{what} in the model's context: row {rows}.", fix))
    known = {e.id for e in left_out}
    return [e for e in asked if e.id not in known]


def _answers(
    sides: Sides, tokenizer, asked: list[Example], decoding: Decoding, job: _Job
) -> list[tuple[Generation, Generation]]:
    """Both sides' answers as pairs, in the order of `asked`; what an earlier attempt at this job kept is not asked for
    again. Each batch is on disk before the next begins."""
    partial = job.folder / "answers.partial.jsonl"
    known = generation.read_pairs([job.folder / "generations.jsonl", partial])
    missing = [e for e in asked if e.id not in known]

    def keep(pairs: list[tuple[Generation, Generation]]) -> None:
        with open(partial, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(g.to_dict(), ensure_ascii=False) + "\n" for pair in pairs for g in pair)

    made = generation.generate_both(sides, tokenizer, missing, decoding, job.tell, job.should_stop, keep)
    known |= {pair[0].example_id: pair for pair in made}
    return [known[e.id] for e in asked if e.id in known]


def _benchmarks(
    spec: dict[str, Any],
    sides: Sides,
    tokenizer,
    job: _Job,
    strength: float = 1.0,
    keep: Callable[[dict[str, Any]], None] | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """Ask both sides. What the tuned side has answered is in the job's folder, what the base has, in the cache.

    `keep` is given the benchmarks that are complete whenever another is.
    """
    chosen = Path(spec["benchmark_folder"]) if spec["benchmark_folder"] else None
    how = asking.How(
        spec["benchmark_limit"],
        spec["seed"],
        spec.get("shots") or {},
        bool(spec.get("chat_template")),
        bool(spec.get("early_stop")),
        asking.pinned_revisions(job.folder / "revisions.json", spec["benchmarks"], chosen),
    )
    about, known = job.report["environment"], sides.proof["base_weights_sha256"]
    base = f"{known[:20]}-{spec.get('quantization', 'none')}-{about['dtype']}-{about['device'].split(':')[0]}.jsonl"
    kept = {
        "base": Scores((job.cache or job.folder / "scores") / base),
        "tuned": Scores(job.folder / "scores" / f"tuned-{100 * strength:g}.jsonl"),
    }
    found = asking.run(
        sides, tokenizer, spec["benchmarks"], chosen, how, kept, job.tell, job.should_stop, job.packed, keep
    )
    return found["tasks"], [Problem(**p) for p in found["problems"]]


def _checkpoints(sides: Sides, measured: heldout_loss.HeldOut, job: _Job) -> None:
    """The loss of each kept checkpoint and of the final adapter, added to the report one by one."""
    run = Path(job.spec["adapter"]).parent
    found = job.report["checkpoints"] = []
    kept = checkpoints.find(run)
    if not kept:
        what, fix = "The run kept no checkpoints.", "Only its final adapter is compared."
        job.problems.append(Problem("note", what, fix))
    for n, (step, folder) in enumerate(kept):
        job.part = (n, len(kept))
        try:
            with checkpoints.loaded(sides, folder) as model:
                losses = heldout_loss.losses_of(model, measured.rows, job.packed, job.tell, job.should_stop)
        except UserError as e:
            job.problems.append(Problem("error", f"The checkpoint of step {step} was not measured. {e}"))
            continue
        found.append(_checkpoint(step, False, measured, losses))
    found.append(_checkpoint(checkpoints.step_of_final(run), True, measured, measured.tuned))


def _checkpoint(step: int | None, final: bool, measured: heldout_loss.HeldOut, losses: list[float]) -> dict[str, Any]:
    return {
        "step": step,
        "final": final,
        "loss": intervals.ratio(losses, measured.rows.tokens).to_dict(),
        "difference_to_base": measured.against_base(losses).to_dict(),
    }


def _strengths(sides: Sides, tokenizer, measured: heldout_loss.HeldOut, job: _Job) -> None:
    """Loss and benchmarks at each strength, added to the report one by one. 0 and 1 are what was measured before."""
    try:
        how = adapter_scaling.check(Path(job.spec["adapter"]))
        between = sorted({adapter_scaling.checked(s) for s in job.spec["strengths"]} - {0.0, 1.0})
    except UserError as e:
        job.problems.append(Problem("error", f"The strengths were not measured. {e}"))
        return
    compared = _differences(job.report["benchmarks"])
    none = {"difference": 0.0, "low": 0.0, "high": 0.0}
    at_base = {name: {**found, "tuned": found["base"], **none} for name, found in compared.items()}
    first = {"strength": 0.0, "heldout": measured.against_base(measured.base).to_dict(), "benchmarks": at_base}
    last = {"strength": 1.0, "heldout": measured.against_base(measured.tuned).to_dict(), "benchmarks": compared}
    job.report["strength"] = {"how": how, "points": [first, last]}
    steps = len(between) * (2 if compared else 1)
    for n, s in enumerate(between):
        job.part = (n * steps // len(between), steps)
        try:
            with adapter_scaling.at(sides, s) as model:
                losses = heldout_loss.losses_of(model, measured.rows, job.packed, job.tell, job.should_stop)
        except UserError as e:
            job.problems.append(Problem("error", f"Strength {s:g} was not measured. {e}"))
            continue
        point = {"strength": s, "heldout": measured.against_base(losses).to_dict(), "benchmarks": {}}
        job.report["strength"]["points"].insert(-1, point)
        if not compared:
            continue
        job.part = (n * steps // len(between) + 1, steps)
        asked = {**job.spec, "benchmarks": list(compared)}
        found, problems = _benchmarks(asked, adapter_scaling.part(sides, s), tokenizer, job, s)
        wrong = [p for p in problems if p.level != "note"]  # notes were told of the whole evaluation
        job.problems += [Problem(p.level, f"At strength {s:g}: {p.what}", p.fix) for p in wrong]
        point["benchmarks"] = _differences(found)
        job.stop_if_asked()


def _differences(tasks: dict[str, Any]) -> dict[str, Any]:
    """Benchmark → the difference in the metric that is reported of it, of those whose metric is a share of items.

    A perplexity has no place on the one scale that strengths are shown on.
    """
    reported = {name: task["metrics"][task["metric"]] for name, task in tasks.items()}
    return {
        name: metric["difference"]
        for name, metric in reported.items()
        if metric.get("aggregation", "mean") == "mean" and metric.get("higher_is_better", True)
    }
