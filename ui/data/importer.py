"""Importing what was brought: it is looked at, its columns are chosen, and it becomes a version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import escape

from core.data import actions as data_actions
from core.data import manifest, worker
from core.data.columns import templates
from core.data.columns.choice import Columns
from core.data.reading import decoding, spreadsheets
from core.errors import UserError
from core.store import prompts, quota
from core.store.workspace import Workspace
from core.types import Example
from ui import html, text
from ui.data import bringing
from ui.data.bringing import HIDDEN, SHOWN, Bringing
from ui.page import BUSY, QUIET, Page, guarded

NONE = "(none)"
CONTROLS = {
    "prompt": ("Prompt", "What the model is asked."),
    "answer": ("Answer", "What it should say."),
    "context": ("Further text", "Set below the prompt."),
    "system": ("System", "How it should behave."),
    "rejected": ("Rejected answer", "A worse one (DPO)."),
    "mark": ("Mark", "Good or bad (KTO)."),
    "messages": ("Conversations", "Chat rows, instead."),
    "text": ("Plain text", "Text alone, instead."),
    "history": ("Earlier turns", "Before the prompt."),
    "tools": ("Tools", "What it may call."),
    "reasoning": ("Reasoning", "What it thought."),
    "part": ("Part", "Train, validation, test."),
}
"""Fields of Columns that name a column → label and a word of what it is."""
MOST_SHOWN = 40
"""Columns that are shown where people are asked which are meant."""


@dataclass(frozen=True)
class Importer:
    page: Page
    folded: gr.Accordion
    bringing: Bringing
    room: gr.HTML
    """On a Space: how large a file may be, and how much the visitor may keep."""
    encoding: gr.Dropdown
    """There only where the encoding of a text has to be chosen."""
    sheet: gr.Dropdown
    """There only where a workbook has several sheets."""
    mapping: gr.Group
    columns: dict[str, gr.Dropdown]
    """A control for each of CONTROLS."""
    labels: gr.Checkbox
    one_label: gr.Checkbox
    template: gr.Textbox
    preview: gr.HTML
    """What the template makes of the first rows, while it is written."""
    system: gr.Textbox
    """The project's system prompt."""
    validation: gr.Slider
    test: gr.Slider
    findings: gr.HTML
    agree: gr.Button
    """Says that the columns are meant as they are guessed, where that is in doubt."""
    confirm: gr.Button
    cancel: gr.Button
    reading: gr.State
    """{"run": number of the newest reading of a file, "encoding" and "sheet": those that were chosen, "origin": from
    where the file was fetched, "sample": its first rows}; a reading that sees a newer number, or Cancel, ends.
    """

    @property
    def chosen(self) -> list[Any]:
        """The controls that `_columns` reads, in its order."""
        return [*self.columns.values(), self.labels, self.one_label, self.template, self.system]

    @property
    def looked(self) -> list[Any]:
        """What tells of a file that was looked at."""
        return [self.findings, self.agree, self.confirm, self.cancel]

    @property
    def of_project(self) -> list[Any]:
        return [self.room, self.system]

    def tell_project(self, workspace: Workspace, project_id: str | None) -> dict[Any, Any]:
        """The project's system prompt; and what a visitor keeps of what they may keep: elsewhere the disk is theirs."""
        told = {self.system: prompts.system_prompt(workspace, project_id) if project_id else ""}
        if workspace.bounded:
            told[self.room] = html.detail(quota.in_words(workspace.settings.limits, workspace.kept()))
        return told

    def uploaded(
        self, visitor: str, path: str | None, reading: dict[str, Any], system: str = ""
    ) -> Iterator[dict[Any, Any]]:
        """Look at what was brought, in its own encoding and with its only sheet."""
        reading["encoding"] = reading["sheet"] = ""
        if not path:
            reading["run"] += 1
            yield dict.fromkeys((self.encoding, self.sheet), HIDDEN)
            yield dict.fromkeys((self.mapping, self.agree, self.confirm, self.cancel), HIDDEN) | {self.findings: ""}
            return
        for shown, draft in self._look(visitor, path, reading, None, system):
            asked = {**self._encodings(draft), **self._sheets(draft)}
            yield {**shown, **asked, **(self._mapping(draft) if draft else {self.mapping: HIDDEN})}

    def decoded(
        self,
        visitor: str,
        path: str | None,
        reading: dict[str, Any],
        encoding: str | None,
        sheet: str | None = None,
        system: str = "",
    ) -> Iterator[dict[Any, Any]]:
        """Read the text in the encoding that was chosen, the workbook's sheet that is meant."""
        reading["encoding"], reading["sheet"] = encoding or "", sheet or ""
        if path:
            for shown, draft in self._look(visitor, path, reading, None, system):
                yield {**shown, **(self._mapping(draft) if draft else {self.mapping: HIDDEN})}

    def previewed(self, template: str | None, reading: dict[str, Any]) -> dict[Any, Any]:
        """What a template makes of the first rows, without reading the file again."""
        rows = reading.get("sample") or []
        if not template or not template.strip() or not rows:
            return {self.preview: ""}
        try:
            templates.check(template, list(rows[0]))
        except UserError as e:
            return {self.preview: html.note("warning", str(e))}
        prompts = [templates.filled(template, row.__getitem__) for row in rows]
        return {self.preview: html.prompts(prompts)}

    def kept_system(self, visitor: str, project_id: str | None, system: str | None) -> None:
        """Keep the system prompt with the project."""
        workspace = self.page.workspace(visitor)
        if project_id and prompts.system_prompt(workspace, project_id) != (system or "").strip():
            prompts.set_system_prompt(workspace, project_id, system or "")

    def remapped(
        self, visitor: str, path: str | None, reading: dict[str, Any], *chosen: Any
    ) -> Iterator[dict[Any, Any]]:
        if path:
            for shown, _ in self._look(visitor, path, reading, _columns(chosen), chosen[-1] or ""):
                yield shown

    def import_file(
        self,
        visitor: str,
        project_id: str | None,
        path: str | None,
        reading: dict[str, Any],
        validation: float,
        test: float,
        count: int,
        *chosen: Any,
    ) -> Iterator[dict[Any, Any]]:
        if not project_id or not path:
            raise UserError("Bring rows first: a file, pasted text or a data set.")
        workspace = self.page.workspace(visitor)
        request = {"project_id": project_id, "chosen": _columns(chosen).to_dict(), "origin": reading.get("origin")}
        try:
            self.kept_system(visitor, project_id, chosen[-1])
            for step in _steps(workspace, path, reading, {**request, "validation": validation, "test": test}):
                if not step.version_id:
                    progress = html.progress(step.share, step.what)
                    yield {self.findings: progress, self.confirm: HIDDEN, self.cancel: SHOWN}
                    continue
                version = workspace.version(step.version_id)
                gr.Info(
                    str(escape(f"{sum(version.counts.values()):,} rows were imported as version {version.number}."))
                )
                done = {self.findings: "", self.confirm: HIDDEN, self.cancel: HIDDEN}
                yield {**done, **self.bringing.emptied(path), self.template: "", self.page.changed: count + 1}
        except UserError as e:
            yield {self.findings: html.note("error", str(e)), self.confirm: SHOWN, self.cancel: HIDDEN}

    def cancelled(self, reading: dict[str, Any]) -> dict[Any, Any]:
        reading["run"] += 1
        note = html.note("note", "Cancelled: nothing was imported.")
        return {self.findings: note, self.confirm: SHOWN, self.cancel: HIDDEN}

    def _look(
        self, visitor: str, path: str, reading: dict[str, Any], chosen: Columns | None, system: str
    ) -> Iterator[tuple[dict[Any, Any], data_actions.Draft | None]]:
        """What is known of a file so far, again and again; and at last with the draft of its import."""
        request = {"chosen": chosen and chosen.to_dict(), "system_prompt": system}
        try:
            for step in _steps(self.page.workspace(visitor), path, reading, request):
                draft = step.draft
                if draft is None:
                    progress = html.progress(step.share, step.what)
                    hidden = {self.agree: HIDDEN, self.confirm: HIDDEN}
                    yield {self.findings: progress, **hidden, self.cancel: SHOWN}, None
                    continue
                reading["sample"] = draft.sample
                # Where the columns are in doubt, nothing is imported before a person says which are meant.
                ready = not draft.refused and not draft.doubt
                title = "Import" if draft.refused else f"Import {draft.rows:,} rows"
                confirm = gr.update(visible=True, interactive=ready, value=title)
                agree = gr.update(visible=bool(draft.doubt) and not draft.refused)
                yield (
                    {
                        self.findings: _draft(draft, Path(path).name),
                        self.agree: agree,
                        self.confirm: confirm,
                        self.cancel: HIDDEN,
                    },
                    draft,
                )
        except UserError as e:
            note = html.note("error", str(e))
            hidden = dict.fromkeys((self.agree, self.confirm, self.cancel), HIDDEN)
            yield {self.findings: note, **hidden}, None

    def _encodings(self, draft: data_actions.Draft | None) -> dict[Any, Any]:
        """The encodings that the text may be in, each with words as it would read them; none is chosen yet."""
        offered = draft.encodings if draft else {}
        choices = [(f"{decoding.title(encoding)}: {words}", encoding) for encoding, words in offered.items()]
        return {self.encoding: gr.update(choices=choices, value=None, visible=bool(choices))}

    def _sheets(self, draft: data_actions.Draft | None) -> dict[Any, Any]:
        offered = draft.sheets if draft else {}
        choices = [(f"{sheet}: {what}", sheet) for sheet, what in offered.items()]
        every = [("All of them, one after another", spreadsheets.ALL)] if len(choices) > 1 else []
        return {self.sheet: gr.update(choices=[*choices, *every], value=None, visible=bool(choices))}

    def _mapping(self, draft: data_actions.Draft) -> dict[Any, Any]:
        """The file's columns in the controls, as they are guessed or were chosen."""
        if not draft.there:
            return {self.mapping: HIDDEN}
        choices = [NONE, *draft.there]
        picked = {
            control: gr.update(choices=choices, value=getattr(draft.columns, name) or NONE)
            for name, control in self.columns.items()
        }
        several = [_as_one(label, others) for label, others in draft.variants.items()]
        one_label = gr.update(visible=bool(several), value=False, info=f"Count {'; '.join(several)}.")
        labels = gr.update(value=draft.columns.label_task)
        asked = {self.labels: labels, self.one_label: one_label, self.template: "", self.preview: ""}
        return {**picked, **asked, self.mapping: SHOWN}


