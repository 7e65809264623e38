"""What of the rows is not trained: counted by kind while they are converted, with the first rows to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.wording import count

Kind = Literal["column", "turn", "answer", "key", "space", "other"]
KINDS: tuple[Kind, ...] = ("turn", "answer", "key", "column", "space", "other")
"""In the order in which they are told."""
MOST_KINDS = 300
"""Different things that are told apart; what comes after them is counted together."""
FIRST_ROWS = 5
LONGEST_VALUE = 60


@dataclass(frozen=True)
class Unused:
    """One thing that rows hold and nobody trains."""

    kind: Kind
    """A column, a turn, an answer, a key of messages, white space, or what is beyond MOST_KINDS."""
    what: str
    """The name of the column, else what it is in words that follow a number of rows: “messages behind …”."""
    rows: int
    """In how many rows it occurs."""
    first_rows: tuple[int, ...]
    """The first FIRST_ROWS of them, as a person counts rows."""
    value: str
    """How it looks in the first of them, shortened."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Unused:
        return cls(**{**raw, "first_rows": tuple(raw["first_rows"])})

    @property
    def title(self) -> str:
        return f"the column “{self.what}”" if self.kind == "column" else self.what

    @property
    def where(self) -> str:
        """Rows to look at, and a value."""
        more = " …" if self.rows > len(self.first_rows) else ""
        value = f", such as “{self.value}”" if self.value else ""
        return f"{'row' if self.rows == 1 else 'rows'} {', '.join(map(str, self.first_rows))}{more}{value}"

    def __str__(self) -> str:
        return f"{self.title}: {count(self.rows, 'row')} ({self.where})"


@dataclass(frozen=True)
class Part:
    """What one row holds and does not train."""

    kind: Kind
    what: str
    value: str = ""


class Tally:
    """Counts parts of rows, without ever knowing more than MOST_KINDS different ones."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Kind, str], list[Any]] = {}
        self.given_system = 0
        """Rows that brought no system message, and were given the project's."""

    def add(self, row: int, parts: Iterable[Part]) -> None:
        """The parts of one row; what occurs several times in it counts once."""
        for part in {(p.kind, p.what): p for p in parts}.values():
            self._count(part.kind, part.what, 1, [row], part.value)

    def add_rows(self, kind: Kind, what: str, rows: list[int], value: str) -> None:
        """One thing in many rows at once."""
        if rows:
            self._count(kind, what, len(rows), rows[:FIRST_ROWS], value)

    def merge(self, other: Tally) -> None:
        """What was counted in rows behind those of this one."""
        self.given_system += other.given_system
        for (kind, what), (n, first, value) in other._counts.items():
            self._count(kind, what, n, first, value)

    def _count(self, kind: Kind, what: str, n: int, first: list[int], value: str) -> None:
        key = (kind, what)
        if key not in self._counts and len(self._counts) >= MOST_KINDS:
            key = ("other", "something else")
        known = self._counts.setdefault(key, [0, [], shortened(value)])
        known[0] += n
        known[1] = (known[1] + first)[:FIRST_ROWS]

    @property
    def unused(self) -> list[Unused]:
        """By kind, and within it as the file shows them."""
        counted = [Unused(kind, what, n, tuple(first), v) for (kind, what), (n, first, v) in self._counts.items()]
        return sorted(counted, key=lambda u: (KINDS.index(u.kind), u.first_rows))


def shortened(text: str, most: int = LONGEST_VALUE) -> str:
    """A value on one line, cut where it is long."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"
