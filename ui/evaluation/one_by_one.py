"""A part of the result: the questions that changed and the pairs that were judged, a page of them at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.evaluation.benchmarks.result import Question
from core.evaluation.benchmarks.table import about
from core.evaluation.result import Report, report_of
from core.judge.result import JudgedPair
from ui import html
from ui.page import QUIET, Page, guarded

PER_PAGE = 10
JUDGE = "judge"
KINDS = {"lost": "Lost", "gained": "Gained"}
WINNERS = {"tuned": "Tuned preferred", "base": "Base preferred", "tie": "Equal"}
Items = Sequence[Question | JudgedPair]


@dataclass(frozen=True)
class OneByOne:
    page: Page
    part: gr.Accordion
    of: gr.Dropdown
    """A benchmark, or the judge."""
    kind: gr.Radio
    items: gr.HTML
    at: gr.State
    """Which page of the items is shown, from 0 on."""
    place: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        return [self.part, self.of, self.kind, *self.listed]

    @property
    def listed(self) -> list[Any]:
        return [self.items, self.at, self.place]

    def show(self, report: Report | None) -> dict[Any, Any]:
        """The first benchmark of which anything changed; nothing where there is none."""
        names = choices(report) if report else []
        if not report or not names:
            return {self.part: gr.update(visible=False)}
        of = names[0][1]
        return {
            self.part: gr.update(visible=True),
            self.of: gr.update(choices=names, value=of),
            **self._first_kind(report, of),
        }

    def _first_kind(self, report: Report, of: str) -> dict[Any, Any]:
        there = kinds(report, of)
        kind = there[0][1]
        return {self.kind: gr.update(choices=there, value=kind), **self._turned(items_of(report, of, kind), of, 0)}

    def _turned(self, items: Items, of: str, at: int) -> dict[Any, Any]:
        at = min(max(at, 0), max(0, (len(items) - 1) // PER_PAGE))
        return {self.items: shown_page(of, items, at), self.at: at, self.place: place(items, at)}

    # handlers

    def choose_of(self, visitor: str, job_id: str, of: str) -> dict[Any, Any]:
        return self._first_kind(self._report(visitor, job_id), of)

    def choose_kind(self, visitor: str, job_id: str, of: str, kind: str) -> dict[Any, Any]:
        return self._turned(items_of(self._report(visitor, job_id), of, kind), of, 0)

    def back(self, visitor: str, job_id: str, of: str, kind: str, at: int) -> dict[Any, Any]:
        return self._turned(items_of(self._report(visitor, job_id), of, kind), of, at - 1)

    def forth(self, visitor: str, job_id: str, of: str, kind: str, at: int) -> dict[Any, Any]:
        return self._turned(items_of(self._report(visitor, job_id), of, kind), of, at + 1)

    def _report(self, visitor: str, job_id: str) -> Report:
        workspace = self.page.workspace(visitor)
        return report_of(workspace, workspace.job(job_id))


def build(page: Page, chosen: gr.Dropdown) -> OneByOne:
    """`chosen` holds the id of the evaluation that is shown."""
    with gr.Accordion("Questions won and lost, one by one", open=False, visible=False, elem_id="tw-items") as part:
        with gr.Row(elem_classes="tw-toolbar"):
            of = gr.Dropdown([], label="Of", min_width=200, scale=1, elem_id="tw-items-of")
            kind = gr.Radio([], label="Which", min_width=240, scale=2, elem_id="tw-items-kind")
        items = gr.HTML(elem_id="tw-items-list")
        with gr.Row(elem_classes="tw-toolbar tw-pager"):
            back = gr.Button("← Before", min_width=110, scale=0, size="sm", elem_id="tw-items-back")
            place = gr.HTML(min_width=120)
            forth = gr.Button("Next →", min_width=110, scale=0, size="sm", elem_id="tw-items-next")
    one_by_one = OneByOne(page, part, of, kind, items, gr.State(0), place)
    asked, last = [page.visitor, chosen, of, kind], {**QUIET, "trigger_mode": "always_last"}
    of.input(guarded(one_by_one.choose_of), asked[:3], [kind, *one_by_one.listed], **last)
    kind.input(guarded(one_by_one.choose_kind), asked, one_by_one.listed, **last)
    back.click(guarded(one_by_one.back), [*asked, one_by_one.at], one_by_one.listed, **QUIET)
    forth.click(guarded(one_by_one.forth), [*asked, one_by_one.at], one_by_one.listed, **QUIET)
    return one_by_one


def choices(report: Report) -> list[tuple[str, str]]:
    """(title, name) of the benchmarks of which a question changed, and of the judge."""
    names = [(r.title, name) for name, r in report.benchmarks.items() if r.lost or r.gained]
    return names + ([("Judge", JUDGE)] if report.judge and report.judge.verdicts else [])


def kinds(report: Report, of: str) -> list[tuple[str, str]]:
    """(label with the number, value) of the lists that there are."""
    lists = {
        kind: (word, len(items_of(report, of, kind))) for kind, word in (WINNERS if of == JUDGE else KINDS).items()
    }
    labelled = [(f"{word} ({n:,})", kind, n) for kind, (word, n) in lists.items()]
    return [(label, kind) for label, kind, n in labelled if n] or [(label, kind) for label, kind, _ in labelled]


def items_of(report: Report, of: str, kind: str) -> Items:
    if of == JUDGE:
        return [pair for pair in report.judge.verdicts if pair.winner == kind] if report.judge else []
    result = report.benchmarks.get(of)
    return getattr(result, kind) if result else ()


def shown_page(of: str, items: Items, at: int) -> str:
    shown = items[at * PER_PAGE : (at + 1) * PER_PAGE]
    if of == JUDGE:
        return html.verdicts([pair for pair in shown if isinstance(pair, JudgedPair)])
    measures = html.detail(about(of)) if about(of) else ""
    return measures + html.questions([question for question in shown if isinstance(question, Question)])


def place(items: Items, at: int) -> str:
    first = at * PER_PAGE + 1
    return html.place(f"{first:,} to {min(first + PER_PAGE - 1, len(items)):,} of {len(items):,}" if items else "None")
