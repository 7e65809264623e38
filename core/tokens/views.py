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
from core.engine.rendering import Refused, Rendered, template_of
from core.engine.templates import RenderSettings, day_of, thinking_switch, writes_date
from core.errors import Problem
from core.models import catalogue, downloads, loading, vocabulary
from core.models.process import TOKENIZERS, Progress
from core.store.datasets import KINDS
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.tokens import statistics
from core.tokens.lengths import Lengths, histogram
from core.tokens.preview import Preview, TokenView, context_problems, preview
from core.tokens.remarks import Remark
from core.tokens.rows import to_rows
from core.tokens.statistics import Passes, TokenReport
from core.types import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ALL_ROWS = 900.0
"""Seconds that a question over all rows of a version may take: a million are measured in well under a minute."""


def _silent(share: float, what: str) -> None:
    pass


@dataclass(frozen=True)
class Written:
    """By which model's tokenizer rows are written, and how."""

    model: str
    models: str
    """The folder of models."""
    template: str = ""
    rendering: RenderSettings = RenderSettings()
    revision: str | None = None

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Written:
        """As it came from another process."""
        return cls(**{**raw, "rendering": RenderSettings(**raw["rendering"])})

    def tokenizer(self, progress: Progress = _silent) -> PreTrainedTokenizerBase:
        loading.locate(self.model, Path(self.models), progress)
        return loading.tokenizer(self.model, Path(self.models), self.revision, self.template, self.rendering)


def fetch(workspace: Workspace, model: str, progress: Progress = _silent) -> None:
    """Have the model's tokenizer at hand, from afar on first use. Raises UserError when it cannot be had."""
    TOKENIZERS.call(answer_fetch, asdict(of(workspace, model)), progress=progress)


def answer_fetch(raw: dict[str, Any], progress: Progress = _silent) -> None:
    written = Written.of(raw)
    written.tokenizer(progress)


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


def row(written: Written, example: Example, max_length: int | None) -> RowView:
    """One row, token by token."""
    raw = TOKENIZERS.call(answer_row, asdict(written), example.to_dict(), max_length)
    tokens, problems = [TokenView(*t) for t in raw["tokens"]], [Problem(**p) for p in raw["problems"]]
    return RowView(**{**raw, "tokens": tokens, "problems": problems})


def answer_row(
    raw: dict[str, Any], example: dict[str, Any], max_length: int | None, progress: Progress = _silent
) -> dict[str, Any]:
    written = Written.of(raw)
    tokenizer = written.tokenizer(progress)
    own = template_of(replace(written, template="").tokenizer())[1]
    try:
        shown = preview(Example.from_dict(example), tokenizer, max_length)
    except Refused as e:
        shown = Preview(Rendered("", (), (), 0), [], [Problem("error", e.why, e.fix, e.row)], own)
    context = loading.context_length(written.model, Path(written.models))
    problems = [*_template_problems(written, tokenizer, own), *shown.problems, *context_problems(shown, context)]
    return {
        "tokens": [list(vars(t).values()) for t in shown.tokens],
        "kept": len(shown.rendered.ids),
        "trained": shown.rendered.trainable,
        "text": shown.rendered.text,
        "template": template_of(tokenizer)[0],
        "problems": [asdict(p) for p in problems],
    }


def _template_problems(written: Written, tokenizer: PreTrainedTokenizerBase, own: bool) -> list[Problem]:
    """A word where no template of the model's own is used or it is set aside, where it writes a date, and where it has
    no switch for what is asked of it."""
    problems = []
    if written.template and own:
        what = f"The template “{written.template}” is not the one this model was trained with."
        problems.append(Problem("warning", what, "Expect to need more rows; the model's own is the better choice."))
    if not own:
        used = written.template or "instruction"
        what = f"The model brings no chat template; “{used}” is used."
        problems.append(Problem("note", what, "Whoever uses the model later must write prompts in the same way."))
    if writes_date(tokenizer):
        what = f"The chat template writes today's date: {day_of(written.rendering)} is written in every row."
        fix = "It is the day of the rows' version, in training, evaluation and chat alike."
        problems.append(Problem("note", what, fix))
    if written.rendering.thinking != "row" and thinking_switch(tokenizer) is None:
        what = "The chat template has no switch for thinking."
        fix = (
            "Of the rows reasoning is left out."
            if written.rendering.thinking == "never"
            else "The rows stay as they are."
        )
        problems.append(Problem("note", what, fix))
    return problems


