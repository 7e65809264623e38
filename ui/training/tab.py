"""The Training tab: a model, a preset with its numbers, Start; then the run, live, through every reload."""

from __future__ import annotations

import tempfile
from pathlib import Path

import gradio as gr

from core.errors import UserError
from core.jobs import queue
from core.models.catalogue import CATALOGUE, checked_name
from core.store.workspace import Job, Workspace
from core.training import actions as training_actions
from core.training import spec_file
from core.training.presets import PRESETS, preset
from core.training.spec import RunSpec
from ui import charts, html, text, watching
from ui.page import BUSY, QUIET, Page, guarded
from ui.tokens import TEMPLATE_NAMES
from ui.training import form


def build(page: Page, tab: gr.Tab) -> None:
    quick = PRESETS["quick"][1]
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            model = gr.Dropdown(
                [(c.title, c.name) for c in CATALOGUE],
                value=CATALOGUE[0].name,
                label="Model",
                info="Or type the id of any causal model on the Hub, or a folder.",
                allow_custom_value=True,
            )
            chosen_preset = gr.Radio([(name.capitalize(), name) for name in PRESETS], value="quick", label="Preset")
            numbers = gr.HTML(form.numbers(quick))
            made = form.basic(quick)
            with gr.Accordion("Advanced", open=False, elem_id="tw-advanced"):
                template = gr.Dropdown(
                    TEMPLATE_NAMES,
                    value="",
                    label="Chat template",
                    info="How rows are written for the model: see Tokens.",
                )
                made |= form.advanced(quick)
            start = gr.Button("Start training", variant="primary", elem_id="tw-start")
            memory = gr.HTML(html.methods(text.COUNTING, []), elem_id="tw-memory")
            with gr.Accordion("Run specification", open=False, elem_id="tw-spec"):
                gr.Markdown(text.SPEC_HELP, elem_classes="tw-help")
                spec_text = gr.Code(language="json", interactive=False, show_label=False, max_lines=16)
                with gr.Row(elem_classes="tw-toolbar"):
                    save = gr.DownloadButton("Save as a file", size="sm", min_width=130, elem_id="tw-spec-save")
                    load = gr.UploadButton(
                        "Load a file", size="sm", min_width=130, file_types=[".json"], elem_id="tw-spec-load"
                    )
        with gr.Column(scale=1, min_width=340):
            with gr.Row(elem_classes="tw-toolbar"):
                run = gr.Dropdown([], label="Run", min_width=200, scale=3, elem_id="tw-run")
                stop = gr.Button("Stop and save", min_width=120, scale=0, visible=False, elem_id="tw-stop")
                resume = gr.Button("Resume", min_width=100, scale=0, visible=False, elem_id="tw-resume")
            bar = gr.HTML(elem_id="tw-train-bar")
            chart = gr.Plot(show_label=False, visible=False, elem_id="tw-loss")
            log = gr.HTML(elem_id="tw-train-log")
    watched = gr.State(watching.Watched())
    timer = gr.Timer(1.0, active=False)
    revision = gr.State(None)  # only a loaded specification names one
    folder = gr.State("")  # where this page's specification is written to be downloaded

    controls = [made[name] for name in form.NAMES]
    choosers = [made[name] for name in form.CHOOSERS]
    inputs = [model, template, revision, *controls]
    view = [watched, bar, chart, log, stop, resume, timer]

    def refresh(visitor: str, project_id: str | None, chosen: str | None, watched: watching.Watched, *values):
        workspace = page.workspace(visitor)
        runs = workspace.jobs(project_id, "train") if project_id else []
        # The newest run unless another one is being looked at: a reload shows what is going on.
        job = next((j for j in runs if j.id == chosen), runs[0] if runs else None)
        choices = gr.update(choices=[(j.title, j.id) for j in runs], value=job.id if job else None)
        return _lead(workspace, project_id, values), choices, *_look(workspace, job, watching.Watched())

    def tick(visitor: str, run_id: str | None, watched: watching.Watched):
        workspace = page.workspace(visitor)
        return _look(workspace, workspace.job(run_id) if run_id else None, watched)

    def begin(visitor: str, project_id: str | None, count: int, *values):
        workspace = page.workspace(visitor)
        spec = _spec(workspace, project_id, *values)
        if spec is None:
            raise UserError(f"{text.NO_ROWS} {text.NO_ROWS_NEXT}")
        job = training_actions.start_training(workspace, project_id, spec)
        runs = workspace.jobs(project_id, "train")
        choices = gr.update(choices=[(j.title, j.id) for j in runs], value=job.id)
        return choices, count + 1, *_look(workspace, job, watching.Watched())

    def ask_to_stop(visitor: str, run_id: str | None, watched: watching.Watched):
        workspace = page.workspace(visitor)
        queue.stop(workspace, workspace.job(run_id))
        return _look(workspace, workspace.job(run_id), watched)

    def go_on(visitor: str, run_id: str | None):
        workspace = page.workspace(visitor)
        queue.resume(workspace, workspace.job(run_id))
        return _look(workspace, workspace.job(run_id), watching.Watched())

    def preset_chosen(name: str, method: str, objective: str):
        """Its numbers; what is learnt, and how, stays as it was chosen."""
        return form.values_of(preset(name, method, objective))

    def kind_chosen(name: str, rate, method: str, objective: str):
        """Another method or objective: its settings come into sight, the learning rate follows."""
        updates = form.shown(method, objective)
        updates[form.NAMES.index("learning_rate")] = form.followed(rate, name, method, objective)
        return updates

    def changed(visitor: str, project_id: str | None, folder: str, *values):
        """What the form comes down to: numbers, steps, the specification."""
        workspace = page.workspace(visitor)
        spec = _spec(workspace, project_id, *values)
        lead = _lead(workspace, project_id, values[3:])
        numbers = form.numbers(form.read(values[3:]))
        if spec is None:
            return numbers, lead, "", gr.update(interactive=False), folder
        # Gradio serves files of the temporary folder; an unguessable folder keeps visitors apart.
        folder = folder or tempfile.mkdtemp(prefix="tunewright-")
        path = Path(folder) / "run-spec.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(spec_file.to_text(spec), encoding="utf-8")
        return numbers, lead, spec_file.to_text(spec), gr.update(value=str(path), interactive=True), folder

    def while_typing(*values):
        """Half a number is no mistake yet: what cannot be read waits until the field is left."""
        try:
            return changed(*values)
        except UserError:
            return [gr.skip()] * 5

    def measure(visitor: str, project_id: str | None, model: str, template: str, revision: str | None, *values):
        """The methods' memory. What cannot be estimated is said in the table's place."""
        workspace = page.workspace(visitor)
        versions = workspace.versions(project_id) if project_id else []
        try:
            settings = form.read(values)
            newest = versions[-1].id if versions else None
            estimates = training_actions.memory_by_method(workspace, model, newest, settings, template, revision)
        except UserError as e:
            return html.note("note", str(e))
        return form.memory(estimates, settings.method, memory.available())

    def load_spec(visitor: str, path: str):
        spec = spec_file.read(Path(path))
        checked_name(spec.model, page.workspace(visitor).settings)
        settings = spec.settings
        visible = form.shown(settings.method, settings.objective)
        values = form.values_of(settings)
        updates = [{**update, "value": value} for update, value in zip(visible, values, strict=True)]
        gr.Info("It will run on the newest rows of this project.", title="Specification loaded", duration=5)
        name = form.name_of(settings) or gr.skip()
        return name, spec.model, spec.template, spec.revision, *updates

    quiet_last = {**QUIET, "trigger_mode": "always_last"}
    known = [page.visitor, page.project]
    written = [numbers, lead, spec_text, save, folder]

    def settle(event) -> None:
        """After an event that filled the form: say what it comes down to, then what it takes."""
        event.success(guarded(changed), [*known, folder, *inputs], written, **QUIET).success(
            guarded(measure), [*known, *inputs], memory, **QUIET
        )

    page.whenever(tab, refresh, [run, watched, *controls], [lead, run, *view])
    page.whenever(tab, changed, [folder, *inputs], written)
    page.whenever(tab, measure, inputs, [memory])
    timer.tick(guarded(tick), [page.visitor, run, watched], view, **QUIET)
    run.input(guarded(tick), [page.visitor, run, watched], view, **QUIET)
    start.click(guarded(begin), [*known, page.changed, *inputs], [run, page.changed, *view], **BUSY)
    stop.click(guarded(ask_to_stop), [page.visitor, run, watched], view, **QUIET)
    resume.click(guarded(go_on), [page.visitor, run], view, **QUIET)

    settle(page.length.change(lambda n: gr.skip() if n is None else n, page.length, made["max_length"], **QUIET))
    settle(chosen_preset.input(preset_chosen, [chosen_preset, *reversed(choosers)], controls, **QUIET))
    kind = [chosen_preset, made["learning_rate"], *reversed(choosers)]
    settle(gr.on([c.input for c in choosers], kind_chosen, kind, controls, **quiet_last))
    filled = [chosen_preset, model, template, revision, *controls]
    settle(load.upload(guarded(load_spec), [page.visitor, load], filled, **QUIET))
    settle(model.input(lambda: None, None, revision, **quiet_last))
    settle(template.input(lambda: None, None, None, **quiet_last))
    others = [c for c in controls if c not in choosers]
    gr.on([c.input for c in others], while_typing, [*known, folder, *inputs], written, **quiet_last)
    settle(gr.on([c.blur for c in others], lambda: None, None, None, **quiet_last))


