"""What people say of drafts: a file that is only added to; of each draft the newest word counts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from core.augmentation.result import Draft
from core.errors import UserError, require_text
from core.files import append_lines, finished_lines
from core.records import plain, read
from core.types import Example

SCHEMA = 1
FILE = "decisions.jsonl"
ADDED = "added.jsonl"
Choice = Literal["accept", "edit", "reject", "undo"]
CHOICES: tuple[Choice, ...] = ("accept", "edit", "reject", "undo")
LONGEST = 100_000
"""Characters of a prompt or an answer that a person writes."""


@dataclass(frozen=True)
class Decision:
    """A line of decisions.jsonl."""

    draft: str
    choice: Choice
    by: str
    """Whose word it is."""
    prompt: str = ""
    """As the person wrote it; only of `edit`."""
    answer: str = ""
    time: float = field(default_factory=time.time)
    """Since the epoch."""
    schema: int = SCHEMA

    @property
    def accepts(self) -> bool:
        return self.choice in ("accept", "edit")

    def row(self, draft: Draft) -> Example:
        """The accepted row, as it was written or edited."""
        example = draft.row
        if self.choice != "edit":
            return example
        messages = (*example.messages[:-1], {**example.messages[-1], "content": self.prompt})
        return replace(example, messages=messages, target=self.answer, meta={**example.meta, "synthetic_edited": "yes"})


def checked(decision: Decision) -> Decision:
    """Raises UserError for a word that there is none of, and for texts that are empty, too long or not storable."""
    if decision.choice not in CHOICES:
        raise UserError(f"“{decision.choice}” is no decision. Choose one of: {', '.join(CHOICES)}.")
    if decision.choice != "edit":
        return decision
    for what, text in (("prompt", decision.prompt), ("answer", decision.answer)):
        if not text.strip():
            raise UserError(f"The {what} is empty. Write one, or reject the draft.")
        require_text(text, what, LONGEST)
    return decision


def append(folder: Path, decisions: Iterable[Decision]) -> None:
    append_lines(folder / FILE, (json.dumps(plain(checked(d)), ensure_ascii=False) for d in decisions))


def history(folder: Path) -> tuple[Decision, ...]:
    """All of them, oldest first."""
    return _read(folder / FILE, _state(folder / FILE))


def current(folder: Path) -> dict[str, Decision]:
    """Draft → the newest decision, where it was not taken back."""
    newest = {decision.draft: decision for decision in history(folder)}
    return {draft: decision for draft, decision in newest.items() if decision.choice != "undo"}


def _state(path: Path) -> tuple[int, int]:
    try:
        about = path.stat()
    except FileNotFoundError:
        return 0, 0
    return about.st_size, about.st_mtime_ns


@lru_cache(maxsize=8)
def _read(path: Path, state: tuple[int, int]) -> tuple[Decision, ...]:
    return tuple(read(Decision, line, f"A line of {FILE}") for line in finished_lines(path)[0])


def note_added(folder: Path, version: int | None, drafts: list[str], left_out: list[str]) -> None:
    """That these drafts are rows of a version, and that others could not become rows."""
    line = {"version": version, "drafts": drafts, "left_out": left_out, "time": time.time(), "schema": SCHEMA}
    append_lines(folder / ADDED, [json.dumps(line)])


def added(folder: Path) -> dict[str, int]:
    """Draft → number of the version that it became a row of."""
    return {draft: line["version"] for line in finished_lines(folder / ADDED)[0] for draft in line["drafts"]}


def waiting(folder: Path) -> dict[str, Decision]:
    """Draft → its acceptance, where it is no row yet. One that could not become a row waits when it is decided anew."""
    rows = added(folder)
    tried = {draft: line["time"] for line in finished_lines(folder / ADDED)[0] for draft in line["left_out"]}
    accepted = {draft: d for draft, d in current(folder).items() if d.accepts and draft not in rows}
    return {draft: d for draft, d in accepted.items() if d.time > tried.get(draft, 0.0)}
