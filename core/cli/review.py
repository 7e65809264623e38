"""The verb `review`: answers side by side; and with a word behind it, what the Error review does.

review                 base, tuned and reference side by side, with what the detectors flag
review detect          run the detectors again on the answers that are there
review queue           which rows come next, and how far the review is
review label ROW       say what is wrong with a row's answers; take it back; settle what people disagree on
review agreement       how far annotators agree, and where they do not
review rates           how often each error happens, base against tuned or run against run
review export FILE     labels as a file
review invite          a link by which others label
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from core.cli import common
from core.cli.common import Result
from core.errors import UserError
from core.files import check_new
from core.jobs import answers
from core.jobs.status import status_of
from core.review import actions, agreement, exporting, finding, invitations, labels, own, rates, settled
from core.review.finding import Wanted
from core.statistics.agreement import Agreement, Measure
from core.statistics.intervals import Estimate, Interval
from core.store.workspace import Job, Workspace
from core.types import REFERENCE, REFERENCE_WRONG, SIDES, LabelEvent, Mark

HELP = "Show base, tuned and reference side by side; label, compare and export what is wrong with them."


def add(p: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    p.add_argument("--evaluation", type=int, help="number of the evaluation (default: the newest)")
    p.add_argument("--rows", type=int, default=10, help="how many rows (default 10)")
    p.set_defaults(act=_show)
    # What was said before the word stays as it was said: none of these has a default of its own.
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    shared.add_argument("--project", help="name of the project (default: the newest)")
    shared.add_argument("--evaluation", type=int, help="number of the evaluation (default: the newest)")
    words = p.add_subparsers(metavar="WORD")
    found = {}

    def word(name: str, act: Any, about: str) -> argparse.ArgumentParser:
        found[name] = words.add_parser(name, help=about, description=about, parents=[shared])
        found[name].set_defaults(act=act)
        return found[name]

    word("detect", _detect, "Run the detectors again on the answers that are there.")
    queue = word("queue", _queue, "Say which rows come next, and how far the review is.")
    queue.add_argument("--rows", type=int, default=argparse.SUPPRESS, help="how many rows (default 10)")
    queue.add_argument("--label", default="", help="rows on which people say that this is present")
    queue.add_argument("--suggested", default="", help="rows on which a detector flags this")
    queue.add_argument("--labelled", choices=("no", "mine", "anybody"), default="", help="rows labelled by whom")
    queue.add_argument("--by", default="", metavar="NAME", help="rows that this person labelled")
    queue.add_argument("--verdict", default="", choices=labels.VERDICTS, help="rows with this verdict")
    queue.add_argument("--disagreement", action="store_true", help="rows on which people disagree")
    queue.add_argument("--drawn", action="store_true", help="rows of the random sample, from which rates are estimated")
    queue.add_argument("--search", default="", metavar="TEXT", help="rows that hold this text")
    label = word("label", _label, "Say what is wrong with a row's answers. Each call says all of it anew.")
    label.add_argument("row", type=int, help="number of the row")
    of = "misspelling (is present), misspelling=absent, misspelling=unsure; own labels by their id"
    for side in SIDES:
        label.add_argument(f"--{side}", nargs="+", default=[], metavar="LABEL", help=f"what is wrong with {side}: {of}")
    label.add_argument("--reference-wrong", action="store_true", help="the reference itself is wrong")
    label.add_argument("--better", choices=labels.VERDICTS, default="none", help="which side is better")
    label.add_argument("--correction", default="", metavar="TEXT", help="the answer as it should have been")
    label.add_argument("--note", default="", metavar="TEXT")
    label.add_argument("--settle", action="store_true", help="this counts before what people said of the row")
    label.add_argument("--undo", action="store_true", help="take the last word on this row back")
    label.add_argument("--new", metavar="TITLE", help="first add a label of the project's own, and mark it on tuned")
    word("agreement", _agreement, "Say how far annotators agree, label by label, and on which rows they do not.")
    rate = word("rates", _rates, "Say how often each error happens, and which rows were fixed and which broke.")
    rate.add_argument("--against", type=int, metavar="N", help="evaluation N: its tuned side against this one's")
    export = word("export", _export, "Write the labels to a file.")
    export.add_argument("file", type=Path)
    forms = ", ".join(exporting.FORMATS)
    export.add_argument(
        "--format", choices=exporting.FORMATS, metavar="FORMAT", help=f"{forms} (default: its ending's)"
    )
    invite = word("invite", _invite, "Make a link by which others label this evaluation and see nothing else.")
    invite.add_argument("--people", type=int, default=1, help="how many may come by it (default 1)")
    invite.add_argument("--overlap", type=int, default=1, help="how many people are to label a row (default 1)")
    invite.add_argument("--days", type=int, default=7, help="how long it opens the page (default 7)")
    invite.add_argument("--address", default="http://127.0.0.1:7860", help="where people reach the app")
    invite.add_argument("--list", action="store_true", help="show the invitations that there are")
    invite.add_argument("--revoke", metavar="ID", help="let an invitation open nothing any more")
    return found


def run(workspace: Workspace, args: argparse.Namespace) -> Result:
    return args.act(workspace, args, common.evaluation(workspace, args))


def _show(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    known = answers.Answers(workspace, evaluation)
    result, lines = [], []
    for e in known.examples(known.ids()[: args.rows]):
        generations = known.of(e.id)
        sides: dict[str, Any] = {}
        lines += [f"Row {e.row}: {e.prompt}", f"  reference  {e.target}"]
        for side in SIDES:
            generation = generations[side]
            flagged = [s for s in known.suggestions(generation) if s.flagged]
            sides[side] = {**generation.to_dict(), "flagged": [s.to_dict() for s in flagged]}
            lines.append(f"  {side:<9}  {generation.text}")
            lines += [f"             [{s.label}] {s.reason}" for s in flagged]
        lines.append("")
        result.append({"example": e.to_dict(), **sides})
    counts = answers.flag_counts(workspace, evaluation)
    lines += [f"Flagged, {side}: " + ", ".join(f"{n} {label}" for label, n in c.items()) for side, c in counts.items()]
    return {"rows": result, "flagged": counts}, lines


def _detect(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    from core.engine.templates import RenderSettings
    from core.evaluation import worker
    from core.evaluation.heldout import turns
    from core.evaluation.spec import EvaluationSpec
    from core.review.detectors import suggesting

    now = status_of(workspace, evaluation)
    if not now.over:
        raise UserError(f"{evaluation.title} is {now.state}. Its answers are looked at when it ends.")
    answers.file_of(workspace, evaluation, "generations.jsonl")
    spec = EvaluationSpec.from_dict(evaluation.spec)
    rows_file = workspace.rows_file(spec.dataset_version)
    trained = RenderSettings.of(spec.rendering).answers
    asked = turns.asked(rows_file, spec.split, spec.max_rows, spec.answers, trained)
    rows = workspace.rows(spec.dataset_version)
    train = rows.of_split("train")
    sample = rows.take(train[suggesting.spread(range(len(train)))])
    worker.detect(workspace.folder(evaluation), sample, asked)
    counts = answers.flag_counts(workspace, evaluation)
    lines = [f"Flagged, {side}: " + (_listed(c) or "nothing") for side, c in counts.items()]
    return {"flagged": counts}, lines


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {label}" for label, n in counts.items() if n)


def _queue(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    wanted = Wanted(
        *(args.label, args.suggested, args.labelled, args.by, args.verdict, args.disagreement, args.drawn),
        text=args.search,
    )
    ids = finding.find(workspace, evaluation, wanted)
    known, far = answers.Answers(workspace, evaluation), finding.progress(workspace, evaluation)
    place = {id_: at for at, id_ in enumerate(ids)}
    shown = sorted(known.examples(ids[: args.rows]), key=lambda e: place[e.id])
    mine = labels.labelled(workspace.engine, evaluation.id, workspace.owner)
    lines = [f"{'·' if e.id in mine else ' '} row {e.row:>5}  {' '.join(e.prompt.split())[:80]}" for e in shown]
    lines += [f"{len(ids):,} rows. Labelled: {far.mine:,} by you, {far.anybody:,} of {far.items:,} by anybody; "]
    lines[-1] += f"{far.drawn_done:,} of {far.drawn:,} of the random sample."
    if far.enough:
        lines.append(f"The last {far.since_new:,} labelled rows brought no new kind of error: you may stop.")
    rows = [{"id": e.id, "row": e.row, "prompt": e.prompt, "labelled": e.id in mine} for e in shown]
    return {"rows": rows, "found": len(ids), "progress": vars(far) | {"enough": far.enough}}, lines


def _label(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    id_ = _id_of(workspace, evaluation, args.row)
    if args.undo:
        event = actions.undo(workspace, evaluation, id_)
        if event is None:
            return None, [f"Nothing is left to take back of row {args.row}."]
        back = "it is not labelled now" if event.act == "clear" else "what you said before counts"
        return event.to_dict(), [f"Taken back; {back}."]
    item = actions.item(workspace, evaluation, id_)
    marks: dict[str, dict[str, Mark]] = {side: _marks(getattr(args, side)) for side in SIDES}
    if args.new:
        marks["tuned"][own.add(workspace, evaluation.project_id, args.new).id] = "present"
    if args.reference_wrong:
        marks[REFERENCE] = {REFERENCE_WRONG: "present"}
    event = LabelEvent(
        *(evaluation.id, id_, workspace.owner, args.better, {side: found for side, found in marks.items() if found}),
        *(args.correction.strip(), args.note.strip(), {side: g.id for side, g in item.generations.items()}),
        shown_order=SIDES,
        suggestions_visible=True,
        act="adjudicate" if args.settle else "label",
    )
    stored, said = actions.store(workspace, evaluation, event)
    lines = [f"Stored: row {args.row}, {'settled' if args.settle else 'labelled'}."]
    return stored.to_dict(), lines + ([said] if said else [])


def _marks(words: list[str]) -> dict[str, Mark]:
    """`misspelling` → present, `misspelling=unsure` → unsure. What is no mark is refused where it is stored."""
    parts = [word.partition("=") for word in words]
    return {label: cast(Mark, mark or "present") for label, _, mark in parts}


def _id_of(workspace: Workspace, evaluation: Job, row: int) -> str:
    known = answers.Answers(workspace, evaluation)
    ids = known.ids()
    for start in range(0, len(ids), 1000):
        for example in known.examples(ids[start : start + 1000]):
            if example.row == row and (not example.turn or example.turn.number == example.turn.of):
                return example.id
    raise UserError(f"{evaluation.title} has no answers to row {row}. `review queue` shows the rows it has.")


def _agreement(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    found = agreement.agreement(workspace, evaluation)
    differ = settled.disagreements(workspace, evaluation)
    rows = {e.id: e.row for e in answers.Answers(workspace, evaluation).examples(differ)}
    document = {"measures": {name: a.to_dict() for name, a in found.items()}, "disagreements": differ}
    if not found:
        return document, ["No row was labelled by two people yet: `review invite --overlap 2`."]
    lines = [f"{'':<14}{'items':>6}{'people':>8}  {'agree':<22}{'kappa':<24}{'alpha':<24}AC1"]
    lines += [_agreement_line(name, measured) for name, measured in found.items()]
    if differ:
        lines.append(
            "They disagree on rows " + ", ".join(str(rows[i]) for i in differ if i in rows) + ": `review label"
        )
        lines[-1] += " ROW --settle`."
    return document, lines


def _agreement_line(name: str, a: Agreement) -> str:
    rest = "".join(f"{_measure(m):<24}" for m in (a.kappa, a.alpha, a.ac1))
    return f"{name:<14}{a.items:>6}{a.annotators:>8}  {_share(a.percent):<22}{rest}".rstrip()


def _measure(m: Measure) -> str:
    if m.value is None:
        return "–"
    return f"{m.value:.2f}" + (f" ({m.low:.2f} to {m.high:.2f})" if m.low is not None and m.high is not None else "")


def _share(m: Measure | Estimate) -> str:
    """A share in percent, with its interval."""
    value = m.value if isinstance(m, Measure) else m.mean
    ends = f" ({m.low:.0%} to {m.high:.0%})" if m.low is not None and m.high is not None else ""
    return f"{value or 0:.0%}{ends}"


def _points(d: Interval) -> str:
    """A difference of two shares in points, with its interval."""
    ends = f" ({100 * d.low:+.1f} to {100 * d.high:+.1f})" if d.low is not None and d.high is not None else ""
    return f"{100 * d.difference:+.1f} points{ends}"


def _rates(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    if args.against is None:
        found, names = rates.error_rates(workspace, evaluation), ("base", "tuned")
    else:
        other = common.numbered(workspace, common.project(workspace, args), "evaluate", args.against)
        found, names = rates.compare_runs(workspace, other, evaluation), (other.title, evaluation.title)
    known = {i for r in found.rates for i in (*r.fixed, *r.broke)}
    rows = {e.id: e.row for e in answers.Answers(workspace, evaluation).examples(list(known))}
    lines = [f"{found.judged:,} of {found.drawn:,} rows of the random sample are labelled. {names[0]} → {names[1]}:"]
    for r in found.rates:
        if r.first and r.second and r.difference:
            lines.append(f"  {r.label}: {_share(r.first)} → {_share(r.second)}, {_points(r.difference)}, n = {r.n:,}")
        else:
            lines.append(f"  {r.label}: no row of the random sample was judged on both sides")
        for what, ids in (("fixed", r.fixed), ("broke", r.broke)):
            if ids:
                lines.append(f"    {what} {len(ids):,}: rows " + ", ".join(str(rows[i]) for i in ids if i in rows))
    if found.skipped:
        lines.append(f"{found.skipped:,} drawn rows were passed over: label them, or these rates are of a choice.")
    return found.to_dict(), lines


def _export(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    form = args.format or args.file.suffix.lower().removeprefix(".")
    if form not in exporting.FORMATS:
        raise UserError(f"Which format is “{args.file.name}”? Say it: --format {' | '.join(exporting.FORMATS)}.")
    check_new(args.file, (exporting.FORMATS[form][1],), "a file of these labels")
    exporting.write_labels(workspace, evaluation, args.file, form)
    lines = [f"Wrote {args.file}."]
    if form == "label-studio":
        interface = exporting.label_studio_config(workspace, evaluation)
        lines += ["Labelling interface of the project to import it into:", interface]
    return {"file": str(args.file), "bytes": args.file.stat().st_size}, lines


def _invite(workspace: Workspace, args: argparse.Namespace, evaluation: Job) -> Result:
    if args.revoke:
        invitations.revoke(workspace, evaluation, args.revoke)
        return {"revoked": args.revoke}, ["The link opens nothing any more. What was labelled by it stays."]
    if args.list:
        there = invitations.invitations(workspace, evaluation)
        lines = [f"{i.id}  {i.state:<8} until {i.expires[:10]}, {len(i.people)} of {i.places} came" for i in there]
        lines = [line + (f": {', '.join(i.people)}" if i.people else "") for line, i in zip(lines, there, strict=True)]
        return [vars(i) | {"state": i.state} for i in there], lines or ["Nobody is invited yet."]
    id_, secret = invitations.invite(workspace, evaluation, args.people, args.overlap, args.days)
    link = invitations.link(args.address, secret)
    many = "one person" if args.people == 1 else f"{args.people:,} people"
    lines = [
        link,
        f"For {many}, {args.days:,} days. It is shown this once; `review invite --revoke {id_}` takes it back.",
    ]
    return {"id": id_, "link": link}, lines
