"""What an evaluation measured: the picture of gain against loss, then everything behind it, folded.

`build` makes the components and binds what they do among themselves; `Result.show` fills them from a job.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.report import document as files
from core.evaluation.report import tables
from core.evaluation.report.measures import measures, warning
from core.evaluation.report.sentences import overlaps, summarise
from core.evaluation.result import Proof, Report, report_of
from core.files import write_atomically
from core.judge import verdicts
from core.store import temporary
from core.store.workspace import Job, Workspace
from core.training import actions as training_actions
from core.types import SIDES
from ui import charts, html, text
from ui.evaluation import one_by_one
from ui.evaluation.one_by_one import OneByOne
from ui.page import BUSY, Page, guarded

HIDDEN = {"visible": False}


@dataclass(frozen=True)
class Result:
    page: Page
    folder: gr.State
    """Where this page's report files are written to be downloaded."""
    picture: gr.Plot
    findings: gr.HTML
    one_by_one: OneByOne
    strength: gr.Accordion
    strength_chart: gr.Plot
    strength_table: gr.HTML
    part: gr.Radio
    save: gr.Button
    steps: gr.Accordion
    steps_chart: gr.Plot
    steps_table: gr.HTML
    details: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    """By the file's ending."""

    @property
    def outputs(self) -> list[Any]:
        strength = (self.strength, self.strength_chart, self.strength_table, self.part, self.save)
        steps = (self.steps, self.steps_chart, self.steps_table)
        files = self.downloads.values()
        parts = (self.folder, self.picture, self.findings, *self.one_by_one.outputs, *strength, *steps)
        return [*parts, self.details, *files]

    def show(self, workspace: Workspace, job: Job | None, folder: str, over: bool) -> dict[Any, Any]:
        """What the job left. `over`: has it ended? Files are written only then, into `folder`."""
        if job is None or not (workspace.folder(job) / "report.json").is_file():
            return self._nothing()
        report = report_of(workspace, job)
        document = evaluation_actions.document(workspace, job)
        figure = charts.gains(measures(report))
        return {
            self.picture: gr.update(value=figure, visible=True) if figure else gr.update(**HIDDEN),
            self.findings: _findings(report, over),
            self.details: _details(report, document),
            **self.one_by_one.show(report),
            **self._strength(report),
            **self._steps(report),
            **self._downloads(workspace, document, job.number, folder, over and bool(measures(report))),
        }

    def _nothing(self) -> dict[Any, Any]:
        return {
            self.picture: gr.update(**HIDDEN),
            self.findings: "",
            self.details: "",
            self.strength: gr.update(**HIDDEN),
            self.steps: gr.update(**HIDDEN),
            **self.one_by_one.show(None),
            **dict.fromkeys(self.downloads.values(), gr.update(**HIDDEN)),
        }

    def _downloads(
        self, workspace: Workspace, document: Report, number: int, folder: str, ready: bool
    ) -> dict[Any, Any]:
        if not ready:
            return dict.fromkeys(self.downloads.values(), gr.update(**HIDDEN))
        folder = folder or str(temporary.folder_for_download(workspace))
        Path(folder).mkdir(parents=True, exist_ok=True)
        updates: dict[Any, Any] = {self.folder: folder}
        for ending, button in self.downloads.items():
            path = Path(folder) / f"evaluation-{number}{ending}"
            write_atomically(path, files.to_text(document, ending))
            updates[button] = gr.update(value=str(path), visible=True)
        return updates

    def _steps(self, report: Report) -> dict[Any, Any]:
        if not report.checkpoints:
            return {self.steps: gr.update(**HIDDEN)}
        base = report.heldout.base.loss if report.heldout else None
        _, head, rows = tables.checkpoints_table(report.checkpoints)
        return {
            self.steps: gr.update(visible=True),
            self.steps_chart: charts.checkpoints(report.checkpoints, base),
            self.steps_table: html.table(head, rows),
        }

    def _strength(self, report: Report) -> dict[Any, Any]:
        table = tables.strength_table(report)
        if not report.strength or not table:
            return {self.strength: gr.update(**HIDDEN)}
        points = report.strength.points
        choices = [(f"{100 * p.strength:.0f} %", p.strength) for p in points if 0 < p.strength < 1]
        return {
            self.strength: gr.update(visible=True),
            self.strength_chart: charts.strengths(points, tables.strength_benchmarks(report)),
            self.strength_table: html.table(*table[1:]),
            self.part: gr.update(choices=choices, value=None, visible=bool(choices)),
            self.save: gr.update(visible=bool(choices)),
        }

    # handlers

    def save_part(self, visitor: str, job_id: str | None, part: float | None, count: int) -> int:
        workspace = self.page.workspace(visitor)
        if part is None:
            raise UserError("No strength is chosen. Choose one of those that were measured.")
        evaluation = workspace.job(job_id)
        saved = training_actions.save_strength(workspace, workspace.job(evaluation.run_id), part)
        gr.Info("You find it among the runs: measure it, or share it, like any other.", title=f"Saved as {saved.title}")
        return count + 1


