"""outcome.json: how a job ended. Its presence means that it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.files import read_json, write_atomically
from core.records import absent, check_schema, plain, read

SCHEMA = 1
FILE = "outcome.json"


@dataclass(frozen=True)
class Outcome:
    state: Literal["finished", "stopped", "failed"]
    message: str
    """One sentence for a person."""
    time: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    resumable: bool = False
    """Has a run a checkpoint to go on from?"""
    seconds: float | None = absent()
    """Wall time of the work."""
    step: int | None = absent()
    steps: int | None = absent()
    """A run ended at `step` of `steps`."""
    best_step: int | None = absent()
    """Of the checkpoint with the lowest validation loss, which a run keeps as its result."""
    best_validation_loss: float | None = absent()
    """In nats per trained token."""
    adapter_sha256: str | None = absent()
    schema: int = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        return plain(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Outcome:
        """An outcome of this release or of any before. Raises UserError for a newer one, and for what is none."""
        what = "The job's outcome"
        check_schema(raw, SCHEMA, what)
        return read(cls, raw, what)

    def write(self, folder: Path) -> None:
        write_atomically(folder / FILE, json.dumps(self.to_dict(), ensure_ascii=False, indent=2))


def outcome_of(folder: Path) -> Outcome | None:
    """How the job of a folder ended; None where it did not end yet, or did not say."""
    raw = read_json(folder / FILE)
    return None if raw is None else Outcome.from_dict(raw)
