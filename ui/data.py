"""The Data tab: what rows are there, and importing others."""

from __future__ import annotations

import math
from pathlib import Path

import gradio as gr

from core.data import actions as data_actions
from core.data.columns import Columns
from core.errors import Problem, UserError
from core.store.workspace import Workspace
from core.types import DatasetVersion, Example
from ui import html, text
from ui.page import BUSY, QUIET, Page, guarded

PAGE_ROWS = 20
NONE = "(none)"
PICKED = ("prompt", "answer", "context", "system", "messages", "rejected", "mark", "text")
"""Fields of Columns that name a column, in the order of their controls."""


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Accordion("Import rows", open=False, elem_id="tw-import") as importer:
        gr.Markdown(text.IMPORT_HELP, elem_classes="tw-help")
        file = gr.File(label="Your file", file_count="single", type="filepath", elem_id="tw-file", height=130)
        with gr.Group(visible=False) as mapping:
            with gr.Row():
                prompt = gr.Dropdown([], label="Prompt", info="What the model is asked.", min_width=150)
                answer = gr.Dropdown([], label="Answer", info="What it should say.", min_width=150)
                context = gr.Dropdown([], label="Further text", info="Set below the prompt.", min_width=150)
                system = gr.Dropdown([], label="System", info="How it should behave.", min_width=150)
            with gr.Row():
                rejected = gr.Dropdown([], label="Rejected answer", info="A worse one (DPO).", min_width=150)
                mark = gr.Dropdown([], label="Mark", info="Good or bad (KTO).", min_width=150)
                messages = gr.Dropdown([], label="Conversations", info="Chat rows, instead.", min_width=150)
                plain = gr.Dropdown([], label="Plain text", info="Text alone, instead.", min_width=150)
            with gr.Row():
                labels = gr.Checkbox(False, label="The answer is one of a few labels")
                validation = gr.Slider(0.05, 0.4, 0.1, step=0.05, label="Validation share")
                test = gr.Slider(0.05, 0.4, 0.1, step=0.05, label="Test share")
        findings = gr.HTML()
        confirm = gr.Button("Import", variant="primary", visible=False, elem_id="tw-import-button")
    with gr.Row(elem_classes="tw-toolbar"):
        version = gr.Dropdown([], label="Version", min_width=200, scale=2)
        part = gr.Dropdown(
            [("All parts", ""), ("Train", "train"), ("Validation", "validation"), ("Test", "test")],
            value="",
            label="Part",
            min_width=130,
            scale=1,
        )
        search = gr.Textbox(label="Search", placeholder="text in prompt or answer", min_width=200, scale=2)
    table = gr.HTML(elem_id="tw-rows")
    with gr.Row(elem_classes="tw-pager"):
        back = gr.Button("← Back", size="sm", scale=0, min_width=100)
        place = gr.HTML()
        forth = gr.Button("More →", size="sm", scale=0, min_width=100)
    at = gr.State(0)
    newest = gr.State(None)
    with gr.Accordion("What import found", open=False, visible=False) as found:
        remarks = gr.HTML()

    columns = [prompt, answer, context, system, messages, rejected, mark, plain, labels]
    kept = [gr.update()] * len(columns)

    def refresh(visitor: str, project_id: str | None, chosen: str | None, newest: str | None, part: str, search: str):
        workspace = page.workspace(visitor)
        versions = workspace.versions(project_id) if project_id else []
        ids = [v.id for v in versions]
        last = ids[-1] if ids else None
        # A version that came since, from a file or from the review, is what people want to see.
        value = chosen if chosen in ids and newest == last else last
        choices = [(v.title, v.id) for v in reversed(versions)]
        current = next((v for v in versions if v.id == value), None)
        shown = _rows(workspace, value, part, search, 0)
        return (
            gr.update(choices=choices, value=value),
            last,
            _lead(current),
            gr.update(open=not versions),
            *shown,
            *_remarks(current),
        )

    def turn(visitor: str, version_id: str | None, part: str, search: str, at: int, step: int):
        return _rows(page.workspace(visitor), version_id, part, search, max(0, at + step))

    def choose(visitor: str, version_id: str | None, part: str, search: str):
        workspace = page.workspace(visitor)
        current = workspace.version(version_id) if version_id else None
        return _lead(current), *_rows(workspace, version_id, part, search, 0), *_remarks(current)

    def uploaded(visitor: str, path: str | None):
        if not path:
            return *kept, gr.update(visible=False), "", gr.update(visible=False)
        try:
            draft = data_actions.inspect(Path(path), page.workspace(visitor))
        except UserError as e:
            draft = _only_columns(path, page.workspace(visitor))
            if draft is None:
                return (
                    *kept,
                    gr.update(visible=False),
                    html.note("error", str(e)),
                    gr.update(visible=False),
                )
            names, guess = draft
            return (
                *_mapping(names, guess),
                gr.update(visible=True),
                html.note("error", str(e)),
                gr.update(visible=True),
            )
        return (
            *_mapping(draft.table.columns, draft.columns),
            gr.update(visible=True),
            _draft(draft),
            gr.update(visible=True, value=f"Import {len(draft.examples):,} rows"),
        )

    def remapped(visitor: str, path: str | None, *chosen):
        if not path:
            return "", gr.update()
        try:
            draft = data_actions.inspect(Path(path), page.workspace(visitor), _columns(*chosen))
        except UserError as e:
            return html.note("error", str(e)), gr.update(interactive=False)
        return _draft(draft), gr.update(interactive=True, value=f"Import {len(draft.examples):,} rows")

    def do_import(visitor: str, project_id: str | None, path: str | None, validation, test, count: int, *chosen):
        if not project_id or not path:
            raise UserError("Choose a file first.")
        workspace = page.workspace(visitor)
        made, problems = data_actions.import_file(
            workspace, project_id, Path(path), _columns(*chosen), validation=validation, test=test
        )
        gr.Info(html.esc(f"{sum(made.counts.values()):,} rows were imported as version {made.number}."))
        return gr.update(value=None), gr.update(value=None), count + 1

    page.whenever(
        tab,
        refresh,
        [version, newest, part, search],
        [version, newest, lead, importer, table, place, at, back, forth, found, remarks],
    )
    paging = [table, place, at, back, forth]
    looking = [page.visitor, version, part, search]
    version.input(guarded(choose), looking, [lead, *paging, found, remarks], **QUIET)
    gr.on([part.input, search.submit, search.blur], guarded(lambda *a: turn(*a, 0, 0)), looking, paging, **QUIET)
    back.click(guarded(lambda *a: turn(*a, -PAGE_ROWS)), [*looking, at], paging, **QUIET)
    forth.click(guarded(lambda *a: turn(*a, PAGE_ROWS)), [*looking, at], paging, **QUIET)
    file.change(guarded(uploaded), [page.visitor, file], [*columns, mapping, findings, confirm], **BUSY)
    gr.on([c.input for c in columns], guarded(remapped), [page.visitor, file, *columns], [findings, confirm], **QUIET)
    confirm.click(
        guarded(do_import),
        [page.visitor, page.project, file, validation, test, page.changed, *columns],
        [file, version, page.changed],
        **BUSY,
    )


