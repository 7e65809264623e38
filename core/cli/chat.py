"""The verbs `chat` and `judge` of the command line: see core/__main__.py."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from core import arguments, chat, judge, loop
from core.arguments import Result
from core.evaluation.judge import KEY
from core.evaluation.verdicts import sentences as judged_sentences
from core.jobs import supervisor
from core.types import Decoding, UserError
from core.workspace import Job, Workspace

CHAT_HELP = "Talk to base and tuned: each line of standard input is a message, both answer it."
CHAT_COMMANDS = """A line may also be a command:
  /new               begin a new conversation
  /review [ANSWER]   put the newest answers into the Error review, with the answer as it should be
  /test ANSWER       make the newest message a test row of the next dataset version, with the answer as it should be
  /quit              end, as the end of standard input does"""
JUDGE_HELP = "Let a model behind an OpenAI-compatible endpoint judge an evaluation's answers, in both orders."


def add_chat(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", type=int, nargs="?", help="number of the run (default: the newest that is trained)")
    p.add_argument("--system", default="", help="system prompt")
    p.add_argument("--temperature", type=float, default=0.0, help="0 (default): always the likeliest token")
    p.add_argument("--max-new-tokens", type=int, default=chat.DECODING.max_new_tokens)
    p.add_argument("--seed", type=int, default=0)
    p.epilog, p.formatter_class = CHAT_COMMANDS, argparse.RawDescriptionHelpFormatter


def add_judge(p: argparse.ArgumentParser) -> None:
    p.add_argument("evaluation", type=int, nargs="?", help="number of the evaluation (default: the newest)")
    p.add_argument("--endpoint", metavar="URL", help="such as https://api.example.com/v1")
    p.add_argument("--model", help="the judge, as the endpoint calls it")
    p.add_argument("--pairs", type=int, help="judge only the first N pairs")
    p.add_argument("--price", type=float, nargs=2, metavar=("PROMPTS", "REPLIES"), help="per million tokens")
    p.add_argument("--estimate", action="store_true", help="say what it will cost, and ask nothing")
    p.add_argument("--stop", action="store_true", help="only ask the judgement that is going on to stop")
    p.epilog = f"The endpoint's key is read from the environment variable {KEY} and written nowhere."


def talk(workspace: Workspace, args) -> Result:
    """Read messages until standard input ends. Ctrl-C stops an answer; what was said is kept."""
    run = arguments.run(workspace, args)
    job = chat.open_chat(workspace, run)
    was_running = supervisor.is_running(workspace, job)
    decoding = Decoding(args.max_new_tokens, args.temperature, args.seed)
    show = (lambda text, end="\n": None) if args.json else (lambda text, end="\n": print(text, end=end, flush=True))
    asking = sys.stdin.isatty() and not args.json
    said: list[dict[str, Any]] = []
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
                    show(_save(workspace, job, command, said, wished))
                except UserError as e:
                    if not asking:
                        raise
                    show(str(e))
                continue
            if not line.strip():
                continue
            turn = chat.ask(workspace, job, line, conversation, args.system, decoding)
            conversation = turn.conversation
            turn = _follow(workspace, job, turn, show)
            if turn.error:
                if not asking:
                    raise UserError(turn.error)
                show(turn.error)
            answers = {side: vars(a) for side, a in turn.answers.items()}
            said.append({"turn": turn.id, "message": turn.message, **answers, "saved": []})
    finally:
        if not was_running:
            chat.end(workspace, job)
    return {"run": run.number, "system": args.system, "decoding": vars(decoding), "turns": said}, []


def _save(workspace: Workspace, job: Job, command: str, said: list[dict[str, Any]], wished: str) -> str:
    """Save the newest answers as /review or /test says; returns where they are."""
    if not said:
        raise UserError(f"Nothing has been asked yet that {command} could save. Ask first.")
    if command == "/test" and not wished.strip():
        raise UserError("A test row needs the answer as it should be. Write it behind: /test ANSWER")
    newest = said[-1]
    if command == "/test":
        version = chat.save_to_test(workspace, job, newest["turn"], wished)
        where = f"Saved as a test row of {version.title}. Runs that are trained from it are measured on it."
    else:
        chat.save_for_review(workspace, job, newest["turn"], wished)
        where = f"Saved for the Error review, as “{job.title}”."
    newest["saved"].append(where)
    return where


def _follow(workspace: Workspace, job: Job, turn: chat.Turn, show) -> chat.Turn:
    """Print what base says as it comes; then what tuned, which goes on meanwhile, says."""
    seen = chat.Transcript()
    for side in chat.SIDES:
        printed = None
        while True:
            try:
                chat.look(workspace, job, seen)
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
                chat.stop_answer(workspace, job, turn.id)
        show(_end(answer) if printed is not None else "")
        if now.error:
            break
    return now


def _end(answer: chat.Answer) -> str:
    return {"length": " [cut at the limit]", "stopped": " [stopped]"}.get(answer.finish, "")


def judged(workspace: Workspace, args) -> Result:
    """Tell the cost, judge, tell the result."""
    evaluation, say = arguments.evaluation(workspace, args), arguments.say(args)
    if args.stop:
        going_on = judge.of_evaluation(workspace, evaluation)
        if going_on is None:
            raise UserError(f"{evaluation.title} was never judged: there is nothing to stop.")
        return arguments.stop(workspace, going_on)
    if not args.endpoint or not args.model:
        raise UserError("Say who judges: --endpoint and --model.")
    price = tuple(args.price) if args.price else None
    expected = judge.estimate(workspace, evaluation, args.endpoint, args.model, args.pairs, price)
    if args.estimate:
        return expected, [judge.cost_sentence(expected)]
    say(judge.cost_sentence(expected))
    job = judge.start(workspace, evaluation, args.endpoint, args.model, "", args.pairs, price)
    ended = loop.follow(workspace, job, say)
    found, written = judge.result(workspace, evaluation), workspace.folder(evaluation) / "judge.json"
    if ended.state == "failed":
        raise UserError(f"{job.title}: {ended.message}")
    return found, [*judged_sentences(found), f"{job.title}: {ended.message}", f"Wrote {written}."]
