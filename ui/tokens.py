"""The Tokens tab: what will be trained, how long rows may be, and any row as the model sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import gradio as gr

from core.engine.templates import RenderSettings
from core.errors import Problem, UserError
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.tokens import actions as tokens_actions
from core.tokens import statistics, views
from core.training.settings import TrainSettings
from core.types import DatasetVersion, Example
from ui import charts, html, text
from ui.choosers import MODELS, TEMPLATE_NAMES
from ui.page import QUIET, Page, guarded
from ui.training import controls

DEFAULT = TrainSettings()
IN_ORDER, WORST_FIRST = "As in the file", "Worst first"


@dataclass(frozen=True)
class Asked:
    """What a person asks for: each a control's value, or in `Parts` the control itself."""

    model: Any
    template: Any
    answers: Any
    thinking: Any
    system: Any
    max_length: Any
    search: Any
    order: Any
    row: Any
    """Number of the row; None: the first in the order."""
    compared: Any
    model_b: Any
    template_b: Any
    max_length_b: Any


@dataclass(frozen=True)
class Parts(Asked):
    """The controls, and what they lead to."""

    back: gr.Button
    forth: gr.Button
    use: gr.Button
    comparing: gr.Accordion
    lead: gr.HTML
    remarks_of_all: gr.HTML
    """What the template drops of which rows."""
    figures: gr.HTML
    chart: gr.Plot
    cut: gr.HTML
    shown: gr.HTML
    beside: gr.Column
    other: gr.HTML
    remarks: gr.HTML
    rendered: gr.Textbox
    source: gr.Code
    batch: gr.HTML

    @property
    def inputs(self) -> list[Any]:
        """The controls in the order of `Asked`."""
        return [getattr(self, f.name) for f in fields(Asked)]

    @property
    def of_a_row(self) -> list[Any]:
        """What shows one row."""
        return [self.row, self.shown, self.beside, self.other, self.remarks, self.rendered, self.source, self.batch]

    @property
    def of_all(self) -> list[Any]:
        """What shows the dataset, and one row of it."""
        return [self.lead, self.remarks_of_all, self.figures, self.chart, self.cut, self.max_length, *self.of_a_row]


