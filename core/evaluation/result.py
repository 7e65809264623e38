"""What an evaluation leaves behind: report.json as dataclasses, read from the shape of every release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.errors import Problem, UserError
from core.evaluation.benchmarks import result as benchmark_result
from core.evaluation.benchmarks.result import BenchmarkResult
from core.evaluation.heldout.result import HeldOut
from core.evaluation.spec import EvaluationSpec
from core.jobs.answers import file_of
from core.jobs.status import status_of
from core.judge.result import Judgement
from core.records import absent, check_schema, parsed, plain, read
from core.statistics.intervals import Estimate, Interval
from core.store.workspace import Job, Workspace
from core.types import Side

SCHEMA = 4
"""4: the specification's `headline`; intervals with `level`, `changed` and `why`; `published`, `fell`. 3: each
benchmark's `overlap`. 2: the app's `version`, each benchmark's `p`, a `source` in parts. `upgraded` makes older shapes
alike."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Evidence that the side called base is the base: see core.models.sides.load_sides."""

    base_weights_sha256: str
    adapter_sha256: str
    base_settings: dict[str, str] = field(default_factory=dict)
    """File beside the base's weights → its SHA-256; empty in reports of before."""
    template: str | None = absent()
    """Name of the chat template; empty: the model's own, which is among the settings."""
    quantization: str | None = absent()
    dtype: str | None = absent()
    computed_by: dict[str, str] = field(default_factory=dict)
    """Device, libraries and our own kernels → which; empty in reports of before."""
    copies: int = 1
    """Of the weights: 2 where all of them were trained."""
    adapter_off_equals_plain_model: bool | None = absent()
    largest_logit_difference_base_to_plain: float = 0.0
    largest_logit_difference_tuned_to_base: float | None = absent()
    active_adapters: dict[Side, tuple[str, ...]] | None = absent()


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What it was measured on."""

    python: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    packed: bool | None = None
    """Did several rows share one forward pass?"""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint of the run on the held-out rows."""

    step: int | None
    """None where the run did not note it."""
    final: bool
    """Is it the adapter that was kept?"""
    loss: Estimate
    difference_to_base: Interval


@dataclass(frozen=True)
class StrengthPoint:
    """The tuned model at an adapter scale: 0 is the base, 1 the adapter as it was trained."""

    strength: float
    heldout: Interval | None
    """Of the loss, against the base."""
    benchmarks: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Strength:
    how: str
    """What is scaled, in a sentence."""
    points: tuple[StrengthPoint, ...]
    """By strength."""


@dataclass(frozen=True)
class DatasetAbout:
    version: int
    content_hash: str
    rows: dict[str, int]
    """Split → its rows."""
    synthetic: dict[str, int] | None = absent()
    """Split → those of its rows that a model wrote; None where none is."""


@dataclass(frozen=True)
class About:
    """What a report that leaves the machine was of: see core.evaluation.actions.document."""

    project: str
    evaluation: int
    run: int | None
    created: str
    dataset: DatasetAbout
    command: str
    """The command line that measures the same again."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """report.json; and, where they are there, what a judge said since and what the report was of."""

    schema: int = SCHEMA
    version: str | None = None
    """Of the app; None in reports of before 0.2.0."""
    spec: EvaluationSpec
    heldout: HeldOut | None = None
    """None where, or while, no loss is measured."""
    benchmarks: dict[str, BenchmarkResult] = field(default_factory=dict)
    """By the name of lm-eval's task."""
    proof: Proof | None = None
    environment: Environment | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """Phase → how long it took."""
    problems: tuple[Problem, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()
    strength: Strength | None = absent()
    judge: Judgement | None = absent()
    about: About | None = absent()

    @property
    def measured(self) -> bool:
        """Is there anything to show or to compare?"""
        return self.heldout is not None or bool(self.benchmarks)

    @classmethod
    def from_dict(cls, raw: Any) -> Report:
        """A report of this release or of any before. Raises UserError for what is none."""
        what = "The evaluation's report"
        schema = check_schema(raw, SCHEMA, what)
        try:
            report = upgraded(raw, schema)
        except (AttributeError, KeyError, TypeError, ValueError) as e:
            why = "a part of it has a shape that no release wrote"
            raise UserError(f"{what} cannot be read: {why} ({e}). Restore it, or measure again.") from e
        return read(cls, report, what)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in report.json: what was not measured yet is an empty object."""
        empty: dict[str, Any] = {name: {} for name in EMPTY if getattr(self, name) is None}
        return plain(self) | empty


EMPTY = ("heldout", "proof", "environment")
"""Parts that are an empty object in the file while there is nothing of them."""


def upgraded(raw: Mapping[str, Any], schema: int) -> dict[str, Any]:
    """What any release wrote, in the shape of this one."""
    report = {**raw, "schema": SCHEMA, **{name: raw.get(name) or None for name in EMPTY}}
    if schema == 1:
        benchmarks = {name: benchmark_result.upgraded(result) for name, result in (raw.get("benchmarks") or {}).items()}
        report |= {"benchmarks": benchmarks, "checkpoints": raw.get("checkpoints") or ()}
    return report


def report_in(folder: Path) -> Report:
    """report.json of a job's folder. Raises UserError for a damaged one."""
    return Report.from_dict(parsed(folder / "report.json", "The evaluation's report"))


def report_of(workspace: Workspace, evaluation: Job) -> Report:
    """The evaluation's report, and what a judge said since. Raises UserError while there is none."""
    from core.judge import actions as judge_actions

    report = report_in(file_of(workspace, evaluation, "report.json").parent)
    return replace(report, judge=judge_actions.result(workspace, evaluation) or report.judge)


def evaluations_with_report(workspace: Workspace, project_id: str, run: Job | None = None) -> list[Job]:
    """Evaluations of a project (of a run, where one is named) that are over and measured something, newest first."""
    return [
        job
        for job in workspace.jobs(project_id, "evaluate")
        if (run is None or job.run_id == run.id) and status_of(workspace, job).over and _measured(workspace.folder(job))
    ]


def _measured(folder: Path) -> bool:
    path = folder / "report.json"
    return path.is_file() and _has_measures(path, path.stat().st_mtime)


@lru_cache(maxsize=1024)
def _has_measures(path: Path, modified: float) -> bool:
    try:
        return report_in(path.parent).measured
    except UserError:  # a damaged one is no choice in a list; whoever opens it is told why
        return False
