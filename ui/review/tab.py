"""The Error review tab: which answers are read, the desk, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.jobs import answers
from core.review import actions as review_actions
from core.review import labels, lessons
from core.store.workspace import Job, Workspace
from core.wording import count
from ui import choosers, html, text
from ui.page import BUSY, QUIET, Page, download, guarded
from ui.review import desk, totals

NOTHING = html.lead("There are no answers to review yet.", "Finish an evaluation in the Evaluation tab first.")


@dataclass(frozen=True)
class Review:
    """The components, and the handlers that fill them."""

    page: Page
    evaluation: gr.Dropdown
    lead: gr.HTML
    desk: gr.HTML
    shown: gr.State
    """Whose desk is there: (job, visitor). It is drawn anew for another only: a person may be at work on it."""
    more: gr.Column
    counts: gr.HTML
    again: gr.Button
    prepare: gr.Button
    download: gr.DownloadButton
    lessons_row: gr.Row
    learn: gr.Button
    lessons: gr.HTML

    @property
    def totals(self) -> list[Any]:
        """What tells how far the whole review is."""
        return [self.counts, self.lessons_row, self.lessons]

    @property
    def opened(self) -> list[Any]:
        return [self.evaluation, self.lead, self.desk, self.shown, self.more, self.download, *self.totals]

    def refresh(self, visitor: str, project_id: str | None, chosen: str | None, shown: Any) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        jobs = [j for kind in ("evaluate", "chat") for j in workspace.jobs(project_id, kind)] if project_id else []
        ready = [job for job in jobs if (workspace.folder(job) / "suggestions.jsonl").is_file()]
        job = choosers.kept(ready, chosen)
        several = len(ready) > 1
        parts: dict[Any, Any] = {
            self.evaluation: gr.update(**{**choosers.of_jobs(ready, job), "visible": several}),
            self.more: gr.update(visible=job is not None),
        }
        if job is None:
            return {**parts, self.lead: NOTHING, self.desk: "", self.shown: None}
        known = answers.Answers(workspace, job)
        lead = "" if known.ids() else html.lead("Nobody has answered on both sides yet.", f"{job.title} goes on.")
        if known.damaged:
            lead += html.note("warning", f"{count(known.damaged, 'line')} of its files cannot be read and are left out.")
        parts |= {self.lead: lead, **self._totals(workspace, job)}
        there = [job.id, workspace.owner]
        if shown == there:
            return parts
        reader = desk.Reader(workspace, job, workspace.owner)
        drawn = desk.empty_desk(reader, visitor) if known.ids() else ""
        return {**parts, self.desk: drawn, self.shown: there, self.download: gr.update(visible=False)}

    def count(self, visitor: str, job_id: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        return self._totals(workspace, workspace.job(job_id))

    def train_corrections(self, visitor: str, job_id: str, count: int) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        version, _ = lessons.learn(workspace, job)
        gr.Info(f"Version {version.number} has the corrected answers among its training rows. Train it next.")
        return {self.page.changed: count + 1, **self._lessons(workspace, job)}

    def export(self, visitor: str, job_id: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        with download(workspace, f"labels-evaluation-{job.number}.jsonl") as target:
            target.write_text(review_actions.export_labels(workspace, job), encoding="utf-8")
        return {self.download: gr.update(value=str(target), visible=True, label=f"Download {target.name}")}

    def _totals(self, workspace: Workspace, job: Job) -> dict[Any, Any]:
        events = labels.current(workspace.engine, job.id, workspace.owner)
        reader = desk.Reader(workspace, job, workspace.owner)
        return {self.counts: totals.counts(workspace, job, events, reader.titles), **self._lessons(workspace, job)}

    def _lessons(self, workspace: Workspace, job: Job) -> dict[Any, Any]:
        """What the corrections would make of the dataset; hidden while there is none that is not trained yet."""
        lesson = lessons.look(workspace, job)
        shown = html.place(lesson.sentence) if lesson else ""
        return {self.lessons_row: gr.update(visible=lesson is not None), self.lessons: shown}


def build(page: Page, tab: gr.Tab) -> None:
    with gr.Row(elem_id="tw-review-of"):
        evaluation = gr.Dropdown([], label="Answers of", visible=False, elem_id="tw-review-job")
    lead = gr.HTML(elem_id="tw-review-lead")
    shown = gr.HTML(elem_id="tw-desk-frame")
    with gr.Column(visible=False) as more:
        with gr.Row(visible=False, elem_id="tw-learn") as lessons_row:
            learn = gr.Button("Make training rows of the corrections", scale=0, min_width=300, elem_id="tw-learn-button")
            lesson = gr.HTML(min_width=240)
        with gr.Accordion("How often each error was found", open=False, elem_id="tw-totals") as counted:
            counts = gr.HTML()
            again = gr.Button("Count again", size="sm", scale=0, min_width=130)
        with gr.Row(elem_classes="tw-toolbar"):
            prepare = gr.Button("Export the labels", scale=0, min_width=160)
            file = gr.DownloadButton("Download", scale=0, min_width=200, visible=False, elem_id="tw-download-labels")
        gr.Markdown(text.REVIEW_HELP, elem_classes="tw-help")
    parts = (counts, again, prepare, file, lessons_row, learn, lesson)
    _bind(Review(page, evaluation, lead, shown, gr.State(None), more, *parts), tab, counted)


def _bind(review: Review, tab: gr.Tab, counted: gr.Accordion) -> None:
    page, evaluation = review.page, review.evaluation
    known = [page.visitor, evaluation]
    page.whenever(tab, review.refresh, [evaluation, review.shown], review.opened)
    looking = [page.visitor, page.project, evaluation, review.shown]
    evaluation.input(guarded(review.refresh), looking, review.opened, **QUIET)
    gr.on([counted.expand, review.again.click], guarded(review.count), known, review.totals, **QUIET)
    lessons_shown = [page.changed, review.lessons_row, review.lessons]
    review.learn.click(guarded(review.train_corrections), [*known, page.changed], lessons_shown, **BUSY)
    review.prepare.click(guarded(review.export), known, review.download, **BUSY)