def build(page: Page, tab: gr.Tab) -> None:
    parts = Parts(**_lengths_part(), **_row_part(), **_folded_part())

    def fetch(visitor: str, model: str, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008 (Gradio finds it by its default)
        """The model's tokenizer, from afar on first use: says how far it is."""
        views.fetch(page.workspace(visitor), model, lambda share, what: progress(share, desc=what))
        return gr.skip()

    def show_all(visitor: str, project_id: str | None, *values: Any) -> dict[Any, Any]:
        """Everything: another model, template or version may have changed the lengths themselves."""
        workspace, asked = page.workspace(visitor), Asked(*values)
        version = _newest(workspace, project_id)
        if version is None:
            return _nothing(parts)
        return _all_rows(parts, workspace, version, asked) | _one_row(parts, workspace, version, asked)

    def cut_at(visitor: str, project_id: str | None, *values: Any) -> dict[Any, Any]:
        """The slider moves: only what depends on the cut."""
        workspace, asked = page.workspace(visitor), Asked(*values)
        version = _newest(workspace, project_id)
        if version is None:
            return {parts.cut: ""}
        length = _settings(asked.max_length).max_length
        rows_file = str(workspace.rows_file(version.id))
        return _cut(parts, views.lengths(_written(workspace, version, asked), rows_file, length), length)

    def show_row(visitor: str, project_id: str | None, *values: Any, step: int = 0) -> dict[Any, Any]:
        workspace = page.workspace(visitor)
        version = _newest(workspace, project_id)
        return _no_row(parts) if version is None else _one_row(parts, workspace, version, Asked(*values), step)

    known = [page.visitor, page.project]
    everything = [*known, *parts.inputs]
    # Only opening the tab or naming a model may have to fetch one, and then says how far it is.
    fetching = {**QUIET, "show_progress": "full", "trigger_mode": "always_last"}
    page.whenever(
        tab,
        show_all,
        parts.inputs,
        parts.of_all,
        before=lambda: tab.select(guarded(fetch), [page.visitor, parts.model], parts.lead, **fetching),
    )
    named = parts.model.input(guarded(fetch), [page.visitor, parts.model], parts.lead, **fetching)
    named.success(guarded(show_all), everything, parts.of_all, **QUIET)
    writing = [parts.template, parts.answers, parts.thinking, parts.system]
    of_all = [*(part.input for part in writing), parts.max_length.release]
    gr.on(of_all, guarded(show_all), everything, parts.of_all, **QUIET)
    sliding = {**QUIET, "trigger_mode": "always_last"}
    parts.max_length.input(guarded(cut_at), everything, [parts.chart, parts.cut], **sliding)
    _bind_row(parts, show_row, everything)
    used = [page.length, parts.cut]
    parts.use.click(lambda n: {page.length: n, parts.cut: _used(n)}, parts.max_length, used, **QUIET)


def _lengths_part() -> dict[str, Any]:
    """The upper half: model, figures, and the histogram with its cut."""
    parts: dict[str, Any] = {"lead": gr.HTML(html.lead("Loading …"))}
    with gr.Row(elem_classes="tw-toolbar"):
        parts["model"] = gr.Dropdown(
            MODELS, value=MODELS[0][1], label="Model", allow_custom_value=True, min_width=220, scale=2
        )
        parts["template"] = gr.Dropdown(TEMPLATE_NAMES, value="", label="Chat template", min_width=160)
    with gr.Row(elem_classes="tw-toolbar"):
        for name in ("answers", "thinking", "system"):
            parts[name] = controls.chooser(name, min_width=180)
    parts["remarks_of_all"] = gr.HTML(elem_id="tw-token-remarks")
    parts["figures"] = gr.HTML()
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            parts["chart"] = gr.Plot(show_label=False, elem_id="tw-lengths")
        with gr.Column(scale=2, min_width=260):
            parts["max_length"] = gr.Slider(
                16, 512, DEFAULT.max_length, step=1, label="Maximum length (tokens)", elem_id="tw-max-length"
            )
            parts["cut"] = gr.HTML(elem_id="tw-cut")
            parts["use"] = gr.Button("Use this length in Training", size="sm", elem_id="tw-use-length")
    return parts


def _row_part() -> dict[str, Any]:
    """The lower half: which row, and the row itself."""
    parts: dict[str, Any] = {}
    gr.Markdown("### One row")
    with gr.Row(elem_classes="tw-toolbar"):
        parts["search"] = gr.Textbox(label="Search", placeholder="text in prompt or answer", min_width=160, scale=2)
        parts["order"] = gr.Dropdown([IN_ORDER, WORST_FIRST], value=IN_ORDER, label="Order", min_width=140, scale=1)
        parts["row"] = gr.Number(1, label="Row", precision=0, minimum=1, min_width=90, scale=1, elem_id="tw-token-row")
        parts["back"] = gr.Button("← Before (P)", min_width=120, scale=0, elem_id="tw-token-back")
        parts["forth"] = gr.Button("Next (N) →", min_width=120, scale=0, elem_id="tw-token-next")
    gr.HTML(html.TOKEN_LEGEND)
    with gr.Row():
        with gr.Column(min_width=300):
            parts["shown"] = gr.HTML(elem_id="tw-token-view")
        with gr.Column(min_width=300, visible=False) as parts["beside"]:
            parts["other"] = gr.HTML(elem_id="tw-token-other")
    parts["remarks"] = gr.HTML()
    return parts


def _folded_part() -> dict[str, Any]:
    """What is folded away: a second view, the batch, the template."""
    parts: dict[str, Any] = {}
    title = "Compare with another model, template or length"
    with gr.Accordion(title, open=False) as parts["comparing"], gr.Row():
        parts["model_b"] = gr.Dropdown(MODELS, value=MODELS[0][1], label="Model", allow_custom_value=True)
        parts["template_b"] = gr.Dropdown(TEMPLATE_NAMES, value="", label="Chat template")
        parts["max_length_b"] = gr.Number(DEFAULT.max_length, label="Length to compare with", precision=0, minimum=1)
    with gr.Accordion("The batch this row would be in", open=False):
        parts["batch"] = gr.HTML()
    with gr.Accordion("The chat template", open=False):
        parts["rendered"] = gr.Textbox(label="This row, rendered", interactive=False, lines=4, max_lines=14)
        parts["source"] = gr.Code(
            label="The template itself (Jinja)", language="jinja2", interactive=False, max_lines=20
        )
    gr.Markdown(text.TOKENS_HELP, elem_classes="tw-help")
    parts["compared"] = gr.State(False)
    return parts


def _bind_row(parts: Parts, show_row: Callable[..., Any], everything: list[Any]) -> None:
    """What asks for another row, or for the same one beside another view of it."""
    outputs = parts.of_a_row
    picks = [parts.row.submit, parts.search.submit, parts.search.blur]
    picks += [parts.max_length_b.submit, parts.max_length_b.blur, parts.model_b.input, parts.template_b.input]
    gr.on(picks, guarded(show_row), everything, outputs, **QUIET)
    # Another order begins at its first row.
    first_row = [gr.State(None) if part is parts.row else part for part in everything]
    parts.order.input(guarded(show_row), first_row, outputs, **QUIET)
    parts.back.click(guarded(lambda *a: show_row(*a, step=-1)), everything, outputs, **QUIET)
    parts.forth.click(guarded(lambda *a: show_row(*a, step=+1)), everything, outputs, **QUIET)
    for event, value in ((parts.comparing.expand, True), (parts.comparing.collapse, False)):
        event(lambda value=value: value, None, parts.compared, **QUIET).then(
            guarded(show_row), everything, outputs, **QUIET
        )


def _nothing(parts: Parts) -> dict[Any, Any]:
    """A project without rows."""
    lead = html.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
    return {parts.lead: lead, parts.remarks_of_all: "", parts.figures: "", parts.cut: "", **_no_row(parts)}


def _no_row(parts: Parts) -> dict[Any, Any]:
    blank = [parts.shown, parts.other, parts.remarks, parts.rendered, parts.source, parts.batch]
    return {parts.row: 1, parts.beside: gr.update(visible=False), **dict.fromkeys(blank, "")}


def _all_rows(parts: Parts, workspace: Workspace, version: DatasetVersion, asked: Asked) -> dict[Any, Any]:
    settings = _settings(asked.max_length)
    written = _written(workspace, version, asked)
    report, lengths = views.dataset(written, str(workspace.rows_file(version.id)), settings)
    return {
        parts.lead: _lead(report, settings.max_length),
        parts.remarks_of_all: html.problems([Problem("warning", remark) for remark in report.remarks]),
        parts.figures: _figures(report),
        parts.max_length: gr.update(maximum=max(512, report.longest + 32)),
        **_cut(parts, lengths, settings.max_length),
    }


def _cut(parts: Parts, lengths: views.LengthsView, max_length: int) -> dict[Any, Any]:
    """The histogram with its cut, and what the cut loses."""
    lost = lengths.lost
    sentence = (
        f"At {max_length:,} tokens {lost.truncated:,} of {lengths.rows:,} rows are cut and {lost.answer_share:.1%} of "
        f"the answers' tokens are lost; {lost.dropped:,} rows lose their whole answer."
    )
    return {parts.chart: charts.lengths(lengths, max_length), parts.cut: html.sentences([sentence])}


def _one_row(
    parts: Parts, workspace: Workspace, version: DatasetVersion, asked: Asked, step: int = 0
) -> dict[Any, Any]:
    """The wanted row or its neighbour, beside another view of it where that is wanted."""
    settings = _settings(asked.max_length)
    rows = workspace.rows(version.id)
    example = _pick(workspace, version, rows, asked, step)
    written = _written(workspace, version, asked)
    view = views.row(written, example, settings.max_length)
    beside_it = ""
    if asked.compared:
        length = _settings(asked.max_length_b).max_length
        second = views.row(_written(workspace, version, asked, asked.model_b, asked.template_b), example, length)
        beside_it = _heading(example, second) + html.tokens(second.tokens)
    following = tokens_actions.step_from(rows, example.row, settings.batch_size)
    batch = views.batch(written, following, settings.max_length)
    return {
        parts.row: example.row,
        parts.shown: _heading(example, view) + html.tokens(view.tokens),
        parts.beside: gr.update(visible=bool(asked.compared)),
        parts.other: beside_it,
        parts.remarks: html.problems(view.problems),
        parts.rendered: view.text,
        parts.source: view.template,
        parts.batch: html.batch(batch.lengths, batch.packed) if batch else "",
    }


def _written(
    workspace: Workspace, version: DatasetVersion, asked: Asked, model: str | None = None, template: str | None = None
) -> views.Written:
    """As a run on these rows would write them."""
    rendering = RenderSettings(asked.answers, asked.thinking, asked.system, date=version.created[:10])
    if model is None:
        model, template = asked.model, asked.template
    return views.of(workspace, model, template or "", rendering)


def _settings(max_length: Any) -> TrainSettings:
    return TrainSettings.from_dict({"max_length": max_length})


def _used(length: float) -> str:
    return html.note("note", f"The Training tab now has a maximum length of {length:,.0f} tokens.")


def _newest(workspace: Workspace, project_id: str | None) -> DatasetVersion | None:
    versions = workspace.versions(project_id) if project_id else []
    return versions[-1] if versions else None


def _pick(workspace: Workspace, version: DatasetVersion, rows: Rows, asked: Asked, step: int) -> Example:
    """The wanted row (None: the first), or its neighbour among the rows that match the search, in the chosen order."""
    order = None
    if asked.order == WORST_FIRST:
        length = _settings(asked.max_length).max_length
        order = views.worst_first(_written(workspace, version, asked), str(rows.path), length)
    try:
        number = None if asked.row is None else int(asked.row)
    except (TypeError, ValueError) as e:
        raise UserError(f"“{asked.row}” is not the number of a row.") from e
    return tokens_actions.pick(rows, asked.search or "", order, number, step)


def _lead(report: statistics.TokenReport, max_length: int) -> str:
    dropped = f", {report.dropped:,} have nothing left to train" if report.dropped else ""
    dropped += f", {report.refused:,} cannot be written by the template" if report.refused else ""
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
    return html.figures(cells) + (html.detail(f"In most pieces: {words}.") if words else "")


def _heading(example: Example, view: views.RowView) -> str:
    sentence = f"Row {example.row} ({example.split}): {view.kept:,} tokens, {view.trained:,} trained"
    sentence += f", {view.cut:,} cut off." if view.cut else "."
    return html.detail(sentence)
