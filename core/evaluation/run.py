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

from core.evaluation import benchmarks, generation, heldout, metrics, statistics
from core.evaluation.report import TEXT_METRICS
from core.evaluation.scorer import ShouldStop, Stopped
from core.models import loading
from core.models.loading import Sides
from core.types import Decoding, Example, Generation, Problem, UserError
from core.workspace import write_atomically, written_atomically

Log = Callable[..., None]
"""log(kind, payload, step=None)"""

PHASES = {"loading": 1, "heldout": 2, "generation": 5, "benchmarks": 5}
"""Rough shares of the whole time, for the progress bar."""


def evaluate(
    folder: Path,
    spec: dict[str, Any],
    models: Path,
    examples_of: Callable[[str], list[Example]],
    log: Log,
    should_stop: ShouldStop,
) -> dict[str, Any]:
    """Measure base against tuned as `spec` says and return the report, which is also in `folder`/report.json.

    Raises UserError when nothing can be measured; a benchmark that fails, and a stop, are in the report's `problems`.
    """
    examples = examples_of(spec["split"])
    if not examples:
        raise UserError(f"The dataset has no rows in the split “{spec['split']}”. Import it with a share for it.")
    job = _Job(folder, spec, log, should_stop)
    asked = [e for e in examples if e.messages]
    if len(asked) < len(examples):
        what = f"{len(examples) - len(asked):,} test rows are plain text and ask nothing."
        job.problems.append(Problem("note", what, "Of them the loss is measured, over the maximum length."))
    try:
        with job.phase("loading", "Loading the model …"):
            sides, tokenizer = _load(spec, models, job)
            decoding = Decoding(**spec["decoding"])
            generation.fitting_prompts(sides.model, tokenizer, asked, decoding)
        with job.phase("heldout", f"Measuring the loss on {len(examples):,} rows …"):
            measured = heldout.measure(
                sides, tokenizer, examples, spec["max_length"], job.packed, job.tell, should_stop
            )
            job.report["heldout"] = measured.report()
            job.problems += measured.problems
            _write_rows(folder, examples, measured, [])
        with job.phase("generation", f"Base and tuned each answer {len(asked):,} rows …"):
            pairs = _answers(sides, tokenizer, asked, decoding, job)
            job.report["heldout"] |= _text_metrics(folder, examples, measured, pairs)
            job.stop_if_asked()
        if spec["benchmarks"]:
            with job.phase("benchmarks", "Asking both sides the benchmarks' questions …"):
                job.report["benchmarks"], problems = _benchmarks(spec, sides, tokenizer, job)
                job.problems += problems
                job.stop_if_asked()
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
    packed: bool | None = None
    current: str = ""
    problems: list[Problem] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    shown: float = -1.0

    def __post_init__(self) -> None:
        empty = {"heldout": {}, "benchmarks": {}, "proof": {}, "environment": {}, "seconds": {}, "problems": []}
        self.report = {"schema": 1, "spec": self.spec, **empty}

    @contextmanager
    def phase(self, name: str, text: str) -> Iterator[None]:
        """Say what begins, time it, and write the report when it ends, well or not."""
        self.current = name
        self.log("status", {"text": text})
        began = time.perf_counter()
        try:
            yield
        finally:
            self.report["seconds"][name] = round(time.perf_counter() - began, 2)
            self.write()

    def tell(self, done: int, total: int) -> None:
        """Progress within the current phase, as a share of the whole job; at most about a hundred events."""
        weights = {name: w for name, w in PHASES.items() if name != "benchmarks" or self.spec["benchmarks"]}
        before = sum(list(weights.values())[: list(weights).index(self.current)])
        share = (before + weights[self.current] * done / max(total, 1)) / sum(weights.values())
        if share - self.shown >= 0.01 or done == total:
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

    from core.packing import takes_packs

    loading.locate(spec["model"], models, lambda share, what: job.tell(int(100 * share), 100))
    tokenizer = loading.tokenizer(spec["model"], models, spec["revision"], spec.get("template", ""))
    sides = loading.load_sides(
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


def _answers(sides: Sides, tokenizer, asked: list[Example], decoding: Decoding, job: _Job):
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


def _text_metrics(
    folder: Path, examples: list[Example], measured: heldout.HeldOut, pairs: list[tuple[Generation, Generation]]
) -> dict[str, Any]:
    """Write generations.jsonl and rows.jsonl; returns metric → base, tuned and their difference, over all pairs."""
    with written_atomically(folder / "generations.jsonl") as file:
        for made in pairs:
            file.writelines(json.dumps(g.to_dict(), ensure_ascii=False) + "\n" for g in made)
    (folder / "answers.partial.jsonl").unlink(missing_ok=True)
    targets = {e.id: e.target for e in examples}
    scored = [
        {g.side: {k: f(g.text, targets[g.example_id]) for k, f in metrics.METRICS.items()} for g in pair}
        | {"id": pair[0].example_id}
        for pair in pairs
    ]
    _write_rows(folder, examples, measured, scored)
    found = {}
    for metric in TEXT_METRICS if scored else ():
        base, tuned = ([row[side][metric] for row in scored] for side in ("base", "tuned"))
        found[metric] = {
            "base": statistics.mean(base).to_dict(),
            "tuned": statistics.mean(tuned).to_dict(),
            "difference": statistics.paired_difference(base, tuned).to_dict(),
        }
    return found


def _write_rows(folder: Path, examples: list[Example], measured: heldout.HeldOut, scored: list[dict[str, Any]]) -> None:
    """rows.jsonl: each example's loss per token and text metrics on both sides, as far as they were measured."""
    losses = zip(measured.examples, measured.tokens, measured.base, measured.tuned, strict=True)
    by_id = {e.id: (n, {"base": base / n, "tuned": tuned / n}) for e, n, base, tuned in losses}
    texts = {row["id"]: row for row in scored}
    with written_atomically(folder / "rows.jsonl") as file:
        for e in examples:
            n, loss = by_id.get(e.id, (0, {}))
            sides = {
                side: ({"loss": loss[side]} if loss else {}) | texts.get(e.id, {}).get(side, {})
                for side in ("base", "tuned")
            }
            file.write(json.dumps({"id": e.id, "row": e.row, "tokens": n, **sides}) + "\n")


def _benchmarks(spec: dict[str, Any], sides: Sides, tokenizer, job: _Job) -> tuple[dict[str, Any], list[Problem]]:
    chosen = Path(spec["benchmark_folder"]) if spec["benchmark_folder"] else None
    names, limit, seed = spec["benchmarks"], spec["benchmark_limit"], spec["seed"]
    found = benchmarks.run(sides, tokenizer, names, chosen, limit, seed, job.tell, job.should_stop, job.packed)
    return found["tasks"], [Problem(**p) for p in found["problems"]]
