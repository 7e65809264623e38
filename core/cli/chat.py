"""The verb `chat`: talking to base and tuned, a line at a time."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

from core.chat import actions as chat_actions
from core.chat.transcript import Transcript, Turn
from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.jobs.events import Answer
from core.jobs.status import is_running
from core.store.workspace import Job, Workspace
from core.types import SIDES, Decoding

HELP = "Talk to base and tuned: each line of standard input is a message, both answer it."
COMMANDS = """A line may also be a command:
  /new               begin a new conversation
  /review [ANSWER]   put the newest answers into the Error review, with the answer as it should be
  /test ANSWER       make the newest message a test row of the next dataset version, with the answer as it should be
  /quit              end, as the end of standard input does"""


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", type=int, nargs="?", help="number of the run (default: the newest that is trained)")
    p.add_argument("--system", default="", help="system prompt")
    p.add_argument("--temperature", type=float, default=0.0, help="0 (default): always the likeliest token")
    p.add_argument("--max-new-tokens", type=int, default=chat_actions.DECODING.max_new_tokens)
    p.add_argument("--seed", type=int, default=0)
    p.epilog, p.formatter_class = COMMANDS, argparse.RawDescriptionHelpFormatter


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    """Read messages until standard input ends. Ctrl-C stops an answer; what was said is kept."""
    run = common.run(workspace, args)
    job = chat_actions.open_chat(workspace, run)
    was_running = is_running(workspace, job)
    decoding = Decoding(args.max_new_tokens, args.temperature, args.seed)
    show = (lambda text, end="\n": None) if args.json else (lambda text, end="\n": print(text, end=end, flush=True))
    asking = sys.stdin.isatty() and not args.json
    replies: list[dict[str, Any]] = []
    conversation = ""
    try:
        while True:
            if asking:
                print("you:   ", end="", flush=True)
            line = sys.stdin.readline()
            if not line or line.strip() == "/quit":
                break
            if line.strip() == "/new":
                conversation = ""
                continue
            command, _, wished = line.strip().partition(" ")
            if command in ("/review", "/test"):
                try:
                    show(_save(workspace, job, command, replies, wished))
                except UserError as e:
                    if not asking:
                        raise
                    show(str(e))
                continue
            if not line.strip():
                continue
            turn = chat_actions.ask(workspace, job, line, conversation, args.system, decoding)
            conversation = turn.conversation
            turn = _follow(workspace, job, turn, show)
            if turn.error:
                if not asking:
                    raise UserError(turn.error)
                show(turn.error)
            answers: dict[str, Any] = {side: vars(a) for side, a in turn.answers.items()}
            replies.append({"turn": turn.id, "message": turn.message, **answers, "saved": []})
    finally:
        if not was_running:
            chat_actions.end(workspace, job)
    return {"run": run.number, "system": args.system, "decoding": vars(decoding), "turns": replies}, []


def _save(workspace: Workspace, job: Job, command: str, replies: list[dict[str, Any]], wished: str) -> str:
    """Save the newest answers as /review or /test says; returns where they are."""
    if not replies:
        raise UserError(f"Nothing has been asked yet that {command} could save. Ask first.")
    if command == "/test" and not wished.strip():
        raise UserError("A test row needs the answer as it should be. Write it behind: /test ANSWER")
    newest = replies[-1]
    if command == "/test":
        version = chat_actions.save_to_test(workspace, job, newest["turn"], wished)
        where = f"Saved as a test row of {version.title}. Runs that are trained from it are measured on it."
    else:
        chat_actions.save_for_review(workspace, job, newest["turn"], wished)
        where = f"Saved for the Error review, as “{job.title}”."
    newest["saved"].append(where)
    return where


def _follow(workspace: Workspace, job: Job, turn: Turn, show: Callable[..., None]) -> Turn:
    """Print what base says as it comes; then what tuned, which goes on meanwhile, says."""
    seen = Transcript()
    for side in SIDES:
        printed = None
        while True:
            try:
                chat_actions.look(workspace, job, seen)
                now = seen.turns[turn.id]
                answer = now.answers[side]
                if printed is None and (answer.text or answer.finish):
                    show(f"{side + ':':<8}", end="")
                    printed = 0
                if printed is not None:
                    show(answer.text[printed:], end="")
                    printed = len(answer.text)
                if answer.finish or now.error:
                    break
                time.sleep(0.05)
            except KeyboardInterrupt:
                chat_actions.stop_answer(workspace, job, turn.id)
        show(_end(answer) if printed is not None else "")
        if now.error:
            break
    return now


def _end(answer: Answer) -> str:
    return {"length": " [cut at the limit]", "stopped": " [stopped]"}.get(answer.finish, "")
