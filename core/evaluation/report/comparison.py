"""Several evaluations in one table: a row each, a column for each measure that any of them has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.evaluation.report.measures import Measure, listed, measures
from core.evaluation.result import Report

Named = tuple[str, Report, dict[str, Measure]]
"""(name, report, its main measures by key)"""


def compare(reports: Sequence[tuple[str, Report]]) -> tuple[list[str], list[list[str]], list[str]]:
    """(head, rows, remarks) of (name, report) pairs. A cell is base → tuned with the difference and its interval.

    Remarks say which columns were measured on different rows or questions: their numbers differ for that reason too.
    """
    named = [(name, report, {m.key: m for m in measures(report) if m.main}) for name, report in reports]
    columns = {key: m.name for _, _, by_key in named for key, m in by_key.items()}
    order = sorted(columns, key=lambda key: any(k.get(key) and k[key].group == "benchmarks" for _, _, k in named))
    rows = [[name, _model(report), *(_cell(by_key.get(key)) for key in order)] for name, report, by_key in named]
    return ["Evaluation", "Base model", *(columns[key] for key in order)], rows, _remarks(named, columns)


def to_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """For a terminal: a block for each evaluation, as wide tables do not fit."""
    lines = []
    for name, model, *cells in rows:
        lines.append(f"{name}, {model}")
        lines += [f"  {m:<24} {c.replace(chr(10), '  ')}" for m, c in zip(head[2:], cells, strict=True) if c != "–"]
    return lines


def _model(report: Report) -> str:
    return report.spec.model.rstrip("/").split("/")[-1]


def _cell(m: Measure | None) -> str:
    if m is None:
        return "–"
    d = m.difference
    change = f"{m.signed(d.difference)} ({m.interval})" if m.known else m.signed(d.difference)
    return f"{m.plain(d.base)} → {m.plain(d.tuned)}\n{change}"


def _remarks(named: Sequence[Named], columns: dict[str, str]) -> list[str]:
    """Which columns were measured on different things, and of what."""
    remarks = []
    for group, what in (("rows", "test rows or lengths of answers"), ("benchmarks", "questions, shots or prompts")):
        differ = []
        for key, name in columns.items():
            asked = {_asked(report, k[key]) for _, report, k in named if key in k and k[key].group == group}
            differ += [name] if len(asked) > 1 else []
        if differ:
            remarks.append(
                f"{listed(differ)}: measured on different {what}, so compare within a row, not down a column."
            )
    return remarks


def _asked(report: Report, m: Measure) -> tuple[Any, ...]:
    """What the measure was of: equal of two reports whose numbers can be compared."""
    if m.result:
        r = m.result
        return r.n, r.seed, r.shots, r.version, r.metric, r.chat_template, r.source
    spec = report.spec
    rows = spec.dataset_version, spec.split, spec.max_rows, spec.answers
    return *rows, spec.decoding.max_new_tokens, spec.decoding.reasoning_tokens
