"""A part of the Evaluation tab: a model behind an endpoint judges the answers of the evaluation that is shown."""

from __future__ import annotations

import gradio as gr

from core.errors import UserError
from core.jobs import queue
from core.judge import actions as judge_actions
from core.judge.verdicts import Price, sentences
from core.store.workspace import Job, Workspace
from ui import html, text, watching
from ui.page import BUSY, QUIET, Page, guarded


def build(page: Page, tab: gr.Tab, evaluation: gr.Dropdown) -> None:
    """`evaluation` holds the id of the evaluation that the tab shows."""
    local = page.store.settings.mode == "local"
    with gr.Accordion("Let a model judge the answers", open=False, elem_id="tw-judge"):
        gr.Markdown(text.JUDGE_HELP, elem_classes="tw-help")
        with gr.Row(elem_classes="tw-even"):
            endpoint = gr.Textbox(
                label="Endpoint",
                info="OpenAI-compatible; the address before /chat/completions.",
                placeholder="http://localhost:11434/v1" if local else "https://api.example.com/v1",
                max_length=500,
                elem_id="tw-judge-endpoint",
            )
            model = gr.Textbox(
                label="Model", info="As the endpoint calls it.", max_length=200, elem_id="tw-judge-model"
            )
            key = gr.Textbox(
                label="Key",
                info=text.KEY_LOCAL if local else text.KEY_SPACE,
                type="password",
                max_length=500,
                elem_id="tw-judge-key",
            )
            most = gr.Number(0, label="Pairs", info="0: all of them.", precision=0, minimum=0, elem_id="tw-judge-pairs")
            prompts = gr.Number(0, label="Price of prompts", info="Per million tokens; 0: not told.", minimum=0)
            replies = gr.Number(0, label="Price of replies", info="Per million tokens; 0: not told.", minimum=0)
        cost = gr.HTML(elem_id="tw-judge-cost")
        with gr.Row(elem_classes="tw-toolbar"):
            start = gr.Button("Judge", variant="primary", min_width=110, scale=0, elem_id="tw-judge-start")
            cancel = gr.Button("Cancel", min_width=100, scale=0, visible=False, elem_id="tw-judge-cancel")
        bar = gr.HTML(elem_id="tw-judge-bar")
        result = gr.HTML(elem_id="tw-judge-result")
    watched = gr.State(watching.Watched())
    timer = gr.Timer(0.7, active=False)
    view = [watched, bar, result, start, cancel, timer]

    def refresh(visitor: str, project_id: str | None, job_id: str | None, *form):
        workspace = page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        return estimated(visitor, project_id, job_id, *form), *_look(workspace, evaluation, watching.Watched())

    def estimated(visitor: str, project_id: str | None, job_id: str | None, endpoint, model, most, *prices):
        """What it will cost, before anything is sent. What cannot be judged is said in its place."""
        workspace = page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        if evaluation is None:
            return html.note("note", "There is no evaluation yet. Measure base against tuned first.")
        try:
            found = judge_actions.estimate(workspace, evaluation, endpoint, model, _number(most), _price(*prices))
        except UserError as e:
            return html.note("note", str(e))
        return html.sentences([judge_actions.cost_sentence(found)])

    def begin(visitor: str, project_id: str | None, job_id: str | None, key, endpoint, model, most, *prices):
        workspace = page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        if evaluation is None:
            raise UserError("There is no evaluation yet. Measure base against tuned first.")
        judge_actions.start(workspace, evaluation, endpoint, model, key, _number(most), _price(*prices))
        return _look(workspace, evaluation, watching.Watched())

    def tick(visitor: str, project_id: str | None, job_id: str | None, count: int, watched, *form):
        workspace = page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        looked = _look(workspace, evaluation, watched)
        over = watched.state in ("finished", "stopped", "failed")
        # The report shows the result, too, and what is left to ask costs less.
        told = estimated(visitor, project_id, job_id, *form) if over else gr.skip()
        return (count + 1 if over else gr.skip()), told, *looked

    def ask_to_stop(visitor: str, project_id: str | None, job_id: str | None, watched):
        workspace = page.workspace(visitor)
        evaluation = _chosen(workspace, project_id, job_id)
        job = judge_actions.of_evaluation(workspace, evaluation) if evaluation else None
        if job:
            queue.stop(workspace, job)
        return _look(workspace, evaluation, watched)

    form = [endpoint, model, most, prompts, replies]
    known = [page.visitor, page.project, evaluation]
    last = {**QUIET, "trigger_mode": "always_last"}
    page.whenever(tab, refresh, [evaluation, *form], [cost, *view])
    evaluation.change(guarded(refresh), [*known, *form], [cost, *view], **last)
    asked = [most.change, prompts.change, replies.change, endpoint.blur, model.blur]
    gr.on(asked, guarded(estimated), [*known, *form], cost, **last)
    start.click(guarded(begin), [*known, key, *form], view, **BUSY)
    cancel.click(guarded(ask_to_stop), [*known, watched], view, **QUIET)
    timer.tick(guarded(tick), [*known, page.changed, watched, *form], [page.changed, cost, *view], **QUIET)


def _chosen(workspace: Workspace, project_id: str | None, job_id: str | None) -> Job | None:
    """The evaluation that is shown: while the tab has not named one yet, its newest."""
    jobs = workspace.jobs(project_id, "evaluate") if project_id else []
    return next((j for j in jobs if j.id == job_id), jobs[0] if jobs else None)


def _number(most: float | None) -> int | None:
    return int(most) if most else None


def _price(prompts: float | None, replies: float | None) -> Price | None:
    """None while no price is given."""
    return None if not prompts and not replies else (float(prompts or 0), float(replies or 0))


def _look(workspace: Workspace, evaluation: Job | None, watched: watching.Watched):
    """Everything that shows the newest judgement of the evaluation. What has not changed is not sent again."""
    job = judge_actions.of_evaluation(workspace, evaluation) if evaluation else None
    if evaluation is None or job is None:
        idle = gr.update(interactive=evaluation is not None)
        return watched, "", "", idle, gr.update(visible=False), gr.update(active=False)
    watched, status, changed, _ = watching.look(workspace, job, watched)
    if not changed:
        return watched, *[gr.skip()] * 5
    found = judge_actions.result(workspace, evaluation) if status.over else None
    return (
        watched,
        watching.bar(job, status, watched),
        html.sentences(sentences(found)) if found else "",
        gr.update(interactive=status.over),
        gr.update(visible=not status.over, interactive=status.state != "stopping"),
        gr.update(active=not status.over),
    )