@dataclass(frozen=True)
class BatchView:
    """How the rows of one step are fed."""

    lengths: list[tuple[int, int, int]]
    """Of each row (untrained, trained, padding) tokens."""
    packed: int
    """Nodes that are fed with shared prefixes."""


def batch(written: Written, examples: list[Example], max_length: int) -> BatchView | None:
    """The step that holds these rows; None where nothing of them is trained."""
    raw = TOKENIZERS.call(answer_batch, asdict(written), [e.to_dict() for e in examples], max_length)
    return BatchView([tuple(n) for n in raw["lengths"]], raw["packed"]) if raw else None


def answer_batch(
    raw: dict[str, Any], examples: list[dict[str, Any]], max_length: int, progress: Progress = _silent
) -> dict[str, Any] | None:
    written = Written.of(raw)
    tokenizer = written.tokenizer(progress)
    rows = to_rows([Example.from_dict(e) for e in examples], tokenizer, max_length, leave_out=True).rows
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


def lengths(written: Written, rows_file: str, max_length: int) -> LengthsView:
    """The histogram of a dataset version's training rows, and what is lost at `max_length` tokens."""
    return _lengths_view(TOKENIZERS.call(answer_lengths, asdict(written), rows_file, max_length, patience=ALL_ROWS))


def _lengths_view(raw: dict[str, Any]) -> LengthsView:
    return LengthsView(**{**raw, "lost": statistics.Loss(**raw["lost"])})


