"""A part of the Evaluation tab: several evaluations in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.evaluation.report import comparison
from core.evaluation.result import evaluations_with_report, report_of
from core.store.workspace import Workspace
from ui import html, text
from ui.page import QUIET, Page, guarded


@dataclass(frozen=True)
class Compare:
    page: Page
    several: gr.Dropdown
    table: gr.HTML

    def offer(self, visitor: str, project_id: str | None, several: list[str] | None) -> dict[Any, Any]:
        """Which evaluations can be compared; those chosen before stay chosen, at first the two newest are."""
        workspace = self.page.workspace(visitor)
        ready = evaluations_with_report(workspace, project_id) if project_id else []
        kept = [i for i in several or [] if i in [j.id for j in ready]]
        value = kept or [j.id for j in ready[:2]]
        choices = gr.update(choices=[(j.title, j.id) for j in ready], value=value)
        return {self.several: choices, self.table: compared(workspace, value)}

    def choose(self, visitor: str, several: list[str] | None) -> dict[Any, Any]:
        return {self.table: compared(self.page.workspace(visitor), several)}


def build(page: Page, tab: gr.Tab) -> Compare:
    with gr.Accordion("Compare several evaluations", open=False, elem_id="tw-compare"):
        several = gr.Dropdown([], label="Evaluations", multiselect=True, elem_id="tw-compare-which")
        table = gr.HTML(html.empty("Nothing to compare yet.", text.COMPARE_HELP))
    compare = Compare(page, several, table)
    page.whenever(tab, compare.offer, [several], [several, table])
    last = {**QUIET, "trigger_mode": "always_last"}
    several.input(guarded(compare.choose), [page.visitor, several], [table], **last)
    return compare


def compared(workspace: Workspace, ids: list[str] | None) -> str:
    jobs = [workspace.job(i) for i in ids or []]
    if not jobs:
        return html.empty("Nothing to compare yet.", text.COMPARE_HELP)
    head, lines, remarks = comparison.compare([(j.title, report_of(workspace, j)) for j in jobs])
    return html.table(head, lines, "tw-compare") + html.sentences(remarks)
