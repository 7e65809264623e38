"""What a chat is told when it is opened: its spec.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.records import check_schema, plain, read
from core.training.answering import Answering

SCHEMA = 1
IDLE_SECONDS = 600
"""After so long without a message the process ends and frees its memory."""


@dataclass(frozen=True, kw_only=True)
class ChatSpec(Answering):
    schema: int = SCHEMA
    seed: int = 0
    """Of the order in which what was saved is reviewed."""
    idle_seconds: float = IDLE_SECONDS

    @classmethod
    def from_dict(cls, raw: Any) -> ChatSpec:
        """Raises UserError for what is no specification."""
        what = "The specification of the chat"
        check_schema(raw, SCHEMA, what)
        return read(cls, {**raw, "schema": SCHEMA}, what)

    def to_dict(self) -> dict[str, Any]:
        return {"schema": self.schema, **plain(self)}
