"""Which two sides answer, and on which rows: what every job that asks a trained run is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.types import Split


@dataclass(frozen=True, kw_only=True)
class Answering:
    model: str
    """Name on the Hub, folder, or `starter`."""
    revision: str | None = None
    """Commit on the Hub; None for what is not from there."""
    template: str = ""
    """Name of the chat template; empty: the model's own."""
    rendering: dict[str, str] = field(default_factory=dict)
    """How rows are written: the fields of RenderSettings; empty in jobs of before there were any."""
    adapter: str
    """Folder of what was trained."""
    quantization: str = "none"
    base_weights_sha256: str | None = None
    """Of the base as it was trained on; None in runs that did not note it."""
    base_settings: dict[str, str] = field(default_factory=dict)
    """File beside the weights → its SHA-256 then: see core.models.loading.SETTINGS. Empty in runs of before."""
    dataset_version: str
    rows_file: str
    split: Split = "test"
    """The rows that are asked."""
