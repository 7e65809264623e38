"""A part of the Evaluation tab: a model behind an endpoint judges the answers of the evaluation that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from core.endpoint.client import Price
from core.errors import UserError
from core.jobs import queue
from core.judge import actions as judge_actions
from core.judge.verdicts import sentences
from core.store.workspace import Job, Workspace
from ui import endpoint as endpoint_form
from ui import html, text, watching
from ui.page import BUSY, QUIET, Page, guarded

NONE_YET = "There is no evaluation yet. Measure base against tuned first."


class Values(NamedTuple):
    """What stands in the form, by the names of `Judge.inputs`."""

    endpoint: str
    model: str
    most: float | None
    prompts: float | None
    replies: float | None

    @property
    def max_pairs(self) -> int | None:
        return int(self.most) if self.most else None

    @property
    def price(self) -> Price | None:
        """None while no price is given."""
        return (float(self.prompts or 0), float(self.replies or 0)) if self.prompts or self.replies else None


@dataclass(frozen=True)
class Judge:
    """The judge's components, and what they do. Handlers return {component: value}."""

    page: Page
    evaluation: gr.Dropdown
    """Its value is the id of the evaluation that the tab shows."""
    endpoint: gr.Textbox
    model: gr.Textbox
    key: gr.Textbox
    most: gr.Number
    prompts: gr.Number
    replies: gr.Number
    cost: gr.HTML
    start: gr.Button
    cancel: gr.Button
    bar: gr.HTML
    result: gr.HTML
    watched: gr.State
    timer: gr.Timer

    @property
    def inputs(self) -> list[Any]:
        return [getattr(self, name) for name in Values._fields]

    @property
    def view(self) -> list[Any]:
        return [self.watched, self.bar, self.result, self.start, self.cancel, self.timer]

    def refresh(self, visitor: str, project_id: str | None, job_id: str | None, *values: Any) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        return {
            self.cost: _cost(workspace, evaluation, Values(*values)),
            **self.look(workspace, evaluation, watching.Watched()),
        }

    def estimate(self, visitor: str, project_id: str | None, job_id: str | None, *values: Any) -> dict[Any, Any]:
        """What it will cost, before anything is sent."""
        workspace = self.page.workspace(visitor)
        return {self.cost: _cost(workspace, _chosen(workspace, project_id, job_id), Values(*values))}

    def begin(self, visitor: str, project_id: str | None, job_id: str | None, key: str, *values: Any) -> dict[Any, Any]:
        workspace, asked = self.page.workspace(visitor), Values(*values)
        evaluation = _chosen(workspace, project_id, job_id)
        if evaluation is None:
            raise UserError(NONE_YET)
        judge_actions.start(workspace, evaluation, asked.endpoint, asked.model, key, asked.max_pairs, asked.price)
        return self.look(workspace, evaluation, watching.Watched())

    def tick(
        self,
        visitor: str,
        project_id: str | None,
        job_id: str | None,
        count: int,
        watched: watching.Watched,
        *values: Any,
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        looked = self.look(workspace, evaluation, watched)
        if watched.state not in ("finished", "stopped", "failed"):
            return looked
        # The report shows the result, too, and what is left to ask costs less.
        return {**looked, self.page.changed: count + 1, self.cost: _cost(workspace, evaluation, Values(*values))}

    def ask_to_stop(
        self, visitor: str, project_id: str | None, job_id: str | None, watched: watching.Watched
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        job = judge_actions.of_evaluation(workspace, evaluation) if evaluation else None
        if job:
            queue.stop(workspace, job)
        return self.look(workspace, evaluation, watched)

    def look(self, workspace: Workspace, evaluation: Job | None, watched: watching.Watched) -> dict[Any, Any]:
        """Everything that shows the newest judgement of the evaluation. What has not changed is not sent again."""
        job = judge_actions.of_evaluation(workspace, evaluation) if evaluation else None
        if job is None or evaluation is None:
            return {
                self.watched: watched,
                self.bar: "",
                self.result: "",
                self.start: gr.update(interactive=evaluation is not None),
                self.cancel: gr.update(visible=False),
                self.timer: gr.update(active=False),
            }
        watched, status, changed, _ = watching.look(workspace, job, watched)
        if not changed:
            return {self.watched: watched}
        judgement = judge_actions.result(workspace, evaluation) if status.over else None
        return {
            self.watched: watched,
            self.bar: watching.bar(job, status, watched),
            self.result: html.sentences(sentences(judgement)) if judgement else "",
            self.start: gr.update(interactive=status.over),
            self.cancel: gr.update(visible=not status.over, interactive=status.state != "stopping"),
            self.timer: gr.update(active=not status.over),
        }

    def bind(self, tab: gr.Tab) -> None:
        page, form, shown = self.page, self.inputs, [self.cost, *self.view]
        known, last = [page.visitor, page.project, self.evaluation], {**QUIET, "trigger_mode": "always_last"}
        page.whenever(tab, self.refresh, [self.evaluation, *form], shown)
        self.evaluation.change(guarded(self.refresh), [*known, *form], shown, **last)
        changes = [self.most.change, self.prompts.change, self.replies.change, self.endpoint.blur, self.model.blur]
        gr.on(changes, guarded(self.estimate), [*known, *form], [self.cost], **last)
        self.start.click(guarded(self.begin), [*known, self.key, *form], self.view, **BUSY)
        self.cancel.click(guarded(self.ask_to_stop), [*known, self.watched], self.view, **QUIET)
        ticking = [*known, page.changed, self.watched, *form]
        self.timer.tick(guarded(self.tick), ticking, [page.changed, *shown], **QUIET)


def build(page: Page, tab: gr.Tab, evaluation: gr.Dropdown) -> None:
    """`evaluation` holds the id of the evaluation that the tab shows."""
    local = page.store.settings.mode == "local"
    with gr.Accordion("Let a model judge the answers", open=False, elem_id="tw-judge"):
        gr.Markdown(text.JUDGE_HELP, elem_classes="tw-help")
        with gr.Row(elem_classes="tw-even"):
            form = endpoint_form.build("judge", local, text.KEY_LOCAL if local else text.KEY_SPACE)
            most = gr.Number(0, label="Pairs", info="0: all of them.", precision=0, minimum=0, elem_id="tw-judge-pairs")
        cost = gr.HTML(elem_id="tw-judge-cost")
        with gr.Row(elem_classes="tw-toolbar"):
            start = gr.Button("Judge", variant="primary", min_width=110, scale=0, elem_id="tw-judge-start")
            cancel = gr.Button("Cancel", min_width=100, scale=0, visible=False, elem_id="tw-judge-cancel")
        bar = gr.HTML(elem_id="tw-judge-bar")
        result = gr.HTML(elem_id="tw-judge-result")
    watched, timer = gr.State(watching.Watched()), gr.Timer(0.7, active=False)
    fields = (form.endpoint, form.model, form.key, most, form.prompts, form.replies)
    judge = Judge(page, evaluation, *fields, cost, start, cancel, bar, result, watched, timer)
    judge.bind(tab)


def _chosen(workspace: Workspace, project_id: str | None, job_id: str | None) -> Job | None:
    """The evaluation that is shown: while the tab has not named one yet, its newest."""
    jobs = workspace.jobs(project_id, "evaluate") if project_id else []
    return next((j for j in jobs if j.id == job_id), jobs[0] if jobs else None)


def _cost(workspace: Workspace, evaluation: Job | None, asked: Values) -> str:
    """What judging will cost. What cannot be judged is said in its place."""
    if evaluation is None:
        return html.note("note", NONE_YET)
    try:
        expected = judge_actions.estimate(
            workspace, evaluation, asked.endpoint, asked.model, asked.max_pairs, asked.price
        )
    except UserError as e:
        return html.note("note", str(e))
    return html.sentences([judge_actions.cost_sentence(expected)])
