"""The verbs of the loop, each once: what a tab's button does and what the command of the same name does.

Everything here goes through a Workspace and so belongs to an owner. Nothing here trains, scores or generates: those
are jobs, started here and followed by whoever wants to look.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.jobs import events, supervisor
from core.models import catalogue, loading, sizing, starter
from core.tokens.preview import Preview, context_problems
from core.tokens.preview import preview as preview_tokens
from core.tokens.statistics import TokenReport, as_trained, cached_lengths, token_report
from core.training import methods
from core.training.spec import RunSpec, TrainSettings
from core.types import Decoding, Event, Example, Generation, LabelEvent, Suggestion, UserError
from core.workspace import Job, Workspace, new_id, read_rows, write_atomically

Progress = Callable[[float, str], None]


def _silent(share: float, what: str) -> None:
    pass


# Tokens


def preview(
    workspace: Workspace,
    model: str,
    example: Example,
    max_length: int | None,
    progress: Progress = _silent,
    template: str = "",
) -> Preview:
    """One row as the model will see it, with a Problem where it is longer than the model can take."""
    tokenizer = tokenizer_of(workspace, model, progress, template)
    shown = preview_tokens(example, tokenizer, max_length)
    shown.problems.extend(context_problems(shown, loading.context_length(model, workspace.models)))
    return shown


def tokens_of(
    workspace: Workspace,
    model: str,
    version_id: str,
    settings: TrainSettings,
    progress: Progress = _silent,
    template: str = "",
) -> TokenReport:
    """What of a dataset version will be trained under these settings. Lengths are measured once and kept on disk."""
    tokenizer = tokenizer_of(workspace, model, progress, template)
    examples = workspace.examples(version_id)
    measured = cached_lengths(workspace.rows_file(version_id), examples, tokenizer)
    return token_report(examples, measured, tokenizer, settings, loading.context_length(model, workspace.models))


def tokenizer_of(workspace: Workspace, model: str, progress: Progress = _silent, template: str = ""):
    """The tokenizer of a model as a person named it, with the template they chose."""
    model = catalogue.checked_name(model, workspace.settings)
    loading.locate(model, workspace.models, progress)
    return loading.tokenizer(model, workspace.models, template=template)


# Training and evaluation: jobs


def memory_by_method(
    workspace: Workspace,
    model: str,
    version_id: str | None,
    settings: TrainSettings,
    template: str = "",
    revision: str | None = None,
) -> list[sizing.Estimate]:
    """What a run of these settings on these rows takes, with each method in the place of the chosen one.

    Fetches no weights: where the model is not on this machine yet, each row is taken to fill the maximum length.
    """
    model = catalogue.checked_name(model, workspace.settings)
    lengths: tuple[tuple[int, int], ...] = ()
    if version_id and (Path(model).is_dir() or (model == starter.STARTER and starter.is_here(workspace.models))):
        lengths = _longest_rows(workspace.rows_file(version_id), model, workspace.models, template, settings.max_length)
    methods = [replace(settings, method=name) for name in sizing.METHODS]
    return [sizing.estimate(model, workspace.models, each, lengths, revision) for each in methods]


@lru_cache(maxsize=32)  # a version's rows never change
def _longest_rows(
    rows_file: Path, model: str, models: Path, template: str, max_length: int, most: int = 512
) -> tuple[tuple[int, int], ...]:
    """(untrained, all) tokens of the longest training rows that have something to train: as many as one step takes."""
    tokenizer = loading.tokenizer(model, models, template=template)
    examples = read_rows(rows_file)
    measured = cached_lengths(rows_file, examples, tokenizer)
    untrained, total = as_trained(examples, measured, tokenizer, max_length)
    rows = [row for row in zip(untrained.tolist(), total.tolist(), strict=True) if row[0] < max_length]
    return tuple(sorted(rows, key=lambda row: -row[1])[:most])


def start_training(workspace: Workspace, project_id: str, spec: RunSpec, name: str = "") -> Job:
    """Queue a training run and start it as soon as nothing else runs.

    A model of the Hub is pinned to the commit that its id stands for now: what resumes, evaluates or talks to the run
    loads that one.
    """
    catalogue.checked_name(spec.model, workspace.settings)
    methods.check(spec.settings)
    version = workspace.version(spec.dataset_version)
    if version.project_id != project_id:
        raise UserError("The dataset version belongs to another project. Choose one of this project.")
    spec = replace(spec, revision=spec.revision or loading.newest_revision(spec.model))
    job = workspace.add_job(project_id, "train", name or spec.preset, spec.to_dict())
    supervisor.tick(workspace)
    return job


@dataclass(frozen=True)
class EvaluationChoice:
    """What an evaluation measures besides the held-out loss."""

    max_rows: int | None = None
    """Test rows to generate for; None: all."""
    max_new_tokens: int = 96
    benchmarks: tuple[str, ...] = ()
    benchmark_items: int = 100
    """Items per benchmark, drawn at random with the seed; the same for both sides."""
    benchmark_folder: str | None = None
    """Folder of benchmark files; None: the Hub."""
    seed: int = 0
    strengths: tuple[float, ...] = ()
    """Parts of the adapter's strength between 0 and 1 to measure too: see core/evaluation/strength.py."""
    checkpoints: bool = False
    """Whether the run's checkpoints are measured too."""
    size: str = ""
    """quick | standard | full: how many items per benchmark, in the place of `benchmark_items`."""
    shots: tuple[tuple[str, int], ...] = ()
    """(benchmark, examples shown before each question), where it is not the task's own number."""
    chat_template: bool = False
    """Whether benchmarks' questions are put into the model's chat template, as lm-eval's --apply_chat_template does."""
    early_stop: bool = False
    """Whether a benchmark may stop as soon as the interval of its difference is narrow enough."""


