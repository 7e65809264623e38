"""The process that evaluates: `python -m core.evaluation.worker <job folder> <models folder>`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from core.engine.kernels import threads
from core.engine.templates import RenderSettings
from core.evaluation.benchmarks.table import title
from core.evaluation.heldout import relevance, turns
from core.evaluation.spec import EvaluationSpec
from core.files import written_atomically
from core.jobs import events
from core.jobs.events import EventLog
from core.jobs.outcome import Outcome
from core.jobs.process import run_job
from core.models import libraries
from core.records import parsed
from core.review.detectors import suggesting
from core.store.queries import Rows
from core.types import Example, Generation, Split


def work(folder: Path, models: Path, log: EventLog) -> Outcome:
    """Measure, generate, then let the detectors look at what was generated. Returns the outcome.

    Where a benchmark could not be asked, it ends as stopped: going on asks for just that.
    """
    spec = EvaluationSpec.from_dict(parsed(folder / "spec.json", "The specification of the evaluation"))
    libraries.spare_bitsandbytes(spec.model, spec.revision, spec.quantization)
    libraries.spare_scipy()

    from core.evaluation.measuring import evaluate
    from core.evaluation.report.measures import listed

    rows_file = Path(spec.rows_file)
    stop = folder / "stop"
    trained = RenderSettings.of(spec.rendering).answers

    def examples_of(split: Split) -> list[Example]:
        if split != spec.split:
            return turns.asked(rows_file, split, None, "last", trained)
        return turns.asked(rows_file, split, spec.max_rows, spec.answers, trained)

    began = time.time()
    tell = lambda kind, payload: log.write(events.payload_of(kind, payload))  # noqa: E731
    report = evaluate(folder, spec, models, examples_of, tell, stop.exists, folder.parent.parent / "scores")
    if (folder / "generations.jsonl").is_file():
        log.write(events.Status("Looking for what is wrong with the answers …"))
        rows = Rows(rows_file)
        train = rows.of_split("train")
        detect(folder, rows.take(train[suggesting.spread(range(len(train)))]), examples_of(spec.split))
    seconds = round(time.time() - began, 1)
    if stop.exists():
        return Outcome("stopped", "Stopped; what was measured until then is kept.", seconds=seconds)
    if failed := [name for name in spec.benchmarks if name not in report.benchmarks]:
        titles = listed(map(title, failed))
        text = f"Without {titles}, which could not be asked; all else is measured. Mend what was missing, then go on."
        return Outcome("stopped", text, seconds=seconds)
    return Outcome("finished", f"Finished in {seconds:.0f} seconds.", seconds=seconds)


def detect(folder: Path, train: list[Example], examples: list[Example]) -> None:
    """Write suggestions.jsonl: what the detectors say of every generation."""
    learnt = suggesting.prepare(train)
    asked = relevance.read(folder)
    by_id = {e.id: e for e in examples}
    lines = (folder / "generations.jsonl").read_text(encoding="utf-8").split("\n")
    generations = [Generation.from_dict(json.loads(line)) for line in lines if line]
    with written_atomically(folder / "suggestions.jsonl") as file:
        for generation in generations:
            for suggestion in suggesting.suggest(
                learnt, by_id[generation.example_id], generation, relevance=asked.get(generation.id)
            ):
                file.write(json.dumps(suggestion.to_dict(), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    threads.watch()
    job, models_folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.exit(run_job(job, lambda log: work(job, models_folder, log), "The evaluation"))
