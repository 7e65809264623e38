"""What is wrong or odd about rows before they are trained. Nothing is repaired silently: every act is a Problem."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.errors import Problem, UserError
from core.types import Example

# Markers that templates of common models write. Inside a row they are encoded as ordinary text; people should know.
CONTROL = re.compile(r"<\|[\w-]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>")

LONG_CHARACTERS = 20_000


def without_repeats(examples: list[Example]) -> tuple[list[Example], list[Problem]]:
    """The examples without exact copies (the first is kept), and a Problem for each copy."""
    first: dict[str, int] = {}
    kept, problems = [], []
    for example in examples:
        if example.id in first:
            what = f"The row is an exact copy of row {first[example.id]}."
            problems.append(Problem("warning", what, "It was left out.", example.row))
        else:
            first[example.id] = example.row
            kept.append(example)
    return kept, problems


def look(examples: Iterable[Example]) -> list[Problem]:
    """Oddities of single rows and contradictions between rows."""
    problems: list[Problem] = []
    answers: dict[tuple[str, ...], tuple[str, int]] = {}
    marks: dict[tuple[str, ...], tuple[bool, int]] = {}
    for e in examples:
        texts = [m["content"] for m in e.messages] + [e.target, e.rejected]
        if marker := next((m.group() for text in texts if (m := CONTROL.search(text))), None):
            fix = "It is trained as ordinary text, not as a control token; remove it if it is there by mistake."
            problems.append(Problem("note", f"The row contains the marker {marker}.", fix, e.row))
        if e.kind == "text":
            continue  # has no prompt to share, and is trained whole however long it is
        if (length := sum(map(len, texts))) > LONG_CHARACTERS:
            fix = "What exceeds the maximum length will be cut: look at it in the Tokens tab."
            problems.append(Problem("warning", f"The row has {length:,} characters.", fix, e.row))
        key = tuple(m["content"] for m in e.messages)
        if e.kind == "marked":
            mark = marks.setdefault((*key, e.target), (e.good, e.row))
            if mark[0] != e.good:
                what = f"Row {mark[1]} marks the same answer {'good' if mark[0] else 'bad'}."
                problems.append(Problem("warning", what, "Keep the mark that is right.", e.row))
        if e.kind != "answer":
            continue  # several answers to one prompt are what such rows are for
        other = answers.setdefault(key, (e.target, e.row))
        if other[0] != e.target:
            fix = "Keep the better one, unless both are meant."
            problems.append(Problem("warning", f"Row {other[1]} has the same prompt and another answer.", fix, e.row))
    return problems


def require_enough(examples: list[Example], problems: list[Problem]) -> None:
    """Raises UserError when there is nothing to train on."""
    if examples:
        return
    reasons = "; ".join(str(p) for p in problems[:3])
    raise UserError(f"No row can be used ({reasons}). Choose other columns, or correct the file.")