def _lead(version: DatasetVersion | None) -> str:
    if version is None:
        return html.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
    c = version.counts
    total = sum(c.values())
    corrected = len({i for change in version.manifest.get("changes", []) for i in change.get("corrected", [])})
    more = f" Corrected in the Error review: {corrected:,}." if corrected else ""
    return html.lead(
        f"{total:,} rows: {c['train']:,} to train, {c['validation']:,} to validate, {c['test']:,} to test.",
        f"From {version.manifest['file']}. The parts are frozen: test rows are never trained, and rows with the same "
        f"prompt always stand in the same part.{more}",
    )


def _rows(workspace: Workspace, version_id: str | None, part: str, search: str, at: int):
    if not version_id:
        return (
            html.empty(text.NO_ROWS, text.NO_ROWS_NEXT),
            "",
            0,
            gr.update(interactive=False),
            gr.update(interactive=False),
        )
    found = [e for e in workspace.examples(version_id, part or None) if _matches(e, search)]
    last = max(0, (math.ceil(len(found) / PAGE_ROWS) - 1) * PAGE_ROWS)
    at = min(at, last)
    if not found:
        table = html.empty("No row matches.", "Change the search or the part.")
    else:
        table = html.rows(found[at : at + PAGE_ROWS])
    place = f"{at + 1:,}–{min(at + PAGE_ROWS, len(found)):,} of {len(found):,}" if found else ""
    buttons = gr.update(interactive=at > 0), gr.update(interactive=at < last)
    return table, html.place(place), at, *buttons


def _matches(example: Example, search: str) -> bool:
    needle = (search or "").strip().casefold()
    texts = [*(m["content"] for m in example.messages), example.target, example.rejected]
    return not needle or any(needle in t.casefold() for t in texts)


def _remarks(version: DatasetVersion | None):
    """The folded list of what import found, named with its number; hidden where there is nothing."""
    found = [Problem(**p) for p in version.manifest.get("problems", [])] if version else []
    return gr.update(visible=bool(found), label=f"What import found: {len(found):,}"), html.problems(found, 100)


def _draft(draft: data_actions.Draft) -> str:
    count = len(draft.examples)
    first = draft.examples[0]
    return (
        html.lead(f"{count:,} of {len(draft.table.rows):,} rows can be trained.", "The first of them:")
        + html.rows([first])
        + html.problems(draft.problems, 10)
    )


def _mapping(names: tuple[str, ...], guess: Columns):
    choices = [NONE, *names]
    picked = [getattr(guess, name) for name in PICKED]
    return *[gr.update(choices=choices, value=value or NONE) for value in picked], gr.update(value=guess.label_task)


def _columns(*chosen) -> Columns:
    """From the controls: one for each of PICKED, and the box for labels."""
    picked = {n: None if v in (NONE, None, "") else v for n, v in zip(PICKED, chosen, strict=False)}
    return Columns(**picked, label_task=bool(chosen[-1]))


def _only_columns(path: str, workspace: Workspace) -> tuple[tuple[str, ...], Columns] | None:
    """Columns of a file that can be read but not understood yet, so that the person can choose them."""
    from core.data import columns, reading

    try:
        table = reading.read(Path(path), workspace.settings.max_upload_mb, workspace.settings.max_rows)
    except UserError:
        return None
    return table.columns, columns.guess(table)
