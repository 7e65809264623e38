"""The Tokens tab: what will be trained, how long rows may be, and any row as the model sees it."""

from __future__ import annotations

import gradio as gr

from core.engine.packing import pack
from core.engine.rendering import TEMPLATES, template_of
from core.errors import Problem, UserError
from core.models.catalogue import CATALOGUE
from core.store.workspace import Workspace
from core.tokens import actions as tokens_actions
from core.tokens import statistics
from core.tokens.rows import to_rows
from core.training.settings import TrainSettings
from core.types import Example
from ui import charts, html, text
from ui.page import QUIET, Page, guarded

DEFAULT = TrainSettings()
TEMPLATE_NAMES = [("The model's own", ""), *((name.capitalize(), name) for name in TEMPLATES)]
MODELS = [(c.title, c.name) for c in CATALOGUE]
IN_ORDER, WORST_FIRST = "As in the file", "Worst first"


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row(elem_classes="tw-toolbar"):
        model = gr.Dropdown(
            MODELS, value=CATALOGUE[0].name, label="Model", allow_custom_value=True, min_width=220, scale=2
        )
        template = gr.Dropdown(TEMPLATE_NAMES, value="", label="Chat template", min_width=160)
    figures = gr.HTML()
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            chart = gr.Plot(show_label=False, elem_id="tw-lengths")
        with gr.Column(scale=2, min_width=260):
            max_length = gr.Slider(
                16, 512, DEFAULT.max_length, step=1, label="Maximum length (tokens)", elem_id="tw-max-length"
            )
            cut = gr.HTML(elem_id="tw-cut")
            use = gr.Button("Use this length in Training", size="sm", elem_id="tw-use-length")
    gr.Markdown("### One row")
    with gr.Row(elem_classes="tw-toolbar"):
        search = gr.Textbox(label="Search", placeholder="text in prompt or answer", min_width=160, scale=2)
        order = gr.Dropdown([IN_ORDER, WORST_FIRST], value=IN_ORDER, label="Order", min_width=140, scale=1)
        row = gr.Number(1, label="Row", precision=0, minimum=1, min_width=90, scale=1, elem_id="tw-token-row")
        back = gr.Button("← Before (P)", min_width=120, scale=0, elem_id="tw-token-back")
        forth = gr.Button("Next (N) →", min_width=120, scale=0, elem_id="tw-token-next")
    gr.HTML(html.TOKEN_LEGEND)
    with gr.Row():
        with gr.Column(min_width=300):
            shown = gr.HTML(elem_id="tw-token-view")
        with gr.Column(min_width=300, visible=False) as beside:
            other = gr.HTML(elem_id="tw-token-other")
    remarks = gr.HTML()
    with gr.Accordion("Compare with another model, template or length", open=False) as comparing, gr.Row():
        model_b = gr.Dropdown(MODELS, value=CATALOGUE[0].name, label="Model", allow_custom_value=True)
        template_b = gr.Dropdown(TEMPLATE_NAMES, value="", label="Chat template")
        max_length_b = gr.Number(DEFAULT.max_length, label="Length to compare with", precision=0, minimum=1)
    with gr.Accordion("The batch this row would be in", open=False):
        batch = gr.HTML()
    with gr.Accordion("The chat template", open=False):
        rendered = gr.Textbox(label="This row, rendered", interactive=False, lines=4, max_lines=14)
        source = gr.Code(label="The template itself (Jinja)", language="jinja2", interactive=False, max_lines=20)
    gr.Markdown(text.TOKENS_HELP, elem_classes="tw-help")
    compared = gr.State(False)

    def fetch(visitor, model, progress=gr.Progress()):  # noqa: B008 (Gradio finds it by its default)
        """The model's tokenizer, from afar on first use: says how far it is."""
        tokens_actions.tokenizer_of(page.workspace(visitor), model, lambda share, what: progress(share, desc=what))
        return gr.skip()

    def show_all(visitor, project_id, model, template, max_length, *row_inputs):
        """Everything: another model, template or version may have changed the lengths themselves."""
        workspace = page.workspace(visitor)
        version = _newest(workspace, project_id)
        if version is None:
            empty = html.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
            return empty, "", gr.update(), "", gr.update(), 1, "", gr.update(visible=False), "", "", "", "", ""
        tokenizer = tokens_actions.tokenizer_of(workspace, model, template=template)
        settings = _settings(max_length)
        report = tokens_actions.tokens_of(workspace, model, version.id, settings, template=template)
        chart, sentence, _ = _lengths(workspace, version.id, tokenizer, settings.max_length, report)
        top = max(512, report.longest + 32)
        return (
            _lead(report, settings.max_length),
            _figures(report),
            chart,
            sentence,
            gr.update(maximum=top),
            *show_row(visitor, project_id, model, template, max_length, *row_inputs),
        )

    def cut_at(visitor, project_id, model, template, max_length):
        """The slider moves: only what depends on the cut."""
        workspace = page.workspace(visitor)
        version = _newest(workspace, project_id)
        if version is None:
            return gr.update(), ""
        tokenizer = tokens_actions.tokenizer_of(workspace, model, template=template)
        return _lengths(workspace, version.id, tokenizer, _settings(max_length).max_length)[:2]

    def show_row(
        visitor,
        project_id,
        model,
        template,
        max_length,
        search,
        order,
        row,
        compared,
        model_b,
        template_b,
        max_b,
        step=0,
    ):
        workspace = page.workspace(visitor)
        version = _newest(workspace, project_id)
        settings = _settings(max_length)
        examples = workspace.examples(version.id)
        tokenizer = tokens_actions.tokenizer_of(workspace, model, template=template)
        example = _pick(workspace, version.id, examples, tokenizer, settings.max_length, search, order, row, step)
        view = tokens_actions.preview(workspace, model, example, settings.max_length, template=template)
        beside_it = ""
        if compared:
            second = tokens_actions.preview(
                workspace, model_b, example, _settings(max_b).max_length, template=template_b
            )
            beside_it = _heading(example, second) + html.tokens(second.tokens)
        return (
            example.row,
            _heading(example, view) + html.tokens(view.tokens),
            gr.update(visible=bool(compared)),
            beside_it,
            html.problems([*_template_problems(workspace, model, template), *view.problems]),
            view.rendered.text,
            template_of(tokenizer)[0],
            _batch(examples, example, tokenizer, settings),
        )

    row_inputs = [search, order, row, compared, model_b, template_b, max_length_b]
    row_outputs = [row, shown, beside, other, remarks, rendered, source, batch]
    known = [page.visitor, page.project, model, template, max_length]
    everything = [lead, figures, chart, cut, max_length, *row_outputs]
    # Only opening the tab or naming a model may have to fetch one, and then says how far it is.
    fetching = {**QUIET, "show_progress": "full", "trigger_mode": "always_last"}
    page.whenever(
        tab,
        show_all,
        [*known[2:], *row_inputs],
        everything,
        before=lambda: tab.select(guarded(fetch), [page.visitor, model], lead, **fetching),
    )
    named = model.input(guarded(fetch), [page.visitor, model], lead, **fetching)
    named.success(guarded(show_all), [*known, *row_inputs], everything, **QUIET)
    template.input(guarded(show_all), [*known, *row_inputs], everything, **QUIET)
    max_length.input(guarded(cut_at), known, [chart, cut], **{**QUIET, "trigger_mode": "always_last"})
    max_length.release(guarded(show_all), [*known, *row_inputs], everything, **QUIET)
    picks = [row.submit, search.submit, search.blur, max_length_b.submit, max_length_b.blur]
    picks += [model_b.input, template_b.input]
    gr.on(picks, guarded(show_row), [*known, *row_inputs], row_outputs, **QUIET)
    # Another order begins at its first row.
    first_row = [*known, search, order, gr.State(None), *row_inputs[3:]]
    order.input(guarded(show_row), first_row, row_outputs, **QUIET)
    back.click(guarded(lambda *a: show_row(*a, step=-1)), [*known, *row_inputs], row_outputs, **QUIET)
    forth.click(guarded(lambda *a: show_row(*a, step=+1)), [*known, *row_inputs], row_outputs, **QUIET)
    for event, value in ((comparing.expand, True), (comparing.collapse, False)):
        event(lambda value=value: value, None, compared, **QUIET).then(
            guarded(show_row), [*known, *row_inputs], row_outputs, **QUIET
        )
    use.click(lambda length: (length, _used(length)), max_length, [page.length, cut], **QUIET)


