"""What the Training tab and the commands `train` and `strength` do."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from core.errors import UserError
from core.files import partial_of
from core.jobs import queue
from core.jobs.status import write_outcome
from core.models import catalogue, downloads, loading, starter
from core.models.process import MODELS, Progress
from core.models.sides import adapter_hash
from core.store import quota
from core.store.workspace import Job, Workspace, new_id
from core.tokens import views
from core.tokens.remarks import LEFT_OUT, REFUSED, Remark
from core.training import limits, memory, methods
from core.training.result import record_of
from core.training.settings import TrainSettings
from core.training.spec import RunSpec


def memory_by_method(
    workspace: Workspace,
    model: str,
    version_id: str | None,
    settings: TrainSettings,
    template: str = "",
    revision: str | None = None,
    date: str = "",
) -> list[memory.Estimate]:
    """What a run of these settings on these rows takes, with each method in the place of the chosen one.

    Fetches no weights: where the model is not on this machine yet, each row is taken to fill the maximum length.
    """
    model = catalogue.checked_name(model, workspace.settings)
    downloads.require_room(workspace.settings, model, revision)
    lengths: tuple[tuple[int, int], ...] = ()
    if version_id and (Path(model).is_dir() or (model == starter.STARTER and starter.is_here(workspace.models))):
        spec = RunSpec(model, version_id, str(workspace.rows_file(version_id)), settings, revision, template, date=date)
        written = views.Written(model, str(workspace.models), template, spec.rendering, revision)
        lengths = _longest_rows(written, spec.rows_file, settings.max_length)
    methods = [replace(settings, method=name) for name in memory.METHODS]
    return [memory.estimate(model, workspace.models, each, lengths, revision) for each in methods]


@lru_cache(maxsize=32)  # a version's rows never change
def _longest_rows(
    written: views.Written, rows_file: str, max_length: int, most: int = 512
) -> tuple[tuple[int, int], ...]:
    """(untrained, all) tokens of the longest training rows that have something to train: as many as one step takes."""
    return views.longest_rows(written, rows_file, max_length, most)


def preflight(workspace: Workspace, spec: RunSpec) -> None:
    """Raise UserError for what would fail in every run of these: settings, method and model, tokenizer and model.

    Fetches nothing: of a model that is not on this machine only the settings are looked at, and its run says the rest.
    """
    methods.check(spec.settings)
    check_model(workspace, spec.model, spec.template, spec.revision)
    model = catalogue.checked_name(spec.model, workspace.settings)
    if is_here(workspace, model, spec.revision):
        refused = memory.refusal(model, workspace.models, spec.settings, spec.revision)
        if refused:
            raise UserError(refused)


def check_model(workspace: Workspace, model: str, template: str = "", revision: str | None = None) -> None:
    """Raise UserError where the model's name is none, or its tokenizer makes tokens that it has no embedding for."""
    model = catalogue.checked_name(model, workspace.settings)
    if is_here(workspace, model, revision):
        _check_vocabulary(workspace.models, model, revision, template)


@lru_cache(maxsize=64)
def _check_vocabulary(models: Path, model: str, revision: str | None, template: str) -> None:
    views.check_vocabulary(models, model, revision, template)


def is_here(workspace: Workspace, model: str, revision: str | None = None) -> bool:
    """Are the model's configuration and tokenizer on this machine?"""
    return downloads.is_here(model, workspace.models, revision)


def start_training(workspace: Workspace, project_id: str, spec: RunSpec, name: str = "") -> Job:
    """Queue a training run and start it as soon as nothing else runs.

    A model of the Hub is pinned to the commit that its id stands for now: what resumes, evaluates or talks to the run
    loads that one.
    """
    version = workspace.version(spec.dataset_version)
    if version.project_id != project_id:
        raise UserError("The dataset version belongs to another project. Choose one of this project.")
    if workspace.bounded:
        # Wherever the caller says they lie: the rows of this version, and no other file.
        spec = replace(spec, rows_file=str(workspace.rows_file(version.id)))
        _check_limits(workspace, spec, version.counts["train"])
        workspace.take_sample()
        spec = replace(spec, rows_file=str(workspace.rows_file(version.id)))
    preflight(workspace, spec)
    day = spec.date or version.created[:10]
    spec = replace(spec, revision=spec.revision or loading.newest_revision(spec.model), date=day)
    _check_rows(workspace, spec)
    job = workspace.add_job(project_id, "train", name or spec.preset, spec.to_dict())
    queue.tick(workspace)
    return job


