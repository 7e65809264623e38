"""The Error review tab: which answers are read, the desk, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.jobs import answers
from core.review import exporting, lessons
from core.store.workspace import Job, Workspace
from core.wording import count
from ui import choosers, html, text
from ui.page import BUSY, QUIET, Page, download, guarded
from ui.review import desk, together, totals
from ui.review.together import Together

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
    rest: gr.Button
    """Unseen: pressed by review.js when a person has stored something and rests."""
    other: gr.Dropdown
    compared: gr.HTML
    together: Together
    form: gr.Dropdown
    prepare: gr.Button
    download: gr.DownloadButton
    lessons_row: gr.Row
    learn: gr.Button
    lessons: gr.HTML

    @property
    def totals(self) -> list[Any]:
        """What is told of the whole review."""
        return [self.counts, *self.together.shown]

    @property
    def learnt(self) -> list[Any]:
        return [self.lessons_row, self.lessons]

    @property
    def opened(self) -> list[Any]:
        files = [self.download, self.other, self.compared, self.together.made]
        drawn = [self.evaluation, self.lead, self.desk, self.shown, self.more]
        return [*drawn, *files, *self.totals, *self.learnt]

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
            lead += html.note(
                "warning", f"{count(known.damaged, 'line')} of its files cannot be read and are left out."
            )
        parts |= {self.lead: lead, **self._lessons(workspace, job)}
        there = [job.id, workspace.owner]
        if shown == there:
            return parts
        drawn = desk.empty_desk(desk.Reader(workspace, job, workspace.owner), visitor) if known.ids() else ""
        others = [j for j in ready if j.id != job.id and j.kind == "evaluate"]
        new = {self.download: gr.update(visible=False), self.compared: "", self.together.made: ""}
        new |= {self.counts: "", self.together.given: ""}
        new[self.other] = gr.update(**{**choosers.of_jobs(others, None), "visible": bool(others)})
        return {**parts, **new, self.desk: drawn, self.shown: there}

    def count(self, visitor: str, job_id: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        titles = desk.Reader(workspace, job, workspace.owner).titles
        return {self.counts: totals.all_of(workspace, job, titles)}

    def look_together(self, visitor: str, job_id: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        return self.together.look(workspace, workspace.job(job_id))

    def look_at_lessons(self, visitor: str, job_id: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        return self._lessons(workspace, workspace.job(job_id))

    def compare(self, visitor: str, job_id: str, other: str | None) -> dict[Any, Any]:
        if not other:
            return {self.compared: ""}
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        titles = desk.Reader(workspace, job, workspace.owner).titles
        return {self.compared: totals.against(workspace, job, workspace.job(other), titles)}

    def train_corrections(self, visitor: str, job_id: str, count: int) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        version, _ = lessons.learn(workspace, job)
        gr.Info(f"Version {version.number} has the corrected answers among its training rows. Train it next.")
        return {self.page.changed: count + 1, **self._lessons(workspace, job)}

    def export(self, visitor: str, job_id: str, form: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        with download(workspace, f"labels-{job.kind}-{job.number}{exporting.FORMATS[form][1]}") as target:
            exporting.write_labels(workspace, job, target, form)
        return {self.download: gr.update(value=str(target), visible=True, label=f"Download {target.name}")}

    def _lessons(self, workspace: Workspace, job: Job) -> dict[Any, Any]:
        """What the corrections would make of the dataset; hidden while there is none that is not trained yet."""
        lesson = lessons.look(workspace, job)
        shown = html.place(lesson.sentence) if lesson else ""
        return {self.lessons_row: gr.update(visible=lesson is not None), self.lessons: shown}


def build(page: Page, tab: gr.Tab) -> None:
    with gr.Row(elem_id="tw-review-of"):
        evaluation = gr.Dropdown(
            [], label="Answers of", show_label=False, container=False, visible=False, elem_id="tw-review-job"
        )
    lead = gr.HTML(elem_id="tw-review-lead")
    shown = gr.HTML(elem_id="tw-desk-frame")
    with gr.Column(visible=False) as more:
        with gr.Row(visible=False, elem_id="tw-learn") as lessons_row:
            learn = gr.Button(
                "Make training rows of the corrections", scale=0, min_width=300, elem_id="tw-learn-button"
            )
            lesson = gr.HTML(min_width=240)
        with gr.Accordion("How often each error happens", open=False, elem_id="tw-totals") as counted:
            counts = gr.HTML()
            again = gr.Button("Count again", size="sm", scale=0, min_width=130)
            rest = gr.Button("Look again", elem_id="tw-review-rest")
            other = gr.Dropdown([], label="Against another run", visible=False, elem_id="tw-review-other")
            compared = gr.HTML()
        with gr.Accordion("Label together", open=False, elem_id="tw-together") as others:
            people = together.build(page)
        with gr.Row(elem_classes="tw-toolbar"):
            forms = [(title, name) for name, (title, _) in exporting.FORMATS.items()]
            form = gr.Dropdown(forms, value="jsonl", label="Labels as", scale=0, min_width=190, elem_id="tw-label-form")
            prepare = gr.Button("Export the labels", scale=0, min_width=160)
            file = gr.DownloadButton("Download", scale=0, min_width=200, visible=False, elem_id="tw-download-labels")
        gr.Markdown(text.REVIEW_HELP, elem_classes="tw-help")
    parts = (counts, again, rest, other, compared, people, form, prepare, file, lessons_row, learn, lesson)
    _bind(Review(page, evaluation, lead, shown, gr.State(None), more, *parts), tab, counted, others)


def _bind(review: Review, tab: gr.Tab, counted: gr.Accordion, others: gr.Accordion) -> None:
    page, evaluation = review.page, review.evaluation
    known = [page.visitor, evaluation]
    page.whenever(tab, review.refresh, [evaluation, review.shown], review.opened)
    looking = [page.visitor, page.project, evaluation, review.shown]
    evaluation.input(guarded(review.refresh), looking, review.opened, **QUIET)
    gr.on([counted.expand, review.again.click], guarded(review.count), known, review.counts, **BUSY)
    others.expand(guarded(review.look_together), known, review.together.shown, **QUIET)
    review.rest.click(guarded(review.look_at_lessons), known, review.learnt, **QUIET)
    review.other.input(guarded(review.compare), [*known, review.other], review.compared, **QUIET)
    together.bind(review.together, evaluation)
    lessons_shown = [page.changed, review.lessons_row, review.lessons]
    review.learn.click(guarded(review.train_corrections), [*known, page.changed], lessons_shown, **BUSY)
    review.prepare.click(guarded(review.export), [*known, review.form], review.download, **BUSY)
