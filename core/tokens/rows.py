"""Examples → rows for the trainer, and what was dropped on the way. Preflight and worker use the same function."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from core.engine.packing import Row
from core.engine.rendering import Refused, Rendered, render
from core.engine.templates import settings_of
from core.errors import Problem, UserError
from core.types import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class TrainingRows:
    rows: list[Row]
    examples: list[Example]
    """The example of each row."""
    problems: list[Problem]
    truncated: int
    """Rows that were cut at the maximum length, the dropped ones included."""
    dropped: int
    """Rows without a single trainable token within the maximum length."""
    tokens: int
    trained_tokens: int
    refused: int = 0
    """Rows that the template cannot write, and that were left out; not among the dropped."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Why rows are not trained → how many."""
    rejected: list[Row] = field(default_factory=list)
    """For DPO: the rejected answer to the prompt of each row."""


KINDS = {
    "answer": "a prompt and an answer",
    "preference": "a prompt, a chosen and a rejected answer",
    "marked": "a prompt and an answer marked good or bad",
    "text": "plain text",
}
FITTING = {
    "supervised": ("answer", "preference", "marked"),
    "text": ("text",),
    "dpo": ("preference",),
    "kto": ("marked", "preference"),
}
"""Objective → kinds of rows it can learn from; the first is the one it is made for."""
OBJECTIVES = {
    "supervised": "Answers (supervised)",
    "text": "Plain text (continued pretraining)",
    "dpo": "Preferred over rejected answers (DPO)",
    "kto": "Answers marked good or bad (KTO)",
}
"""Objective → what people read."""


def for_objective(examples: list[Example], objective: str) -> tuple[list[Example], list[Problem]]:
    """The rows as an objective takes them, and what is to be said about that.

    `supervised` leaves out answers marked bad; `kto` makes two marked rows of a chosen and a rejected answer. Raises
    UserError where rows lack what the objective needs.
    """
    kinds = Counter(e.kind for e in examples)
    if wrong := [kind for kind in kinds if kind not in FITTING[objective]]:
        fitting = " or ".join(f"“{OBJECTIVES[o]}”" for o, fits in FITTING.items() if wrong[0] in fits)
        raise UserError(
            f"“{OBJECTIVES[objective]}” needs rows with {KINDS[FITTING[objective][0]]}; {kinds[wrong[0]]:,} of "
            f"{len(examples):,} rows hold {KINDS[wrong[0]]}. Choose {fitting}, or import other rows."
        )
    notes = []
    if objective == "supervised":
        if kinds["preference"]:
            what = f"{kinds['preference']:,} rows have a chosen and a rejected answer."
            notes.append(Problem("note", what, "The chosen one is trained; the rejected one is not looked at."))
        bad = sum(e.good is False for e in examples)
        if bad:
            examples = [e for e in examples if e.good is not False]
            notes.append(Problem("note", f"{bad:,} rows are marked bad.", "They are not trained."))
    if objective == "kto" and kinds["preference"]:
        chosen = [replace(e, rejected="", good=True) if e.rejected else e for e in examples]
        examples = chosen + [replace(e, target=e.rejected, rejected="", good=False) for e in examples if e.rejected]
        notes.append(
            Problem("note", "Chosen answers count as good, rejected ones as bad.", "Each pair makes two rows.")
        )
    turns = sum(any(m["role"] == "assistant" for m in e.messages) for e in examples)
    if objective in ("dpo", "kto") and turns:
        what = f"{turns:,} rows have earlier answers: they are context."
        notes.append(Problem("note", what, "Preferences are learnt from the last answer alone."))
    train = {e.good for e in examples if e.split == "train"}
    if objective == "kto" and train and len(train) < 2:
        only, other = ("good", "bad") if True in train else ("bad", "good")
        raise UserError(
            f"All rows to train are marked {only}. “Answers marked good or bad (KTO)” learns from the difference: add "
            f"rows marked {other}" + (", or train the answers (supervised)." if only == "good" else ".")
        )
    return examples, notes


