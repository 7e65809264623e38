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


def require_text(text: str, what: str, longest: int) -> None:
    """Raise UserError where a text that a person wrote is too long (in characters), or holds what no file can keep."""
    if len(text) > longest:
        raise UserError(f"The {what} has {len(text):,} characters. Shorten it to {longest:,}.")
    # PostgreSQL stores no NUL, and no database a half of a surrogate pair.
    bad = next((c for c in text if c == "\0" or "\ud800" <= c <= "\udfff"), None)
    if bad is not None:
        raise UserError(f"The {what} contains the character U+{ord(bad):04X}, which cannot be stored. Remove it.")
