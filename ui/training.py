"""The Training tab: a model, a preset with its numbers, Start; then the run, live, through every reload."""

from __future__ import annotations

from dataclasses import asdict, fields

import gradio as gr

from core import loop
from core.jobs import supervisor
from core.models.catalogue import CATALOGUE
from core.training.spec import PRESETS, RunSpec, TrainSettings
from core.types import UserError
from core.workspace import Job, Workspace
from ui import charts, markup, text, watching
from ui.page import BUSY, QUIET, Page, guarded
from ui.tokens import TEMPLATE_NAMES

FIELDS = fields(TrainSettings)


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(markup.lead("Loading …"))
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            model = gr.Dropdown(
                [(c.title, c.name) for c in CATALOGUE],
                value=CATALOGUE[0].name,
                label="Model",
                info="Or type the id of any causal model on the Hub, or a folder.",
                allow_custom_value=True,
            )
            preset = gr.Radio([(name.capitalize(), name) for name in PRESETS], value="quick", label="Preset")
            numbers = gr.HTML(_numbers("quick", PRESETS["quick"][1]))
            with gr.Accordion("Change the numbers", open=False):
                controls = [_control(f, getattr(PRESETS["quick"][1], f.name)) for f in FIELDS]
            template = gr.Dropdown(
                TEMPLATE_NAMES, value="", label="Chat template", info="How rows are written for the model: see Tokens."
            )
            start = gr.Button("Start training", variant="primary", elem_id="tw-start")
        with gr.Column(scale=3, min_width=340):
            with gr.Row(elem_classes="tw-toolbar"):
                run = gr.Dropdown([], label="Run", min_width=200, scale=3, elem_id="tw-run")
                stop = gr.Button("Stop and save", min_width=120, scale=0, visible=False, elem_id="tw-stop")
                resume = gr.Button("Resume", min_width=100, scale=0, visible=False, elem_id="tw-resume")
            bar = gr.HTML(elem_id="tw-train-bar")
            chart = gr.Plot(show_label=False, visible=False, elem_id="tw-loss")
            log = gr.HTML(elem_id="tw-train-log")
    watched = gr.State(watching.Watched())
    timer = gr.Timer(1.0, active=False)

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

    def begin(visitor: str, project_id: str | None, model: str, template: str, preset: str, count: int, *values):
        workspace = page.workspace(visitor)
        versions = workspace.versions(project_id) if project_id else []
        if not versions:
            raise UserError(f"{text.NO_ROWS} {text.NO_ROWS_NEXT}")
        settings = _settings(values)
        rows_file = str(workspace.rows_file(versions[-1].id))
        named = preset if settings == PRESETS[preset][1] else "own settings"
        spec = RunSpec(model, versions[-1].id, rows_file, settings, template=template, preset=named)
        job = loop.start_training(workspace, project_id, spec)
        runs = workspace.jobs(project_id, "train")
        choices = gr.update(choices=[(j.title, j.id) for j in runs], value=job.id)
        return choices, count + 1, *_look(workspace, job, watching.Watched())

    def ask_to_stop(visitor: str, run_id: str | None, watched: watching.Watched):
        workspace = page.workspace(visitor)
        supervisor.stop(workspace, workspace.job(run_id))
        return _look(workspace, workspace.job(run_id), watched)

    def go_on(visitor: str, run_id: str | None):
        workspace = page.workspace(visitor)
        supervisor.resume(workspace, workspace.job(run_id))
        return _look(workspace, workspace.job(run_id), watching.Watched())

    def preset_chosen(visitor: str, project_id: str | None, name: str):
        values = list(asdict(PRESETS[name][1]).values())
        lead = _lead(page.workspace(visitor), project_id, values)
        return _numbers(name, PRESETS[name][1]), lead, *values

    def changed_numbers(visitor: str, project_id: str | None, *values):
        settings = _settings(values)
        name = next((n for n, (_, s) in PRESETS.items() if s == settings), "own settings")
        return _numbers(name, settings), _lead(page.workspace(visitor), project_id, values)

    def while_typing(*values):
        """Half a number is no mistake yet: what cannot be read waits until the field is left."""
        try:
            return changed_numbers(*values)
        except UserError:
            return gr.skip(), gr.skip()

    page.whenever(tab, refresh, [run, watched, *controls], [lead, run, *view])
    timer.tick(guarded(tick), [page.visitor, run, watched], view, **QUIET)
    run.input(guarded(tick), [page.visitor, run, watched], view, **QUIET)
    start.click(
        guarded(begin),
        [page.visitor, page.project, model, template, preset, page.changed, *controls],
        [run, page.changed, *view],
        **BUSY,
    )
    stop.click(guarded(ask_to_stop), [page.visitor, run, watched], view, **QUIET)
    resume.click(guarded(go_on), [page.visitor, run], view, **QUIET)
    chosen_length = controls[[f.name for f in FIELDS].index("max_length")]
    page.length.change(lambda length: gr.skip() if length is None else length, page.length, chosen_length, **QUIET)
    preset.input(guarded(preset_chosen), [page.visitor, page.project, preset], [numbers, lead, *controls], **QUIET)
    entered = {**QUIET, "trigger_mode": "always_last"}
    inputs, outputs = [page.visitor, page.project, *controls], [numbers, lead]
    gr.on([c.input for c in controls], while_typing, inputs, outputs, **entered)
    gr.on([c.blur for c in controls], guarded(changed_numbers), inputs, outputs, **entered)


