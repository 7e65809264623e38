"""What a run leaves behind, for whoever measures it or talks to it: run.json as a dataclass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.files import write_atomically
from core.models.sides import is_trained
from core.records import absent, check_schema, parsed, plain, read
from core.store.workspace import Job, Workspace
from core.training.answering import Answering
from core.training.spec import RunSpec

SCHEMA = 2
"""2: the app's `version`, and the specification in its schema 2. What 1 does not say is None or its default."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """run.json: what was resolved when the run began, so that it can be repeated and judged."""

    version: str | None = None
    """Of the app; None in runs of before 0.2.0."""
    spec: RunSpec
    base_weights_sha256: str
    base_settings: dict[str, str] = field(default_factory=dict)
    """File beside the base's weights → its SHA-256; empty in runs of before."""
    python: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    """Library → its version."""
    device: str | None = None
    dtype: str | None = None
    """Of the base's weights."""
    threads: int | None = None
    threads_wait: str | None = None
    """How a thread waits for the others."""
    allocator: dict[str, str] = field(default_factory=dict)
    """Environment variables of glibc's allocator."""
    processes: int = 1
    packed: bool | None = None
    """Did rows share their prefixes?"""
    trainable_parameters: int | None = None
    all_parameters: int | None = None
    rows: dict[str, int] = field(default_factory=dict)
    """Split → rows that are trained or validated."""
    dropped: int = 0
    refused: int = 0
    """Training rows that the template cannot write, and that were left out; not among the dropped."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why training rows are not trained → how many: of the dropped and the refused."""
    truncated: int = 0
    tokens_per_epoch: int = 0
    trained_tokens_per_epoch: int = 0
    steps: int | None = None
    strength: float | None = absent()
    """The part of its strength that an adapter was saved at."""
    strength_of_run: int | None = absent()
    """Number of the run it was saved from."""
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        return plain(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> RunRecord:
        """A record of this release or of any before. Raises UserError for a newer one, and for what is none."""
        what = "The run's record (run.json)"
        check_schema(raw, SCHEMA, what)
        spec = RunSpec.from_dict(raw["spec"]) if "spec" in raw else None
        return read(cls, {**raw, "spec": spec, "schema": SCHEMA}, what)

    def write(self, folder: Path) -> None:
        write_atomically(folder / "run.json", json.dumps(self.to_dict(), ensure_ascii=False, indent=2))


def record_of(folder: Path) -> RunRecord:
    """The record in a run's folder."""
    return RunRecord.from_dict(parsed(folder / "run.json", "The run's record"))


def what_answers(workspace: Workspace, run: Job) -> Answering:
    """The part of a specification that says which two sides answer, and on which rows: for evaluations and chats.

    Raises UserError where the run has trained nothing.
    """
    folder = workspace.folder(run)
    if run.kind != "train" or not is_trained(folder / "adapter"):
        raise UserError(f"{run.title} has no trained adapter yet. Wait until it has finished, or choose another run.")
    trained, record = RunSpec.from_dict(run.spec), record_of(folder)
    return Answering(
        model=trained.model,
        revision=trained.revision,
        template=trained.template,
        rendering=trained.rendering.to_dict(),
        adapter=str(folder / "adapter"),
        quantization=trained.settings.quantization,
        base_weights_sha256=record.base_weights_sha256,
        base_settings=record.base_settings,
        dataset_version=trained.dataset_version,
        rows_file=trained.rows_file,
    )
