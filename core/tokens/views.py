"""What the Tokens tab shows, worked out in the process that has the tokenizers: plain data out, plain data back.

Each question stands above its answer. Questions are asked in the page's process, which loads no tokenizer; answers are
given in `core.models.process.TOKENIZERS`, by the functions that the command line and the workers call themselves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engine.packing import pack
from core.engine.rendering import template_of
from core.errors import Problem
from core.models import catalogue, loading, vocabulary
from core.models.process import TOKENIZERS, Progress
from core.store.datasets import KINDS
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.tokens import statistics
from core.tokens.lengths import histogram
from core.tokens.preview import TokenView, context_problems, preview
from core.tokens.rows import to_rows
from core.tokens.statistics import Passes, TokenReport
from core.types import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ALL_ROWS = 900.0
"""Seconds that a question over all rows of a version may take: a million are measured in well under a minute."""


def _silent(share: float, what: str) -> None:
    pass


def fetch(workspace: Workspace, model: str, progress: Progress = _silent) -> None:
    """Have the model's tokenizer at hand, from afar on first use. Raises UserError when it cannot be had."""
    TOKENIZERS.call(answer_fetch, *_of(workspace, model), progress=progress)


def answer_fetch(model: str, models: str, progress: Progress = _silent) -> None:
    _tokenizer(model, models, "", progress)


@dataclass(frozen=True)
class RowView:
    """One row as the model sees it."""

    tokens: list[TokenView]
    """The kept ones and, behind them, those that were cut."""
    kept: int
    trained: int
    text: str
    """The rendered template."""
    template: str
    """Its source (Jinja)."""
    problems: list[Problem]

    @property
    def cut(self) -> int:
        return len(self.tokens) - self.kept


def row(workspace: Workspace, model: str, template: str, example: Example, max_length: int | None) -> RowView:
    """One row, token by token."""
    raw = TOKENIZERS.call(answer_row, *_of(workspace, model), template, example.to_dict(), max_length)
    tokens, problems = [TokenView(*t) for t in raw["tokens"]], [Problem(**p) for p in raw["problems"]]
    return RowView(**{**raw, "tokens": tokens, "problems": problems})


def answer_row(
    model: str,
    models: str,
    template: str,
    example: dict[str, Any],
    max_length: int | None,
    progress: Progress = _silent,
) -> dict[str, Any]:
    tokenizer = _tokenizer(model, models, template, progress)
    shown = preview(Example.from_dict(example), tokenizer, max_length)
    own = template_of(_tokenizer(model, models, ""))[1]
    context = loading.context_length(model, Path(models))
    problems = [*_template_problems(template, own), *shown.problems, *context_problems(shown, context)]
    return {
        "tokens": [list(vars(t).values()) for t in shown.tokens],
        "kept": len(shown.rendered.ids),
        "trained": shown.rendered.trainable,
        "text": shown.rendered.text,
        "template": template_of(tokenizer)[0],
        "problems": [asdict(p) for p in problems],
    }


def _template_problems(template: str, own: bool) -> list[Problem]:
    """A word where no template of the model's own is used, or where it is set aside."""
    if template and own:
        what = f"The template “{template}” is not the one this model was trained with."
        return [Problem("warning", what, "Expect to need more rows; the model's own is the better choice.")]
    if not own:
        used = template or "instruction"
        what = f"The model brings no chat template; “{used}” is used."
        return [Problem("note", what, "Whoever uses the model later must write prompts in the same way.")]
    return []


@dataclass(frozen=True)
class BatchView:
    """How the rows of one step are fed."""

    lengths: list[tuple[int, int, int]]
    """Of each row (untrained, trained, padding) tokens."""
    packed: int
    """Nodes that are fed with shared prefixes."""


def batch(
    workspace: Workspace, model: str, template: str, examples: list[Example], max_length: int
) -> BatchView | None:
    """The step that holds these rows; None where nothing of them is trained."""
    rows = [e.to_dict() for e in examples]
    raw = TOKENIZERS.call(answer_batch, *_of(workspace, model), template, rows, max_length)
    return BatchView([tuple(n) for n in raw["lengths"]], raw["packed"]) if raw else None