def start_evaluation(
    workspace: Workspace, run: Job, choice: EvaluationChoice = EvaluationChoice(), **changes: Any
) -> Job:
    """Queue base against tuned on the run's frozen test rows."""
    from dataclasses import asdict

    from core.evaluation import effort

    choice = replace(choice, **changes)
    if choice.size and choice.size not in effort.SIZES:
        raise UserError(f"There is no size “{choice.size}”. Choose from {', '.join(effort.SIZES)}.")
    adapter = workspace.folder(run) / "adapter"
    answering = what_answers(workspace, run)
    if choice.strengths:
        from core.evaluation import strength

        strength.check(adapter)
        choice = replace(choice, strengths=tuple(sorted({strength.checked(s) for s in choice.strengths})))
    spec = {
        **answering,
        "max_length": run.spec["settings"]["max_length"],
        "decoding": asdict(Decoding(max_new_tokens=choice.max_new_tokens, seed=choice.seed)),
        "max_rows": choice.max_rows,
        "benchmarks": list(choice.benchmarks),
        "benchmark_limit": effort.SIZES[choice.size] if choice.size else choice.benchmark_items,
        "benchmark_folder": choice.benchmark_folder,
        "seed": choice.seed,
        "strengths": list(choice.strengths),
        "checkpoints": choice.checkpoints,
        "size": choice.size or None,
        "shots": dict(choice.shots),
        "chat_template": choice.chat_template,
        "early_stop": choice.early_stop,
    }
    job = workspace.add_job(run.project_id, "evaluate", f"of run {run.number}", spec, run_id=run.id)
    supervisor.tick(workspace)
    return job


def what_answers(workspace: Workspace, run: Job) -> dict[str, Any]:
    """The part of a specification that says which two sides answer, and on which rows: for evaluations and chats.

    Raises UserError where the run has trained nothing.
    """
    folder = workspace.folder(run)
    if run.kind != "train" or not loading.is_trained(folder / "adapter"):
        raise UserError(f"{run.title} has no trained adapter yet. Wait until it has finished, or choose another run.")
    trained = RunSpec.from_dict(run.spec)
    return {
        "schema": 1,
        "model": trained.model,
        "revision": trained.revision,
        "template": trained.template,
        "adapter": str(folder / "adapter"),
        "quantization": trained.settings.quantization,
        "base_weights_sha256": json.loads((folder / "run.json").read_text(encoding="utf-8"))["base_weights_sha256"],
        "dataset_version": trained.dataset_version,
        "rows_file": trained.rows_file,
        "split": "test",
    }


