"""The form of a run: model, preset, what it will take, Start; everything else folded under what it is now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import Problem, UserError
from core.files import write_atomically
from core.models.catalogue import DAY, about, checked_name
from core.models.starter import STARTER
from core.store import temporary
from core.store.workspace import Workspace
from core.tokens.remarks import REFUSED
from core.training import actions as training_actions
from core.training import limits, memory, pace, spec_file
from core.training.presets import PRESETS, preset
from core.training.settings import GROUPS, TrainSettings
from core.training.spec import RunSpec
from core.types import DatasetVersion
from core.wording import count
from ui import html, text
from ui.choosers import MODELS, TEMPLATE_NAMES
from ui.page import QUIET, Page, guarded
from ui.training import controls

FIRST = "quick"
"""The preset that the form begins with."""
LAST = {**QUIET, "trigger_mode": "always_last"}


@dataclass(frozen=True)
class Form:
    """The components, and the handlers that fill them."""

    page: Page
    lead: gr.HTML
    whole: gr.Accordion
    """All of the form; folded to its heading while a run goes on."""
    model: gr.Dropdown
    preset: gr.Radio
    takes: gr.HTML
    """What the run will take: memory, time."""
    start: gr.Button
    groups: dict[str, gr.Accordion]
    """Group of settings → its fold, whose heading says what they are now."""
    template: gr.Dropdown
    controls: dict[str, Any]
    """Setting → its control, in the order of TrainSettings."""
    about: gr.HTML
    """What is known of the model."""
    models_table: gr.HTML
    methods: gr.Accordion
    table: gr.HTML
    spec_text: gr.Code
    save: gr.DownloadButton
    load: gr.UploadButton
    revision: gr.State
    """Of the model; only a loaded specification names one."""
    folder: gr.State
    """Where this page's specification is written to be downloaded."""

    @property
    def inputs(self) -> list[Any]:
        """What a run is made of, in the order that `spec_of` takes."""
        return [self.model, self.template, self.revision, *self.controls.values()]

    @property
    def described(self) -> list[Any]:
        """What `describe` fills."""
        written = [self.spec_text, self.save, self.folder]
        return [self.lead, self.whole, self.preset, *self.groups.values(), *written]

    def preset_chosen(self, name: str, method: str, objective: str) -> dict[Any, Any]:
        """Its numbers; what is learnt, and how, stays as it was chosen."""
        return self._values(preset(name, method, objective))

    def kind_chosen(self, name: str, rate: Any, method: str, objective: str) -> dict[Any, Any]:
        """Another method or objective: its settings come into sight, the learning rate follows."""
        visible = controls.in_sight(method, objective)
        updates = {control: gr.update(visible=visible[name]) for name, control in self.controls.items()}
        return {**updates, self.controls["learning_rate"]: controls.followed(rate, name, method, objective)}

    def describe(self, visitor: str, project_id: str | None, folder: str, *values: Any) -> dict[Any, Any]:
        """What the form comes down to: steps, headings, the specification."""
        workspace = self.page.workspace(visitor)
        settings = controls.read(values[3:])
        words = {
            self.lead: _lead(workspace, project_id, settings),
            self.whole: gr.update(label=_heading(values[0], settings)),
            self.preset: gr.update(info=controls.why(settings)),
            **{fold: gr.update(label=controls.title(group, settings)) for group, fold in self.groups.items()},
        }
        spec = spec_of(workspace, project_id, *values)
        if spec is None:
            return {**words, self.spec_text: "", self.save: gr.update(interactive=False)}
        folder = folder or str(temporary.folder_for_download(workspace))
        path = Path(folder) / "run-spec.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, spec_file.to_text(spec))
        file = gr.update(value=str(path), interactive=True)
        return {**words, self.spec_text: spec_file.to_text(spec), self.save: file, self.folder: folder}

    def while_typing(self, *values: Any) -> dict[Any, Any]:
        """Half a number is no mistake yet: what cannot be read waits until the field is left."""
        try:
            return self.describe(*values)
        except UserError:
            return {}

    def measure(
        self, visitor: str, project_id: str | None, model: str, template: str, revision: str | None, *values: Any
    ) -> dict[Any, Any]:
        """Memory and time. What cannot be estimated is said in the sentence's place."""
        workspace = self.page.workspace(visitor)
        versions = workspace.versions(project_id) if project_id else []
        newest = versions[-1] if versions else None
        free = memory.available()
        known = {self.about: html.detail(about(model)), self.models_table: controls.models_table(model, free)}
        try:
            settings = controls.read(values)
            version_id = newest.id if newest else None
            training_actions.check_model(workspace, model, template, revision)
            day = newest.created[:10] if newest else ""
            estimates = training_actions.memory_by_method(
                workspace, model, version_id, settings, template, revision, day
            )
            remarks = _remarks(workspace, newest, model, settings, template, revision) if newest else ""
        except UserError as e:
            return {**known, self.takes: html.note("note", str(e)), self.methods: gr.update(visible=False)}
        chosen = next(e for e in estimates if e.method == settings.method)
        seconds = pace.seconds(workspace, project_id, model, settings, newest.counts["train"]) if newest else None
        return {
            **known,
            self.takes: controls.what_it_takes(chosen, free, seconds) + remarks,
            self.methods: gr.update(visible=True, label=controls.methods_title(chosen)),
            self.table: controls.methods_table(estimates, settings.method, free),
        }

    def load_spec(self, visitor: str, path: str) -> dict[Any, Any]:
        spec = spec_file.read(Path(path))
        checked_name(spec.model, self.page.workspace(visitor).settings)
        settings = spec.settings
        visible = controls.in_sight(settings.method, settings.objective)
        values = self._values(settings)
        updates = {c: gr.update(value=values[c], visible=visible[name]) for name, c in self.controls.items()}
        gr.Info("It will run on the newest rows of this project.", title="Specification loaded", duration=5)
        name = controls.name_of(settings)
        chosen = {self.preset: name} if name else {}
        return {
            **chosen,
            **updates,
            self.model: spec.model,
            self.template: spec.template,
            self.revision: spec.revision,
        }

    def _values(self, settings: TrainSettings) -> dict[Any, Any]:
        return dict(zip(self.controls.values(), controls.values_of(settings), strict=True))


