"""The verb `judge`: a language model judges an evaluation's answers."""

from __future__ import annotations

import argparse

from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.jobs.follow import follow
from core.judge import actions as judge_actions
from core.judge.verdicts import sentences as judged_sentences
from core.judge.worker import KEY
from core.store.workspace import Workspace

HELP = "Let a model behind an OpenAI-compatible endpoint judge an evaluation's answers, in both orders."


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("evaluation", type=int, nargs="?", help="number of the evaluation (default: the newest)")
    p.add_argument("--endpoint", metavar="URL", help="such as https://api.example.com/v1")
    p.add_argument("--model", help="the judge, as the endpoint calls it")
    p.add_argument("--pairs", type=int, help="judge only the first N pairs")
    p.add_argument("--price", type=float, nargs=2, metavar=("PROMPTS", "REPLIES"), help="per million tokens")
    p.add_argument("--estimate", action="store_true", help="say what it will cost, and ask nothing")
    p.add_argument("--stop", action="store_true", help="only ask the judgement that is going on to stop")
    p.epilog = f"The endpoint's key is read from the environment variable {KEY} and written nowhere."


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    """Tell the cost, judge, tell the result."""
    evaluation, say = common.evaluation(workspace, args), common.say(args)
    if args.stop:
        going_on = judge_actions.of_evaluation(workspace, evaluation)
        if going_on is None:
            raise UserError(f"{evaluation.title} was never judged: there is nothing to stop.")
        return common.stop(workspace, going_on)
    if not args.endpoint or not args.model:
        raise UserError("Say who judges: --endpoint and --model.")
    price: tuple[float, float] | None = (args.price[0], args.price[1]) if args.price else None
    expected = judge_actions.estimate(workspace, evaluation, args.endpoint, args.model, args.pairs, price)
    if args.estimate:
        return expected.to_dict(), [judge_actions.cost_sentence(expected)]
    say(judge_actions.cost_sentence(expected))
    job = judge_actions.start(workspace, evaluation, args.endpoint, args.model, "", args.pairs, price)
    ended = follow(workspace, job, say)
    judgement, written = judge_actions.result(workspace, evaluation), workspace.folder(evaluation) / "judge.json"
    if ended.state == "failed" or judgement is None:
        raise UserError(f"{job.title}: {ended.message}")
    return judgement.to_dict(), [*judged_sentences(judgement), f"{job.title}: {ended.message}", f"Wrote {written}."]