def build(page: Page) -> Importer:
    with gr.Accordion("Import rows", open=False, elem_id="tw-import") as folded:
        brought = bringing.build(page)
        room = gr.HTML(visible=page.store.settings.shared, elem_id="tw-room")
        info = "Choose the one whose words are right."
        encoding = gr.Dropdown([], label="Encoding of the text", info=info, visible=False, elem_id="tw-encoding")
        info = "The workbook has several with rows."
        sheet = gr.Dropdown([], label="Sheet", info=info, visible=False, elem_id="tw-sheet")
        columns = {}
        with gr.Group(visible=False) as mapping:
            names = list(CONTROLS)
            for row in (names[:4], names[4:8], names[8:]):
                with gr.Row():
                    for name in row:
                        label, info = CONTROLS[name]
                        columns[name] = gr.Dropdown([], label=label, info=info, min_width=150)
            with gr.Row():
                labels = gr.Checkbox(False, label="The answer is one of a few labels")
                one_label = gr.Checkbox(False, label="Labels written in several ways count as one", visible=False)
            info, example = text.TEMPLATE_INFO, text.TEMPLATE_EXAMPLE
            template = gr.Textbox(
                "", label="Prompt template", info=info, placeholder=example, lines=1, max_lines=8, elem_id="tw-template"
            )
            preview = gr.HTML(elem_id="tw-template-preview")
            system = gr.Textbox(label="System prompt", info=text.SYSTEM_INFO, lines=1, max_lines=8, elem_id="tw-system")
            with gr.Row():
                validation = gr.Slider(0.05, 0.4, 0.1, step=0.05, label="Validation share")
                test = gr.Slider(0.05, 0.4, 0.1, step=0.05, label="Test share")
        findings = gr.HTML(elem_id="tw-import-findings")
        agree = gr.Button("These columns are meant", visible=False, elem_id="tw-import-agree")
        confirm = gr.Button("Import", variant="primary", visible=False, elem_id="tw-import-button")
        cancel = gr.Button("Cancel", visible=False, elem_id="tw-import-cancel")
    state = gr.State({"run": 0})
    asked = (encoding, sheet, mapping, columns, labels, one_label, template, preview, system, validation, test)
    importer = Importer(page, folded, brought, room, *asked, findings, agree, confirm, cancel, state)
    bringing.bind(brought, state)
    _bind(importer)
    return importer