def answer_batch(
    model: str,
    models: str,
    template: str,
    examples: list[dict[str, Any]],
    max_length: int,
    progress: Progress = _silent,
) -> dict[str, Any] | None:
    tokenizer = _tokenizer(model, models, template, progress)
    rows = to_rows([Example.from_dict(e) for e in examples], tokenizer, max_length).rows
    rows = rows[: len(examples)]  # a long text alone may make more
    if not rows:
        return None
    longest = max(len(ids) for ids, _ in rows)
    lengths = [(len(ids) - sum(mask), sum(mask), longest - len(ids)) for ids, mask in rows]
    return {"lengths": lengths, "packed": len(pack(rows).ids)}


Bars = list[tuple[int, int, int]]
"""A histogram: (from, to, rows) of each bar."""


@dataclass(frozen=True)
class LengthsView:
    """How long the training rows are, before any cut, and what a maximum length loses of them."""

    rows: int
    longest: int
    total: Bars
    prompt: Bars
    answer: Bars
    lost: statistics.Loss


def lengths(workspace: Workspace, model: str, template: str, version_id: str, max_length: int) -> LengthsView:
    """The histogram of a dataset version's training rows, and what is lost at `max_length` tokens."""
    rows_file = str(workspace.rows_file(version_id))
    arguments = *_of(workspace, model), template, rows_file, max_length
    return _lengths_view(TOKENIZERS.call(answer_lengths, *arguments, patience=ALL_ROWS))


def _lengths_view(raw: dict[str, Any]) -> LengthsView:
    return LengthsView(**{**raw, "lost": statistics.Loss(**raw["lost"])})


