"""The drafts of an augmentation, read one at a time: accepted, edited, rejected with mouse or keys, and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import escape

from core.augmentation import adding, reviewing
from core.augmentation.result import Draft
from core.augmentation.reviewing import Review
from core.store import quota
from core.store.workspace import Job, Workspace
from core.wording import count
from ui import html, text
from ui.page import BUSY, QUIET, Page, download, guarded

TITLE = "More rows from a model"
HIDDEN, SHOWN = gr.update(visible=False), gr.update(visible=True)


@dataclass(frozen=True)
class Drafts:
    """The components, and the handlers that fill them. Handlers return {component: value}."""

    page: Page
    folded: gr.Accordion
    which: gr.Dropdown
    """Its value is the id of the augmentation that is shown."""
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
    rest: gr.Button
    """Asks first: accepts all that nobody decided on."""
    sure: gr.Row
    sure_words: gr.HTML
    accept_rest: gr.Button
    not_yet: gr.Button
    export: gr.Button
    file: gr.DownloadButton
    draft: gr.Textbox
    """Id of the draft that is shown. Unseen, and kept by the page beside the texts: what is stored is of the draft that
    a person saw, however fast they are."""

    @property
    def item(self) -> list[Any]:
        texts = [self.place, self.source, self.prompt, self.answer]
        buttons = [self.accept, self.reject, self.undo, self.said, self.add, self.rest, self.sure]
        return [self.reading, *texts, *buttons, self.draft]

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

    def asked_for_rest(self, visitor: str, chosen: str | None) -> dict[Any, Any]:
        """How many would be accepted; nothing is yet."""
        workspace = self.page.workspace(visitor)
        n = reviewing.review(workspace, workspace.job(chosen)).open
        words = (
            f"Accept {count(n, 'draft')} that passed the filters and that nobody has read? They wait like the others "
            "until you add them."
        )
        return {
            self.sure: gr.update(visible=n > 0),
            self.sure_words: html.note("warning", words),
            self.accept_rest: gr.update(value=f"Accept {n:,} unread"),
        }

    def accept_unread(self, visitor: str, chosen: str | None, draft: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        n = reviewing.accept_rest(workspace, job)
        gr.Info(f"{count(n, 'draft')} accepted unread.")
        read = reviewing.review(workspace, job)
        return self._item(workspace, job, read, draft if draft in read.ids else read.ids[0])

    def exported(self, visitor: str, chosen: str | None) -> dict[Any, Any]:
        """All drafts as JSON lines, those that a filter holds included."""
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        size = quota.size_of(workspace.folder(job)) if workspace.bounded else 0
        with download(workspace, f"drafts-{job.number}.jsonl", size) as target, open(target, "wb") as file:
            file.writelines(f"{line}\n".encode("utf-8", "replace") for line in reviewing.export(workspace, job))
        return {self.file: gr.update(value=str(target), visible=True, label=f"Download {target.name}")}

    def train(self, visitor: str, chosen: str | None, draft: str, changes: int) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(chosen)
        added = adding.add_in_process(workspace, job)
        gr.Info(str(escape(added.sentence)))
        return {**self._item(workspace, job, reviewing.review(workspace, job), draft), self.page.changed: changes + 1}

    def following(self, workspace: Workspace, job: Job, read: Review, draft: str) -> dict[Any, Any]:
        """The draft that is shown stays, and what is being written in it; only how many there are changes."""
        if draft in read.ids:
            shown = {self.place: _place(read, draft), self.add: _add(read), self.rest: _rest(read)}
            return {self.reading: SHOWN, **shown}
        if not read.ids:
            return {self.reading: HIDDEN, self.draft: ""}
        shown = self._item(workspace, job, read, read.ids[read.next_open(len(read.ids))])
        return {part: value for part, value in shown.items() if part is not self.folded}

    def _item(self, workspace: Workspace, job: Job, read: Review, draft_id: str) -> dict[Any, Any]:
        """One draft, as it is now: as it was edited, where it was."""
        draft = reviewing.draft(workspace, job, draft_id)
        decision, version = read.decided.get(draft_id), read.added.get(draft_id)
        row = decision.row(draft) if decision else draft.row
        free = version is None
        return {
            self.folded: gr.update(label=title(read)),
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
            self.rest: _rest(read),
            self.sure: HIDDEN,
            self.draft: draft_id,
        }

    def bind(self) -> None:
        chosen = [self.page.visitor, self.which, self.draft]
        item = [self.folded, *self.item]
        for button, step in ((self.back, -1), (self.forth, +1)):
            button.click(guarded(partial(self.go, step)), chosen, item, **QUIET)
        for button, choice in ((self.accept, "accept"), (self.reject, "reject")):
            button.click(guarded(partial(self.decide, choice)), [*chosen, self.prompt, self.answer], item, **QUIET)
        self.edit.click(None, None, None, js='() => document.querySelector("#tw-draft-answer textarea")?.focus()')
        self.undo.click(guarded(self.take_back), chosen[:2], item, **QUIET)
        told = [self.sure, self.sure_words, self.accept_rest]
        self.rest.click(guarded(self.asked_for_rest), chosen[:2], told, **QUIET)
        self.not_yet.click(lambda: HIDDEN, None, self.sure, **QUIET)
        self.accept_rest.click(guarded(self.accept_unread), chosen, item, **BUSY)
        self.export.click(guarded(self.exported), chosen[:2], self.file, **BUSY)
        self.which.change(lambda: HIDDEN, None, self.file, **QUIET)
        adding: dict[str, Any] = {**BUSY, "show_progress_on": self.said}
        self.add.click(guarded(self.train), [*chosen, self.page.changed], [*item, self.page.changed], **adding)


def title(read: Review, going_on: bool = False) -> str:
    """What the folded part is called: what there is to do in it."""
    left = read.open
    if going_on:
        return f"{TITLE}: being written …"
    return f"{TITLE}: {count(left, 'draft')} to read" if left else TITLE


def build(page: Page, folded: gr.Accordion, which: gr.Dropdown) -> Drafts:
    """One draft: what it is made of, its texts, and what is said of it."""
    with gr.Column(visible=False, elem_id="tw-drafts") as reading:
        place = gr.HTML(elem_id="tw-draft-place")
        draft = gr.Textbox("", visible="hidden")
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
            rest = gr.Button("Accept the unread …", min_width=180, scale=0, size="sm", elem_id="tw-draft-rest")
            export = gr.Button("Export the drafts", min_width=160, scale=0, size="sm", elem_id="tw-draft-export")
            file = gr.DownloadButton("Download", visible=False, min_width=160, scale=0, size="sm")
        with gr.Row(elem_classes="tw-toolbar", visible=False, elem_id="tw-draft-sure") as sure:
            sure_words = gr.HTML(min_width=260)
            accept_rest = gr.Button("Accept", variant="primary", min_width=160, scale=0, elem_id="tw-draft-accept-rest")
            not_yet = gr.Button("Not yet", min_width=100, scale=0)
        gr.Markdown(text.DRAFT_KEYS, elem_classes="tw-help")
    shown = {"reading": reading, "place": place, "source": source, "prompt": prompt, "answer": answer}
    buttons = {"accept": accept, "edit": edit, "reject": reject, "undo": undo, "back": back, "forth": forth}
    unread = {"rest": rest, "sure": sure, "sure_words": sure_words, "accept_rest": accept_rest, "not_yet": not_yet}
    files = {"export": export, "file": file}
    return Drafts(page, folded, which, **shown, **buttons, **unread, **files, said=said, add=add, draft=draft)


def _place(read: Review, draft_id: str) -> str:
    left = read.open
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


def _rest(read: Review) -> Any:
    value = f"Accept the {count(read.open, 'unread draft')} …" if read.open else "Accept the unread …"
    return gr.update(value=value, interactive=read.open > 0)
