"""The verb `evaluate`: base against tuned on test rows and benchmarks."""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation import effort
from core.evaluation.actions import followed_by
from core.evaluation.benchmarks.table import BENCHMARKS, title
from core.evaluation.heldout.turns import ANSWERS
from core.evaluation.references import sentence
from core.evaluation.report import document as files
from core.evaluation.result import report_of
from core.evaluation.spec import EvaluationChoice
from core.jobs import queue
from core.jobs.status import status_of
from core.store.workspace import Job, Workspace
from core.training.result import what_answers
from core.wording import count

HELP = "Measure base against tuned on the frozen test rows, and on benchmarks."

NEWEST = 0
"""--stop without a number."""
ANSWERS_HELP = "of a conversation ask for the last answer (default), or for each that was trained"
REPORT_HELP = "also write the report: FILE.html, FILE.md or FILE.json; may be repeated"


def add(p: argparse.ArgumentParser) -> None:
    p.add_argument("--run", type=int, help="number of the run (default: the newest that is trained)")
    p.add_argument("--rows", type=int, help="use only the first N test rows")
    p.add_argument("--answers", choices=ANSWERS, default="last", help=ANSWERS_HELP)
    p.add_argument("--max-new-tokens", type=int, help="longest answer (default: it follows the references)")
    p.add_argument(
        "--reasoning-tokens", type=int, default=1024, help="room for reasoning before the answer (default 1024)"
    )
    p.add_argument("--benchmark", action="append", default=[], help="an lm-eval task, e.g. arc_easy; may be repeated")
    p.add_argument("--items", type=int, default=100, help="items per benchmark, drawn at random (default 100)")
    p.add_argument("--size", choices=effort.SIZES, help="quick, standard or full, in the place of --items")
    p.add_argument("--shots", nargs="+", default=[], metavar="TASK=N", help="examples before each question: mmlu=5")
    p.add_argument("--chat-template", action="store_true", help="ask benchmarks in the model's chat template")
    p.add_argument("--early-stop", action="store_true", help="stop a benchmark when its interval is narrow enough")
    p.add_argument("--seed", type=int, default=0, help="of the drawn questions (default 0)")
    p.add_argument("--folder", help="folder of benchmark files in the Hub's row schema (default: the Hub)")
    p.add_argument("--resume", type=int, metavar="N", help="go on with evaluation N, which was stopped or failed")
    stop = "only ask evaluation N (default: the one that goes on) to stop; what was measured until then is kept"
    p.add_argument("--stop", type=int, nargs="?", const=NEWEST, metavar="N", help=stop)
    p.add_argument("--report", type=Path, action="append", default=[], metavar="FILE", help=REPORT_HELP)

    every = "0.25,0.5,0.75"
    p.add_argument("--strengths", nargs="?", const=every, metavar="PARTS", help=f"also parts of the adapter ({every})")
    p.add_argument("--checkpoints", action="store_true", help="also the checkpoints that the run kept")


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    if args.stop is not None:
        return common.stop(workspace, _going_on(workspace, args))
    if args.items < 1:
        raise UserError(f"--items {args.items}: give 1 or more.")
    run, say = common.run(workspace, args), common.say(args)
    folder = args.folder or workspace.settings.benchmarks
    choice = EvaluationChoice(
        max_rows=args.rows,
        answers=args.answers,
        max_new_tokens=args.max_new_tokens,
        reasoning_tokens=args.reasoning_tokens,
        benchmarks=tuple(args.benchmark),
        benchmark_items=args.items,
        benchmark_folder=str(Path(folder).absolute()) if folder else None,  # the job's process is elsewhere
        seed=args.seed,
        strengths=_parts(args.strengths),
        checkpoints=args.checkpoints,
        size=args.size or "",
        shots=tuple(_shots(text) for text in args.shots),
        chat_template=args.chat_template,
        early_stop=args.early_stop,
    )
    for path in args.report:
        files.check(path)  # before hours of measuring, not after
    if args.resume is not None:
        job = common.numbered(workspace, common.project(workspace, args), "evaluate", args.resume)
        queue.resume(workspace, job)
    else:
        for line in planned(workspace, run, choice):
            say(line)
        job = evaluation_actions.start_evaluation(workspace, run, choice)
    _, lines = common.follow(workspace, job, args)
    report = report_of(workspace, job)
    for path in args.report:
        files.write(evaluation_actions.document(workspace, job), path)
        lines.append(f"Wrote {path}.")
    return report.to_dict(), [*files.to_lines(report), "", *lines]


def _going_on(workspace: Workspace, args: argparse.Namespace) -> Job:
    """The evaluation that --stop means: by its number, else the newest that is not over, else the newest."""
    project = common.project(workspace, args)
    jobs = workspace.jobs(project.id, "evaluate") if args.stop == NEWEST else []
    going_on = next((j for j in jobs if not status_of(workspace, j).over), None)
    return going_on or common.numbered(workspace, project, "evaluate", args.stop or None)


def planned(workspace: Workspace, run: Job, choice: EvaluationChoice) -> list[str]:
    """Before it runs: how many rows and questions, the smallest difference that these show, the time where known.

    Raises UserError for what cannot be measured.
    """
    earlier = effort.earlier_reports(workspace, run)
    there = workspace.version(run.spec["dataset_version"]).counts["test"]
    rows = min(choice.max_rows or there, there)
    answering, asked, longest, most = what_answers(workspace, run), rows, choice.max_new_tokens, ""
    if longest is None or choice.answers == "all":
        followed = followed_by(workspace, answering, choice.max_rows, choice.answers)
        asked = followed.asked
        longest, most = longest or followed.limit, "" if longest else sentence(followed)
    seconds = effort.seconds_for_rows(earlier, asked, longest)
    answers = f", {count(asked, 'answer')}" if choice.answers == "all" else ""
    lines = [f"{count(rows, 'test row')}{answers}: {_time(seconds, 'about')}."]
    lines.append(f"Longest answer: {most or f'{longest:,} tokens'}.")
    limit = effort.SIZES[choice.size] if choice.size else choice.benchmark_items
    folder = Path(choice.benchmark_folder) if choice.benchmark_folder else None
    for e in effort.plan(choice.benchmarks, limit, earlier, folder):
        if e.questions is not None and e.smallest is not None:
            usually = "at best" if e.at_best else "usually"
            shows = f"which {usually} show a difference of {100 * e.smallest:.1f} points or more"
            lines.append(f"{title(e.name)}: {count(e.questions, 'question')}, {shows}; {_time(e.seconds, 'at most')}.")
        elif folder and e.name in BENCHMARKS:
            lines.append(f"{title(e.name)}: the folder {folder} lacks its files, or they cannot be read.")
        else:
            lines.append(f"{title(e.name)}: all its questions; how many is not known before.")
    return lines


def _time(seconds: float | None, how: str) -> str:
    if seconds is None:
        return "how long they take is known after a first evaluation with this model"
    return f"{how} {seconds:,.0f} s" if seconds < 90 else f"{how} {seconds / 60:,.0f} minutes"


def _shots(text: str) -> tuple[str, int]:
    task, _, number = text.partition("=")
    if not task or not number.isdigit():
        raise UserError(f"--shots {text}: give a task and a number, as mmlu=5.")
    return task, int(number)


def _parts(text: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError as e:
        raise UserError(f"--strengths {text}: give numbers between 0 and 1 with commas, as 0.25,0.5,0.75.") from e
