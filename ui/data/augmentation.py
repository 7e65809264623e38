"""More rows from a model: what is asked for, a sample first; what came, and what it cost. The drafts: drafts.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from core.augmentation import actions, reviewing
from core.augmentation.result import FILTERS, Summary
from core.augmentation.spec import KINDS, OF_MATERIAL, AugmentSpec, spec_in
from core.data import unanswered
from core.errors import UserError
from core.jobs import queue
from core.jobs.status import Status
from core.store.workspace import Job, Workspace
from core.wording import count
from ui import choosers, html, text, watching
from ui import endpoint as endpoint_form
from ui.data import drafts
from ui.data.drafts import TITLE, Drafts
from ui.page import QUIET, Page, guarded

HERE, THERE = "A model of this machine", "An endpoint"
HIDDEN = gr.update(visible=False)
EVERY = 0.8
"""Seconds between two looks at an augmentation that goes on."""


class Values(NamedTuple):
    """What stands in the form, by the names of `Augmentation.form`."""

    kind: Any
    rows: float | None
    wish: str
    material: str
    where: str
    endpoint: str
    model: str
    prompts: float | None
    replies: float | None
    local: str

    @property
    def request(self) -> actions.Request:
        there = self.where == THERE
        priced = there and (self.prompts or self.replies)
        return actions.Request(
            kind=self.kind,
            rows=int(self.rows or 0),
            model=(self.model if there else self.local) or "",
            endpoint=_given(self.endpoint) if there else "",
            wish=self.wish or "",
            material=self.material or "",
            price=(float(self.prompts or 0), float(self.replies or 0)) if priced else None,
        )


def _given(endpoint: str) -> str:
    if not (endpoint or "").strip():
        raise UserError("Give the endpoint's address, or choose a model of this machine.")
    return endpoint


@dataclass(frozen=True)
class Augmentation:
    """The components, and the handlers that fill them. Handlers return {component: value}."""

    page: Page
    folded: gr.Accordion
    kind: gr.Dropdown
    rows: gr.Number
    wish: gr.Textbox
    material: gr.Textbox
    where: gr.Radio
    there: gr.Row
    """What an endpoint needs."""
    endpoint: gr.Textbox
    model: gr.Textbox
    key: gr.Textbox
    prompts: gr.Number
    replies: gr.Number
    local: gr.Dropdown
    plan: gr.HTML
    start: gr.Button
    rest: gr.Button
    cancel: gr.Button
    which: gr.Dropdown
    """Its value is the id of the augmentation that is shown."""
    bar: gr.HTML
    result: gr.HTML
    drafts: Drafts
    watched: gr.State
    timer: gr.Timer

    @property
    def form(self) -> list[Any]:
        return [getattr(self, name) for name in Values._fields]

    @property
    def view(self) -> list[Any]:
        job = [self.folded, self.which, self.bar, self.result, self.start, self.rest, self.cancel]
        return [*job, *self.drafts.item, self.watched, self.timer]

    def refresh(
        self, visitor: str, project_id: str | None, chosen: str | None, draft: str, kind: Any, rows: float | None
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        looked = self._look(visitor, project_id, chosen, draft, watching.Watched())
        if not (project_id and workspace.versions(project_id)):
            nothing = html.empty("There are no rows to make more of yet.", text.NO_ROWS_NEXT)
            return {**looked, self.plan: nothing, self.start: gr.update(interactive=False)}
        offered = _unanswered(workspace, project_id)
        return {**looked, self.plan: _plan(kind, rows, offered), self.material: _material(kind, offered)}

    def shown(self, visitor: str, project_id: str | None, kind: Any, where: str, rows: float | None) -> dict[Any, Any]:
        """What the form needs for a kind, and for who writes."""
        offered = _unanswered(self.page.workspace(visitor), project_id)
        return {
            self.material: _material(kind, offered),
            self.there: gr.update(visible=where == THERE),
            self.local: gr.update(visible=where == HERE),
            self.plan: _plan(kind, rows, offered),
        }

    def ask_for_rows(
        self, visitor: str, project_id: str | None, changes: int, key: str, *values: Any
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = actions.start(workspace, workspace.project(project_id).id, Values(*values).request, key or "")
        looked = self._look(visitor, job.project_id, job.id, "", watching.Watched())
        return {**looked, self.page.changed: changes + 1}

    def go_on(self, visitor: str, chosen: str | None, draft: str, key: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = actions.go_on(workspace, workspace.job(chosen), key or "")
        return self._look(visitor, job.project_id, job.id, draft, watching.Watched())

    def stop(self, visitor: str, chosen: str | None, draft: str, watched: watching.Watched) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        queue.stop(workspace, job)
        return self._look(visitor, job.project_id, job.id, draft, watched)

    def tick(
        self, visitor: str, project_id: str | None, chosen: str | None, draft: str, watched: watching.Watched
    ) -> dict[Any, Any]:
        return self._look(visitor, project_id, chosen, draft, watched)

    def choose(self, visitor: str, project_id: str | None, chosen: str | None) -> dict[Any, Any]:
        return self._look(visitor, project_id, chosen, "", watching.Watched())

    def _look(
        self, visitor: str, project_id: str | None, chosen: str | None, draft: str, watched: watching.Watched
    ) -> dict[Any, Any]:
        """Everything that shows the chosen augmentation, else the newest. What has not changed is not sent again."""
        workspace = self.page.workspace(visitor)
        jobs = actions.of_project(workspace, project_id) if project_id else []
        job = choosers.kept(jobs, chosen)
        if job is None:
            return {
                self.folded: gr.update(label=TITLE),
                self.which: gr.update(visible=False, choices=[], value=None),
                self.bar: "",
                self.result: "",
                **dict.fromkeys((self.rest, self.cancel, self.drafts.reading), HIDDEN),
                self.start: gr.update(interactive=project_id is not None, variant="primary"),
                self.drafts.draft: "",
                self.watched: watching.Watched(),
                self.timer: gr.update(active=False),
            }
        if job.id != chosen:
            draft = ""  # of another augmentation, which counts its drafts alike
        watched, status, changed, _ = watching.look(workspace, job, watched)
        if not changed:
            return {self.watched: watched}
        spec, done = spec_in(workspace.folder(job)), actions.summary(workspace, job)
        read = reviewing.review(workspace, job)
        left = spec.rows - done.asked
        going_on = not status.over
        whole = actions.sample_is_whole(workspace, job)
        other = "other " if done.asked else ""
        return {
            self.folded: gr.update(label=drafts.title(read, going_on)),
            self.which: gr.update(visible=len(jobs) > 1, choices=[(one.title, one.id) for one in jobs], value=job.id),
            self.bar: _bar(job, status, watched),
            self.result: _result(spec, done),
            self.start: gr.update(interactive=not going_on, variant="secondary"),
            self.rest: gr.update(
                visible=not going_on and status.state != "finished" and left > 0,
                value=f"Ask for the {other}{count(left, 'row')}" if whole else "Go on with the sample",
                variant="secondary" if read.ids else "primary",
            ),
            self.cancel: gr.update(visible=going_on, interactive=status.state != "stopping"),
            **self.drafts.following(workspace, job, read, draft),
            self.watched: watched,
            self.timer: gr.update(active=going_on),
        }

    def bind(self, tab: gr.Tab) -> None:
        page = self.page
        known = [page.visitor, page.project, self.which, self.drafts.draft]
        inputs = [self.which, self.drafts.draft, self.kind, self.rows]
        page.whenever(tab, self.refresh, inputs, [self.plan, self.material, *self.view])
        page.rest(tab, self.timer)
        choices = [self.kind, self.where, self.rows]
        needed = [self.material, self.there, self.local, self.plan]
        asked = [page.visitor, page.project, *choices]
        gr.on([c.change for c in choices], guarded(self.shown), asked, needed, **QUIET)
        begun = [page.visitor, page.project, page.changed, self.key, *self.form]
        self.start.click(guarded(self.ask_for_rows), begun, [*self.view, page.changed], **QUIET)
        chosen = [page.visitor, self.which, self.drafts.draft]
        self.rest.click(guarded(self.go_on), [*chosen, self.key], self.view, **QUIET)
        self.cancel.click(guarded(self.stop), [*chosen, self.watched], self.view, **QUIET)
        self.which.input(guarded(self.choose), [page.visitor, page.project, self.which], self.view, **QUIET)
        self.timer.tick(guarded(self.tick), [*known, self.watched], self.view, **QUIET)
        self.drafts.bind()


def build(page: Page, tab: gr.Tab) -> None:
    with gr.Accordion(TITLE, open=False, elem_id="tw-augment") as folded:
        gr.Markdown(text.AUGMENT_HELP, elem_classes="tw-help")
        form = _build_form(page.store.settings.mode == "local")
        plan = gr.HTML(elem_id="tw-augment-plan")
        with gr.Row(elem_classes="tw-toolbar"):
            sample = "Ask for a sample of five"
            start = gr.Button(sample, variant="primary", min_width=200, scale=0, elem_id="tw-augment-start")
            rest = gr.Button("Ask for the rest", min_width=200, scale=0, visible=False, elem_id="tw-augment-rest")
            cancel = gr.Button("Cancel", min_width=100, scale=0, visible=False, elem_id="tw-augment-cancel")
            which = gr.Dropdown([], label="Augmentation", visible=False, min_width=220, scale=1)
        bar = gr.HTML(elem_id="tw-augment-bar")
        result = gr.HTML(elem_id="tw-augment-result")
        reading = drafts.build(page, folded, which)
    job = {"plan": plan, "start": start, "rest": rest, "cancel": cancel, "which": which, "bar": bar, "result": result}
    state = {"watched": gr.State(watching.Watched()), "timer": gr.Timer(EVERY, active=False)}
    Augmentation(page, folded, **form, **job, drafts=reading, **state).bind(tab)


def _build_form(at_home: bool) -> dict[str, Any]:
    kinds = [(words, name) for name, words in KINDS.items()]
    with gr.Row(elem_classes="tw-toolbar"):
        info = "Made of your training rows, your prompts or your texts."
        kind = gr.Dropdown(kinds, value="paraphrase", label="Which rows", info=info, elem_id="tw-augment-kind")
        info = "So many are asked for; fewer pass the filters."
        rows = gr.Number(100, label="Rows", info=info, precision=0, minimum=1, elem_id="tw-augment-rows")
    where = gr.Radio([THERE, HERE], value=THERE, label="Who writes them", elem_id="tw-augment-where")
    with gr.Row(elem_classes="tw-even") as there:
        form = endpoint_form.build("augment", at_home, text.AUGMENT_KEY_LOCAL if at_home else text.KEY_SPACE)
    info = "One of these, an id of the Hub, or a folder. Small models keep to the form less often."
    local = gr.Dropdown(
        choosers.MODELS,
        value=choosers.MODELS[0][1],
        label="Model on this machine",
        info=info,
        allow_custom_value=True,
        visible=False,
        elem_id="tw-augment-local",
    )
    material = gr.Textbox(
        visible=False, lines=5, max_lines=12, max_length=actions.MOST_MATERIAL, elem_id="tw-augment-material"
    )
    wish = gr.Textbox(
        label="What they should be like (if you like)",
        placeholder="For example: about travelling by train; no questions about dates",
        max_length=actions.MOST_WISH,
        lines=1,
        max_lines=4,
        elem_id="tw-augment-wish",
    )
    asked = {"kind": kind, "rows": rows, "wish": wish, "material": material, "where": where, "there": there}
    return {**asked, **form._asdict(), "local": local}


def _unanswered(workspace: Workspace, project_id: str | None) -> int:
    """Prompts of the newest version's file that had no answer."""
    versions = workspace.versions(project_id) if project_id else []
    return len(unanswered.of(workspace, versions[-1].id)) if versions else 0


