"""Room for a run's checkpoints, and what a broken one leaves behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import disk
from core.jobs.status import checkpoints_of, what_is_left
from core.training.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STATES = {"adamw": 8.0, "adamw_8bit": 2.0, "adafactor": 0.1, "sgd": 0.0}
"""Bytes that an optimizer keeps of each trained parameter, beside its weight."""
MORE = 1.1
"""A checkpoint grows a little with each: the log of the run's losses stands in it."""


def expected_bytes(folder: Path, model: PreTrainedModel, settings: TrainSettings) -> int:
    """What a checkpoint takes: as the newest one did, or before the first what must stand in it."""
    if newest := newest_checkpoint(folder):
        return int(MORE * sum(path.stat().st_size for path in newest.rglob("*") if path.is_file()))
    parameters: list[Any] = list(model.parameters())
    kept = parameters if settings.method == "full" else [p for p in parameters if p.requires_grad]
    weights = sum(p.numel() * p.element_size() for p in kept)
    return int(weights + STATES[settings.optimizer] * sum(p.numel() for p in parameters if p.requires_grad))


def require_room(folder: Path, needed: int, what: str) -> None:
    """Raises UserError, before anything is written, where the disk has not `needed` bytes free for a checkpoint."""
    left = what_is_left(folder)
    then = f"Then resume. {left}" if left else "Then start the run again."
    disk.require_room(folder, needed, what, then)


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of a run."""
    step = max(checkpoints_of(folder), default=None)
    return None if step is None else folder / "checkpoints" / f"checkpoint-{step}"


def sweep(folder: Path) -> None:
    """Remove checkpoints that were begun and never completed: they take room, and count as kept ones."""
    complete = {f"checkpoint-{step}" for step in checkpoints_of(folder)}
    for path in folder.glob("checkpoints/checkpoint-*"):
        if path.name not in complete:
            shutil.rmtree(path, ignore_errors=True)
