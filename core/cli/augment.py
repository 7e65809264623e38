"""The verb `augment`: more rows from a model, read by people before they are trained."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.augmentation import actions, adding, reviewing
from core.augmentation.result import FILTERS, Summary
from core.augmentation.spec import KINDS, OF_MATERIAL, SAMPLE, spec_in
from core.augmentation.worker import KEY
from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.files import check_new, new_file
from core.jobs.follow import follow
from core.records import plain
from core.store.workspace import Job, Workspace
from core.wording import count

HELP = "Ask a model for more rows: an OpenAI-compatible endpoint, or a model of this machine."


def add(p: argparse.ArgumentParser) -> None:
    kinds = "; ".join(f"{name}: {words.lower()}" for name, words in KINDS.items())
    p.add_argument("--kind", choices=list(KINDS), help=kinds)
    p.add_argument("--rows", type=int, default=100, help="rows to ask for (default 100); fewer pass the filters")
    p.add_argument("--model", help="as the endpoint calls it; without --endpoint a model of this machine")
    p.add_argument("--endpoint", metavar="URL", help="such as https://api.example.com/v1")
    texts = "a text file: prompts to answer, one a line, or texts to ask about, with empty lines between them"
    p.add_argument("--from", dest="material", type=Path, metavar="FILE", help=texts)
    p.add_argument("--wish", default="", help="what the rows should be like, in your words")
    p.add_argument("--price", type=float, nargs=2, metavar=("PROMPTS", "REPLIES"), help="per million tokens")
    p.add_argument("--temperature", type=float, default=0.8)
    p.add_argument("--max-tokens", type=int, default=1024, help="of a reply (default 1024)")
    p.add_argument("--sample", action="store_true", help=f"ask for {SAMPLE} rows, show them, and wait for --go-on")
    p.add_argument("--go-on", action="store_true", help="ask for what is left: after a sample, a stop or a failure")
    p.add_argument("--stop", action="store_true", help="only ask the augmentation that is going on to stop")
    p.add_argument(
        "--export", type=Path, metavar="FILE", help="write the drafts of the newest one as .jsonl, to decide"
    )
    back = "take such a file back, with accept, edit or reject under “decision”, and add the rows"
    p.add_argument("--decisions", type=Path, metavar="FILE", help=back)
    p.add_argument("--accept-all", action="store_true", help="add every draft that passed the filters, unread")
    p.epilog = f"The endpoint's key is read from the environment variable {KEY} and written nowhere."


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    project = common.project(workspace, args)
    if args.kind:
        job = actions.start(workspace, project.id, _request(args), sample=args.sample)
        return _followed(workspace, job, args)
    job = _newest(workspace, project.id)
    if args.stop:
        return common.stop(workspace, job)
    if args.go_on:
        return _followed(workspace, actions.go_on(workspace, job), args)
    if args.export:
        check_new(args.export, (".jsonl",), "a file of drafts")
        with new_file(args.export) as partial, open(partial, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in reviewing.export(workspace, job))
        return {"file": str(args.export)}, [f"Wrote {args.export}. Decide, then: --decisions {args.export}"]
    if args.decisions or args.accept_all:
        return _added(workspace, job, args)
    return _told(workspace, job)


def _newest(workspace: Workspace, project_id: str) -> Job:
    jobs = actions.of_project(workspace, project_id)
    if not jobs:
        raise UserError(
            "No rows were asked for yet. Say which and whom: --kind paraphrase --model NAME --endpoint URL --sample"
        )
    return jobs[0]


def _request(args: argparse.Namespace) -> actions.Request:
    if not args.model:
        raise UserError("Say who writes the rows: --model, and --endpoint where it is not on this machine.")
    if args.material and not args.material.is_file():
        raise UserError(f"There is no file {args.material}. Check the path.")
    if args.material and args.kind not in OF_MATERIAL:
        raise UserError(f"--from is for {' and '.join(f'--kind {kind}' for kind in OF_MATERIAL)}.")
    try:
        material = args.material.read_text(encoding="utf-8-sig") if args.material else ""
    except UnicodeDecodeError as e:
        raise UserError(f"{args.material} is no text in UTF-8 ({e.reason} at byte {e.start}). Save it as UTF-8.") from e
    return actions.Request(
        kind=args.kind,
        rows=args.rows,
        model=args.model,
        endpoint=args.endpoint or "",
        wish=args.wish,
        material=material,
        price=(args.price[0], args.price[1]) if args.price else None,
        temperature=args.temperature,
        max_tokens=args.max_tokens,
    )


def _followed(workspace: Workspace, job: Job, args: argparse.Namespace) -> Result:
    ended = follow(workspace, job, common.say(args))
    document, lines = _told(workspace, job)
    if args.accept_all and ended.state != "failed" and args.kind and not args.sample:
        return _added(workspace, job, args)
    if ended.state == "failed":
        raise UserError(f"{job.title}: {ended.message}")
    return document, [*lines, f"{job.title}: {ended.message}"]


def _told(workspace: Workspace, job: Job) -> Result:
    """What came: sums, the first drafts, what is to be done."""
    done, read = actions.summary(workspace, job), reviewing.review(workspace, job)
    spec = spec_in(workspace.folder(job))
    shown = [reviewing.draft(workspace, job, draft_id) for draft_id in read.ids[:SAMPLE]]
    lines = [
        f"{job.title}, by {spec.by}: {done.asked:,} of {count(spec.rows, 'row')} asked for, {done.passed:,} passed."
    ]
    lines += [actions.cost_sentence(spec, done)] if done.replies else []
    lines += _held(done)
    for draft in shown:
        short = lambda text: " ".join(text.split())[:300]  # noqa: E731
        lines += ["", f"  [{draft.id}] {short(draft.row.prompt)}", f"    → {short(draft.row.target)}"]
    left = done.passed - len(shown)
    lines += ["", f"  … and {left:,} more: --export drafts.jsonl"] if left > 0 else []
    decided = f"{read.accepted:,} accepted, {read.rejected:,} rejected, {len(read.added):,} in a version."
    document: dict[str, Any] = {
        **common.describe(workspace, job),
        "summary": plain(done),
        "accepted": read.accepted,
        "rejected": read.rejected,
        "added": len(read.added),
    }
    return document, [*lines, "", decided]


def _held(done: Summary) -> list[str]:
    """What the filters hold, each with its first example."""
    lines = []
    for name, held in done.refused.items():
        lines.append(f"  {held.rows:>6,}  {FILTERS[name]}")
        lines += [f"          {why} “{text[:100]}”" for why, text in held.examples[:1]]
    return lines


def _added(workspace: Workspace, job: Job, args: argparse.Namespace) -> Result:
    taken = 0
    if args.decisions:
        if not args.decisions.is_file():
            raise UserError(f"There is no file {args.decisions}. Check the path.")
        taken = reviewing.import_decisions(workspace, job, args.decisions.read_bytes())
    if args.accept_all:
        taken += reviewing.accept_rest(workspace, job)
    added = adding.add(workspace, job)
    unread = " They were accepted unread." if args.accept_all else ""
    return {"decisions": taken, **plain(added)}, [f"{count(taken, 'decision')} taken.", f"{added.sentence}{unread}"]