def _bind(part: Importer) -> None:
    page = part.page
    seen = [page.visitor, part.bringing.path, part.reading]
    shown = [*part.chosen[:-1], part.preview, part.mapping, *part.looked]
    questions = [part.encoding, part.sheet]
    part.bringing.path.change(guarded(part.uploaded), [*seen, part.system], [*questions, *shown], **BUSY)
    for question in questions:
        question.input(guarded(part.decoded), [*seen, *questions, part.system], shown, **BUSY)
    last = {**QUIET, "trigger_mode": "always_last"}
    picked = [control.input for control in part.chosen[:-2]]
    written = [event for box in (part.template, part.system) for event in (box.submit, box.blur)]
    changes = [*picked, *written, part.agree.click]
    gr.on(changes, guarded(part.remapped), [*seen, *part.chosen], part.looked, **last)
    part.template.input(guarded(part.previewed), [part.template, part.reading], part.preview, **last)
    part.system.blur(guarded(part.kept_system), [page.visitor, page.project, part.system], None, **QUIET)
    shares = [part.validation, part.test]
    asked = [page.visitor, page.project, part.bringing.path, part.reading, *shares, page.changed, *part.chosen]
    emptied = [part.bringing.files, part.bringing.pasted, part.bringing.path, part.bringing.told, part.template]
    part.confirm.click(guarded(part.import_file), asked, [*emptied, page.changed, *part.looked], **BUSY)
    part.cancel.click(guarded(part.cancelled), part.reading, part.looked, **QUIET)


