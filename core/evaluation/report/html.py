"""The report as one HTML file: no script, nothing fetched, readable on paper. Its page is report.html.j2.

The picture is an SVG forest plot: one line for each measure, its interval, and the zero line that all of them share.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.evaluation.benchmarks.table import about
from core.evaluation.report.measures import Measure, headline_line, measures, warning
from core.evaluation.report.sentences import summarise
from core.evaluation.report.tables import DETAILS, HEAD, method, questions, table_rows, tables
from core.evaluation.result import Report

if TYPE_CHECKING:
    from jinja2 import Template

MOST_QUESTIONS = 40
"""Of each benchmark that are shown lost, and gained; the others are in the JSON file."""
MOST_CHARACTERS = 1500


def to_html(report: Report) -> str:
    all_measures = measures(report)
    level, text = warning(all_measures)
    return _template().render(
        about=report.about,
        sentences=summarise(report) or ["Nothing was measured."],
        picture=forest(all_measures),
        level=level,
        warning=text,
        head=HEAD,
        rows=table_rows(report),
        tables=tables(report),
        folded=DETAILS,
        headline=headline_line(report),
        overlapping=[r for r in report.benchmarks.values() if r.overlap and r.overlap.n],
        changed=[(r, about(key)) for key, r in report.benchmarks.items() if r.lost or r.gained],
        method=method(report),
        note=questions(report),
        specification=json.dumps(report.spec.to_dict(), ensure_ascii=False, indent=2),
        most_questions=MOST_QUESTIONS,
        most_characters=MOST_CHARACTERS,
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["shortened"] = _short
    return environment.get_template("report.html.j2")


@dataclass(frozen=True)
class Mark:
    """A measure in the picture, its places in pixels."""

    name: str
    values: str
    """Base and tuned."""
    change: str
    interval: str
    verdict: str
    y: int
    low: str
    gain: str
    high: str


@dataclass(frozen=True)
class Panel:
    """Measures that share a scale."""

    title: str
    top: int
    bottom: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Picture:
    height: int
    panels: tuple[Panel, ...]
    width: int = 820
    centre: int = 470
    """Of the interval's part: where 0 is."""
    left: int = 310
    right: int = 630
    about: str = "Differences, tuned against base, with 95 % intervals. Right of the line is better."


LINE = 34
"""Pixels of a measure."""


def forest(all_measures: Sequence[Measure]) -> Picture | None:
    """The measures with intervals: name and values left, the interval in the middle, the numbers right.

    Their rows and the benchmarks have scales of their own, each with 0 in the middle: right of it is better.
    """
    shown = [m for m in all_measures if m.main and m.known]
    of_rows, elsewhere = ([m for m in shown if m.group == group] for group in ("rows", "benchmarks"))
    groups = (
        ("Your rows", [m for m in of_rows if m.key != "loss"]),
        ("The loss on your rows", [m for m in of_rows if m.key == "loss"]),
        ("Elsewhere: benchmarks, in points", [m for m in elsewhere if m.kind == "points"]),
        ("Elsewhere: other metrics", [m for m in elsewhere if m.kind != "points"]),
    )
    panels, y = [], 0
    for title, members in groups:
        if members:
            panels.append(_panel(title, members, y))
            y += LINE * len(members) + 58
    return Picture(y, tuple(panels)) if panels else None


def _panel(title: str, members: Sequence[Measure], top: int) -> Panel:
    reach = max(max(abs(x) for x in m.gain) for m in members) or 1
    half = Picture.right - Picture.centre
    marks = []
    for n, m in enumerate(members):
        gain, low, high = (f"{Picture.centre + half * x / reach:.1f}" for x in m.gain)
        d = m.difference
        values, change = f"{m.plain(d.base)} → {m.plain(d.tuned)}", m.signed(d.difference)
        y = top + 26 + LINE * n + LINE // 2
        marks.append(Mark(_short(m.name, 26), values, change, m.interval, m.verdict, y, low, gain, high))
    return Panel(title, top, top + 26 + LINE * len(members), tuple(marks))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
