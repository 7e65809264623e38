"""Talking to a run: base and tuned answer the same message. What the page and the command `chat` do.

A chat is a job of kind `chat`, one for each run, that waits in no queue: a folder, and a detached process that writes
into it while somebody talks. The page only reads and asks; a model that runs out of memory takes nothing with it.

    requests.jsonl   what was asked, and what was to be stopped: one line each, written by pages and commands
    events.jsonl     what the models said, piece by piece: written by the process (core/chat/worker.py)
    examples.jsonl, generations.jsonl, suggestions.jsonl   what was saved for the Error review, as of an evaluation
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.chat.spec import IDLE_SECONDS, ChatSpec
from core.chat.transcript import Transcript, Turn, messages
from core.errors import UserError, require_text
from core.files import append_lines, finished_lines
from core.jobs import alive, launch, queue
from core.jobs.status import Status, is_running, process_of, status_of, this_process
from core.models import process
from core.store.queries import Rows
from core.store.workspace import Job, Workspace, new_id, now
from core.training import memory
from core.training.spec import RunSpec
from core.types import DatasetVersion, Decoding, Example, Generation

if TYPE_CHECKING:
    from core.review.detectors.suggesting import Detectors

DECODING = Decoding(max_new_tokens=200)


ROOM = 1_000_000
"""Bytes that a message and its answers may come to."""

MOST = 2
"""Chats at a time on a Space; each has a copy of its model."""

LONGEST = 100_000
"""Characters of a message."""


def open_chat(workspace: Workspace, run: Job, idle_seconds: float = IDLE_SECONDS) -> Job:
    """The chat of a run, made where there is none. Starts nothing. Raises UserError where nothing is trained."""
    chat = of_run(workspace, run)
    if chat is not None:
        return chat
    from core.training.result import what_answers

    spec = ChatSpec(**asdict(what_answers(workspace, run)), idle_seconds=idle_seconds).to_dict()
    with workspace.locked():
        chat = of_run(workspace, run)  # somebody else may have opened it since
        return chat or workspace.add_job(run.project_id, "chat", f"with run {run.number}", spec, run.id, state="beside")


def of_run(workspace: Workspace, run: Job) -> Job | None:
    """The chat of a run, if anybody ever talked to it."""
    return next((job for job in workspace.jobs(run.project_id, "chat") if job.run_id == run.id), None)


def ask(
    workspace: Workspace,
    chat: Job,
    message: str,
    conversation: str = "",
    system: str = "",
    decoding: Decoding = DECODING,
) -> Turn:
    """Put a message to both sides; starts the process where none is running. An empty `conversation` begins a new one.

    Raises UserError for a message or settings that cannot be, while an answer is going on, and where there is no
    memory for the model.
    """
    message, system = _text(message, "message"), _text(system, "system prompt")
    if not message:
        raise UserError("The message is empty. Write what base and tuned should answer.")
    _check(decoding)
    folder = workspace.folder(chat)
    workspace.require_room(ROOM, "Another answer")
    with workspace.locked():
        state = status_of(workspace, chat)
        running = is_running(workspace, chat) and not state.over and not state.stuck
        talk = Transcript()
        talk.take(folder)
        if running and talk.newest is not None and not talk.newest.over:
            raise UserError("Base and tuned are still answering. Wait, or press Stop.")
        if not running:
            launch.end(workspace, chat)  # one that has written its outcome is on its way out; one that hangs stays so
            _make_room(workspace, chat)
        turn = Turn(new_id(), conversation or new_id(), system, message, decoding)
        line = {
            "turn": turn.id,
            "conversation": turn.conversation,
            "system": system,
            "message": message,
            "decoding": asdict(decoding),
            "by": this_process(),
            "time": now(),
        }
        _append(folder / "requests.jsonl", line)
        if not running:
            launch.start_beside(workspace, chat)
    return turn


def stop_answer(workspace: Workspace, chat: Job, turn_id: str) -> None:
    """Ask both sides to stop where they are; what they said is kept. A process that is suspended is continued."""
    process = process_of(workspace.folder(workspace.job(chat.id)))
    if process is not None and alive.is_suspended(process):
        alive.let_go_on(process)
    _append(workspace.folder(workspace.job(chat.id)) / "requests.jsonl", {"stop": turn_id, "time": now()})


def look(workspace: Workspace, chat: Job, talk: Transcript) -> tuple[Status, bool]:
    """Read on. (what the process does, is anything new). A turn whose process is gone is told to be lost."""
    # The state first: what a process said before it ended is then read below.
    state = status_of(workspace, chat)
    new = talk.take(workspace.folder(chat))
    turn = talk.newest
    if turn is not None and not turn.over and state.over:
        turn.error = state.message
        if not (state.state == "failed" and state.outcome):  # it did not say by itself what was wrong
            turn.error = f"{state.message} Your message is kept: send it again."
        return state, True
    return state, new or state.stuck


def end(workspace: Workspace, chat: Job) -> None:
    """End the process and free its memory. What was said stays."""
    launch.end(workspace, workspace.job(chat.id))


def _make_room(workspace: Workspace, chat: Job) -> None:
    """One chat at a time for each owner, and none beside a training or an evaluation. Raises UserError."""
    import sqlalchemy as sa

    from core.store import tables

    queue.tick(workspace)
    table = tables.jobs
    with workspace.engine.connect() as db:
        busy = db.execute(sa.select(table.c.id).where(table.c.state.in_(("queued", "started"))).limit(1)).first()
    if busy:
        raise UserError("A training or an evaluation is going on and has the memory. Talk when it is over.")
    others = [o for o in launch.owners_beside(workspace, "chat") if o != workspace.owner] if workspace.bounded else []
    if len(others) >= MOST:
        raise UserError(f"{len(others)} visitors are talking, as many as this Space takes at a time. Try again later.")
    for project in workspace.projects():
        for other in workspace.jobs(project.id, "chat"):
            if other.id != chat.id:
                launch.end(workspace, other)
    assert chat.run_id is not None  # a chat is always with a run: see `open_chat`
    run = RunSpec.from_dict(workspace.job(chat.run_id).spec)
    try:
        weights = memory.estimate(run.model, workspace.models, run.settings, (), run.revision).weights
    except UserError:
        return  # what cannot be estimated is tried
    needed, free = weights * (2 if run.settings.method == "full" else 1), memory.available()
    if needed > free:
        raise UserError(
            f"The model takes about {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB of memory are free. "
            "Close what else takes memory."
        )


def _check(decoding: Decoding) -> None:
    """Ranges as the page has them. Raises UserError."""
    for name, value, low, high in (
        ("temperature", decoding.temperature, 0, 2),
        ("number of new tokens", decoding.max_new_tokens, 1, 4096),
        ("seed", decoding.seed, 0, 2**32 - 1),
    ):
        if not low <= value <= high:
            raise UserError(f"The {name} is {value}; it goes from {low} to {high:,}.")


def _text(text: str | None, what: str) -> str:
    text = (text or "").strip()
    require_text(text, what, LONGEST)
    return text


def save_for_review(workspace: Workspace, chat: Job, turn_id: str, wished: str = "") -> Example:
    """Put both answers into the Error review, under the chat's name. Raises UserError where they are not finished."""
    turn, example = _saved_example(workspace, chat, turn_id, wished)
    folder = workspace.folder(chat)
    with workspace.locked():
        known = [Example.from_dict(line) for line in finished_lines(folder / "examples.jsonl", 0)[0]]
        if example.id in [e.id for e in known]:
            raise UserError("These answers are in the review queue already. Open Error review and choose this chat.")
        example = replace(example, row=len(known) + 1)
        generations = [
            Generation(example.id, side, a.text, a.tokens, "stop" if a.finish == "stop" else "length", a.seconds)
            for side, a in turn.answers.items()
        ]
        suggestions = _suggestions(ChatSpec.from_dict(chat.spec).rows_file, example, generations)
        _append(folder / "examples.jsonl", example.to_dict())
        _append(folder / "suggestions.jsonl", *suggestions)
        _append(folder / "generations.jsonl", *(g.to_dict() for g in generations))
    return example


