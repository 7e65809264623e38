"""An evaluation's report as a file to keep or share: Markdown, HTML or JSON, with everything needed to repeat it.

Reads a report, and the `about` that `core.evaluation.actions.document` adds; computes nothing new.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from core.evaluation.report.measures import headline_line, measures, warning
from core.evaluation.report.sentences import summarise
from core.evaluation.report.tables import (
    HEAD,
    benchmark_method,
    details_table,
    method,
    questions,
    row,
    size_of,
    table_rows,
    tables,
)
from core.evaluation.result import Report
from core.evaluation.spec import EvaluationChoice, EvaluationSpec
from core.files import check_new, new_file

FORMATS = (".html", ".md", ".json")


def check(path: Path) -> None:
    """Raises UserError where no report can be written: another ending, a file that is there, a missing folder."""
    check_new(path, FORMATS, "a report")


def write(report: Report, path: Path) -> None:
    """Write the report as the ending of `path` says. Raises UserError as `check`."""
    check(path)
    with new_file(path) as partial:
        partial.write_text(to_text(report, path.suffix.lower()), encoding="utf-8")


def to_text(report: Report, ending: str) -> str:
    """The file's content; `ending` is one of FORMATS. Problems name the benchmark folder without what it lies in."""
    report = _without_folders(report)
    if ending == ".json":
        return json.dumps(report.to_dict(), ensure_ascii=False, indent=2) + "\n"
    if ending == ".md":
        return to_markdown(report)
    from core.evaluation.report.html import to_html

    return to_html(report)


def _without_folders(report: Report) -> Report:
    """What is wrong with a file of the benchmark folder is told with its whole path, which shows a person's folders."""
    name = Path(report.spec.benchmark_folder or "").name
    if not name:
        return report
    # An absolute path that comes to a folder of that name.
    path = re.compile(rf"(?<![^\s“\"'(])(?:[A-Za-z]:)?[/\\](?:.*[/\\])?{re.escape(name)}(?![\w-])")
    bare = lambda text: path.sub(lambda _: name, text)  # noqa: E731
    return replace(report, problems=tuple(replace(p, what=bare(p.what), fix=bare(p.fix)) for p in report.problems))


def to_lines(report: Report) -> list[str]:
    """For a terminal: the sentences, the warning, and every measure in aligned columns."""
    _, forgotten = warning(measures(report))
    further = details_table(report)
    rows = [HEAD, *table_rows(report), *(further[2] if further else [])]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(HEAD))]
    aligned = [
        "  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))]).rstrip()
        for first, *others in rows
    ]
    return [*summarise(report), *([forgotten] if forgotten else []), "", *aligned]


def model_card_section(report: Report) -> str:
    """What a model card says of the evaluation, in Markdown: the sentences, the warning, and the main numbers."""
    all_measures, about = measures(report), report.about
    if not all_measures:
        return ""
    _, forgotten = warning(all_measures)
    number = f"Evaluation {about.evaluation}: base" if about else "Base"
    lines = ["## Evaluation", "", f"{number} against tuned on rows and questions that were never trained.", ""]
    lines += [f"- {_plain(line)}" for line in summarise(report)[:1]]
    lines += [f"- {_plain(forgotten)}"] if forgotten else []
    lines += _table(HEAD, [row(m) for m in all_measures if m.main])
    lines += ["", *(f"- {name}: {_plain(value)}" for name, value in benchmark_method(report))]
    if about:
        lines += ["", f"`{about.command}`", *(["", _plain(note)] if (note := questions(report)) else [])]
    return "\n".join([*lines, ""])


def to_markdown(report: Report) -> str:
    """A whole page: the sentences, the tables, and how they were made."""
    about = report.about
    parts = ["# Base against tuned", ""]
    if about:
        parts += [_plain(f"Evaluation {about.evaluation} of run {about.run} in “{about.project}”."), ""]
    if first := headline_line(report):
        parts += [f"**{_plain(first[0])}** {_plain(first[1])}", ""]
    parts += [f"- {_plain(line)}" for line in summarise(report)]
    level, text = warning(measures(report))
    parts += ["", f"> {_plain(text)}"] if level else []
    parts += _table(HEAD, table_rows(report))
    for title, head, rows in tables(report):
        parts += ["", f"## {title}", *_table(head, rows)]
    parts += ["", "## How it was measured", "", *(f"- {name}: {_plain(value)}" for name, value in method(report))]
    if about:
        parts += ["", "Repeat it with:", "", "```", about.command, "```"]
        parts += ["", _plain(note)] if (note := questions(report)) else []
    return "\n".join([*parts, ""])


def command(spec: EvaluationSpec, run: int) -> str:
    """The command line that measures the same again: `run` is the run's number in its project."""
    words = ["python", "-m", "core", "evaluate", "--run", str(run)]
    words += ["--rows", str(spec.max_rows)] if spec.max_rows else []
    words += ["--answers", spec.answers] if spec.answers != "last" else []
    words += ["--max-new-tokens", str(spec.decoding.max_new_tokens)]
    room = spec.decoding.reasoning_tokens
    words += ["--reasoning-tokens", str(room)] if room != EvaluationChoice().reasoning_tokens else []
    for name in spec.benchmarks:
        words += ["--benchmark", name]
    if spec.benchmarks:
        words += size_of(spec)
        words += ["--shots", *(f"{k}={n}" for k, n in spec.shots.items())] if spec.shots else []
        words += ["--folder", "BENCHMARKS"] if spec.benchmark_folder else []
        words += ["--early-stop"] if spec.early_stop else []
        words += ["--chat-template"] if spec.chat_template else []
    if spec.strengths:
        words += ["--strengths", ",".join(f"{s:g}" for s in spec.strengths)]
    words += ["--checkpoints"] if spec.checkpoints else []
    words += ["--seed", str(spec.seed)] if spec.seed else []
    return shlex.join(words)


def _plain(text: str) -> str:
    """Text that a file or a model may have written, as Markdown text and on one line."""
    text = " ".join(str(text).split())
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "#"):
        text = text.replace(mark, f"\\{mark}")
    return text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    return ["", _table_row(head), _table_row(["---", *["---:"] * (len(head) - 1)]), *map(_table_row, rows)]


def _table_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in cells) + " |"