def _spec(workspace: Workspace, project_id: str | None, model: str, template: str, revision: str | None, *values):
    """The RunSpec that Start would run, on the project's newest rows; None where there are none."""
    versions = workspace.versions(project_id) if project_id else []
    if not versions:
        return None
    settings = form.read(values)
    rows_file = str(workspace.rows_file(versions[-1].id))
    named = form.name_of(settings) or spec_file.OWN
    return RunSpec(model, versions[-1].id, rows_file, settings, revision, template, named)


def _lead(workspace: Workspace, project_id: str | None, values) -> str:
    versions = workspace.versions(project_id) if project_id else []
    if not versions:
        return html.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
    settings = form.read(values)
    rows = versions[-1].counts["train"]
    return html.lead(
        f"{rows:,} rows × {settings.epochs} passes = {settings.steps(rows):,} steps of {settings.batch_size} rows.",
        f"Rows of {versions[-1].title}. Training goes on when you close this page or stop the app.",
    )


def _look(workspace: Workspace, job: Job | None, watched: watching.Watched):
    """Everything that shows one run. What has not changed is not sent again."""
    if job is None:
        hidden = gr.update(visible=False)
        nothing = html.empty(
            "No run yet.", "Choose a preset and press “Start training”. The losses will be drawn here."
        )
        return watched, nothing, hidden, "", hidden, hidden, gr.update(active=False)
    watched, status, changed, drawn = watching.look(workspace, job, watched)
    if not changed:
        return gr.skip(), *[gr.skip()] * 6
    curves = bool(watched.train or watched.validation)
    chart = (
        gr.update(value=charts.losses(watched.train, watched.validation, watched.progress.steps), visible=True)
        if curves
        else gr.update(visible=False)
    )
    return (
        watched,
        watching.bar(job, status, watched),
        chart if drawn else gr.skip(),
        html.log(watched.lines[-40:]),
        gr.update(visible=not status.over, interactive=status.state != "stopping"),
        gr.update(visible=status.state in ("stopped", "failed") and bool(status.outcome and status.outcome.resumable)),
        gr.update(active=not status.over),
    )
