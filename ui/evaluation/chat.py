"""A part of the Evaluation tab: base and tuned answer the same message, side by side, as it is written."""

from __future__ import annotations

from dataclasses import dataclass, field

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


def build(page: Page, tab: gr.Tab) -> None:
    with gr.Accordion("Chat: ask both", open=False, elem_id="tw-chat"):
        with gr.Row(elem_classes="tw-toolbar"):
            run = gr.Dropdown([], label="Talk to", min_width=200, scale=3, elem_id="tw-chat-run")
            anew = gr.Button("New conversation", min_width=175, scale=0, elem_id="tw-chat-new")
        said = gr.HTML(elem_id="tw-said")
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
            wished = gr.Textbox(
                label="The answer you wish for", info=text.WISHED, lines=2, max_lines=8, elem_id="tw-wished"
            )
            with gr.Row(elem_classes="tw-toolbar"):
                to_test = gr.Button("Save to the test set", min_width=200, scale=0, elem_id="tw-to-test")
                to_review = gr.Button("Save to the review queue", min_width=235, scale=0, elem_id="tw-to-review")
            stored = gr.HTML(elem_id="tw-chat-saved")
        with gr.Accordion("How they answer", open=False, elem_id="tw-chat-settings"):
            system = gr.Textbox(
                label="System prompt", info="Empty: none.", lines=1, max_lines=6, max_length=chat_actions.LONGEST
            )
            with gr.Row(elem_classes="tw-form"):
                temperature = gr.Slider(
                    0, 2, 0, step=0.05, label="Temperature", info="0: always the likeliest word.", min_width=170
                )
                length = gr.Number(
                    chat_actions.DECODING.max_new_tokens,
                    label="Longest answer (tokens)",
                    precision=0,
                    minimum=1,
                    maximum=4096,
                )
                seed = gr.Number(0, label="Seed", info="Counts above temperature 0.", precision=0, minimum=0)
        gr.Markdown(text.CHAT_HELP, elem_classes="tw-help")
    shown = gr.State(Shown())
    timer = gr.Timer(0.3, active=False)
    view = [shown, said, bar, send, stop, saving, timer]

    def refresh(visitor: str, project_id: str | None, run_id: str | None):
        workspace = page.workspace(visitor)
        runs = workspace.jobs(project_id, "train") if project_id else []
        trained = [j for j in runs if is_trained(workspace.folder(j) / "adapter")]
        value = run_id if run_id in [j.id for j in trained] else (trained[0].id if trained else None)
        return gr.update(choices=[(j.title, j.id) for j in trained], value=value), *opened(visitor, value)

    def opened(visitor: str, run_id: str | None):
        """Another run: its chat, read from its beginning."""
        workspace = page.workspace(visitor)
        job = chat_actions.of_run(workspace, workspace.job(run_id)) if run_id else None
        return _look(workspace, job, Shown(job.id if job else ""), bool(run_id), always=True)

    def tick(visitor: str, shown: Shown):
        workspace = page.workspace(visitor)
        return _look(workspace, workspace.job(shown.chat_id), shown, True)

    def ask(visitor: str, run_id: str | None, message: str, shown: Shown, system, temperature, length, seed):
        workspace = page.workspace(visitor)
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
        return "", "", "", *_look(workspace, job, shown, True, always=True)

    def ask_to_stop(visitor: str, shown: Shown):
        workspace = page.workspace(visitor)
        job = workspace.job(shown.chat_id)
        if shown.talk.newest:
            chat_actions.stop_answer(workspace, job, shown.talk.newest.id)
        return _look(workspace, job, shown, True)

    def begin_anew(visitor: str, run_id: str | None, shown: Shown):
        workspace = page.workspace(visitor)
        shown.anew = True
        job = workspace.job(shown.chat_id) if shown.chat_id else None
        return "", "", *_look(workspace, job, shown, bool(run_id), always=True)

    def save_test(visitor: str, shown: Shown, wished: str, count: int):
        workspace = page.workspace(visitor)
        version = chat_actions.save_to_test(workspace, workspace.job(shown.chat_id), _newest(shown), wished)
        told = f"Saved as a test row of {version.title}. Runs that are trained from it are measured on it."
        return html.note("note", told), count + 1

    def save_review(visitor: str, shown: Shown, wished: str):
        workspace = page.workspace(visitor)
        job = workspace.job(shown.chat_id)
        chat_actions.save_for_review(workspace, job, _newest(shown), wished)
        return html.note("note", f"Saved. In Error review choose “{job.title}”.")

    known = [page.visitor, run]
    page.whenever(tab, refresh, [run], [run, *view])
    run.input(guarded(opened), known, view, **QUIET)
    timer.tick(guarded(tick), [page.visitor, shown], view, **QUIET)
    asked = [*known, message, shown, system, temperature, length, seed]
    gr.on([send.click, message.submit], guarded(ask), asked, [message, wished, stored, *view], **BUSY)
    stop.click(guarded(ask_to_stop), [page.visitor, shown], view, **QUIET)
    anew.click(guarded(begin_anew), [*known, shown], [wished, stored, *view], **QUIET)
    to_test.click(guarded(save_test), [page.visitor, shown, wished, page.changed], [stored, page.changed], **BUSY)
    to_review.click(guarded(save_review), [page.visitor, shown, wished], stored, **BUSY)


def _newest(shown: Shown) -> str:
    if shown.talk.newest is None:
        raise UserError("Nothing has been asked yet.")
    return shown.talk.newest.id


def _look(workspace: Workspace, job: Job | None, shown: Shown, trained: bool, always: bool = False):
    """Everything that shows a chat. What has not changed is not sent again, unless `always`."""
    state, new = (None, False) if job is None else chat_actions.look(workspace, job, shown.talk)
    turn = None if shown.anew else shown.talk.newest
    if not (new or always):
        return shown, *[gr.skip()] * 6
    going = turn is not None and not turn.over
    turns = [] if shown.anew else shown.talk.conversation
    empty = html.empty(*(text.CHAT_EMPTY if trained else text.CHAT_NO_RUN))
    return (
        shown,
        html.conversation(turns) if turns else empty,
        _bar(shown.talk, state, turn),
        gr.update(interactive=trained and not going),
        gr.update(visible=going, interactive=going and not turn.stopped),
        gr.update(visible=turn is not None and turn.answered),
        gr.update(active=going),
    )


def _bar(talk: Transcript, state: Status | None, turn: Turn | None) -> str:
    """What the model's process does while an answer is awaited."""
    if state is None or turn is None or turn.over:
        return ""
    if turn.stopped:
        return html.progress(None, "Stopping …")
    if turn.begun:
        return html.progress(None, "Base and tuned are answering …")
    return html.progress(None, talk.says if talk.says != "Ready." else "Starting …")