def save_strength(workspace: Workspace, run: Job, strength: float) -> Job:
    """What a run trained at a part of its strength, as a finished run of its own: to evaluate, talk to and share.

    The run that was trained stays as it is; a strength that was saved before is returned and not written again.
    Raises UserError as `core.evaluation.strength.save_at`.
    """
    from core.evaluation.strength import save_at

    name = f"{run.name} at {100 * strength:g} %"
    same = [j for j in workspace.jobs(run.project_id, "train") if (j.run_id, j.name) == (run.id, name)]
    if same:
        return same[0]
    folder = workspace.folder(run)
    made = folder.with_name(f".{new_id()}.partial")
    made.mkdir()
    try:
        save_at(folder, strength, made / "adapter", workspace.models)
        resolved = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        resolved |= {"strength": strength, "strength_of_run": run.number}
        write_atomically(made / "run.json", json.dumps(resolved, ensure_ascii=False, indent=2))
        about = f"Run {run.number} at {100 * strength:g} % of its strength."
        supervisor.write_outcome(made, "finished", about, adapter_sha256=loading.adapter_hash(made / "adapter"))
        return workspace.add_job(run.project_id, "train", name, run.spec, run_id=run.id, finished=made)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def follow(workspace: Workspace, job: Job, say: Callable[[str], None]) -> supervisor.Status:
    """Follow a job to its end, saying what a person at a terminal wants to know."""
    return supervisor.wait(workspace, job, lambda event: _say(event, say))


def _say(event: Event, say: Callable[[str], None]) -> None:
    payload = event.payload
    if event.kind in ("status", "error", "log"):
        say(payload["text"])
    elif "validation_loss" in payload:
        say(f"Step {event.step}: validation loss {payload['validation_loss']:.3f}")
    elif event.kind == "progress" and event.step and event.step % 10 == 0:
        say(
            f"Step {payload['step']} of {payload['steps']}, {payload['tokens_per_second']:.0f} tokens/s, "
            f"about {payload['seconds_left']:.0f} s left"
        )


def new_events(workspace: Workspace, job: Job, offset: int = 0) -> tuple[list[Event], int]:
    """Events of a job from byte `offset` of its log on, and the next offset."""
    return events.read(workspace.folder(job) / "events.jsonl", offset)


# What an evaluation left behind


def report(workspace: Workspace, evaluation: Job) -> dict[str, Any]:
    """The evaluation's report.json, and what a judge said since. Raises UserError while there is none."""
    from core import judge

    found = json.loads(_file(workspace, evaluation, "report.json").read_text(encoding="utf-8"))
    judged = judge.result(workspace, evaluation)
    return found | ({"judge": judged} if judged else {})


def sentences(report: dict[str, Any]) -> list[str]:
    from core.evaluation.sentences import summarise

    return summarise(report)


def document(workspace: Workspace, evaluation: Job) -> dict[str, Any]:
    """The report as it may be kept and shared: with what it was of in `about`, without folders of this machine."""
    from core.evaluation.report import command

    found = report(workspace, evaluation)
    run = workspace.job(evaluation.run_id) if evaluation.run_id else None
    version = workspace.version(evaluation.spec["dataset_version"])
    spec = found["spec"] = dict(found["spec"])
    spec["model"] = catalogue.public_name(spec["model"])
    for key in ("adapter", "rows_file", "benchmark_folder"):
        spec[key] = Path(spec[key]).name if spec.get(key) else None
    found["about"] = {
        "project": workspace.project(evaluation.project_id).name,
        "evaluation": evaluation.number,
        "run": run.number if run else None,
        "created": evaluation.created,
        "dataset": {"version": version.number, "content_hash": version.content_hash, "rows": version.counts},
        "command": command(spec, run.number if run else 1),
    }
    return found


def evaluations_with_report(workspace: Workspace, project_id: str, run: Job | None = None) -> list[Job]:
    """Evaluations of a project (of a run, where one is named) that are over and measured something, newest first."""
    found = []
    for job in workspace.jobs(project_id, "evaluate"):
        path = workspace.folder(job) / "report.json"
        wanted = (run is None or job.run_id == run.id) and path.is_file() and supervisor.status(workspace, job).over
        if wanted and _has_measures(path, path.stat().st_mtime):
            found.append(job)
    return found


