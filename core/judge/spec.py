"""What a judgement is asked for: its spec.json. The endpoint's key is never part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.endpoint.client import Price
from core.records import check_schema, plain, read

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class JudgeSpec:
    schema: int = SCHEMA
    evaluation_folder: str
    """Of the evaluation whose answers are judged."""
    endpoint: str
    """Its address, before /chat/completions."""
    model: str
    """As the endpoint calls it."""
    max_pairs: int | None = None
    """None: all of them."""
    price: Price | None = None
    public_only: bool = True
    """Whether only public addresses may be asked: on a Space."""
    hours: float | None = None
    """How long it may take; None: as long as it does."""

    @classmethod
    def from_dict(cls, raw: Any) -> JudgeSpec:
        """Raises UserError for what is no specification."""
        what = "The specification of the judgement"
        check_schema(raw, SCHEMA, what)
        return read(cls, {**raw, "schema": SCHEMA}, what)

    def to_dict(self) -> dict[str, Any]:
        return {"schema": self.schema, **plain(self)}
