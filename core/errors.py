"""A Problem of a person's rows, and a UserError that they can put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


class UserError(Exception):
    """Something a person can put right. The message says what happened, the value, and what to do.

    It is shown as it is. Every other exception is a bug and keeps its traceback in the log.
    """


@dataclass(frozen=True)
class Problem:
    """One finding of any check, in the one shape that every room shows."""

    level: Level
    what: str
    """What happened, with the value."""
    fix: str = ""
    """What to do about it."""
    row: int | None = None
    """1-based row of the file, None when it concerns the whole file."""
    column: str | None = None

    def __str__(self) -> str:
        where = f"row {self.row}: " if self.row is not None else ""
        return f"{where}{self.what}{' ' + self.fix if self.fix else ''}"
