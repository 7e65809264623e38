"""Labelling together: links that are given out, who came by them, and labels made of what people note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.review import invitations, notes
from core.review.notes import Notes
from core.store.workspace import Job, Workspace
from core.wording import count
from ui import html, text
from ui.html.review import link
from ui.page import QUIET, Page, guarded
from ui.review.routes import guests_address

MOST_NOTES = 50
SIDES = [("the tuned answer", "tuned"), ("the base answer", "base")]


@dataclass(frozen=True)
class Together:
    """The components, and the handlers that fill them."""

    page: Page
    people: gr.Number
    overlap: gr.Number
    days: gr.Number
    make: gr.Button
    made: gr.HTML
    """The new link: shown this once."""
    given: gr.HTML
    which: gr.Dropdown
    revoke: gr.Button
    notes: gr.Dropdown
    title: gr.Textbox
    side: gr.Radio
    promote: gr.Button

    @property
    def shown(self) -> list[Any]:
        return [self.given, self.which, self.revoke, self.notes]

    def look(self, workspace: Workspace, job: Job) -> dict[Any, Any]:
        there = invitations.invitations(workspace, job)
        lines = [
            [_since(i.created), i.state, f"{len(i.people)} of {i.places}", _since(i.expires), ", ".join(i.people)]
            for i in there
        ]
        table = html.table(["Link of", "", "People", "Until", "Who came"], lines) if lines else ""
        open_ = [
            (f"of {_since(i.created)}, {', '.join(i.people) or 'nobody came'}", i.id)
            for i in there
            if i.state != "revoked"
        ]
        found = notes.grouped(workspace, job)[:MOST_NOTES]
        return {
            self.given: table,
            self.which: gr.update(choices=open_, value=open_[-1][1] if open_ else None, visible=bool(open_)),
            self.revoke: gr.update(visible=bool(open_)),
            self.notes: gr.update(choices=[(_note(group), _ids(group)) for group in found], value=None),
        }

    def invite(self, visitor: str, job_id: str, people: float, overlap: float, days: float) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        _, secret = invitations.invite(workspace, job, int(people or 1), int(overlap or 1), int(days or 7))
        said = "Send this link now: it is shown once, and can be read nowhere afterwards."
        settings = workspace.settings
        if not settings.shared and settings.label_port is None and settings.host in ("127.0.0.1", "localhost"):
            said += (
                " It opens on this machine alone: start the app with LABEL_PORT=7870 for links that others can open."
            )
        return {self.made: link(f"{guests_address(workspace)}#{secret}", said), **self.look(workspace, job)}

    def take_back(self, visitor: str, job_id: str, which: str | None) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        invitations.revoke(workspace, job, which or "")
        gr.Info("The link opens nothing any more. What was labelled by it stays.")
        return {self.made: "", **self.look(workspace, job)}

    def make_label(self, visitor: str, job_id: str, chosen: str | None, title: str, side: Any) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        ids = [int(n) for n in (chosen or "").split(",") if n]
        label, carried = notes.promote(workspace, job, ids, title or "", side or "tuned")
        gr.Info(html.detail(f"“{label.title}” is a label now, of {count(carried, 'row')}. Reload the page to use it."))
        return {self.title: "", **self.look(workspace, job)}


def build(page: Page) -> Together:
    gr.HTML(html.heading("Invite people"))
    with gr.Row(elem_classes="tw-toolbar"):
        people = gr.Number(1, label="People who may come", precision=0, minimum=1, maximum=200, min_width=120)
        overlap = gr.Number(1, label="Labels for each row", precision=0, minimum=1, maximum=10, min_width=120)
        days = gr.Number(7, label="Days", precision=0, minimum=1, maximum=90, min_width=90)
        make = gr.Button("Make a link", scale=0, min_width=130, elem_id="tw-invite")
    made = gr.HTML(elem_id="tw-invited")
    gr.Markdown(text.INVITE_HELP, elem_classes="tw-help")
    given = gr.HTML(elem_id="tw-invitations")
    with gr.Row(elem_classes="tw-toolbar"):
        which = gr.Dropdown([], label="Link", visible=False, scale=2)
        revoke = gr.Button("Take it back", scale=0, min_width=130, visible=False, elem_id="tw-revoke")
    gr.HTML(html.heading("Make a label of notes"))
    with gr.Row(elem_classes="tw-toolbar"):
        noted = gr.Dropdown([], label="Notes that say alike", scale=3, elem_id="tw-notes")
        title = gr.Textbox(label="Called", max_length=80, scale=2, min_width=140)
        side = gr.Radio(SIDES, value="tuned", label="Present in", scale=2, min_width=200)
        promote = gr.Button("Make the label", scale=0, min_width=150, elem_id="tw-promote")
    return Together(page, people, overlap, days, make, made, given, which, revoke, noted, title, side, promote)


def bind(together: Together, evaluation: gr.Dropdown) -> None:
    known = [together.page.visitor, evaluation]
    asked = [*known, together.people, together.overlap, together.days]
    together.make.click(guarded(together.invite), asked, [together.made, *together.shown], **QUIET)
    taken = [together.made, *together.shown]
    together.revoke.click(guarded(together.take_back), [*known, together.which], taken, **QUIET)
    noted = [*known, together.notes, together.title, together.side]
    together.promote.click(guarded(together.make_label), noted, [together.title, *together.shown], **QUIET)


def _since(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]}"


def _note(group: Notes) -> str:
    first = " ".join(group.title.split())
    return f"{first[:80]}{'…' if len(first) > 80 else ''} ({count(len(group.events), 'note')})"


def _ids(group: Notes) -> str:
    return ",".join(map(str, group.events))
