"""The Tokens tab: any row as the model will see it, and what of the whole dataset will be trained."""

from __future__ import annotations

import gradio as gr

from core import loop
from core.models.catalogue import CATALOGUE
from core.packing import pack
from core.training.rows import to_rows
from core.training.spec import TrainSettings
from core.types import Example, UserError
from core.workspace import Workspace
from ui import markup, text
from ui.page import QUIET, Page, guarded

DEFAULT = TrainSettings()


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(markup.lead("Loading …"))
    with gr.Row(elem_classes="tw-toolbar"):
        model = gr.Dropdown(
            [(c.title, c.name) for c in CATALOGUE],
            value=CATALOGUE[0].name,
            label="Model",
            allow_custom_value=True,
            min_width=220,
            scale=2,
        )
        max_length = gr.Number(DEFAULT.max_length, label="Maximum length", precision=0, minimum=1, min_width=140)
        row = gr.Number(1, label="Row", precision=0, minimum=1, min_width=100)
        back = gr.Button("← Row before", min_width=120, scale=0, elem_id="tw-token-back")
        forth = gr.Button("Next row →", min_width=120, scale=0, elem_id="tw-token-next")
    gr.HTML(markup.TOKEN_LEGEND)
    shown = gr.HTML(elem_id="tw-token-view")
    remarks = gr.HTML()
    with gr.Accordion("The template as text", open=False):
        template = gr.Textbox(show_label=False, interactive=False, lines=6, max_lines=20, container=False)
    gr.Markdown("### One step's batch")
    batch = gr.HTML()
    gr.Markdown(text.TOKENS_HELP, elem_classes="tw-help")

    def show(visitor: str, project_id: str | None, model: str, max_length, row, step: int = 0):
        progress = gr.Progress()
        workspace = page.workspace(visitor)
        version = _newest(workspace, project_id)
        if version is None:
            return markup.lead(text.NO_ROWS, text.NO_ROWS_NEXT), row, "", "", "", ""
        settings = TrainSettings.from_dict({"max_length": max_length})
        examples = workspace.examples(version.id)
        example = _at(examples, row, step)
        said = lambda share, what: progress(share, desc=what)  # noqa: E731
        view = loop.preview(workspace, model, example, settings.max_length, said)
        totals = loop.tokens_of(workspace, model, version.id, settings)
        return (
            _lead(totals, settings.max_length),
            example.row,
            _heading(example, view) + markup.tokens(view.tokens),
            markup.problems(view.problems),
            view.rendered.text,
            _batch(workspace, model, examples, example, settings),
        )

    inputs = [model, max_length, row]
    outputs = [lead, row, shown, remarks, template, batch]
    every = [page.visitor, page.project, *inputs]
    # Only opening the tab or naming a model may have to fetch one, and then says how far it is.
    fetching = {"show_progress": "full", "show_progress_on": lead}
    page.whenever(tab, show, inputs, outputs, **fetching)
    model.input(guarded(show), every, outputs, **{**QUIET, **fetching, "trigger_mode": "always_last"})
    gr.on([max_length.submit, max_length.blur, row.submit], guarded(show), every, outputs, **QUIET)
    back.click(guarded(lambda *a: show(*a, -1)), every, outputs, **QUIET)
    forth.click(guarded(lambda *a: show(*a, +1)), every, outputs, **QUIET)


def _newest(workspace: Workspace, project_id: str | None):
    versions = workspace.versions(project_id) if project_id else []
    return versions[-1] if versions else None


def _at(examples: list[Example], row, step: int) -> Example:
    """The example of a row number, or its neighbour; numbers of rows that were left out lead to the next one."""
    try:
        wanted = int(row)
    except (TypeError, ValueError) as e:
        raise UserError(f"“{row}” is not the number of a row.") from e
    numbers = [e.row for e in examples]
    place = next((i for i, n in enumerate(numbers) if n >= wanted), len(numbers) - 1)
    return examples[min(max(place + step, 0), len(examples) - 1)]


def _lead(totals, max_length: int) -> str:
    share = totals.trained_tokens / totals.tokens if totals.tokens else 0
    cut = f"{totals.truncated:,} are cut at {max_length:,} tokens"
    dropped = f", {totals.dropped:,} have nothing left to train" if totals.dropped else ""
    return markup.lead(
        f"{totals.kept:,} of {totals.rows:,} rows are trained; {cut}{dropped}.",
        f"{totals.trained_tokens:,} of {totals.tokens:,} tokens ({share:.0%}) are trained in each pass. "
        f"The longest row has {totals.longest:,} tokens. Padding would feed {totals.padded_tokens:,} tokens, sharing "
        f"prefixes feeds {totals.packed_tokens:,}.",
    )


def _heading(example: Example, view) -> str:
    kept, cut = len(view.rendered.ids), len(view.rendered.cut_ids)
    sentence = f"Row {example.row} ({example.split}): {kept:,} tokens, {view.rendered.trainable:,} trained"
    sentence += f", {cut:,} cut off." if cut else "."
    own = "" if view.own_template else " The model brings no chat template: the plain one is used."
    return f'<p class="tw-detail">{markup.esc(sentence + own)}</p>'


def _batch(workspace: Workspace, model: str, examples: list[Example], example: Example, settings: TrainSettings) -> str:
    """The step that would hold this row if rows were taken in order: the shown row and those after it."""
    train = [e for e in examples if e.split == "train"]
    start = next((i for i, e in enumerate(train) if e.row >= example.row), 0)
    chosen = train[start : start + settings.rows_per_step]
    from core.models import loading

    made = to_rows(chosen, loading.tokenizer(model, workspace.models), settings.max_length)
    if not made.rows:
        return ""
    longest = max(len(ids) for ids, _ in made.rows)
    lengths = [(len(ids) - sum(mask), sum(mask), longest - len(ids)) for ids, mask in made.rows]
    return markup.batch(lengths, len(pack(made.rows).ids))