def _control(f, value) -> gr.components.Component:
    """One control of the form, made from the field itself."""
    about = f.metadata
    if "options" in about:
        choices = [(label, value) for value, label in about["options"].items()]
        return gr.Dropdown(choices, value=value, label=about["label"], info=about["why"])
    info = f"{about['why']} ({about['low']:g} to {about['high']:g})"
    precision = 0 if f.type == "int" else None
    return gr.Number(value, label=about["label"], info=info, precision=precision, elem_id=f"tw-set-{f.name}")


def _settings(values) -> TrainSettings:
    return TrainSettings.from_dict({f.name: value for f, value in zip(FIELDS, values, strict=True)})


def _numbers(name: str, settings: TrainSettings) -> str:
    """A preset as its numbers."""
    why = PRESETS[name][0] if name in PRESETS else "Your own numbers."
    shown = ("epochs", "learning_rate", "rows_per_step", "max_length", "rank")
    pairs = [(f.metadata["label"], f"{getattr(settings, f.name):g}") for f in FIELDS if f.name in shown]
    cells = "".join(f"<div><dt>{markup.esc(k)}</dt><dd>{markup.esc(v)}</dd></div>" for k, v in pairs)
    return f'<p class="tw-detail">{markup.esc(why)}</p><dl class="tw-figures">{cells}</dl>'


def _lead(workspace: Workspace, project_id: str | None, values) -> str:
    versions = workspace.versions(project_id) if project_id else []
    if not versions:
        return markup.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
    settings = _settings(values)
    rows = versions[-1].counts["train"]
    return markup.lead(
        f"{rows:,} rows × {settings.epochs} passes = {settings.steps(rows):,} steps of {settings.rows_per_step} rows.",
        f"Rows of {versions[-1].title}. Training goes on when you close this page or stop the app.",
    )


def _look(workspace: Workspace, job: Job | None, watched: watching.Watched):
    """Everything that shows one run. What has not changed is not sent again."""
    if job is None:
        hidden = gr.update(visible=False)
        nothing = markup.empty(
            "No run yet.", "Choose a preset and press “Start training”. The losses will be drawn here."
        )
        return watched, nothing, hidden, "", hidden, hidden, gr.update(active=False)
    watched, status, changed, drawn = watching.look(workspace, job, watched)
    if not changed:
        return gr.skip(), *[gr.skip()] * 6
    curves = bool(watched.train or watched.validation)
    chart = (
        gr.update(value=charts.losses(watched.train, watched.validation, watched.progress.get("steps")), visible=True)
        if curves
        else gr.update(visible=False)
    )
    return (
        watched,
        watching.bar(job, status, watched),
        chart if drawn else gr.skip(),
        markup.log(watched.lines[-40:]),
        gr.update(visible=not status.over, interactive=status.state != "stopping"),
        gr.update(visible=status.state in ("stopped", "failed") and bool(status.outcome.get("resumable"))),
        gr.update(active=not status.over),
    )
