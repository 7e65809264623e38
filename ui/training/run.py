"""The run that is looked at: its progress, its losses, its log; stopping and resuming it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.jobs import queue
from core.jobs.status import Status
from core.store.workspace import Job, Workspace
from ui import charts, choosers, html, watching
from ui.page import QUIET, Page, guarded

LOG_LINES = 40


@dataclass(frozen=True)
class RunView:
    """The components, and the handlers that fill them."""

    page: Page
    run: gr.Dropdown
    stop: gr.Button
    resume: gr.Button
    bar: gr.HTML
    chart: gr.Plot
    log: gr.HTML
    watched: gr.State
    timer: gr.Timer

    @property
    def outputs(self) -> list[Any]:
        return [self.run, self.watched, self.bar, self.chart, self.log, self.stop, self.resume, self.timer]

    def refresh(self, visitor: str, project_id: str | None, chosen: str | None) -> dict[Any, Any]:
        """The newest run unless another one is being looked at: a reload shows what is going on."""
        workspace = self.page.workspace(visitor)
        runs = workspace.jobs(project_id, "train") if project_id else []
        job = choosers.kept(runs, chosen)
        return {self.run: choosers.of_jobs(runs, job), **self.look(workspace, job, watching.Watched())}

    def tick(self, visitor: str, run_id: str | None, watched: watching.Watched) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        return self.look(workspace, workspace.job(run_id) if run_id else None, watched)

    def ask_to_stop(self, visitor: str, run_id: str | None, watched: watching.Watched) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        queue.stop(workspace, workspace.job(run_id))
        return self.look(workspace, workspace.job(run_id), watched)

    def go_on(self, visitor: str, run_id: str | None, count: int) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        queue.resume(workspace, workspace.job(run_id))
        return {self.page.changed: count + 1, **self.look(workspace, workspace.job(run_id), watching.Watched())}

    def look(self, workspace: Workspace, job: Job | None, watched: watching.Watched) -> dict[Any, Any]:
        """Everything that shows one run. What has not changed is not sent again."""
        if job is None:
            hidden = gr.update(visible=False)
            empty = html.empty("No run yet.", "Choose a preset and press “Start training”: its losses are drawn here.")
            shown = {self.watched: watched, self.bar: empty, self.log: "", self.timer: gr.Timer(active=False)}
            return {**shown, self.chart: hidden, self.stop: hidden, self.resume: hidden}
        watched, status, changed, drawn = watching.look(workspace, job, watched)
        if not changed:
            return {}
        shown = {
            self.watched: watched,
            self.bar: watching.bar(job, status, watched),
            self.log: html.log(watched.lines[-LOG_LINES:]),
            self.stop: gr.update(visible=not status.over, interactive=status.state != "stopping"),
            self.resume: gr.update(visible=_can_go_on(status)),
            self.timer: gr.Timer(active=not status.over),
        }
        return {**shown, self.chart: _chart(watched, status)} if drawn else shown


def _can_go_on(status: Status) -> bool:
    return status.state in ("stopped", "failed") and bool(status.outcome and status.outcome.resumable)


def _chart(watched: watching.Watched, status: Status) -> Any:
    """The losses so far. Of a run that has not begun, the empty axes: nothing moves when the first loss comes."""
    if status.over and not watched.train and not watched.validation:
        return gr.update(visible=False)
    figure = charts.losses(watched.train, watched.validation, watched.progress.steps)
    return gr.update(value=figure, visible=True)


def build(page: Page) -> RunView:
    """The components in their places."""
    with gr.Column(elem_id="tw-run-view"):
        with gr.Row(elem_classes="tw-toolbar"):
            run = gr.Dropdown([], label="Run", min_width=200, scale=3, elem_id="tw-run")
            stop = gr.Button("Stop and save", min_width=140, scale=0, visible=False, elem_id="tw-stop")
            resume = gr.Button("Resume", min_width=110, scale=0, visible=False, elem_id="tw-resume")
        bar = gr.HTML(elem_id="tw-train-bar")
        chart = gr.Plot(show_label=False, visible=False, elem_id="tw-loss")
        log = gr.HTML(elem_id="tw-train-log")
    state = {"watched": gr.State(watching.Watched()), "timer": gr.Timer(1.0, active=False)}
    return RunView(page, run, stop, resume, bar, chart, log, **state)


def bind(view: RunView, tab: gr.Tab) -> None:
    """When the run is looked at, and what its buttons do."""
    page = view.page
    seen = [page.visitor, view.run, view.watched]
    page.whenever(tab, view.refresh, [view.run], view.outputs)
    page.rest(tab, view.timer)
    view.timer.tick(guarded(view.tick), seen, view.outputs, **QUIET)
    view.run.input(guarded(view.tick), seen, view.outputs, **QUIET)
    view.stop.click(guarded(view.ask_to_stop), seen, view.outputs, **QUIET)
    view.resume.click(
        guarded(view.go_on), [page.visitor, view.run, page.changed], [page.changed, *view.outputs], **QUIET
    )