def answer_lengths(
    raw: dict[str, Any], rows_file: str, max_length: int, progress: Progress = _silent
) -> dict[str, Any]:
    written = Written.of(raw)
    measured = _as_trained(written, rows_file, max_length, progress)
    written_rows = measured.total > 0  # the template refuses the others
    total, answer = measured.total[written_rows], measured.trained()[written_rows]
    prompt = total - answer
    whole = list(histogram(total))
    width = whole[0][1] - whole[0][0] if whole else 1
    parts = {
        name: list(histogram(values, bins=max(1, -(-int(values.max() + 1) // width)))) if len(values) else []
        for name, values in (("prompt", prompt), ("answer", answer))
    }
    lost = asdict(statistics.loss_at(measured, max_length))
    return {"rows": len(measured.total), "longest": int(total.max(initial=0)), "total": whole, **parts, "lost": lost}


def dataset(written: Written, rows_file: str, settings: Passes) -> tuple[TokenReport, LengthsView]:
    """What of a dataset version will be trained under these settings, and how long its rows are."""
    passes = {name: getattr(settings, name) for name in ("max_length", "batch_size", "seed")}
    raw = TOKENIZERS.call(answer_dataset, asdict(written), rows_file, passes, patience=ALL_ROWS)
    report = TokenReport(**{**raw["report"], "remarks": tuple(raw["report"]["remarks"])})
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
    raw: dict[str, Any], rows_file: str, passes: dict[str, int], progress: Progress = _silent
) -> dict[str, Any]:
    written = Written.of(raw)
    tokenizer = written.tokenizer(progress)
    rows = Rows(Path(rows_file))
    measured = statistics.cached_lengths(rows.path, rows, tokenizer)
    context = loading.context_length(written.model, Path(written.models))
    report = statistics.token_report(rows, measured, tokenizer, _Passes(**passes), context)
    lengths = answer_lengths(raw, rows_file, passes["max_length"], progress)
    return {"report": report.to_dict(), "lengths": lengths}


def worst_first(written: Written, rows_file: str, max_length: int) -> np.ndarray:
    """Places of a version's rows, those that lose most of their answers first, then the longest: int64."""
    return _worst_first(written, rows_file, max_length)


@lru_cache(maxsize=4)  # a version's rows never change; a million are 8 MB
def _worst_first(written: Written, rows_file: str, max_length: int) -> np.ndarray:
    places = TOKENIZERS.call(answer_worst_first, asdict(written), rows_file, max_length, patience=ALL_ROWS)
    return np.array(places, dtype=np.int64)


def answer_worst_first(raw: dict[str, Any], rows_file: str, max_length: int, progress: Progress = _silent) -> list[int]:
    written = Written.of(raw)
    tokenizer = written.tokenizer(progress)
    rows = Rows(Path(rows_file))
    return statistics.worst_first(rows, statistics.cached_lengths(rows.path, rows, tokenizer), max_length).tolist()


def longest_rows(written: Written, rows_file: str, max_length: int, most: int) -> tuple[tuple[int, int], ...]:
    """(untrained, all) tokens within `max_length` of the `most` longest training rows that have something to train."""
    raw = TOKENIZERS.call(answer_longest_rows, asdict(written), rows_file, max_length, most, patience=ALL_ROWS)
    return tuple((untrained, total) for untrained, total in raw)


def answer_longest_rows(
    raw: dict[str, Any], rows_file: str, max_length: int, most: int, progress: Progress = _silent
) -> list[tuple[int, int]]:
    written = Written.of(raw)
    measured = _as_trained(written, rows_file, max_length, progress)
    trained = measured.trained(max_length)
    total, trained = np.minimum(measured.total, max_length)[trained > 0], trained[trained > 0]
    longest = np.argsort(-total, kind="stable")[:most]
    return list(zip((total - trained)[longest].tolist(), total[longest].tolist(), strict=True))


def check_vocabulary(models: Path, model: str, revision: str | None, template: str) -> None:
    """Raise UserError where the model's tokenizer makes tokens that it has no embedding for."""
    TOKENIZERS.call(answer_vocabulary, model, str(models), revision, template)


def answer_vocabulary(
    model: str, models: str, revision: str | None, template: str, progress: Progress = _silent
) -> None:
    loading.locate(model, Path(models), progress)
    vocabulary.check(model, Path(models), revision, template)


def remarks(written: Written, rows_file: str) -> tuple[Remark, ...]:
    """What the template drops of which rows of a version, and which it refuses."""
    raw = TOKENIZERS.call(answer_remarks, asdict(written), rows_file, patience=ALL_ROWS)
    return tuple(Remark(**{**r, "first": tuple(r["first"])}) for r in raw)


def answer_remarks(raw: dict[str, Any], rows_file: str, progress: Progress = _silent) -> list[dict[str, Any]]:
    written = Written.of(raw)
    rows = Rows(Path(rows_file))
    return [asdict(r) for r in statistics.cached_lengths(rows.path, rows, written.tokenizer(progress)).remarks]


def of(
    workspace: Workspace,
    model: str,
    template: str = "",
    rendering: RenderSettings = RenderSettings(),  # noqa: B008 (frozen)
) -> Written:
    """How rows are written with a model as a person named it. Raises UserError for a name that cannot be."""
    model = catalogue.checked_name(model, workspace.settings)
    downloads.require_room(workspace.settings, model)
    return Written(model, str(workspace.models), template, rendering)


def _as_trained(written: Written, rows_file: str, max_length: int, progress: Progress) -> Lengths:
    """Lengths of each training row before any cut."""
    tokenizer = written.tokenizer(progress)
    measured = _training_lengths(rows_file, tokenizer, None) or _training_lengths(rows_file, tokenizer, max_length)
    assert measured is not None  # with a maximum length plain text has windows
    return measured


@lru_cache(maxsize=16)  # a version's rows never change
def _training_lengths(rows_file: str, tokenizer: Any, max_length: int | None) -> Lengths | None:
    """As `_as_trained`; None where plain text is among the rows, whose windows depend on a `max_length` not given."""
    rows = Rows(Path(rows_file))
    if max_length is None and (rows.kinds[rows.of_split("train")] == KINDS.index("text")).any():
        return None
    measured = statistics.cached_lengths(rows.path, rows, tokenizer)
    return statistics.as_trained(rows, measured, tokenizer, max_length or 0)