def answer_lengths(
    model: str, models: str, template: str, rows_file: str, max_length: int, progress: Progress = _silent
) -> dict[str, Any]:
    prompt, total = _as_trained(model, models, template, rows_file, max_length, progress)
    answer = total - prompt
    whole = list(histogram(total))
    width = whole[0][1] - whole[0][0] if whole else 1
    parts = {
        name: list(histogram(values, bins=max(1, -(-int(values.max() + 1) // width)))) if len(values) else []
        for name, values in (("prompt", prompt), ("answer", answer))
    }
    lost = asdict(statistics.loss_at(prompt, total, max_length))
    return {"rows": len(total), "longest": int(total.max(initial=0)), "total": whole, **parts, "lost": lost}


def dataset(
    workspace: Workspace, model: str, template: str, version_id: str, settings: Passes
) -> tuple[TokenReport, LengthsView]:
    """What of a dataset version will be trained under these settings, and how long its rows are."""
    rows_file = str(workspace.rows_file(version_id))
    passes = {name: getattr(settings, name) for name in ("max_length", "batch_size", "seed")}
    arguments = *_of(workspace, model), template, rows_file, passes
    raw = TOKENIZERS.call(answer_dataset, *arguments, patience=ALL_ROWS)
    report = TokenReport(**raw["report"])
    report = replace(report, steps=settings.steps(report.kept) if report.kept else 0)
    return report, _lengths_view(raw["lengths"])


@dataclass(frozen=True)
class _Passes:
    max_length: int
    batch_size: int
    seed: int

    def steps(self, rows: int) -> int:
        return 0  # whoever asks knows


def answer_dataset(
    model: str, models: str, template: str, rows_file: str, passes: dict[str, int], progress: Progress = _silent
) -> dict[str, Any]:
    tokenizer = _tokenizer(model, models, template, progress)
    rows = Rows(Path(rows_file))
    measured = statistics.cached_lengths(rows.path, rows, tokenizer)
    context = loading.context_length(model, Path(models))
    report = statistics.token_report(rows, measured, tokenizer, _Passes(**passes), context)
    lengths = answer_lengths(model, models, template, rows_file, passes["max_length"], progress)
    return {"report": report.to_dict(), "lengths": lengths}


def worst_first(workspace: Workspace, model: str, template: str, version_id: str, max_length: int) -> np.ndarray:
    """Places of a version's rows, those that lose most of their answer first, then the longest: int64."""
    arguments = *_of(workspace, model), template, str(workspace.rows_file(version_id)), max_length
    return _worst_first(arguments)


@lru_cache(maxsize=4)  # a version's rows never change; a million are 8 MB
def _worst_first(arguments: tuple[Any, ...]) -> np.ndarray:
    return np.array(TOKENIZERS.call(answer_worst_first, *arguments, patience=ALL_ROWS), dtype=np.int64)


def answer_worst_first(
    model: str, models: str, template: str, rows_file: str, max_length: int, progress: Progress = _silent
) -> list[int]:
    tokenizer = _tokenizer(model, models, template, progress)
    rows = Rows(Path(rows_file))
    return statistics.worst_first(rows, statistics.cached_lengths(rows.path, rows, tokenizer), max_length).tolist()


def longest_rows(
    models: Path, model: str, template: str, rows_file: Path, max_length: int, most: int
) -> tuple[tuple[int, int], ...]:
    """(untrained, all) tokens of the `most` longest training rows that have something to train."""
    arguments = model, str(models), template, str(rows_file), max_length, most
    raw = TOKENIZERS.call(answer_longest_rows, *arguments, patience=ALL_ROWS)
    return tuple((untrained, total) for untrained, total in raw)


def answer_longest_rows(
    model: str,
    models: str,
    template: str,
    rows_file: str,
    max_length: int,
    most: int,
    progress: Progress = _silent,
) -> list[tuple[int, int]]:
    prompt, total = _as_trained(model, models, template, rows_file, max_length, progress)
    prompt, total = prompt[prompt < max_length], total[prompt < max_length]
    longest = np.argsort(-total, kind="stable")[:most]
    return list(zip(prompt[longest].tolist(), total[longest].tolist(), strict=True))


def check_vocabulary(models: Path, model: str, revision: str | None, template: str) -> None:
    """Raise UserError where the model's tokenizer makes tokens that it has no embedding for."""
    TOKENIZERS.call(answer_vocabulary, model, str(models), revision, template)


def answer_vocabulary(
    model: str, models: str, revision: str | None, template: str, progress: Progress = _silent
) -> None:
    loading.locate(model, Path(models), progress)
    vocabulary.check(model, Path(models), revision, template)


def _of(workspace: Workspace, model: str) -> tuple[str, str]:
    """The model as a person named it, checked, and the folder of models."""
    return catalogue.checked_name(model, workspace.settings), str(workspace.models)


def _tokenizer(model: str, models: str, template: str, progress: Progress = _silent) -> PreTrainedTokenizerBase:
    loading.locate(model, Path(models), progress)
    return loading.tokenizer(model, Path(models), template=template)


def _as_trained(
    model: str, models: str, template: str, rows_file: str, max_length: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """(untrained, all) tokens of each training row before any cut: int64."""
    tokenizer = _tokenizer(model, models, template, progress)
    found = _training_lengths(rows_file, tokenizer, None) or _training_lengths(rows_file, tokenizer, max_length)
    assert found is not None  # with a maximum length plain text has windows
    return found


@lru_cache(maxsize=16)  # a version's rows never change
def _training_lengths(rows_file: str, tokenizer: Any, max_length: int | None) -> tuple[np.ndarray, np.ndarray] | None:
    """As `_as_trained`; None where plain text is among the rows, whose windows depend on a `max_length` not given."""
    rows = Rows(Path(rows_file))
    if max_length is None and (rows.kinds[rows.of_split("train")] == KINDS.index("text")).any():
        return None
    measured = statistics.cached_lengths(rows.path, rows, tokenizer)
    return statistics.as_trained(rows, measured, tokenizer, max_length or 0)
