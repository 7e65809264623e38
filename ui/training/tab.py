"""The Training tab: the form of a new run, and below it the run that is looked at, live, through every reload."""

from __future__ import annotations

from typing import Any

import gradio as gr

from core.errors import UserError
from core.jobs.status import status_of
from core.training import actions as training_actions
from ui import choosers, text, watching
from ui.page import BUSY, Page, guarded
from ui.training import form as forms
from ui.training import run as runs


def build(page: Page, tab: gr.Tab) -> None:
    form, view = forms.build(page), runs.build(page)

    def begin(visitor: str, project_id: str | None, count: int, *values: Any) -> dict[Any, Any]:
        """The run starts; the form gives its place to the curve."""
        workspace = page.workspace(visitor)
        spec = forms.spec_of(workspace, project_id, *values)
        if spec is None or project_id is None:
            raise UserError(f"{text.NO_ROWS} {text.NO_ROWS_NEXT}")
        job = training_actions.start_training(workspace, project_id, spec)
        return {
            page.changed: count + 1,
            form.whole: gr.update(open=False),
            view.run: choosers.of_jobs(workspace.jobs(project_id, "train"), job),
            **view.look(workspace, job, watching.Watched()),
        }

    def fold(visitor: str, project_id: str | None) -> dict[Any, Any]:
        """While a run goes on the form is folded. It unfolds when the tab is opened again, never by itself."""
        workspace = page.workspace(visitor)
        jobs = workspace.jobs(project_id, "train") if project_id else []
        return {form.whole: gr.update(open=all(status_of(workspace, job).over for job in jobs))}

    page.whenever(tab, fold, [], [form.whole], on_changes=False)
    runs.bind(view, tab)  # before the form's, whose memory takes the longest to count
    forms.bind(form, tab)
    started = [page.visitor, page.project, page.changed, *form.inputs]
    form.start.click(guarded(begin), started, [page.changed, form.whole, *view.outputs], **BUSY)