def _check_limits(workspace: Workspace, spec: RunSpec, rows: int) -> None:
    """Raise UserError for what a visitor of a Space cannot start: what costs least to find out comes first."""
    with workspace.engine.begin() as db:
        workspace.require_turn(db)
    model = catalogue.checked_name(spec.model, workspace.settings)
    limits.check_settings(workspace.settings.limits, spec.settings, rows)
    limits.check_model(workspace, model, spec.settings, spec.revision)
    written = views.Written(model, str(workspace.models), spec.template, spec.rendering, spec.revision)
    lengths = _longest_rows(written, spec.rows_file, spec.settings.max_length)
    limits.check_model(workspace, model, spec.settings, spec.revision, lengths)


def remarks_of(workspace: Workspace, spec: RunSpec) -> tuple[Remark, ...]:
    """What the template drops of which rows, and which it refuses; nothing where the tokenizer is not on this machine
    yet, so that the run itself will say it.
    """
    model = catalogue.checked_name(spec.model, workspace.settings)
    if model == starter.STARTER and not starter.is_here(workspace.models):
        return ()
    written = views.Written(model, str(workspace.models), spec.template, spec.rendering, spec.revision)
    return views.remarks(written, spec.rows_file)


def refusal(spec: RunSpec, remarks: tuple[Remark, ...]) -> str:
    """Why a run cannot be started with such rows, and what to do; empty where it can."""
    refused = [r for r in remarks if r.kind == REFUSED]
    if not refused or spec.settings.refused == "leave-out":
        return ""
    return f"{' '.join(map(str, refused))} {refused[0].fix}"


def _check_rows(workspace: Workspace, spec: RunSpec) -> None:
    """Raise UserError, before there is a run, where the template refuses rows that are not to be left out, or all."""
    try:
        remarks = remarks_of(workspace, spec)
    except UserError:
        return  # the tokenizer cannot be had: the run says so, with the reason
    if why := refusal(spec, remarks):
        raise UserError(why)
    left_out = [r for r in remarks if r.kind in (REFUSED, LEFT_OUT)]
    if left_out and sum(r.rows for r in left_out) >= sum(workspace.version(spec.dataset_version).counts.values()):
        fixes = " ".join(dict.fromkeys(r.fix for r in left_out))
        raise UserError(
            f"Every row would be left out, and none is left to train. {' '.join(map(str, left_out))} {fixes}"
        )


def save_strength(workspace: Workspace, run: Job, strength: float) -> Job:
    """What a run trained at a part of its strength, as a finished run of its own: to evaluate, talk to and share.

    The run that was trained stays as it is; a strength that was saved before is returned and not written again.
    Raises UserError as `core.models.adapter_scaling.save_at`.
    """
    name = f"{run.name} at {100 * strength:g} %"
    same = [j for j in workspace.jobs(run.project_id, "train") if (j.run_id, j.name) == (run.id, name)]
    if same:
        return same[0]
    folder = workspace.folder(run)
    workspace.require_room(quota.size_of(folder / "adapter"), "An adapter of another strength")
    partial = partial_of(folder.with_name(new_id()))
    partial.mkdir()
    try:
        arguments = str(folder), strength, str(partial / "adapter"), str(workspace.models)
        MODELS.call(answer_save_at, *arguments, patience=1800)
        replace(record_of(folder), strength=strength, strength_of_run=run.number).write(partial)
        about = f"Run {run.number} at {100 * strength:g} % of its strength."
        write_outcome(partial, "finished", about, adapter_sha256=adapter_hash(partial / "adapter"))
        return workspace.add_job(run.project_id, "train", name, run.spec, run_id=run.id, finished=partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def answer_save_at(folder: str, strength: float, target: str, models: str, progress: Progress | None = None) -> None:
    """`save_at` in the process that has torch, which a page has not."""
    from core.models.adapter_scaling import save_at

    save_at(Path(folder), strength, Path(target), Path(models))