@lru_cache(maxsize=1024)
def _has_measures(path: Path, modified: float) -> bool:
    from core.evaluation.measures import measures

    return bool(measures(json.loads(path.read_text(encoding="utf-8"))))


def generations(workspace: Workspace, evaluation: Job) -> dict[str, dict[str, Generation]]:
    """example id → side → what that side answered."""
    found: dict[str, dict[str, Generation]] = {}
    for line in _lines(_file(workspace, evaluation, "generations.jsonl")):
        made = Generation.from_dict(line)
        found.setdefault(made.example_id, {})[made.side] = made
    return found


def suggestions(workspace: Workspace, evaluation: Job) -> dict[str, list[Suggestion]]:
    """generation id → what the detectors say of it."""
    found: dict[str, list[Suggestion]] = {}
    for line in _lines(_file(workspace, evaluation, "suggestions.jsonl")):
        found.setdefault(line["generation_id"], []).append(Suggestion.from_dict(line))
    return found


def reviewed_examples(workspace: Workspace, evaluation: Job) -> list[Example]:
    """The examples that both sides answered, in the order of the file."""
    answered = {id_ for id_, sides in generations(workspace, evaluation).items() if len(sides) == 2}
    if evaluation.kind == "chat":
        saved = [Example.from_dict(line) for line in _lines(_file(workspace, evaluation, "examples.jsonl"))]
        return [e for e in saved if e.id in answered]
    version = workspace.version(evaluation.spec["dataset_version"])
    return [e for e in workspace.examples(version.id, evaluation.spec["split"]) if e.id in answered]


def flag_counts(workspace: Workspace, evaluation: Job) -> dict[str, dict[str, int]]:
    """side → label → number of outputs that a detector flagged."""
    by_id = suggestions(workspace, evaluation)
    counts: dict[str, Counter] = {"base": Counter(), "tuned": Counter()}
    for sides in generations(workspace, evaluation).values():
        for side, made in sides.items():
            counts[side].update({s.label: int(s.flagged) for s in by_id.get(made.id, [])})
    return {side: dict(counter) for side, counter in counts.items()}


def samples(workspace: Workspace, evaluation: Job, n: int) -> list[dict[str, str]]:
    """The first n test rows with what both sides answered."""
    made = generations(workspace, evaluation)
    return [
        {
            "prompt": e.prompt,
            "reference": e.target,
            "base": made[e.id]["base"].text,
            "tuned": made[e.id]["tuned"].text,
        }
        for e in reviewed_examples(workspace, evaluation)[:n]
    ]


# Labels


def add_label(workspace: Workspace, evaluation: Job, event: LabelEvent) -> LabelEvent:
    """Store one act of labelling. The evaluation must be the owner's and hold the example."""
    from core.review import labels

    workspace.job(evaluation.id)
    if event.example_id not in generations(workspace, evaluation):
        raise UserError("This row is not part of the evaluation. Choose a row from its list.")
    return labels.add(workspace.engine, evaluation.project_id, event)


def export_labels(workspace: Workspace, evaluation: Job) -> str:
    """All labelled rows of an evaluation as JSON lines: what each annotator said last of each row."""
    from core.review import labels

    workspace.job(evaluation.id)
    newest = {(e.example_id, e.annotator): e for e in labels.history(workspace.engine, evaluation.id)}
    rows = labels.export_rows(
        reviewed_examples(workspace, evaluation),
        [made for sides in generations(workspace, evaluation).values() for made in sides.values()],
        [found for of_one in suggestions(workspace, evaluation).values() for found in of_one],
        newest.values(),
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _file(workspace: Workspace, job: Job, name: str) -> Path:
    path = workspace.folder(job) / name
    if not path.is_file():
        now = supervisor.status(workspace, job)
        raise UserError(f"{job.title} has no {name.split('.')[0]} yet; it is {now.state}. {now.message}".strip())
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    # Only "\n" ends a line: generated text may hold U+2028 and the like.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
