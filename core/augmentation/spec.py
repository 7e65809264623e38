"""What an augmentation is asked for: its spec.json. An endpoint's key is never part of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.endpoint.client import Price
from core.files import read_json
from core.records import check_schema, parsed, plain, read

SCHEMA = 1
Kind = Literal["paraphrase", "new", "harder", "answer", "document"]
KINDS: dict[Kind, str] = {
    "paraphrase": "Prompts in other words",
    "new": "New prompts like these",
    "harder": "Harder variants",
    "answer": "Answers to prompts that have none",
    "document": "Questions and answers from texts",
}
"""Kind → what people call it."""
OF_MATERIAL: tuple[Kind, ...] = ("answer", "document")
"""Kinds that are made of a person's prompts or texts instead of rows."""
SAMPLE = 5
"""Rows that are asked for before all of them."""
GOAL = "goal.json"
"""In the job's folder: {"rows": how many are to be asked for now}. The sample's, then all."""
MATERIAL = "material.json"
"""In the job's folder: {"texts": the prompts or texts that a person brought}."""


@dataclass(frozen=True, kw_only=True)
class AugmentSpec:
    schema: int = SCHEMA
    kind: Kind
    rows: int
    """So many are asked for; fewer pass the filters."""
    dataset_version: str
    rows_file: str
    model: str
    """As the endpoint calls it; without an endpoint a model of this machine."""
    endpoint: str = ""
    """Its address, before /chat/completions; empty: the model runs here."""
    revision: str | None = None
    """Of a model that runs here: the Hub's commit."""
    wish: str = ""
    """What a person adds to the request, in their words."""
    price: Price | None = None
    temperature: float = 0.8
    max_tokens: int = 1024
    """Of a reply."""
    seed: int = 0
    """Which rows are taken, and in which order."""
    public_only: bool = True
    """Whether only public addresses may be asked: on a Space."""
    hours: float | None = None
    """How long it may take; None: as long as it does."""

    @property
    def by(self) -> str:
        """Who wrote the rows, as their provenance says it."""
        from core.endpoint.client import host_of
        from core.models.catalogue import public_name

        return f"{self.model} at {host_of(self.endpoint)}" if self.endpoint else public_name(self.model)

    @classmethod
    def from_dict(cls, raw: Any) -> AugmentSpec:
        """Raises UserError for what is no specification."""
        what = "The specification of the augmentation"
        check_schema(raw, SCHEMA, what)
        return read(cls, {**raw, "schema": SCHEMA}, what)

    def to_dict(self) -> dict[str, Any]:
        return {"schema": self.schema, **plain(self)}


def spec_in(folder: Path) -> AugmentSpec:
    """The specification in a job's folder."""
    return AugmentSpec.from_dict(parsed(folder / "spec.json", "The specification of the augmentation"))


def goal_in(folder: Path, spec: AugmentSpec) -> int:
    """Rows that are to be asked for now."""
    goal = (read_json(folder / GOAL) or {}).get("rows")
    return min(goal, spec.rows) if isinstance(goal, int) else spec.rows


def material_in(folder: Path) -> list[str]:
    """The prompts or texts that a person brought; empty where rows are taken."""
    return [str(text) for text in (read_json(folder / MATERIAL) or {}).get("texts", [])]
