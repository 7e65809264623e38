"""What a run is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from core.training.settings import TrainSettings


@dataclass(frozen=True)
class RunSpec:
    """Everything needed to repeat a run, with what `run.json` adds: library versions and weights hash."""

    model: str
    """`starter`, an id of the Hub, or a folder."""
    dataset_version: str
    rows_file: str
    """Where the worker reads the rows."""
    settings: TrainSettings = field(default_factory=TrainSettings)
    revision: str | None = None
    template: str = ""
    """A name of `core.engine.rendering.TEMPLATES`; empty: the model's own, or `instruction` where it has none."""
    preset: str = "quick"
    schema: int = 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> RunSpec:
        return replace(cls(**{**raw, "settings": TrainSettings()}), settings=TrainSettings.from_dict(raw["settings"]))
