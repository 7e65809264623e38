"""The Data tab: what rows are there, and importing others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import gradio as gr

from core.data import actions as data_actions
from core.data import worker
from core.data.columns.choice import Columns
from core.errors import Problem, UserError
from core.store import queries
from core.store.workspace import Workspace
from core.types import DatasetVersion
from ui import html, text
from ui.page import BUSY, QUIET, Page, guarded

PAGE_ROWS = 20
NONE = "(none)"
PICKED = ("prompt", "answer", "context", "system", "messages", "rejected", "mark", "text")
"""Fields of Columns that name a column, in the order of their controls."""
ORDERS = [("As in the file", "file"), ("Longest first", "longest"), ("Shortest first", "shortest")]


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
        findings = gr.HTML(elem_id="tw-import-findings")
        confirm = gr.Button("Import", variant="primary", visible=False, elem_id="tw-import-button")
        cancel = gr.Button("Cancel", visible=False, elem_id="tw-import-cancel")
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
        order = gr.Dropdown(ORDERS, value="file", label="Order", min_width=130, scale=1)
    table = gr.HTML(elem_id="tw-rows")
    with gr.Row(elem_classes="tw-pager"):
        back = gr.Button("← Back", size="sm", scale=0, min_width=100)
        place = gr.HTML()
        forth = gr.Button("More →", size="sm", scale=0, min_width=100)
    at = gr.State(0)
    newest = gr.State(None)
    reading = gr.State({"run": 0})  # the newest reading of a file; one that sees a newer one, or Cancel, ends
    with gr.Accordion("What import found", open=False, visible=False) as found:
        remarks = gr.HTML()

    columns = [prompt, answer, context, system, messages, rejected, mark, plain, labels]
    kept = [gr.update()] * len(columns)

    def refresh(visitor: str, project_id: str | None, chosen: str | None, newest: str | None, part, search, order):
        workspace = page.workspace(visitor)
        versions = workspace.versions(project_id) if project_id else []
        ids = [v.id for v in versions]
        last = ids[-1] if ids else None
        # A version that came since, from a file or from the review, is what people want to see.
        value = chosen if chosen in ids and newest == last else last
        choices = [(v.title, v.id) for v in reversed(versions)]
        current = next((v for v in versions if v.id == value), None)
        shown = _rows(workspace, value, part, search, order, 0)
        return (
            gr.update(choices=choices, value=value),
            last,
            _lead(current),
            gr.update(open=not versions),
            *shown,
            *_remarks(current),
        )

    def turn(visitor: str, version_id: str | None, part: str, search: str, order: str, at: int, step: int):
        return _rows(page.workspace(visitor), version_id, part, search, order, max(0, at + step))

    def choose(visitor: str, version_id: str | None, part: str, search: str, order: str):
        workspace = page.workspace(visitor)
        current = workspace.version(version_id) if version_id else None
        return _lead(current), *_rows(workspace, version_id, part, search, order, 0), *_remarks(current)

    def look(visitor: str, path: str | None, reading: dict, chosen: Columns | None):
        """(findings, confirm, cancel), again and again; and at last with the draft behind."""
        hidden, shown = gr.update(visible=False), gr.update(visible=True)
        try:
            for step in _steps(page.workspace(visitor), path, reading, {"chosen": chosen and chosen.to_dict()}):
                if step.draft is None:
                    yield html.progress(step.share, step.what), hidden, shown, None
                elif step.draft.refused:
                    confirm = gr.update(visible=True, interactive=False)
                    yield html.note("error", step.draft.refused), confirm, hidden, step.draft
                else:
                    label = f"Import {step.draft.rows:,} rows"
                    confirm = gr.update(visible=True, interactive=True, value=label)
                    yield _draft(step.draft), confirm, hidden, step.draft
        except UserError as e:
            yield html.note("error", str(e)), hidden, hidden, None

    def uploaded(visitor: str, path: str | None, reading: dict):
        gone = gr.update(visible=False)
        if not path:
            reading["run"] += 1
            yield *kept, gone, "", gone, gone
            return
        for *shown, draft in look(visitor, path, reading, None):
            if draft is None:
                yield *kept, gone, *shown
            else:
                yield *_mapping(draft.there, draft.columns), gr.update(visible=True), *shown

    def remapped(visitor: str, path: str | None, reading: dict, *chosen):
        if path:
            for *shown, _ in look(visitor, path, reading, _columns(*chosen)):
                yield shown

    def do_import(visitor: str, project_id: str | None, path: str | None, reading, validation, test, count, *chosen):
        if not project_id or not path:
            raise UserError("Choose a file first.")
        workspace = page.workspace(visitor)
        request = {"project_id": project_id, "chosen": _columns(*chosen).to_dict()}
        same, hidden, shown = gr.skip(), gr.update(visible=False), gr.update(visible=True)
        try:
            for step in _steps(workspace, path, reading, {**request, "validation": validation, "test": test}):
                if not step.version_id:
                    yield same, same, same, html.progress(step.share, step.what), hidden, shown
                    continue
                made = workspace.version(step.version_id)
                gr.Info(html.esc(f"{sum(made.counts.values()):,} rows were imported as version {made.number}."))
                yield gr.update(value=None), gr.update(value=None), count + 1, "", hidden, hidden
        except UserError as e:
            yield same, same, same, html.note("error", str(e)), shown, hidden

    def cancel_reading(reading: dict):
        reading["run"] += 1
        return html.note("note", "Cancelled: nothing was imported."), gr.update(visible=True), gr.update(visible=False)

    page.whenever(
        tab,
        refresh,
        [version, newest, part, search, order],
        [version, newest, lead, importer, table, place, at, back, forth, found, remarks],
    )
    paging = [table, place, at, back, forth]
    looking = [page.visitor, version, part, search, order]
    version.input(guarded(choose), looking, [lead, *paging, found, remarks], **QUIET)
    gr.on(
        [part.input, order.input, search.submit, search.blur],
        guarded(lambda *a: turn(*a, 0, 0)),
        looking,
        paging,
        **QUIET,
    )
    back.click(guarded(lambda *a: turn(*a, -PAGE_ROWS)), [*looking, at], paging, **QUIET)
    forth.click(guarded(lambda *a: turn(*a, PAGE_ROWS)), [*looking, at], paging, **QUIET)
    found_in_file = [findings, confirm, cancel]
    file.change(guarded(uploaded), [page.visitor, file, reading], [*columns, mapping, *found_in_file], **BUSY)
    gr.on(
        [c.input for c in columns],
        guarded(remapped),
        [page.visitor, file, reading, *columns],
        found_in_file,
        trigger_mode="always_last",
        **QUIET,
    )
    confirm.click(
        guarded(do_import),
        [page.visitor, page.project, file, reading, validation, test, page.changed, *columns],
        [file, version, page.changed, *found_in_file],
        **BUSY,
    )
    cancel.click(cancel_reading, reading, found_in_file, **QUIET)


def _steps(workspace: Workspace, path: str, reading: dict, request: dict) -> Iterator[worker.Step]:
    """The steps of the newest reading; one that is not the newest any more ends without a word."""
    reading["run"] += 1
    mine = reading["run"]
    with suppress(worker.Cancelled):
        yield from worker.run(workspace, Path(path), request, lambda: reading["run"] != mine)


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


def _rows(workspace: Workspace, version_id: str | None, part: str, search: str, order: str, at: int):
    if not version_id:
        return (
            html.empty(text.NO_ROWS, text.NO_ROWS_NEXT),
            "",
            0,
            gr.update(interactive=False),
            gr.update(interactive=False),
        )
    found = queries.page(workspace.rows_file(version_id), part, search or "", order, at, PAGE_ROWS)
    if not found.rows:
        table = html.empty("No row matches.", "Change the search or the part.")
    else:
        table = html.rows(found.rows)
    last = found.at + len(found.rows)
    of = f"more than {found.total:,}" if found.more else f"{found.total:,}"
    place = f"{found.at + 1:,}–{last:,} of {of}" if found.rows else ""
    buttons = gr.update(interactive=found.at > 0), gr.update(interactive=last < found.total)
    return table, html.place(place), found.at, *buttons


def _remarks(version: DatasetVersion | None):
    """The folded list of what import found, named with its number; hidden where there is nothing."""
    found = [Problem(**p) for p in version.manifest.get("problems", [])] if version else []
    count = _problem_count(version) if version else 0
    return gr.update(visible=bool(found), label=f"What import found: {count:,}"), html.problems(found, 100, count)


def _problem_count(version: DatasetVersion) -> int:
    """All of them; the manifest holds the first thousand. Older ones count what they hold."""
    counts = version.manifest.get("problem_counts")
    return sum(counts.values()) if counts is not None else len(version.manifest.get("problems", []))


def _draft(draft: data_actions.Draft) -> str:
    return (
        html.lead(f"{draft.rows:,} of {draft.rows_in_file:,} rows can be trained.", "The first of them:")
        + html.rows([draft.first])
        + html.problems(draft.problems, 10, draft.problem_count)
    )


def _mapping(names: tuple[str, ...], guess: Columns):
    choices = [NONE, *names]
    picked = [getattr(guess, name) for name in PICKED]
    return *[gr.update(choices=choices, value=value or NONE) for value in picked], gr.update(value=guess.label_task)


def _columns(*chosen) -> Columns:
    """From the controls: one for each of PICKED, and the box for labels."""
    picked = {n: None if v in (NONE, None, "") else v for n, v in zip(PICKED, chosen, strict=False)}
    return Columns(**picked, label_task=bool(chosen[-1]))
