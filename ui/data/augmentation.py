"""More rows from a model: asked for, a sample first, and read one draft at a time before they become training rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import gradio as gr
from markupsafe import escape

from core.augmentation import actions, adding, reviewing
from core.augmentation.result import FILTERS, Draft, Summary
from core.augmentation.reviewing import Review
from core.augmentation.spec import KINDS, OF_MATERIAL, AugmentSpec, spec_in
from core.errors import UserError
from core.jobs import queue
from core.jobs.status import Status
from core.store.workspace import Job, Workspace
from core.wording import count
from ui import choosers, html, text, watching
from ui.page import BUSY, QUIET, Page, guarded

TITLE = "More rows from a model"
HERE, THERE = "A model of this machine", "An endpoint"
HIDDEN, SHOWN = gr.update(visible=False), gr.update(visible=True)
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
    reading: gr.Column
    """All of a draft; hidden where there is none."""
    place: gr.HTML
    source: gr.HTML
    prompt: gr.Textbox
    answer: gr.Textbox
    accept: gr.Button
    edit: gr.Button
    reject: gr.Button
    undo: gr.Button
    back: gr.Button
    forth: gr.Button
    said: gr.HTML
    add: gr.Button
    draft: gr.State
    """Id of the draft that is shown."""
    watched: gr.State
    timer: gr.Timer

    @property
    def form(self) -> list[Any]:
        return [getattr(self, name) for name in Values._fields]

    @property
    def item(self) -> list[Any]:
        buttons = [self.accept, self.reject, self.undo]
        return [
            self.reading,
            self.place,
            self.source,
            self.prompt,
            self.answer,
            *buttons,
            self.said,
            self.add,
            self.draft,
        ]

    @property
    def view(self) -> list[Any]:
        job = [self.folded, self.which, self.bar, self.result, self.start, self.rest, self.cancel]
        return [*job, *self.item, self.watched, self.timer]

    def refresh(
        self, visitor: str, project_id: str | None, chosen: str | None, draft: str, kind: Any, rows: float | None
    ) -> dict[Any, Any]:
        return {self.plan: _plan(kind, rows), **self._look(visitor, project_id, chosen, draft, watching.Watched())}

    def shown(self, kind: Any, where: str, rows: float | None) -> dict[Any, Any]:
        """What the form needs for a kind, and for who writes."""
        label, info = text.MATERIAL.get(kind, ("", ""))
        return {
            self.material: gr.update(visible=kind in OF_MATERIAL, label=label, info=info),
            self.there: gr.update(visible=where == THERE),
            self.local: gr.update(visible=where == HERE),
            self.plan: _plan(kind, rows),
        }

    def begin(self, visitor: str, project_id: str | None, changes: int, key: str, *values: Any) -> dict[Any, Any]:
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

    def go(self, step: int, visitor: str, chosen: str | None, draft: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        read = reviewing.review(workspace, job)
        at = read.ids.index(draft) if draft in read.ids else 0
        return self._item(workspace, job, read, read.ids[min(max(at + step, 0), len(read.ids) - 1)]) if read.ids else {}

    def decide(
        self, choice: Any, visitor: str, chosen: str | None, draft: str, prompt: str, answer: str
    ) -> dict[Any, Any]:
        """Store one word, and show the next draft that has none."""
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        reviewing.decide(workspace, job, draft, choice, prompt or "", answer or "")
        read = reviewing.review(workspace, job)
        return self._item(workspace, job, read, read.ids[read.next_open(read.ids.index(draft))])

    def take_back(self, visitor: str, chosen: str | None) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        draft = reviewing.undo(workspace, job)
        return self._item(workspace, job, reviewing.review(workspace, job), draft)

    def train(self, visitor: str, chosen: str | None, draft: str, changes: int) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        added = adding.add_in_process(workspace, job)
        gr.Info(str(escape(added.sentence)))
        return {**self._item(workspace, job, reviewing.review(workspace, job), draft), self.page.changed: changes + 1}

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
                **dict.fromkeys((self.rest, self.cancel, self.reading), HIDDEN),
                self.start: gr.update(interactive=project_id is not None, variant="primary"),
                self.draft: "",
                self.watched: watching.Watched(),
                self.timer: gr.update(active=False),
            }
        watched, status, changed, _ = watching.look(workspace, job, watched)
        if not changed:
            return {self.watched: watched}
        spec, done = spec_in(workspace.folder(job)), actions.summary(workspace, job)
        read = reviewing.review(workspace, job)
        left = spec.rows - done.asked
        going_on = not status.over
        other = "other " if done.asked else ""
        return {
            self.folded: gr.update(label=_title(status, read)),
            self.which: gr.update(visible=len(jobs) > 1, choices=[(one.title, one.id) for one in jobs], value=job.id),
            self.bar: _bar(job, status, watched),
            self.result: _result(spec, done),
            self.start: gr.update(interactive=not going_on, variant="secondary"),
            self.rest: gr.update(
                visible=not going_on and status.state != "finished" and left > 0,
                value=f"Ask for the {other}{count(left, 'row')}",
                variant="secondary" if read.ids else "primary",
            ),
            self.cancel: gr.update(visible=going_on, interactive=status.state != "stopping"),
            **self._following(workspace, job, read, draft),
            self.watched: watched,
            self.timer: gr.update(active=going_on),
        }

    def _following(self, workspace: Workspace, job: Job, read: Review, draft: str) -> dict[Any, Any]:
        """The draft that is shown stays, and what is being written in it; only how many there are changes."""
        if draft in read.ids:
            return {self.reading: SHOWN, self.place: _place(read, draft), self.add: _add(read)}
        if not read.ids:
            return {self.reading: HIDDEN, self.draft: ""}
        return self._item(workspace, job, read, read.ids[read.next_open(len(read.ids))])

    def _item(self, workspace: Workspace, job: Job, read: Review, draft_id: str) -> dict[Any, Any]:
        """One draft, as it is now: as it was edited, where it was."""
        draft = reviewing.draft(workspace, job, draft_id)
        decision, version = read.decided.get(draft_id), read.added.get(draft_id)
        row = decision.row(draft) if decision else draft.row
        free = version is None
        return {
            self.folded: gr.update(label=_title(None, read)),
            self.reading: SHOWN,
            self.place: _place(read, draft_id),
            self.source: _source(draft),
            self.prompt: gr.update(value=row.prompt, interactive=free),
            self.answer: gr.update(value=row.target, interactive=free),
            self.accept: gr.update(interactive=free),
            self.reject: gr.update(interactive=free),
            self.undo: gr.update(interactive=any(d.draft not in read.added for d in read.decided.values())),
            self.said: _said(read, draft_id),
            self.add: _add(read),
            self.draft: draft_id,
        }

    def bind(self, tab: gr.Tab) -> None:
        page = self.page
        known = [page.visitor, page.project, self.which, self.draft]
        page.whenever(tab, self.refresh, [self.which, self.draft, self.kind, self.rows], [self.plan, *self.view])
        page.rest(tab, self.timer)
        choices = [self.kind, self.where, self.rows]
        gr.on([c.change for c in choices], guarded(self.shown), choices, [self.material, self.there, self.local, self.plan],
              **QUIET)  # fmt: skip
        begun = [page.visitor, page.project, page.changed, self.key, *self.form]
        self.start.click(guarded(self.begin), begun, [*self.view, page.changed], **BUSY)
        chosen = [page.visitor, self.which, self.draft]
        self.rest.click(guarded(self.go_on), [*chosen, self.key], self.view, **BUSY)
        self.cancel.click(guarded(self.stop), [*chosen, self.watched], self.view, **QUIET)
        self.which.input(guarded(self.choose), [page.visitor, page.project, self.which], self.view, **QUIET)
        self.timer.tick(guarded(self.tick), [*known, self.watched], self.view, **QUIET)
        item = [self.folded, *self.item]
        for button, step in ((self.back, -1), (self.forth, +1)):
            button.click(guarded(partial(self.go, step)), chosen, item, **QUIET)
        for button, choice in ((self.accept, "accept"), (self.reject, "reject")):
            button.click(guarded(partial(self.decide, choice)), [*chosen, self.prompt, self.answer], item, **QUIET)
        self.edit.click(None, None, None, js='() => document.querySelector("#tw-draft-answer textarea")?.focus()')
        self.undo.click(guarded(self.take_back), chosen[:2], item, **QUIET)
        self.add.click(guarded(self.train), [*chosen, page.changed], [*item, page.changed], **BUSY)


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
        reading = _build_reading()
    job = {"plan": plan, "start": start, "rest": rest, "cancel": cancel, "which": which, "bar": bar, "result": result}
    state = {"draft": gr.State(""), "watched": gr.State(watching.Watched()), "timer": gr.Timer(EVERY, active=False)}
    Augmentation(page, folded, **form, **job, **reading, **state).bind(tab)


def _build_form(at_home: bool) -> dict[str, Any]:
    kinds = [(words, name) for name, words in KINDS.items()]
    with gr.Row(elem_classes="tw-even"):
        kind = gr.Dropdown(kinds, value="paraphrase", label="Which rows", elem_id="tw-augment-kind")
        info = "So many are asked for; fewer pass the filters."
        rows = gr.Number(100, label="Rows", info=info, precision=0, minimum=1, elem_id="tw-augment-rows")
    where = gr.Radio([THERE, HERE], value=THERE, label="Who writes them", elem_id="tw-augment-where")
    with gr.Row(elem_classes="tw-even") as there:
        endpoint = gr.Textbox(
            label="Endpoint",
            info="OpenAI-compatible; the address before /chat/completions." + ("" if at_home else text.PUBLIC_ONLY),
            placeholder="http://localhost:11434/v1" if at_home else "https://api.example.com/v1",
            max_length=500,
            elem_id="tw-augment-endpoint",
        )
        model = gr.Textbox(label="Model", info="As the endpoint calls it.", max_length=200, elem_id="tw-augment-model")
        key = gr.Textbox(
            label="Key",
            info=text.AUGMENT_KEY_LOCAL if at_home else text.KEY_SPACE,
            type="password",
            max_length=500,
            elem_id="tw-augment-key",
        )
        prompts = gr.Number(0, label="Price of prompts", info="Per million tokens; 0: not told.", minimum=0)
        replies = gr.Number(0, label="Price of replies", info="Per million tokens; 0: not told.", minimum=0)
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
    return {**asked, "endpoint": endpoint, "model": model, "key": key, "prompts": prompts, "replies": replies,
            "local": local}  # fmt: skip


def _build_reading() -> dict[str, Any]:
    """One draft: what it is made of, its texts, and what is said of it."""
    with gr.Column(visible=False, elem_id="tw-drafts") as reading:
        place = gr.HTML(elem_id="tw-draft-place")
        with gr.Row(elem_id="tw-draft-sides"):
            source = gr.HTML(elem_id="tw-draft-source", min_width=260)
            with gr.Column(min_width=280, scale=2):
                prompt = gr.Textbox(label="Prompt", lines=2, max_lines=10, elem_id="tw-draft-prompt")
                answer = gr.Textbox(label="Answer", lines=3, max_lines=16, elem_id="tw-draft-answer")
        with gr.Row(elem_classes="tw-toolbar"):
            accept = gr.Button("Accept (A)", variant="primary", min_width=120, scale=0, elem_id="tw-draft-accept")
            edit = gr.Button("Edit (E)", min_width=100, scale=0, elem_id="tw-draft-edit")
            reject = gr.Button("Reject (R)", min_width=110, scale=0, elem_id="tw-draft-reject")
            undo = gr.Button("Undo (U)", min_width=100, scale=0, elem_id="tw-draft-undo")
            back = gr.Button("← Before (P)", min_width=120, scale=0, elem_id="tw-draft-back")
            forth = gr.Button("Next (N) →", min_width=120, scale=0, elem_id="tw-draft-next")
            said = gr.HTML(min_width=160, elem_id="tw-draft-said")
        with gr.Row(elem_classes="tw-toolbar"):
            add = gr.Button("Add the accepted rows", min_width=280, scale=0, interactive=False, elem_id="tw-draft-add")
        gr.Markdown(text.DRAFT_KEYS, elem_classes="tw-help")
    shown = {"reading": reading, "place": place, "source": source, "prompt": prompt, "answer": answer}
    buttons = {"accept": accept, "edit": edit, "reject": reject, "undo": undo, "back": back, "forth": forth}
    return {**shown, **buttons, "said": said, "add": add}


def _plan(kind: Any, rows: float | None) -> str:
    return html.detail(actions.plan_sentence(kind, int(rows))) if rows and rows >= 1 else ""


def _title(status: Status | None, read: Review) -> str:
    open_ = len(read.ids) - len(read.decided)
    if status is not None and not status.over:
        return f"{TITLE}: being written …"
    return f"{TITLE}: {count(open_, 'draft')} to read" if open_ else TITLE


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


def _place(read: Review, draft_id: str) -> str:
    left = len(read.ids) - len(read.decided)
    where = f"Draft {read.ids.index(draft_id) + 1:,} of {len(read.ids):,}"
    decided = f"{read.accepted:,} accepted, {read.rejected:,} rejected, {left:,} to read"
    return html.place(f"{where} · {decided}")


def _source(draft: Draft) -> str:
    source = draft.source
    title = f"Made of row {source.row:,}" if source.row is not None else "Made of your text"
    return html.quote(title, source.prompt + (f"\n\n→ {source.answer}" if source.answer else ""), "prompt")


def _said(read: Review, draft_id: str) -> str:
    decision, version = read.decided.get(draft_id), read.added.get(draft_id)
    if version is not None:
        return html.place(f"Row of version {version}")
    words = {"accept": "Accepted", "edit": "Accepted, edited", "reject": "Rejected"}
    return html.place(words[decision.choice]) if decision else ""


def _add(read: Review) -> Any:
    n = read.waiting
    value = f"Add {count(n, 'accepted row')} as the next version" if n else "Add the accepted rows"
    return gr.update(value=value, interactive=n > 0)
