"""What the Tokens tab and the commands `preview` and `stats` do."""

from __future__ import annotations

from collections.abc import Callable

from core.models import catalogue, loading
from core.store.workspace import Workspace
from core.tokens.preview import Preview, context_problems
from core.tokens.preview import preview as preview_tokens
from core.tokens.statistics import Passes, TokenReport, cached_lengths, token_report
from core.types import Example

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
) -> Preview:
    """One row as the model will see it, with a Problem where it is longer than the model can take."""
    tokenizer = tokenizer_of(workspace, model, progress, template)
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
) -> TokenReport:
    """What of a dataset version will be trained under these settings. Lengths are measured once and kept on disk."""
    tokenizer = tokenizer_of(workspace, model, progress, template)
    examples = workspace.examples(version_id)
    measured = cached_lengths(workspace.rows_file(version_id), examples, tokenizer)
    return token_report(examples, measured, tokenizer, settings, loading.context_length(model, workspace.models))


def tokenizer_of(workspace: Workspace, model: str, progress: Progress = _silent, template: str = ""):
    """The tokenizer of a model as a person named it, with the template they chose."""
    model = catalogue.checked_name(model, workspace.settings)
    loading.locate(model, workspace.models, progress)
    return loading.tokenizer(model, workspace.models, template=template)