def _settings(max_length) -> TrainSettings:
    return TrainSettings.from_dict({"max_length": max_length})


def _used(length) -> str:
    return html.note("note", f"The Training tab now has a maximum length of {length:,.0f} tokens.")


def _newest(workspace: Workspace, project_id: str | None):
    versions = workspace.versions(project_id) if project_id else []
    return versions[-1] if versions else None


def _pick(workspace, version_id, examples, tokenizer, max_length, search, order, row, step) -> Example:
    """The wanted row (None: the first), or its neighbour among the rows that match the search, in the chosen order."""
    if order == WORST_FIRST:
        measured = statistics.cached_lengths(workspace.rows_file(version_id), examples, tokenizer)
        examples = [examples[i] for i in statistics.worst_first(examples, measured, max_length)]
    needle = (search or "").strip().casefold()
    found = [e for e in examples if needle in e.prompt.casefold() or needle in e.target.casefold()]
    if not found:
        raise UserError(f"No row holds “{search.strip()}”. Search for something else, or clear the search.")
    if row is None:
        return found[0]
    try:
        wanted = int(row)
    except (TypeError, ValueError) as e:
        raise UserError(f"“{row}” is not the number of a row.") from e
    numbers = [e.row for e in found]
    if wanted in numbers:
        return found[min(max(numbers.index(wanted) + step, 0), len(found) - 1)]
    return next((e for e in found if e.row >= wanted), found[-1])  # numbers of rows left out lead to the next one