def picture() -> gr.Plot:
    return gr.Plot(show_label=False, visible=False, elem_id="tw-gains")


def build(page: Page, picture: gr.Plot, chosen: gr.Dropdown) -> Result:
    """The parts below the picture. `chosen` holds the id of the evaluation that is shown."""
    findings = gr.HTML(elem_id="tw-findings")
    questions = one_by_one.build(page, chosen)
    with gr.Accordion("Adapter strength", open=False, visible=False, elem_id="tw-strength") as strength:
        gr.Markdown(text.STRENGTH_HELP, elem_classes="tw-help")
        strength_chart = gr.Plot(show_label=False)
        strength_table = gr.HTML()
        with gr.Row(elem_classes="tw-toolbar"):
            part = gr.Radio([], label="Strength", min_width=240, scale=2)
            save = gr.Button("Save an adapter of this strength", scale=0, min_width=280, elem_id="tw-strength-save")
    with gr.Accordion("Checkpoints side by side", open=False, visible=False, elem_id="tw-steps") as steps:
        steps_chart = gr.Plot(show_label=False)
        steps_table = gr.HTML()
    details = gr.HTML(elem_id="tw-result")
    with gr.Row(elem_classes="tw-toolbar"):
        downloads = {
            ending: gr.DownloadButton(
                f"Report as {name}", size="sm", min_width=150, scale=0, visible=False, elem_id=f"tw-report-{ending[1:]}"
            )
            for ending, name in ((".html", "HTML"), (".md", "Markdown"), (".json", "JSON"))
        }
    result = Result(
        *(page, gr.State(""), picture, findings, questions, strength, strength_chart, strength_table, part, save),
        *(steps, steps_chart, steps_table, details, downloads),
    )
    save.click(guarded(result.save_part), [page.visitor, chosen, part, page.changed], page.changed, **BUSY)
    return result


def _findings(report: Report, over: bool) -> str:
    """The warning where it applies, and what went wrong; everything else in words is behind a click."""
    level, forgotten = warning(measures(report))
    waiting = not over and report.spec.benchmarks and not report.benchmarks
    note = html.note(level, forgotten) if level and not waiting else ""
    wrong = "".join(html.note(p.level, f"{p.what} {p.fix}".strip()) for p in report.problems)
    learnt = "".join(html.note("warning", line) for line in overlaps(report))
    lines = summarise(report)[1:]
    words = html.fold("Every finding in words", html.sentences(lines)) if lines else ""
    return note + learnt + wrong + words


def _details(report: Report, document: Report) -> str:
    """Tables that open at a click, and how it was measured. `document` is the report as it may leave the machine."""
    if not measures(report):
        return ""
    parts = [html.fold("Every number", html.table(tables.HEAD, tables.table_rows(report)))]
    if labels := report.heldout and report.heldout.labels:
        sides = [(side.capitalize(), labels.confusion[side]) for side in SIDES]
        parts.append(html.fold("Labels: true against given", html.confusion(labels.names, sides)))
    for title, head, rows in tables.tables(report):
        if title == tables.OVERLAP:
            shown = [
                (
                    f"{result.title}, question {e.item}",
                    [("The question", e.question), (f"Training row {e.row}", e.text)],
                )
                for result in report.benchmarks.values()
                for e in (result.overlap.examples if result.overlap else ())
            ]
            parts.append(html.fold(title, html.table(head, rows) + html.similar(shown), text.OVERLAP_HELP))
        if title == tables.DETAILS:
            parts.append(html.fold(title, html.table(head, rows), text.DETAILS_HELP))
        if title.endswith("by subject") or title.startswith("Your rows by"):
            detail = text.SLICES_HELP if title.startswith("Your rows") else text.SUBJECTS_HELP
            parts.append(html.fold(title, html.table(head, rows), detail))
    if report.judge:
        parts.append(html.fold("What the judge said", html.sentences(verdicts.sentences(report.judge))))
    note = tables.questions(document)
    command = (html.code(document.about.command) if document.about else "") + (html.sentences([note]) if note else "")
    how = html.definitions(tables.method(document)) + command
    parts.append(html.fold("How it was measured", how, _proved(report.proof) if report.proof else ""))
    return "".join(parts)


def _proved(proof: Proof) -> str:
    why, what = "with the adapter off its logits differ from the plain model's by", "adapter"
    why = f"{why} {proof.largest_logit_difference_base_to_plain:g}"
    if proof.copies == 2:
        why, what = "base and tuned are two models, and it has the weights that the run began with", "tuned"
    hashes = f"weights SHA-256 {proof.base_weights_sha256[:12]}…, {what} {proof.adapter_sha256[:12]}…"
    return f"The side called base is the base: {why}; {hashes}."
