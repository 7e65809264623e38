"""The Evaluation tab: what to measure, told with what it can show and how long it takes; the jobs; the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.report.sentences import overview
from core.evaluation.result import report_of
from core.jobs import queue
from core.jobs.status import status_of
from core.models.sides import is_trained
from core.store.workspace import Job, Workspace
from ui import html, text, watching
from ui.evaluation import chat, compare, form, judge, result
from ui.evaluation.form import Form
from ui.evaluation.result import Result
from ui.page import BUSY, QUIET, Page, guarded


@dataclass(frozen=True)
class Evaluation:
    """The tab's components outside its parts, and what they do. Handlers return {component: value}."""

    page: Page
    form: Form
    result: Result
    lead: gr.HTML
    chosen: gr.Dropdown
    """Its value is the id of the evaluation that is shown."""
    cancel: gr.Button
    resume: gr.Button
    bar: gr.HTML
    watched: gr.State
    seen: gr.State
    """Which report, and which version of it, the page shows."""
    timer: gr.Timer

    @property
    def view(self) -> list[Any]:
        """What shows one evaluation."""
        follow = (self.lead, self.watched, self.seen, self.bar, self.cancel, self.resume, self.timer)
        return [*follow, *self.result.outputs]

    @property
    def shown(self) -> list[Any]:
        """What the page knows of the evaluation that it shows."""
        return [self.watched, self.seen, self.result.folder]

    def refresh(
        self,
        visitor: str,
        project_id: str | None,
        run_id: str | None,
        job_id: str | None,
        watched: watching.Watched,
        seen: tuple[Any, ...],
        folder: str,
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        trained = _trained(workspace, project_id)
        jobs = workspace.jobs(project_id, "evaluate") if project_id else []
        job = next((j for j in jobs if j.id == job_id), jobs[0] if jobs else None)
        run = run_id if run_id in [j.id for j in trained] else (trained[0].id if trained else None)
        return {
            self.form.run: gr.update(choices=[(j.title, j.id) for j in trained], value=run),
            self.form.start: gr.update(interactive=bool(trained)),
            self.chosen: gr.update(choices=[(j.title, j.id) for j in jobs], value=job.id if job else None),
            **self.look(workspace, job, watching.Watched(), seen, folder, bool(trained)),
        }

    def tick(
        self,
        visitor: str,
        job_id: str | None,
        watched: watching.Watched,
        seen: tuple[Any, ...],
        folder: str,
        count: int,
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id) if job_id else None
        was_over = watched.state in ("finished", "stopped", "failed") or not watched.state
        looked = self.look(workspace, job, watched, seen, folder, True)
        ended = job is not None and not was_over and status_of(workspace, job).over
        return {**looked, **({self.page.changed: count + 1} if ended else {})}

    def begin(self, visitor: str, project_id: str | None, folder: str, count: int, *values: Any) -> dict[Any, Any]:
        workspace, asked = self.page.workspace(visitor), form.Values(*values)
        if not asked.run:
            raise UserError("There is no trained run yet. Finish one in the Training tab first.")
        run = workspace.job(asked.run)
        job = evaluation_actions.start_evaluation(workspace, run, asked.choice(self.page.store))
        return self.moved(workspace, project_id, job, count, folder)

    def ask_to_stop(
        self, visitor: str, job_id: str | None, watched: watching.Watched, seen: tuple[Any, ...], folder: str
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        queue.stop(workspace, job)
        return self.look(workspace, job, watched, seen, folder, True)

    def go_on(
        self, visitor: str, project_id: str | None, job_id: str | None, folder: str, count: int
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        queue.resume(workspace, job)
        return self.moved(workspace, project_id, job, count, folder)

    def moved(self, workspace: Workspace, project_id: str | None, job: Job, count: int, folder: str) -> dict[Any, Any]:
        """Another evaluation is shown, and the other tabs look again."""
        jobs = workspace.jobs(project_id, "evaluate")
        return {
            self.chosen: gr.update(choices=[(j.title, j.id) for j in jobs], value=job.id),
            self.page.changed: count + 1,
            **self.look(workspace, job, watching.Watched(), (), folder, True),
        }

    def look(
        self,
        workspace: Workspace,
        job: Job | None,
        watched: watching.Watched,
        seen: tuple[Any, ...],
        folder: str,
        trained: bool,
    ) -> dict[Any, Any]:
        """Everything that shows one evaluation. What has not changed is not sent again."""
        if job is None:
            return self._nothing(workspace, watched, folder, trained)
        watched, status, changed, _ = watching.look(workspace, job, watched)
        if not changed:
            return {self.watched: watched}
        # A judgement comes after the report, and is shown and downloaded with it.
        files = [workspace.folder(job) / name for name in ("report.json", "judge.json")]
        version = (job.id, *(path.stat().st_mtime if path.is_file() else 0.0 for path in files), status.over)
        follow = {
            self.watched: watched,
            self.seen: version,
            self.bar: watching.bar(job, status, watched),
            self.cancel: gr.update(visible=not status.over, interactive=status.state != "stopping"),
            self.resume: gr.update(visible=status.state in ("stopped", "failed")),
            self.timer: gr.update(active=not status.over),
        }
        if tuple(version) == tuple(seen or ()):
            return follow
        # The parts that are measured show while the others are still going on.
        shown = self.result.show(workspace, job, folder, status.over)
        return {**follow, self.lead: _lead(workspace, job, True), **shown}

    def _nothing(self, workspace: Workspace, watched: watching.Watched, folder: str, trained: bool) -> dict[Any, Any]:
        """There is no evaluation."""
        return {
            self.lead: _lead(workspace, None, trained),
            self.watched: watched,
            self.seen: (),
            self.bar: html.empty("No evaluation yet.", "What was gained and lost will stand here, with intervals."),
            self.cancel: gr.update(visible=False),
            self.resume: gr.update(visible=False),
            self.timer: gr.update(active=False),
            **self.result.show(workspace, None, folder, True),
        }

    def bind(self, tab: gr.Tab) -> None:
        page, form, last = self.page, self.form, {**QUIET, "trigger_mode": "always_last"}
        known, folder, moved = [page.visitor, page.project], self.result.folder, [self.chosen, page.changed, *self.view]
        outputs = [form.run, self.chosen, form.start, *self.view]
        page.whenever(tab, self.refresh, [form.run, self.chosen, *self.shown], outputs)
        ticking = [page.visitor, self.chosen, *self.shown, page.changed]
        self.timer.tick(guarded(self.tick), ticking, [page.changed, *self.view], **QUIET)
        self.chosen.input(guarded(self.tick), ticking, [page.changed, *self.view], **last)
        form.start.click(guarded(self.begin), [*known, folder, page.changed, *form.inputs], moved, **BUSY)
        self.cancel.click(guarded(self.ask_to_stop), [page.visitor, self.chosen, *self.shown], self.view, **QUIET)
        self.resume.click(guarded(self.go_on), [*known, self.chosen, folder, page.changed], moved, **BUSY)


def build(page: Page, tab: gr.Tab) -> Evaluation:
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            asked = form.build(page)
        with gr.Column(scale=3, min_width=340):
            with gr.Row(elem_classes="tw-toolbar"):
                chosen = gr.Dropdown([], label="Evaluation", min_width=200, scale=3, elem_id="tw-evaluation")
                cancel = gr.Button("Cancel", min_width=100, scale=0, visible=False, elem_id="tw-evaluate-cancel")
                resume = gr.Button("Go on", min_width=100, scale=0, visible=False, elem_id="tw-evaluate-resume")
            bar = gr.HTML(elem_id="tw-evaluate-bar")
            picture = result.picture()
    shown = result.build(page, picture, chosen)
    watched, seen, timer = gr.State(watching.Watched()), gr.State(()), gr.Timer(1.0, active=False)
    evaluation = Evaluation(page, asked, shown, lead, chosen, cancel, resume, bar, watched, seen, timer)
    evaluation.bind(tab)
    asked.bind(tab)
    compare.build(page, tab)
    gr.Markdown(f"{text.EVALUATION_HELP} {text.BENCHMARK_HELP}", elem_classes="tw-help")
    judge.build(page, tab, chosen)
    chat.build(page, tab)
    return evaluation


def _trained(workspace: Workspace, project_id: str | None) -> list[Job]:
    runs = workspace.jobs(project_id, "train") if project_id else []
    return [j for j in runs if is_trained(workspace.folder(j) / "adapter")]


def _lead(workspace: Workspace, job: Job | None, trained: bool) -> str:
    if job is not None and (workspace.folder(job) / "report.json").is_file():
        parts = overview(report_of(workspace, job))
        if parts:
            # The first two are what was gained on their rows and, where there is one, a loss.
            first, rest = (parts[:2], parts[2:]) if "worse" in "".join(parts[1:2]) else (parts[:1], parts[1:])
            detail = f"{'; '.join(rest)}. " if rest else ""
            about = f"{job.title}, measured on rows that were never trained."
            return html.lead(f"{'; '.join(first)}.", f"{detail}{about}")
    if trained:
        return html.lead("Did it get better on your rows?", "Measure base against tuned on the frozen test rows.")
    return html.lead("There is nothing to measure yet.", "Finish a run in the Training tab first.")
