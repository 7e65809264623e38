"""What the Evaluation tab and the commands `evaluate` and `export report` do. Measuring is a job, started here."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from core.engine.templates import RenderSettings
from core.errors import UserError
from core.evaluation import headline, limits, references
from core.evaluation.heldout.turns import ANSWERS
from core.evaluation.references import References
from core.evaluation.result import About, DatasetAbout, Report, report_of
from core.evaluation.spec import EvaluationChoice, EvaluationSpec
from core.jobs import queue
from core.models import catalogue
from core.store.datasets import SPLITS
from core.store.workspace import Job, Workspace
from core.tokens.views import Written
from core.training.answering import Answering
from core.training.result import what_answers
from core.types import Decoding


def start_evaluation(workspace: Workspace, run: Job, choice: EvaluationChoice | None = None, **changes: Any) -> Job:
    """Queue base against tuned on the run's frozen test rows."""
    from core.evaluation import effort

    choice = replace(choice or EvaluationChoice(), **changes)
    if choice.size and choice.size not in effort.SIZES:
        raise UserError(f"There is no size “{choice.size}”. Choose from {', '.join(effort.SIZES)}.")
    limits.check(workspace, choice)
    if choice.answers not in ANSWERS:
        raise UserError(f"Answers are asked for as {' or '.join(ANSWERS)}, not as “{choice.answers}”.")
    adapter = workspace.folder(run) / "adapter"
    answering = what_answers(workspace, run)
    if choice.strengths:
        from core.models import adapter_scaling

        adapter_scaling.check(adapter)
        choice = replace(choice, strengths=tuple(sorted({adapter_scaling.checked(s) for s in choice.strengths})))
    if choice.max_new_tokens is not None and choice.max_new_tokens < 1:
        raise UserError(
            f"The longest answer is {choice.max_new_tokens} tokens. Give 1 or more, or none: it follows the references."
        )
    followed = None if choice.max_new_tokens else followed_by(workspace, answering, choice.max_rows, choice.answers)
    most = followed.limit if followed else choice.max_new_tokens
    assert most is not None  # one of the two is there
    spec = EvaluationSpec(
        **asdict(answering),
        max_length=run.spec["settings"]["max_length"],
        decoding=Decoding(most, seed=choice.seed, reasoning_tokens=choice.reasoning_tokens),
        max_rows=choice.max_rows,
        answers=choice.answers,
        references=followed,
        benchmarks=choice.benchmarks,
        benchmark_limit=effort.SIZES[choice.size] if choice.size else choice.benchmark_items,
        benchmark_folder=choice.benchmark_folder,
        seed=choice.seed,
        strengths=choice.strengths,
        checkpoints=choice.checkpoints,
        size=choice.size or None,
        shots=dict(choice.shots),
        chat_template=choice.chat_template,
        early_stop=choice.early_stop,
        headline=headline_of(workspace, answering, choice.answers),
    )
    memory = limits.expected_memory(workspace, run)
    job = workspace.add_job(
        run.project_id, "evaluate", f"of run {run.number}", spec.to_dict(), run_id=run.id, memory=memory
    )
    queue.tick(workspace)
    return job


def headline_of(workspace: Workspace, answering: Answering, answers: str) -> tuple[str, ...]:
    """What an evaluation will be about, see headline.py. `answers`: a key of turns.ANSWERS."""
    trained = RenderSettings.of(answering.rendering).answers
    return headline.of_rows(Path(answering.rows_file), answering.split, workspace.models, answers, trained)


def followed_by(workspace: Workspace, answering: Answering, rows: int | None, answers: str) -> References:
    """The references that the longest answer follows, where nobody says how long it is: see references.py.

    `rows`: the first so many test rows; None: all. `answers`: a key of turns.ANSWERS.
    """
    rendering = RenderSettings.of(answering.rendering)
    written = Written(answering.model, str(workspace.models), answering.template, rendering, answering.revision)
    return references.follow(written, answering.rows_file, answering.split, rows, answers)


def _synthetic(workspace: Workspace, version_id: str) -> dict[str, int] | None:
    """Split → rows that a model wrote, of those that have any."""
    rows = workspace.rows(version_id)
    counts = {split: int((rows.synthetic & (rows.splits == i)).sum()) for i, split in enumerate(SPLITS)}
    return {split: n for split, n in counts.items() if n} or None


def document(workspace: Workspace, evaluation: Job) -> Report:
    """The report as it may be kept and shared: with what it was of in `about`, without folders of this machine."""
    from core.evaluation.report.document import command

    report = report_of(workspace, evaluation)
    run = workspace.job(evaluation.run_id) if evaluation.run_id else None
    version = workspace.version(report.spec.dataset_version)
    spec = replace(
        report.spec,
        model=catalogue.public_name(report.spec.model),
        adapter=Path(report.spec.adapter).name,
        rows_file=Path(report.spec.rows_file).name,
        benchmark_folder=Path(report.spec.benchmark_folder).name if report.spec.benchmark_folder else None,
    )
    about = About(
        project=workspace.project(evaluation.project_id).name,
        evaluation=evaluation.number,
        run=run.number if run else None,
        created=evaluation.created,
        dataset=DatasetAbout(version.number, version.content_hash, version.counts, _synthetic(workspace, version.id)),
        command=command(spec, run.number if run else 1),
    )
    return replace(report, spec=spec, about=about)
