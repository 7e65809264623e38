"""What is wrong or odd about rows before they are trained. Nothing is repaired silently: every act is a Problem.

Rows come in batches and are not kept: of each some fifty bytes stay (hashes and lengths, in arrays), by which copies
and contradictions are found when all have been seen. Two texts of which 64-bit hashes agree count as the same.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.data.columns.batches import Batch
from core.data.columns.unused import Tally, Unused
from core.data.unanswered import Unanswered
from core.errors import Level, Problem, UserError
from core.store.datasets import KINDS, SPLITS, codes, ids_as_numbers
from core.wording import count

if TYPE_CHECKING:
    import pyarrow as pa

# Markers that templates of common models write. Inside a row they are encoded as ordinary text; people should know.
CONTROL = re.compile(r"<\|[\w-]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>")

LONG_CHARACTERS = 20_000
MOST_KEPT = 1000
"""Problems that are kept, the first by row; all are counted."""
MOST_MARKERS = 1000
"""Different markers that are told apart."""
_COPY, _MARKER, _LONG, _MARK, _CONTRADICTION = range(1, 6)
"""In which order problems of one row are told; those of rows that cannot be read at all come first."""


@dataclass(frozen=True)
class Checked:
    """What all rows together are like."""

    kept: np.ndarray
    """Of each row: is it kept? Exact copies of an earlier row are not."""
    problems: list[Problem]
    """The first MOST_KEPT, by row."""
    counts: dict[str, int]
    """All problems by what happened, without its values."""
    left_out: dict[str, int]
    """Rows that are not imported, by the reason."""
    unused: list[Unused]
    """What the other rows hold and is not trained."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Checks:
    """Takes batches in the order of the file; `finish` says what they are like.

    `of_file`: problems of the file as a whole, which are told first.
    """

    def __init__(self, of_file: Sequence[Problem] = ()) -> None:
        self._unusable: list[Problem] = list(of_file)
        self._counts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._markers = {"": 0}
        self._columns: dict[str, list[np.ndarray]] = {}
        self._tally = Tally()
        self.unanswered = Unanswered()
        """Prompts of rows that are left out because nothing answers them."""
        for problem in of_file:
            self._count(problem.what)

    def add(self, batch: Batch) -> None:
        self._tally.merge(batch.tally)
        self.unanswered.add(batch.unanswered)
        self._unusable += batch.problems[: MOST_KEPT - len(self._unusable)]
        for problem in batch.problems:
            self._count(problem.what)
            _add(self._left_out, problem.what, 1)
        table, keys = batch.table, batch.keys
        good = table["good"].fill_null(False).to_numpy().astype(np.int8)
        for name, values in (
            ("id", ids_as_numbers(table["id"])),
            ("row", table["row"].to_numpy()),
            ("kind", codes(table["kind"], KINDS)),
            ("good", good),
            ("split", codes(table["split"], SPLITS)),
            ("characters", table["characters"].to_numpy()),
            ("marker", self._markers_of(batch)),
            ("prompt", keys.prompt),
            ("target", keys.target),
            ("asks", keys.asks),
        ):
            self._columns.setdefault(name, []).append(values)

    def column(self, name: str) -> np.ndarray:
        """What is known of all rows: id, row, kind, asks …"""
        parts = self._columns.get(name, [])
        self._columns[name] = [np.concatenate(parts)] if parts else []
        return self._columns[name][0] if parts else np.zeros(0, np.int64)

    def finish(self) -> Checked:
        """All findings. Raises UserError where there is nothing to train on."""
        first = first_of(self.column("id"))
        kept = first == np.arange(len(first))
        rows = self.column("row")
        ranked = [(p.row or 0, 0, p) for p in self._unusable]
        copies = np.flatnonzero(~kept)
        for i in copies[:MOST_KEPT].tolist():
            what = f"The row is an exact copy of row {rows[first[i]]}."
            ranked.append((int(rows[i]), _COPY, Problem("warning", what, "It was left out.", int(rows[i]))))
        self._counts["The row is an exact copy of row …."] += len(copies)
        self._left_out["The row is an exact copy of"] += len(copies)
        if not kept.any():
            reasons = "; ".join(f"{count(n, 'row')}: {what}" for what, n in (+self._left_out).most_common(3))
            raise UserError(f"No row can be used ({reasons}). Choose other columns, or correct the file.")
        ranked += self._oddities(np.flatnonzero(kept))
        ranked.sort(key=lambda problem: problem[:2])
        counts = {what: n for what, n in self._counts.items() if n}
        problems = [p for _, _, p in ranked[:MOST_KEPT]]
        return Checked(kept, problems, counts, dict(+self._left_out), self._tally.unused)

    def _oddities(self, places: np.ndarray) -> Iterator[tuple[int, int, Problem]]:
        """Of the rows at `places`: oddities of single rows, and contradictions between rows."""
        of = lambda name: self.column(name)[places]  # noqa: E731
        rows, kind, prompt, target = of("row"), of("kind"), of("prompt"), of("target")
        markers, good = list(self._markers), of("good")

        def problems(
            which: np.ndarray, rank: int, level: Level, what: Callable[[int], str], fix: str
        ) -> Iterator[tuple[int, int, Problem]]:
            for i in which[:MOST_KEPT].tolist():
                yield int(rows[i]), rank, Problem(level, what(i), fix, int(rows[i]))
            if len(which):
                self._counts[_without_values(what(which[0]))] += len(which)

        marked = np.flatnonzero(of("marker"))
        fix = "It is trained as ordinary text, not as a control token; remove it if it is there by mistake."
        name = of("marker")
        yield from problems(marked, _MARKER, "note", lambda i: f"The row contains the marker {markers[name[i]]}.", fix)

        # Plain text has no prompt to share, and is trained whole however long it is.
        size = of("characters")
        long = np.flatnonzero((size > LONG_CHARACTERS) & (kind != KINDS.index("text")))
        fix = "What exceeds the maximum length will be cut: look at it in the Tokens tab."
        yield from problems(long, _LONG, "warning", lambda i: f"The row has {size[i]:,} characters.", fix)

        answered = np.flatnonzero(kind == KINDS.index("marked"))
        same = first_among(answered, prompt * np.int64(0x9E3779B97F4A7C1 | 1) ^ target)
        against = answered[good[answered] != good[same]]
        other = dict(zip(answered.tolist(), same.tolist(), strict=True)) if len(against) else {}
        yield from problems(
            against,
            _MARK,
            "warning",
            lambda i: f"Row {rows[other[i]]} marks the same answer {'good' if good[other[i]] else 'bad'}.",
            "Keep the mark that is right.",
        )

        # Several answers to one prompt are what rows of the other kinds are for.
        plain = np.flatnonzero(kind == KINDS.index("answer"))
        first = np.zeros(len(rows), np.int64)
        first[plain] = first_among(plain, prompt)
        other_answer = plain[target[plain] != target[first[plain]]]
        fix = "Keep the better one, unless both are meant."
        what = lambda i: f"Row {rows[first[i]]} has the same prompt and another answer."  # noqa: E731
        yield from problems(other_answer, _CONTRADICTION, "warning", what, fix)

    def _markers_of(self, batch: Batch) -> np.ndarray:
        """Of each row a number for its first marker, 0 for none."""
        numbers = np.zeros(len(batch.texts), np.int16)
        suspicious = [i for i, text in enumerate(batch.texts) if "<" in text or "[" in text]
        if suspicious:
            for i, texts in zip(suspicious, _texts(batch.table.take(suspicious)), strict=True):
                marker = next((m.group() for text in texts if (m := CONTROL.search(text))), "")
                if marker in self._markers or len(self._markers) < MOST_MARKERS:
                    numbers[i] = self._markers.setdefault(marker, len(self._markers))
                else:
                    numbers[i] = MOST_MARKERS - 1
        return numbers

    def _count(self, what: str) -> None:
        _add(self._counts, _without_values(what), 1)


def first_of(keys: np.ndarray) -> np.ndarray:
    """Of each key the place of the first one that is the same."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.concatenate(([True], ordered[1:] != ordered[:-1])) if len(keys) else np.zeros(0, bool)
    firsts = np.empty(len(keys), np.int64)
    firsts[order] = order[begins][np.cumsum(begins) - 1] if len(keys) else []
    return firsts


def first_among(places: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The same among the keys at `places`: of each the place of the first one that is the same."""
    return places[first_of(keys[places])]


def _texts(table: pa.Table) -> Iterator[list[str]]:
    """The texts of rows, in their own letters."""
    names = ("messages", "prompt", "target", "rejected")
    for messages, prompt, target, rejected in zip(*(table[name].to_pylist() for name in names), strict=True):
        asked = [prompt] if messages is None else [m["content"] for m in json.loads(messages)]
        yield [*asked, target, rejected]


def _without_values(what: str) -> str:
    return re.sub(r"“[^”]*”|\d[\d,]*|(?<=the marker ).*(?=\.)", "…", what)


def _add(counts: Counter[str], what: str, n: int, most: int = 100) -> None:
    """Count, without ever knowing more than `most` names."""
    counts[what if what in counts or len(counts) < most else "Something else."] += n
