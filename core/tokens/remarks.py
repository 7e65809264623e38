"""What is to be said of rows because of their template: what of them it drops, and which it refuses."""

from __future__ import annotations

from dataclasses import dataclass

from core.engine.dropped import PARTS
from core.engine.rendering import Refused, Rendered


@dataclass(frozen=True)
class Remark:
    """What is to be said of some rows: what of them the template drops, or that it refuses them."""

    kind: str
    what: str
    rows: int
    first: tuple[int, ...]
    """Numbers of the first of them."""
    fix: str = ""

    def __str__(self) -> str:
        numbers = ", ".join(f"{n:,}" for n in self.first) + (" …" if self.rows > len(self.first) else "")
        return f"{self.what} ({'row' if self.rows == 1 else f'{self.rows:,} rows:'} {numbers})."


NAMED = 5
"""Rows that a remark names."""
ANSWER, PROMPT, REFUSED, LEFT_OUT = "answer", "prompt", "refused", "left out"
_REMARKS = {kind: f"The chat template drops {part}" for kind, part in PARTS.items()} | {
    "setting": f"Left out is {PARTS['setting']}",
    ANSWER: "An answer cannot be found in what the chat template writes, and is not trained",
    PROMPT: "The chat template writes the prompt differently once there is an answer; training starts where they part",
}


class Remarks:
    """Counts remarks, row by row."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], list[int]] = {}

    def refused(self, error: Refused) -> None:
        kind = LEFT_OUT if error.whatever else REFUSED
        self._rows.setdefault((kind, error.short.rstrip("."), error.fix), []).append(error.row or 0)

    def of(self, rendered: Rendered, row: int) -> None:
        kinds = [*rendered.dropped, *([ANSWER] if rendered.missing else []), *([PROMPT] if rendered.parts else [])]
        for kind in dict.fromkeys(kinds):
            self._rows.setdefault((kind, _REMARKS[kind], ""), []).append(row)

    def all(self) -> tuple[Remark, ...]:
        return tuple(Remark(k, what, len(n), tuple(n[:NAMED]), fix) for (k, what, fix), n in self._rows.items())
