"""The command line: every verb that the tabs use. Prints for people, or one JSON document with --json."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

from core import arguments, commands, evaluating, lessons, loop
from core.arguments import Result
from core.data import importing
from core.data.columns import Columns
from core.evaluation import report as files
from core.jobs import supervisor
from core.rendering import TEMPLATES
from core.settings import from_environment
from core.training import saved
from core.training.spec import PRESETS, RunSpec, TrainSettings, preset
from core.types import DatasetVersion, UserError
from core.workspace import Workspace, open_workspace

TEMPLATE_HELP = "chat template (default: the model's own, or `instruction` where it has none)"

INTERRUPTED = """No longer following. A job that was started goes on: see `python -m core runs`.
To stop it: `runs --stop N` for run N, `evaluate --stop` for an evaluation, `judge --stop` for a judgement."""

EPILOG = """The loop:
  python -m core import rows.jsonl            a file becomes a dataset version with a frozen split
  python -m core preview --row 3              one row, token by token, as it will be trained
  python -m core stats                        what of all rows will be trained, and which length fits
  python -m core train --preset quick         train and follow; Ctrl-C leaves the run running
  python -m core evaluate                     base against tuned on the frozen test rows
  python -m core compare                      several evaluations in one table
  python -m core review                       outputs side by side, with what the detectors flag
  python -m core learn                        answers corrected in the review become training rows
  python -m core export adapter my-adapter.zip