def _material(kind: Any, offered: int) -> Any:
    label, info = text.MATERIAL.get(kind, ("", ""))
    if kind == "answer" and offered:
        info += f" Empty: {count(offered, 'prompt')} of your file that had no answer."
    return gr.update(visible=kind in OF_MATERIAL, label=label, info=info)


def _plan(kind: Any, rows: float | None, offered: int) -> str:
    told = html.detail(actions.plan_sentence(kind, int(rows))) if rows and rows >= 1 else ""
    if offered and kind != "answer":
        had = f"{count(offered, 'prompt')} of your file had no answer. Choose “{KINDS['answer']}” to have them written."
        told += html.note("note", had)
    return told


def _bar(job: Job, status: Status, watched: watching.Watched) -> str:
    """How far it is, or how it ended; that a sample is here is no warning."""
    if status.state == "stopped":
        return html.note("note", f"{job.title}: {status.message}")
    return watching.bar(job, status, watched)


def _result(spec: AugmentSpec, done: Summary) -> str:
    """What came, what it cost, and what the filters hold."""
    if not done.replies:
        return ""
    held = sum(of.rows for of in done.refused.values())
    cells = [
        ("Asked for", f"{done.asked:,}", f"of {count(spec.rows, 'row')}", ""),
        ("To read", f"{done.passed:,}", f"of {count(done.came, 'draft')}", ""),
        ("Held by filters", f"{held:,}", "open them below" if held else "none", ""),
        ("Tokens", f"{done.prompt_tokens + done.completion_tokens:,}", "prompts and replies", ""),
    ]
    if done.money is not None:
        cells.append(("Cost", f"{done.money:,.4f}", "at the price given", ""))
    filters = [(FILTERS[name], of.rows, of.examples) for name, of in done.refused.items()]
    return html.figures(cells) + html.detail(actions.cost_sentence(spec, done)) + html.held(filters)
