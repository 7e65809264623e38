"""What a run is made of: spec.json, and the specification in a job of the database. Schemas and their upgrade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from core.engine.templates import RenderSettings
from core.records import check_schema
from core.training.settings import TrainSettings

SCHEMA = 3
"""2: `batch_size` and `micro_batch_size`, as the field calls them. Not each of 1 has `template` or every setting.
3: `answers`, `thinking`, `system`, `refused`, and `date`; those of before trained the last answer of a row.
"""

RENAMED = {"rows_per_step": "batch_size", "rows_per_forward": "micro_batch_size"}
"""What settings were called in schema 1, and still may be on the command line."""


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
    date: str = ""
    """The day (ISO) for templates that write today's; empty: the day on which they are used."""
    schema: int = SCHEMA

    @property
    def rendering(self) -> RenderSettings:
        """How the run's rows are written, wherever it is trained, measured or talked to."""
        s = self.settings
        return RenderSettings(s.answers, s.thinking, s.system, s.refused, self.date)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> RunSpec:
        """A specification of this release or of any before. Raises UserError for a newer one and for bad settings."""
        raw = upgraded(raw)
        return replace(cls(**{**raw, "settings": TrainSettings()}), settings=TrainSettings.from_dict(raw["settings"]))


def upgraded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What any release wrote, in the shape of this one."""
    if check_schema(raw, SCHEMA, "The run specification") == SCHEMA:
        return dict(raw)
    settings = {"answers": "last"} | {RENAMED.get(name, name): value for name, value in raw["settings"].items()}
    return {**raw, "settings": settings, "schema": SCHEMA}