def build(page: Page) -> Form:
    """The components in their places."""
    settings = PRESETS[FIRST][1]
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Accordion(_heading(MODELS[0][1], settings), open=True, elem_id="tw-train-form") as whole:
        with gr.Row(elem_id="tw-decision"):
            model = gr.Dropdown(
                MODELS,
                value=MODELS[0][1],
                label="Model",
                info="Or type a Hub id." if page.store.settings.shared else "Or type a Hub id, or a folder.",
                allow_custom_value=True,
                min_width=280,
                scale=2,
            )
            presets = [(name.capitalize(), name) for name in PRESETS]
            chosen = gr.Radio(presets, value=FIRST, label="Preset", info=controls.why(settings), min_width=280, scale=3)
        known = gr.HTML(html.detail(about(MODELS[0][1])), elem_id="tw-about-model")
        with gr.Row(elem_id="tw-begin"):
            start = gr.Button("Start training", variant="primary", scale=0, min_width=180, elem_id="tw-start")
            takes = gr.HTML(html.detail(text.COUNTING), elem_id="tw-takes")
        if page.store.settings.shared:
            gr.HTML(html.detail(limits.in_words(page.store.settings.limits)), elem_id="tw-limits")
        with gr.Accordion(
            f"Models compared: {count(len(MODELS), 'small open model')}, list of {DAY}",
            open=False,
            elem_id="tw-models",
            elem_classes="tw-title",
        ):
            models_table = gr.HTML(elem_id="tw-models-table")
        groups, settings_controls, template = _groups(settings)
        with gr.Accordion("Methods compared", open=False, elem_id="tw-methods", elem_classes="tw-title") as methods:
            table = gr.HTML(elem_id="tw-memory")
        specification = _specification()
    state = {"revision": gr.State(None), "folder": gr.State("")}
    parts = {"about": known, "models_table": models_table, "methods": methods, "table": table, **specification, **state}
    return Form(page, lead, whole, model, chosen, takes, start, groups, template, settings_controls, **parts)


def _groups(settings: TrainSettings) -> tuple[dict[str, gr.Accordion], dict[str, Any], gr.Dropdown]:
    """(the folds by group, the controls by setting, the chooser of the template), each fold under what it is now."""
    groups: dict[str, gr.Accordion] = {}
    by_name: dict[str, Any] = {}
    for group in GROUPS:
        heading = controls.title(group, settings)
        with gr.Accordion(heading, open=False, elem_id=f"tw-group-{group}", elem_classes="tw-title") as groups[group]:
            by_name |= controls.controls(group, settings)
            if group == "basic":
                template = gr.Dropdown(
                    TEMPLATE_NAMES,
                    value="",
                    label="Chat template",
                    info="How rows are written for the model: see Tokens.",
                )
    return groups, {name: by_name[name] for name in controls.NAMES}, template


