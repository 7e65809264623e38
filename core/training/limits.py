"""What a run on a Space may ask for: settings within stated limits, and a model that fits. Elsewhere no bound.

Asked before there is a job, cheapest first. Each sentence has the value, the limit, and what to change.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from core.errors import UserError
from core.jobs import gpus
from core.models import downloads
from core.models.hardware import hardware, total_memory
from core.settings import Limits
from core.store.workspace import Workspace
from core.training import memory
from core.training.memory import Estimate
from core.training.settings import TrainSettings

STATES = 2
"""What AdamW keeps for each trained parameter in a checkpoint, besides the parameter itself; all in float32."""


def check_settings(limits: Limits, settings: TrainSettings, rows: int) -> None:
    """Raise UserError for the first setting that a run on `rows` training rows may not have on a Space."""
    steps, most = settings.steps(rows), limits.max_steps
    if settings.epochs > limits.max_epochs:
        raise UserError(
            f"A run on this Space has at most {limits.max_epochs} epochs, not {settings.epochs}. Lower them."
        )
    if settings.max_length > limits.max_length:
        raise UserError(
            f"The maximum length on this Space is {limits.max_length:,} tokens, not {settings.max_length:,}. Lower it; "
            "the Tokens tab shows what is lost."
        )
    if steps > most:
        raise UserError(
            f"{settings.epochs} × {rows:,} rows, {settings.batch_size} a step, are {steps:,} steps; a run on this "
            f"Space has at most {most:,}. Lower the epochs, raise the batch size, or bring fewer rows."
        )
    cores = os.cpu_count() or 1
    devices = len(gpus.gpus()) or 1 if hardware().gpu else cores
    if settings.processes > devices:
        here = f"{devices} GPU{'s' if devices > 1 else ''}" if hardware().gpu else f"{cores} cores and no GPU"
        raise UserError(
            f"{settings.processes} processes are asked for; this machine has {here}. Set {devices} or fewer: "
            f"{'each takes one GPU' if hardware().gpu else 'one is best, its threads share the cores'}."
        )


def check_model(
    workspace: Workspace,
    model: str,
    settings: TrainSettings,
    revision: str | None,
    lengths: Sequence[tuple[int, int]] = (),
) -> None:
    """Raise UserError where a model cannot be fetched to a Space, or a run of it fits neither its memory nor its disk.

    `lengths`: as `memory.estimate` takes them; without any it is asked what the run takes before its first row.
    """
    # Its configuration says how much memory; only then is the Hub asked how much disk.
    downloads.require_room(workspace.settings, model, revision)
    estimate = memory.estimate(model, workspace.models, settings, lengths, revision)
    if estimate.problem:
        raise UserError(estimate.problem)
    needed = estimate.total if lengths else estimate.total - estimate.processes * estimate.activations
    if needed > (there := total_memory()):
        raise UserError(
            f"“{model}” with these settings takes about {needed / 1e9:,.1f} GB of memory; this Space has "
            f"{there / 1e9:,.1f} GB. Choose a smaller model, another method, or lower the maximum length and the "
            "micro-batch."
        )
    downloads.require_room(workspace.settings, model, revision, weights=True)
    one = checkpoint_bytes(estimate, settings)
    workspace.require_room(
        (settings.checkpoints_kept + 2) * one,
        f"A run with {settings.checkpoints_kept} checkpoints kept, {one / 1e6:,.0f} MB each",
    )


def checkpoint_bytes(estimate: Estimate, settings: TrainSettings) -> int:
    """Bytes of a checkpoint: what is trained, and what the optimizer keeps of it."""
    states = {"adamw": 4 * STATES, "adamw_8bit": STATES, "adafactor": 1, "sgd": 0}[settings.optimizer]
    return estimate.trainable * (4 + states)


def in_words(limits: Limits) -> str:
    """What a run may ask for, in a line."""
    return (
        f"On this Space a run has at most {limits.max_epochs} epochs, {limits.max_steps:,} steps, "
        f"{limits.max_length:,} tokens a row and {limits.max_hours:g} hours. One job of yours waits beside the one "
        "that runs; visitors take turns."
    )
