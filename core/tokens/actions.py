"""What the Tokens tab and the commands `preview` and `stats` do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from core.engine.templates import RenderSettings
from core.errors import UserError
from core.models import catalogue, loading
from core.store import queries
from core.store.queries import Query, Rows
from core.store.workspace import Workspace
from core.tokens.preview import Preview, context_problems
from core.tokens.preview import preview as preview_tokens
from core.tokens.statistics import Passes, TokenReport, cached_lengths, token_report
from core.types import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[float, str], None]


def _silent(share: float, what: str) -> None:
    pass


def preview(
    workspace: Workspace,
    model: str,
    example: Example,
    max_length: int | None,
    progress: Progress = _silent,
    template: str = "",
    rendering: RenderSettings = RenderSettings(),  # noqa: B008 (frozen)
) -> Preview:
    """One row as the model will see it, with a Problem where it is longer than the model can take."""
    tokenizer = tokenizer_of(workspace, model, progress, template, rendering)
    shown = preview_tokens(example, tokenizer, max_length)
    shown.problems.extend(context_problems(shown, loading.context_length(model, workspace.models)))
    return shown


def tokens_of(
    workspace: Workspace,
    model: str,
    version_id: str,
    settings: Passes,
    progress: Progress = _silent,
    template: str = "",
    rendering: RenderSettings = RenderSettings(),  # noqa: B008 (frozen)
) -> TokenReport:
    """What of a dataset version will be trained under these settings. Lengths are measured once and kept on disk."""
    tokenizer = tokenizer_of(workspace, model, progress, template, rendering)
    rows = workspace.rows(version_id)
    measured = cached_lengths(rows.path, rows, tokenizer)
    return token_report(rows, measured, tokenizer, settings, loading.context_length(model, workspace.models))


def pick(rows: Rows, search: str, order: np.ndarray | None, number: int | None, step: int) -> Example:
    """The row of a number (None: the first), or its neighbour `step` further, among those that hold a text.

    In the order of the file, or in an `order` of all places. A number that was left out at import leads to the next
    one. Raises UserError where no row holds the text.
    """
    matching, _ = queries.matching(rows.path, Query(text=search))
    if not len(matching):
        raise UserError(f"No row holds “{search.strip()}”. Search for something else, or clear the search.")
    places = np.asarray(matching)
    if order is not None:
        places = order if len(places) == len(order) else order[np.isin(order, places)]
    numbers = rows.numbers("row")[places]
    if number is None:
        at = 0
    elif len(exact := np.flatnonzero(numbers == number)):
        at = min(max(int(exact[0]) + step, 0), len(places) - 1)
    else:
        behind = np.flatnonzero(numbers >= number)
        at = int(behind[0]) if len(behind) else len(places) - 1
    return rows.take(places[at : at + 1])[0]


def step_from(rows: Rows, number: int, size: int) -> list[Example]:
    """`size` training rows from that number on: a step if rows were taken in order."""
    train = rows.of_split("train")
    behind = np.flatnonzero(rows.numbers("row")[train] >= number)
    start = int(behind[0]) if len(behind) else 0
    return rows.take(train[start : start + size])


def tokenizer_of(
    workspace: Workspace,
    model: str,
    progress: Progress = _silent,
    template: str = "",
    rendering: RenderSettings = RenderSettings(),  # noqa: B008 (frozen)
) -> PreTrainedTokenizerBase:
    """The tokenizer of a model as a person named it, with the template and the settings of rendering they chose."""
    model = catalogue.checked_name(model, workspace.settings)
    loading.locate(model, workspace.models, progress)
    return loading.tokenizer(model, workspace.models, template=template, settings=rendering)