def _lead(report: statistics.TokenReport, max_length: int) -> str:
    dropped = f", {report.dropped:,} have nothing left to train" if report.dropped else ""
    return html.lead(
        f"{report.kept:,} of {report.rows:,} rows are trained; {report.truncated:,} are cut at {max_length:,} tokens"
        f"{dropped}.",
        f"Suggested maximum length: {report.suggested_length:,}, because {report.suggested_because}.",
    )


def _figures(r: statistics.TokenReport) -> str:
    """What will actually be trained, as numbers with a word on each."""
    share = r.trained_tokens / r.tokens if r.tokens else 0
    waste = 1 - r.tokens / r.padded_tokens if r.padded_tokens else 0
    health = r.text
    words = ", ".join(f"{word} ({pieces})" for word, pieces, _ in health["broken_words"][:5])
    many = health["pieces_per_word"] > statistics.MANY_PIECES
    cells = [
        ("Rows trained", f"{r.kept:,}", f"of {r.rows:,}", ""),
        ("Rows cut", f"{r.truncated:,}", "at the maximum length", "warning" if r.truncated else ""),
        ("Rows dropped", f"{r.dropped:,}", "nothing left to train", "error" if r.dropped else ""),
        ("Without an end", f"{r.without_end:,}", "may not learn to stop", "warning" if r.without_end else ""),
        ("Trained tokens", f"{share:.0%}", f"{r.trained_tokens:,} of {r.tokens:,} a pass", ""),
        ("Padding would waste", f"{waste:.0%}", f"{r.padded_tokens:,} tokens fed", ""),
        ("Shared prefixes feed", f"{r.packed_tokens:,}", f"estimated from {r.sampled_steps} steps", ""),
        ("Steps", f"{r.steps:,}", f"{DEFAULT.epochs} passes, {DEFAULT.batch_size} rows a step", ""),
        (
            "Pieces per word",
            f"{health['pieces_per_word']:.2f}",
            "a poor fit" if many else "a good fit",
            "warning" * many,
        ),
        ("Bytes, unknown", f"{health['bytes']:.1%}, {health['unknown']:.1%}", "of the tokens", ""),
    ]
    return html.figures(cells) + (f'<p class="tw-detail">In most pieces: {html.esc(words)}.</p>' if words else "")


def _lengths(workspace, version_id, tokenizer, max_length: int, report=None):
    """The histogram with its cut, and what the cut loses."""
    examples = workspace.examples(version_id)
    measured = statistics.cached_lengths(workspace.rows_file(version_id), examples, tokenizer)
    prompt, total = statistics.as_trained(examples, measured, tokenizer, max_length)
    lost = statistics.loss_at(prompt, total, max_length)
    sentence = (
        f"At {max_length:,} tokens {lost.truncated:,} of {len(total):,} rows are cut and {lost.answer_share:.1%} of "
        f"the answers' tokens are lost; {lost.dropped:,} rows lose their whole answer."
    )
    return charts.lengths(prompt, total - prompt, total, max_length), html.sentences([sentence]), report


def _heading(example: Example, view) -> str:
    kept, cut = len(view.rendered.ids), len(view.rendered.cut_ids)
    sentence = f"Row {example.row} ({example.split}): {kept:,} tokens, {view.rendered.trainable:,} trained"
    sentence += f", {cut:,} cut off." if cut else "."
    return f'<p class="tw-detail">{html.esc(sentence)}</p>'


def _template_problems(workspace: Workspace, model: str, template: str) -> list[Problem]:
    """A word where no template of the model's own is used, or where it is set aside."""
    own = template_of(tokens_actions.tokenizer_of(workspace, model))[1]
    if template and own:
        what = f"The template “{template}” is not the one this model was trained with."
        return [Problem("warning", what, "Expect to need more rows; the model's own is the better choice.")]
    if not own:
        used = template or "instruction"
        what = f"The model brings no chat template; “{used}” is used."
        return [Problem("note", what, "Whoever uses the model later must write prompts in the same way.")]
    return []


def _batch(examples: list[Example], example: Example, tokenizer, settings: TrainSettings) -> str:
    """The step that would hold this row if rows were taken in order: the shown row and those after it."""
    train = [e for e in examples if e.split == "train"]
    start = next((i for i, e in enumerate(train) if e.row >= example.row), 0)
    made = to_rows(train[start : start + settings.batch_size], tokenizer, settings.max_length)
    if not made.rows:
        return ""
    rows = made.rows[: settings.batch_size]  # a long text alone may make more
    longest = max(len(ids) for ids, _ in rows)
    lengths = [(len(ids) - sum(mask), sum(mask), longest - len(ids)) for ids, mask in rows]
    return html.batch(lengths, len(pack(rows).ids))