def _steps(workspace: Workspace, path: str, reading: dict[str, Any], request: dict[str, Any]) -> Iterator[worker.Step]:
    """The steps of the newest reading; one that is not the newest any more ends without a word."""
    reading["run"] += 1
    mine = reading["run"]
    request = {**request, **{name: reading.get(name, "") for name in ("encoding", "sheet")}}
    with suppress(worker.Cancelled):
        yield from worker.run(workspace, Path(path), request, lambda: reading["run"] != mine)


def _draft(draft: data_actions.Draft, name: str) -> str:
    """What importing a file would give; before that what people need to choose columns, where these are in doubt."""
    asked = ""
    if draft.doubt:
        taken = {column: name for name, column in draft.columns.taken().items()}
        lines = [(column, taken.get(column, ""), draft.values.get(column, [])) for column in draft.there]
        more = len(lines) - MOST_SHOWN
        choose = text.CHOOSE_COLUMNS if draft.refused else text.WHICH_COLUMNS
        asked = html.note("warning", f"{draft.doubt} {choose}") + html.columns(lines[:MOST_SHOWN])
        asked += html.detail(f"… and {more:,} more columns.") if more > 0 else ""
    if draft.refused:
        return (asked or html.note("error", draft.refused)) + html.problems(draft.problems, 10, draft.problem_count)
    return (
        asked
        + html.lead(f"{draft.rows:,} of {draft.rows_in_file:,} rows can be trained.", f"From {name}. The first:")
        + html.rows(_first(draft), whole=True)
        + html.unused(draft.unused, manifest.columns_taken(draft.columns, draft.there))
        + html.problems(draft.problems, 10, draft.problem_count)
    )


def _first(draft: data_actions.Draft) -> list[Example]:
    """The first row; three where a template makes their prompts."""
    others = draft.others if draft.columns.template else []
    return [draft.first, *others] if draft.first else []


def _as_one(label: str, others: list[str]) -> str:
    return ", ".join(f"“{other}”" for other in (label, *others)) + f" as “{label}”"


def _columns(chosen: tuple[Any, ...]) -> Columns:
    """From the controls: one for each of CONTROLS, the boxes for labels, template and system prompt."""
    *names, labels, one_label = chosen[:-2]
    template, system = (str(text or "") for text in chosen[-2:])
    picked: dict[str, Any] = {n: None if v in (NONE, None, "") else v for n, v in zip(CONTROLS, names, strict=True)}
    picked["part"] = picked["part"] or ""  # none is meant, not unknown
    if template.strip():
        picked["prompt"] = None  # it stands in the column's place
    texts = {"template": template if template.strip() else "", "system_prompt": system.strip()}
    return Columns(**picked, **texts, label_task=bool(labels), one_label=bool(one_label))