def _specification() -> dict[str, Any]:
    """What Start runs, as a file to keep and to load."""
    with gr.Accordion("Run specification", open=False, elem_id="tw-spec", elem_classes="tw-title"):
        gr.Markdown(text.SPEC_HELP, elem_classes="tw-help")
        spec_text = gr.Code(language="json", interactive=False, show_label=False, max_lines=16)
        with gr.Row(elem_classes="tw-toolbar"):
            save = gr.DownloadButton("Save as a file", size="sm", scale=0, min_width=130, elem_id="tw-spec-save")
            load = gr.UploadButton(
                "Load a file", size="sm", scale=0, min_width=130, file_types=[".json"], elem_id="tw-spec-load"
            )
    return {"spec_text": spec_text, "save": save, "load": load}


def bind(form: Form, tab: gr.Tab) -> None:
    """What the form's components do among themselves, and when they are filled."""
    page, by_name = form.page, form.controls
    known = [page.visitor, page.project]
    measured = [form.about, form.models_table, form.takes, form.methods, form.table]

    def settle(event: Any) -> None:
        """After an event that filled the form: say what it comes down to, then what it takes."""
        event.success(guarded(form.describe), [*known, form.folder, *form.inputs], form.described, **QUIET).success(
            guarded(form.measure), [*known, *form.inputs], measured, **QUIET
        )

    page.whenever(tab, form.describe, [form.folder, *form.inputs], form.described)
    page.whenever(tab, form.measure, form.inputs, measured)
    settle(page.length.change(lambda n: gr.skip() if n is None else n, page.length, by_name["max_length"], **QUIET))
    kind = [by_name[name] for name in ("method", "objective")]
    every, others = list(by_name.values()), [control for control in by_name.values() if control not in kind]
    settle(form.preset.input(guarded(form.preset_chosen), [form.preset, *kind], every, **QUIET))
    asked = [form.preset, by_name["learning_rate"], *kind]
    settle(gr.on([control.input for control in kind], guarded(form.kind_chosen), asked, every, **LAST))
    filled = [form.preset, form.model, form.template, form.revision, *every]
    settle(form.load.upload(guarded(form.load_spec), [page.visitor, form.load], filled, **QUIET))
    settle(form.model.input(lambda: None, None, form.revision, **LAST))
    settle(form.template.input(lambda: None, None, None, **LAST))
    typed = [*known, form.folder, *form.inputs]
    gr.on([control.input for control in others], guarded(form.while_typing), typed, form.described, **LAST)
    settle(gr.on([control.blur for control in others], lambda: None, None, None, **LAST))


def spec_of(
    workspace: Workspace, project_id: str | None, model: str, template: str, revision: str | None, *values: Any
) -> RunSpec | None:
    """The RunSpec that Start would run, on the project's newest rows; None where there are none."""
    versions = workspace.versions(project_id) if project_id else []
    if not versions:
        return None
    settings = controls.read(values)
    rows_file = str(workspace.rows_file(versions[-1].id))
    name = controls.name_of(settings) or spec_file.OWN
    return RunSpec(model, versions[-1].id, rows_file, settings, revision, template, name)


def _remarks(
    workspace: Workspace,
    version: DatasetVersion,
    model: str,
    settings: TrainSettings,
    template: str,
    revision: str | None,
) -> str:
    """What the template drops of the rows and which it refuses, before there is a run."""
    rows_file = str(workspace.rows_file(version.id))
    spec = RunSpec(model, version.id, rows_file, settings, revision, template, date=version.created[:10])
    if not (Path(model).is_dir() or model == STARTER):
        return ""  # no tokenizer is fetched for a form; Start and the Tokens tab do
    remarks = training_actions.remarks_of(workspace, spec)
    stops = training_actions.refusal(spec, remarks)
    problems = [Problem("error", stops)] if stops else []
    shown = [r for r in remarks if not (stops and r.kind == REFUSED)]
    return html.problems([*problems, *(Problem("warning", str(r)) for r in shown)])


def _heading(model: str, settings: TrainSettings) -> str:
    """The form in one line: model and preset."""
    title = next((title for title, name in MODELS if name == model), model)
    return f"New run: {title}, {controls.name_of(settings) or spec_file.OWN}"


def _lead(workspace: Workspace, project_id: str | None, settings: TrainSettings) -> str:
    versions = workspace.versions(project_id) if project_id else []
    if not versions:
        return html.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
    rows = versions[-1].counts["train"]
    epochs, steps = count(settings.epochs, "epoch"), count(settings.steps(rows), "step")
    return html.lead(
        f"{count(rows, 'row')} × {epochs} = {steps} of {count(settings.batch_size, 'row')}.",
        f"Rows of {versions[-1].title}. Training goes on when you close this page or stop the app.",
    )