Everything is kept below TUNEWRIGHT_HOME (default: the platform's user-data folder)."""


def main(argv: list[str] | None = None) -> int:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    args = _parser().parse_args(argv)
    try:
        workspace = open_workspace(from_environment())
        result, lines = args.verb(workspace, args)
    except UserError as e:
        if args.json:
            print(json.dumps({"error": str(e)}, ensure_ascii=False))
        print(f"tunewright: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{INTERRUPTED}", file=sys.stderr)
        return 130
    print(json.dumps(result, ensure_ascii=False, indent=2) if args.json else "\n".join(lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m core", description=__doc__, epilog=EPILOG, formatter_class=formatter)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON document")
    shared.add_argument("--project", help="name of the project (default: the newest)")

    def verb(name: str, function, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=text, description=text, parents=[shared])
        made.set_defaults(verb=function)
        return made

    p = verb("import", _import, "Import a file as the project's next dataset version, with a frozen split.")
    p.add_argument("file", type=Path)
    p.add_argument("--prompt", help="column of the prompt (default: guessed)")
    p.add_argument("--answer", help="column of the answer")
    p.add_argument("--context", help="column of further text, set below the prompt")
    p.add_argument("--system", help="column of the system message")
    p.add_argument("--messages", help="column that holds whole conversations")
    p.add_argument("--rejected", help="column of a worse answer to the same prompt")
    p.add_argument("--mark", help="column that says whether the answer is good or bad")
    p.add_argument("--text", help="column of plain text, all of which is trained")
    p.add_argument("--labels", action="store_true", help="the answer is one of a few labels; name them in the prompt")
    p.add_argument("--validation", type=float, default=0.1, help="share of rows (default 0.1)")
    p.add_argument("--test", type=float, default=0.1, help="share of rows (default 0.1)")

    p = verb("preview", _preview, "Show one row as the model will see it, and what of the dataset will be trained.")
    p.add_argument("--row", type=int, default=1, help="number of the row in the file (default 1)")
    p.add_argument("--search", help="the first row that holds this text, instead of --row")
    _add_token_arguments(p)

    p = verb("stats", _stats, "Say what of the dataset will be trained, how long rows are, and which length fits.")
    _add_token_arguments(p)

    p = verb("train", _train, "Train on the newest dataset version and follow the run.")
    p.add_argument("--spec", type=Path, metavar="FILE", help="a run specification; what is given beside it counts more")
    p.add_argument("--print-spec", action="store_true", help="print what would be run, and do not start it")
    p.add_argument("--model", help="starter, an id of the Hub, or a folder (default: starter)")
    p.add_argument("--template", choices=["", *TEMPLATES], help=TEMPLATE_HELP)
    p.add_argument("--preset", choices=PRESETS, help="numbers to begin with (default: quick)")
    p.add_argument("--background", action="store_true", help="start and return at once")
    for f in fields(TrainSettings):
        flag = "--" + f.name.replace("_", "-")
        about = f"{f.metadata['label']}: {f.metadata['why']}"
        if "options" in f.metadata:
            about += f" One of {', '.join(f.metadata['options'])}."
        # None: as the preset or the specification has it.
        p.add_argument(flag, default=None, help=about.replace("%", "%%"))

    p = verb("runs", _runs, "List the project's runs and evaluations.")
    p.add_argument("--stop", type=int, metavar="N", help="ask run N to stop and save")
    p.add_argument("--resume", type=int, metavar="N", help="continue run N from its newest checkpoint")

    text = "Measure base against tuned on the frozen test rows, and on benchmarks."
    evaluating.add_evaluate(verb("evaluate", evaluating.evaluate, text))
    text = "Save a part of what a run learnt: as a run of its own, or with --out as a folder."
    evaluating.add_strength(verb("strength", evaluating.strength, text))
    evaluating.add_generate(verb("generate", evaluating.generate, "Let base and tuned answer one message."))
    commands.add_chat(verb("chat", commands.talk, commands.CHAT_HELP))
    commands.add_judge(verb("judge", commands.judged, commands.JUDGE_HELP))

    p = verb("review", _review, "Show base, tuned and reference side by side, with what the detectors flag.")
    p.add_argument("--evaluation", type=int, help="number of the evaluation (default: the newest)")
    p.add_argument("--rows", type=int, default=10, help="how many rows (default 10)")

    p = verb("learn", _learn, "Make training rows of an evaluation's corrected answers: the next dataset version.")
    p.add_argument("--evaluation", type=int, help="number of the evaluation (default: the newest)")

    p = verb("compare", evaluating.compare, "Show several evaluations in one table, a row each.")
    p.add_argument("evaluation", type=int, nargs="*", help="their numbers (default: all that are finished)")

    p = verb("export", _export, "Write an evaluation's labels or report, or the adapter of a run, to a file.")
    p.add_argument("what", choices=("labels", "adapter", "report"))
    p.add_argument("file", type=Path)
    p.add_argument("--run", type=int)
    p.add_argument("--evaluation", type=int)

    p = verb("demo", _demo, "Run the sample project through the whole loop and end with a short report.")
    p.add_argument("--preset", choices=PRESETS, default="quick")
    p.add_argument("--rows", type=int, help="use only the first N test rows")
    return parser


def _add_token_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="starter", help="starter, an id of the Hub, or a folder")
    parser.add_argument("--template", default="", choices=["", *TEMPLATES], help=TEMPLATE_HELP)
    parser.add_argument("--max-length", type=int, default=512)


def _import(workspace: Workspace, args) -> Result:
    if not args.file.is_file():
        raise UserError(f"There is no file {args.file}. Check the path.")
    project = arguments.project(workspace, args) if workspace.projects() else workspace.create_project("My project")
    names = ("prompt", "answer", "context", "system", "messages", "rejected", "mark", "text")
    named = {name: getattr(args, name) for name in names}
    columns = Columns(**named, label_task=args.labels) if any(named.values()) else None
    version, problems = importing.import_file(
        workspace, project.id, args.file, columns, validation=args.validation, test=args.test
    )
    lines = [f"{version.title}: " + ", ".join(f"{n} {split}" for split, n in version.counts.items())]
    lines += [f"  {p}" for p in problems[:20]] + ([f"  … and {len(problems) - 20} more"] if len(problems) > 20 else [])
    return {"version": asdict(version), "problems": [asdict(p) for p in problems]}, lines


def _preview(workspace: Workspace, args) -> Result:
    version = arguments.version(workspace, args)
    examples = workspace.examples(version.id)
    if args.search:
        needle = args.search.casefold()
        example = next((e for e in examples if needle in e.prompt.casefold() or needle in e.target.casefold()), None)
        wanted = f"row that holds “{args.search}”"
    else:
        example = next((e for e in examples if e.row == args.row), None)
        wanted = f"row {args.row}"
    if example is None:
        raise UserError(f"{version.title} has no {wanted}. It may have been left out at import.")
    settings = TrainSettings.from_dict({"max_length": args.max_length})
    shown = loop.preview(workspace, args.model, example, settings.max_length, _progress, args.template)
    lines = [shown.rendered.text, ""]
    for t in shown.tokens:
        lines.append(f"{t.position:>5}  {t.id:>7}  {'trained' if t.trained else 'cut' if t.cut else '':<8}{t.text!r}")
    lines += ["", *map(str, shown.problems), *_report_lines(_report(workspace, version, args, settings))]
    document = {
        "row": example.row,
        "text": shown.rendered.text,
        "tokens": [asdict(t) for t in shown.tokens],
        "problems": [asdict(p) for p in shown.problems],
        "dataset": _report(workspace, version, args, settings).to_dict(),
    }
    return document, lines


def _stats(workspace: Workspace, args) -> Result:
    version = arguments.version(workspace, args)
    report = _report(workspace, version, args, TrainSettings.from_dict({"max_length": args.max_length}))
    return report.to_dict(), _report_lines(report)


def _report(workspace: Workspace, version, args, settings: TrainSettings):
    return loop.tokens_of(workspace, args.model, version.id, settings, _progress, args.template)


def _report_lines(r) -> list[str]:
    share = r.trained_tokens / r.tokens if r.tokens else 0
    return [
        f"{r.kept:,} of {r.rows:,} rows are trained; {r.truncated:,} are cut, {r.dropped:,} dropped, {r.without_end:,} "
        "end without their end-of-turn token.",
        f"{r.trained_tokens:,} of {r.tokens:,} tokens ({share:.0%}) are trained in a pass. Padding would feed "
        f"{r.padded_tokens:,}, shared prefixes feed about {r.packed_tokens:,}.",
        f"Suggested maximum length: {r.suggested_length:,}, because {r.suggested_because}.",
        f"{r.text['pieces_per_word']:.2f} pieces per word, {r.text['bytes']:.1%} single bytes, "
        f"{r.text['unknown']:.1%} unknown (on {r.text['sampled_rows']:,} rows).",
    ]


def _train(workspace: Workspace, args) -> Result:
    version, spec = _spec(workspace, args)
    if args.print_spec:
        text = saved.to_text(spec)
        return json.loads(text), [text.rstrip()]
    job = loop.start_training(workspace, version.project_id, spec)
    return arguments.follow(workspace, job, args)


def _spec(workspace: Workspace, args) -> tuple[DatasetVersion, RunSpec]:
    """What `train` runs: a file's specification or a preset, and over it what was given as a flag."""
    given = {f.name: getattr(args, f.name) for f in fields(TrainSettings) if getattr(args, f.name) is not None}
    flags = {name: value for name in ("model", "template") if (value := getattr(args, name)) is not None}
    if args.spec is None:
        version, name = arguments.version(workspace, args), args.preset or "quick"
        begin = preset(name, *(given.get(f, asdict(PRESETS[name][1])[f]) for f in ("method", "objective")))
        spec = RunSpec("starter", version.id, "", begin, preset=name)
    elif args.preset:
        raise UserError("Give --spec or --preset, not both: each brings all the numbers.")
    else:
        spec = saved.read(args.spec)
        version = _version_of(workspace, args, spec)
    settings = TrainSettings.from_dict({**asdict(spec.settings), **given})
    rows_file = str(workspace.rows_file(version.id))
    return version, replace(spec, dataset_version=version.id, rows_file=rows_file, settings=settings, **flags)


def _version_of(workspace: Workspace, args, spec: RunSpec) -> DatasetVersion:
    """The specification's own dataset version where it is here (and of --project), else the project's newest."""
    try:
        found = workspace.version(spec.dataset_version)
    except UserError:
        return arguments.version(workspace, args)
    elsewhere = args.project and found.project_id != arguments.project(workspace, args).id
    return arguments.version(workspace, args) if elsewhere else found


def _runs(workspace: Workspace, args) -> Result:
    project = arguments.project(workspace, args)
    if args.stop is not None:
        supervisor.stop(workspace, arguments.numbered(workspace, project, "train", args.stop))
    if args.resume is not None:
        supervisor.resume(workspace, arguments.numbered(workspace, project, "train", args.resume))
    supervisor.tick(workspace)
    found = [arguments.describe(workspace, job) for job in workspace.jobs(project.id)]
    lines = [f"{d['title']:<40} {d['state']:<10} {d['message']}" for d in found]
    return found, lines or ["No runs yet. Start one with: python -m core train"]


def _review(workspace: Workspace, args) -> Result:
    evaluation = arguments.evaluation(workspace, args)
    made = loop.generations(workspace, evaluation)
    flags = loop.suggestions(workspace, evaluation)
    result, lines = [], []
    for e in loop.reviewed_examples(workspace, evaluation)[: args.rows]:
        sides = {}
        lines += [f"Row {e.row}: {e.prompt}", f"  reference  {e.target}"]
        for side in ("base", "tuned"):
            generation = made[e.id][side]
            found = [s for s in flags.get(generation.id, []) if s.flagged]
            sides[side] = {**generation.to_dict(), "flagged": [s.to_dict() for s in found]}
            lines.append(f"  {side:<9}  {generation.text}")
            lines += [f"             [{s.label}] {s.reason}" for s in found]
        lines.append("")
        result.append({"example": e.to_dict(), **sides})
    counts = loop.flag_counts(workspace, evaluation)
    lines += [f"Flagged, {side}: " + ", ".join(f"{n} {label}" for label, n in c.items()) for side, c in counts.items()]
    return {"rows": result, "flagged": counts}, lines


def _learn(workspace: Workspace, args) -> Result:
    version, made = lessons.learn(workspace, arguments.evaluation(workspace, args))
    line = f"{version.title}: {len(made.corrected)} corrected, " + ", ".join(
        f"{n} {s}" for s, n in version.counts.items()
    )
    return {"version": asdict(version), "corrected": [e.to_dict() for e in made.corrected], "moved": made.moved}, [line]


def _export(workspace: Workspace, args) -> Result:
    if args.file.exists():
        raise UserError(f"{args.file} exists already; nothing was overwritten. Choose another name.")
    if args.what == "labels":
        args.file.write_text(loop.export_labels(workspace, arguments.evaluation(workspace, args)), encoding="utf-8")
    elif args.what == "report":
        files.write(loop.document(workspace, arguments.evaluation(workspace, args)), args.file)
    else:
        from core.sharing import adapter

        adapter.write_zip(workspace, arguments.run(workspace, args), args.file)
    return {"file": str(args.file), "bytes": args.file.stat().st_size}, [f"Wrote {args.file}."]


def _demo(workspace: Workspace, args) -> Result:
    from core import demo

    report = demo.run(workspace, arguments.say(args), args.preset, args.rows)
    lines = ["", *report["sentences"], f"The whole loop took {report['seconds']:.0f} seconds."]
    for sample in report["examples"]:
        lines += ["", *(f"{name:>9}: {text}" for name, text in sample.items())]
    return report, lines


def _progress(share: float, what: str) -> None:
    print(f"\r{share:4.0%}  {what}", end="" if share < 1 else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