def save_to_test(workspace: Workspace, chat: Job, turn_id: str, wished: str) -> DatasetVersion:
    """A new dataset version: the project's newest, and the prompt with the wished answer as one more test row.

    Raises UserError without a wished answer, and where the prompt is a row already: in the training rows it would
    measure what was learnt by heart.
    """
    wished = _text(wished, "answer")
    if not wished:
        raise UserError("A test row needs the answer that you wish for. Write it under “The answer you wish for”.")
    _, example = _saved_example(workspace, chat, turn_id, wished)
    with workspace.locked():
        parent = workspace.versions(chat.project_id)[-1]
        rows = workspace.rows(parent.id)
        if same := rows.take(rows.asking(example.asks)[:1]):
            why = "" if same[0].split == "test" else " What is trained or chosen by cannot test."
            raise UserError(
                f"The prompt is row {same[0].row} of {parent.title} already, in its {same[0].split} rows.{why} "
                "Ask something else: the same in other words would be no test, either."
            )
        example = replace(example, row=int(rows.numbers("row").max(initial=0)) + 1)
        change = {"added": example.id, "row": example.row, "split": "test", "why": f"saved from {chat.title}"}
        manifest = {**parent.manifest, "changes": [*parent.manifest.get("changes", []), change]}
        return workspace.add_changed(parent, manifest, {}, [example])