def to_rows(
    examples: list[Example],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    objective: str = "supervised",
    leave_out: bool | None = None,
) -> TrainingRows:
    """Render examples; a row with nothing left to train is dropped and reported, never trained at loss 0.

    Plain text is cut into windows, each a row; of other rows what exceeds `max_length` is cut off. For `dpo` the
    rejected answers are rendered too, and a pair that is equal within `max_length` is dropped. Rows that the template
    refuses are left out and told where `leave_out` says so (None: where the settings of rendering do); else the first
    raises UserError.
    """
    rows: list[Row] = []
    rejected: list[Row] = []
    kept: list[Example] = []
    problems: list[Problem] = []
    truncated, dropped, refused = 0, 0, 0
    reasons: Counter[str] = Counter()
    last_only = objective in ("dpo", "kto")
    if leave_out is None:
        leave_out = settings_of(tokenizer).refused == "leave-out"
    for example in examples:
        try:
            rendered = render(example, tokenizer, None if example.kind == "text" else max_length, last_only)
            other = None
            if objective == "dpo":
                rival = replace(example, target=example.rejected, answer={})
                other = render(rival, tokenizer, max_length, last_only)
        except Refused as e:
            if not (leave_out or e.whatever):
                raise
            problems.append(Problem("warning", e.why, "The row is left out.", example.row))
            refused += 1
            reasons[e.short] += 1
            continue
        problems += rendered.problems
        truncated += bool(rendered.cut_ids or (other and other.cut_ids))
        if example.kind == "text" and rendered.trainable:
            parts = windows(rendered, max_length, tokenizer.bos_token_id)
            rows += parts
            kept += [example] * len(parts)
            continue
        if problem := _untrainable(rendered, other, max_length, example):
            problems.append(problem)
            dropped += 1
            reasons[_DIGITS.sub("…", problem.what)] += 1
            continue
        rows.append((rendered.ids, rendered.trained))
        kept.append(example)
        if other:
            rejected.append((other.ids, other.trained))
    tokens = sum(len(ids) for ids, _ in rows + rejected)
    trained = sum(sum(mask) for _, mask in rows + rejected)
    return TrainingRows(
        rows, kept, summed(problems), truncated, dropped, tokens, trained, refused, dict(reasons), rejected
    )


_DIGITS = re.compile(r"\d[\d,]*(?= tokens, the limit)")
"""Of a row alone: its length, where the limit follows."""
MANY = 5
"""So many rows with the same to be said of them are told together."""


def summed(problems: list[Problem]) -> list[Problem]:
    """The problems, those of more than MANY rows as one that names the first of them, in the place of the first."""
    rows: dict[Problem, list[int]] = {}
    for p in problems:
        rows.setdefault(replace(p, row=None), []).append(p.row or 0)
    out = []
    for p, numbers in rows.items():
        if len(numbers) <= MANY:
            out += [replace(p, row=n or None) for n in numbers]
            continue
        first = ", ".join(f"{n:,}" for n in numbers[:MANY])
        out.append(replace(p, what=f"{len(numbers):,} rows ({first} …): {p.what}"))
    return out


def _untrainable(rendered: Rendered, other: Rendered | None, max_length: int, example: Example) -> Problem | None:
    if example.kind == "text":
        return Problem("warning", "The text has fewer than two tokens.", "The row is not trained.", example.row)
    if rendered.trainable == 0 and not rendered.cut_ids:
        what = "The answer cannot be found in what the chat template writes."
        return Problem("warning", what, "The row is not trained; choose another template.", example.row)
    if rendered.trainable == 0:
        length = len(rendered.ids) + len(rendered.cut_ids)
        what = f"The prompt alone fills the maximum length ({length:,} tokens, the limit is {max_length:,})."
        fix = "The row is not trained; raise the maximum length or shorten the prompt."
        return Problem("warning", what, fix, example.row)
    if other and other.ids == rendered.ids:
        what = f"Chosen and rejected answer are the same within the maximum length of {max_length:,} tokens."
        return Problem("warning", what, "The row is not trained; raise the maximum length.", example.row)
    return None


def windows(rendered: Rendered, max_length: int, bos: int | None = None) -> list[Row]:
    """A long text as rows of at most `max_length` tokens in which every trained token is trained exactly once.

    A window begins with the last token of the one before it, which is not trained again but gives the first new token
    its context; and with `bos` where the text begins with it, since such models expect it.
    """
    ids, trained = rendered.ids, rendered.trained
    lead = ids[:1] if bos is not None and ids[0] == bos else ()
    rows: list[Row] = [(ids[:max_length], trained[:max_length])]
    at, new = max_length, max_length - len(lead) - 1
    while at < len(ids):
        part = ids[at - 1 : at + new]
        rows.append(((*lead, *part), (False,) * (len(lead) + 1) + (True,) * (len(part) - 1)))
        at += new
    return rows
