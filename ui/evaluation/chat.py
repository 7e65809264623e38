"""A part of the Evaluation tab: base and tuned answer the same message, side by side, as it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from core.chat import actions as chat_actions
from core.chat.transcript import Transcript, Turn
from core.errors import UserError
from core.jobs.status import Status
from core.models.sides import is_trained
from core.store.workspace import Job, Workspace
from core.types import Decoding
from ui import html, text
from ui.page import BUSY, QUIET, Page, guarded


@dataclass
class Shown:
    """What a page knows of one chat. Lives in gr.State; everything in it can be read again from the chat's folder."""

    chat_id: str = ""
    talk: Transcript = field(default_factory=Transcript)
    anew: bool = False
    """Does the next message begin a new conversation?"""


@dataclass(frozen=True)
class Chat:
    """The chat's components, and what they do. Handlers return {component: value}."""

    page: Page
    run: gr.Dropdown
    anew: gr.Button
    conversation: gr.HTML
    bar: gr.HTML
    message: gr.Textbox
    send: gr.Button
    stop: gr.Button
    saving: gr.Column
    """Shown while there are answers that can be saved."""
    wished: gr.Textbox
    to_test: gr.Button
    to_review: gr.Button
    stored: gr.HTML
    system: gr.Textbox
    temperature: gr.Slider
    length: gr.Number
    seed: gr.Number
    shown: gr.State
    timer: gr.Timer

    @property
    def view(self) -> list[Any]:
        return [self.shown, self.conversation, self.bar, self.send, self.stop, self.saving, self.timer]

    def refresh(self, visitor: str, project_id: str | None, run_id: str | None) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        runs = workspace.jobs(project_id, "train") if project_id else []
        trained = [j for j in runs if is_trained(workspace.folder(j) / "adapter")]
        value = run_id if run_id in [j.id for j in trained] else (trained[0].id if trained else None)
        choices = gr.update(choices=[(j.title, j.id) for j in trained], value=value)
        return {self.run: choices, **self.open(visitor, value)}

    def open(self, visitor: str, run_id: str | None) -> dict[Any, Any]:
        """Another run: its chat, read from its beginning."""
        workspace = self.page.workspace(visitor)
        job = chat_actions.of_run(workspace, workspace.job(run_id)) if run_id else None
        return self.look(workspace, job, Shown(job.id if job else ""), bool(run_id), always=True)

    def tick(self, visitor: str, shown: Shown) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        return self.look(workspace, workspace.job(shown.chat_id), shown, True)

    def ask(
        self,
        visitor: str,
        run_id: str | None,
        message: str,
        shown: Shown,
        system: Any,
        temperature: Any,
        length: Any,
        seed: Any,
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        if not run_id:
            raise UserError("There is no trained run yet. Finish one in the Training tab first.")
        job = chat_actions.open_chat(workspace, workspace.job(run_id))
        if shown.chat_id != job.id:
            shown = Shown(job.id, anew=shown.anew)
        chat_actions.look(workspace, job, shown.talk)
        going_on = [] if shown.anew else shown.talk.conversation
        decoding = Decoding(int(length or 0), float(temperature or 0), int(seed or 0))
        chat_actions.ask(workspace, job, message, going_on[-1].conversation if going_on else "", system, decoding)
        shown.anew = False
        empty = {self.message: "", self.wished: "", self.stored: ""}
        return {**empty, **self.look(workspace, job, shown, True, always=True)}

    def ask_to_stop(self, visitor: str, shown: Shown) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(shown.chat_id)
        if shown.talk.newest:
            chat_actions.stop_answer(workspace, job, shown.talk.newest.id)
        return self.look(workspace, job, shown, True)

    def begin_anew(self, visitor: str, run_id: str | None, shown: Shown) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        shown.anew = True
        job = workspace.job(shown.chat_id) if shown.chat_id else None
        looked = self.look(workspace, job, shown, bool(run_id), always=True)
        return {self.wished: "", self.stored: "", **looked}

    def save_test(self, visitor: str, shown: Shown, wished: str, count: int) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        version = chat_actions.save_to_test(workspace, workspace.job(shown.chat_id), _newest(shown), wished)
        where = f"Saved as a test row of {version.title}. Runs that are trained from it are measured on it."
        return {self.stored: html.note("note", where), self.page.changed: count + 1}

    def save_review(self, visitor: str, shown: Shown, wished: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(shown.chat_id)
        chat_actions.save_for_review(workspace, job, _newest(shown), wished)
        return {self.stored: html.note("note", f"Saved. In Error review choose “{job.title}”.")}

    def look(
        self, workspace: Workspace, job: Job | None, shown: Shown, trained: bool, always: bool = False
    ) -> dict[Any, Any]:
        """Everything that shows a chat. What has not changed is not sent again, unless `always`."""
        state, new = (None, False) if job is None else chat_actions.look(workspace, job, shown.talk)
        turn = None if shown.anew else shown.talk.newest
        if not (new or always):
            return {self.shown: shown}
        going = turn is not None and not turn.over
        turns = [] if shown.anew else shown.talk.conversation
        empty = html.empty(*(text.CHAT_EMPTY if trained else text.CHAT_NO_RUN))
        return {
            self.shown: shown,
            self.conversation: html.conversation(turns) if turns else empty,
            self.bar: _bar(shown.talk, state, turn),
            self.send: gr.update(interactive=trained and not going),
            self.stop: gr.update(visible=going, interactive=going and turn is not None and not turn.stopped),
            self.saving: gr.update(visible=turn is not None and turn.answered),
            self.timer: gr.update(active=going),
        }

    def bind(self, tab: gr.Tab) -> None:
        page, shown, changed = self.page, self.shown, self.page.changed
        known, saved = [page.visitor, self.run], [page.visitor, shown, self.wished]
        page.whenever(tab, self.refresh, [self.run], [self.run, *self.view])
        self.run.input(guarded(self.open), known, self.view, **QUIET)
        self.timer.tick(guarded(self.tick), [page.visitor, shown], self.view, **QUIET)
        asked = [*known, self.message, shown, self.system, self.temperature, self.length, self.seed]
        emptied = [self.message, self.wished, self.stored]
        gr.on([self.send.click, self.message.submit], guarded(self.ask), asked, [*emptied, *self.view], **BUSY)
        self.stop.click(guarded(self.ask_to_stop), [page.visitor, shown], self.view, **QUIET)
        self.anew.click(guarded(self.begin_anew), [*known, shown], [*emptied, *self.view], **QUIET)
        self.to_test.click(guarded(self.save_test), [*saved, changed], [self.stored, changed], **BUSY)
        self.to_review.click(guarded(self.save_review), saved, [self.stored], **BUSY)


def build(page: Page, tab: gr.Tab) -> None:
    with gr.Accordion("Chat: ask both", open=False, elem_id="tw-chat"):
        with gr.Row(elem_classes="tw-toolbar"):
            run = gr.Dropdown([], label="Talk to", min_width=200, scale=3, elem_id="tw-chat-run")
            anew = gr.Button("New conversation", min_width=175, scale=0, elem_id="tw-chat-new")
        conversation = gr.HTML(elem_id="tw-said")
        bar = gr.HTML(elem_id="tw-chat-bar")
        with gr.Row(elem_classes="tw-toolbar"):
            message = gr.Textbox(
                label="Message",
                placeholder="Enter sends; Shift + Enter begins a new line",
                lines=1,
                max_lines=10,
                max_length=chat_actions.LONGEST,
                scale=4,
                min_width=220,
                elem_id="tw-message",
            )
            send = gr.Button("Send", variant="primary", min_width=90, scale=0, elem_id="tw-send")
            stop = gr.Button("Stop", min_width=90, scale=0, visible=False, elem_id="tw-chat-stop")
        with gr.Column(visible=False, elem_id="tw-chat-save") as saving:
            saved = _saving()
        with gr.Accordion("How they answer", open=False, elem_id="tw-chat-settings"):
            settings = _settings()
        gr.Markdown(text.CHAT_HELP, elem_classes="tw-help")
    shown, timer = gr.State(Shown()), gr.Timer(0.3, active=False)
    chat = Chat(page, run, anew, conversation, bar, message, send, stop, saving, *saved, *settings, shown, timer)
    chat.bind(tab)


def _saving() -> tuple[gr.Textbox, gr.Button, gr.Button, gr.HTML]:
    """The answer as it should be, the two places to save to, and where it was saved."""
    wished = gr.Textbox(label="The answer you wish for", info=text.WISHED, lines=2, max_lines=8, elem_id="tw-wished")
    with gr.Row(elem_classes="tw-toolbar"):
        to_test = gr.Button("Save to the test set", min_width=200, scale=0, elem_id="tw-to-test")
        to_review = gr.Button("Save to the review queue", min_width=235, scale=0, elem_id="tw-to-review")
    return wished, to_test, to_review, gr.HTML(elem_id="tw-chat-saved")


def _settings() -> tuple[gr.Textbox, gr.Slider, gr.Number, gr.Number]:
    """System prompt, temperature, longest answer, seed."""
    system = gr.Textbox(
        label="System prompt", info="Empty: none.", lines=1, max_lines=6, max_length=chat_actions.LONGEST
    )
    with gr.Row(elem_classes="tw-form"):
        temperature = gr.Slider(
            0, 2, 0, step=0.05, label="Temperature", info="0: always the likeliest word.", min_width=170
        )
        tokens = chat_actions.DECODING.max_new_tokens
        length = gr.Number(tokens, label="Longest answer (tokens)", precision=0, minimum=1, maximum=4096)
        seed = gr.Number(0, label="Seed", info="Counts above temperature 0.", precision=0, minimum=0)
    return system, temperature, length, seed


def _newest(shown: Shown) -> str:
    if shown.talk.newest is None:
        raise UserError("Nothing has been asked yet.")
    return shown.talk.newest.id


def _bar(talk: Transcript, state: Status | None, turn: Turn | None) -> str:
    """What the model's process does while an answer is awaited."""
    if state is None or turn is None or turn.over:
        return ""
    if state.stuck:
        return html.note("warning", state.message)
    if turn.stopped:
        return html.progress(None, "Stopping …")
    if turn.begun:
        return html.progress(None, "Base and tuned are answering …")
    return html.progress(None, talk.says if talk.says != "Ready." else "Starting …")