def _saved_example(workspace: Workspace, chat: Job, turn_id: str, wished: str) -> tuple[Turn, Example]:
    """The turn and the row that it makes. The base may have been told other earlier answers: the tuned side's count."""
    talk = Transcript()
    talk.take(workspace.folder(workspace.job(chat.id)))
    turn = talk.turns.get(turn_id)
    if turn is None:
        raise UserError("There is no such message in this chat. Ask first.")
    if not turn.answered:
        raise UserError("Both answers must be there before they can be saved. Wait until they are finished.")
    conversation = messages(turn, talk.before(turn), "tuned")
    return turn, Example(conversation, _text(wished, "answer"), 1, "test", {"source": chat.title})


def _suggestions(rows_file: str, example: Example, generations: list[Generation]) -> list[dict[str, Any]]:
    """By the process beside the page: what knows words and languages takes more memory than a page is to have."""
    found = process.TOKENIZERS.call(of_detectors, rows_file, example.to_dict(), [g.to_dict() for g in generations])
    return [dict(suggestion) for suggestion in found]


def of_detectors(
    rows_file: str,
    example: dict[str, Any],
    generations: list[dict[str, Any]],
    progress: process.Progress = lambda share, what: None,
) -> list[dict[str, Any]]:
    """What the detectors say of the answers; in and out as JSON holds them."""
    from core.review.detectors import suggesting

    learnt, row = _detectors(rows_file), Example.from_dict(example)
    answers = map(Generation.from_dict, generations)
    return [s.to_dict() for answer in answers for s in suggesting.suggest(learnt, row, answer)]


@lru_cache(maxsize=2)  # a version's rows never change
def _detectors(rows_file: str) -> Detectors:
    from core.review.detectors import suggesting

    rows = Rows(Path(rows_file))
    train = rows.of_split("train")
    return suggesting.prepare(rows.take(train[suggesting.spread(range(len(train)))]))


def _append(path: Path, *lines: dict[str, Any]) -> None:
    """Whole lines, in one write, or none."""
    append_lines(path, (json.dumps(line, ensure_ascii=False) for line in lines))
