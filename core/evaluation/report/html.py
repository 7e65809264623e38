"""The report as one HTML file: no script, nothing fetched, readable on paper. Every text is escaped.

The picture is an SVG forest plot: one line for each measure, its interval, and the zero line that all of them share.
"""

from __future__ import annotations

import html
import json
from typing import Any

from core.evaluation.report.measures import ABOUT, Measure, Value, measures, warning
from core.evaluation.report.sentences import summarise
from core.evaluation.report.tables import HEAD, method, questions, table_rows, tables

MOST_ITEMS = 40
"""Questions of each benchmark that are shown lost, and gained; the others are in the JSON file."""
MOST_CHARACTERS = 1500

STYLE = """
:root { color-scheme: light dark; --ink: #1f2530; --muted: #5a6372; --line: #d9dbe0; --page: #fff; --soft: #f5f5f3;
  --better: #2f7a4d; --worse: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6eb; --muted: #9aa3b2; --line: #323945; --page: #14171c;
  --soft: #1d222a; --better: #7fc79a; --worse: #f2a19b; } }
@media print { :root { --ink: #000; --muted: #444; --line: #bbb; --page: #fff; --soft: #fff; --better: #1e6b3c;
  --worse: #a01d16; } details { break-inside: avoid; } h2 { break-after: avoid; } }
body { margin: 0 auto; max-width: 860px; padding: 28px 20px 60px; background: var(--page); color: var(--ink);
  font: 15px/1.55 ui-sans-serif, system-ui, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 4px; } h2 { font-size: 1.08rem; margin: 30px 0 8px; }
.detail { color: var(--muted); } .lead { font-size: 1.12rem; font-weight: 550; margin: 10px 0; }
.warning { border-left: 4px solid var(--worse); padding: 8px 14px; background: var(--soft); }
.note { border-left: 4px solid var(--line); padding: 8px 14px; background: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: right; padding: 5px 9px; border-bottom: 1px solid var(--line); }
th { overflow-wrap: normal; } td { font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } th { color: var(--muted); font-weight: 550; }
dl { display: grid; grid-template-columns: minmax(120px, 190px) 1fr; gap: 4px 16px; font-size: 0.9rem; }
dt { color: var(--muted); } dd { margin: 0; }
pre { background: var(--soft); border: 1px solid var(--line); padding: 10px 12px; border-radius: 6px;
  white-space: pre-wrap; font-size: 0.84rem; }
details { margin: 8px 0; } summary { cursor: pointer; font-weight: 550; }
.item { border: 1px solid var(--line); border-radius: 6px; padding: 8px 12px; margin: 8px 0; break-inside: avoid; }
.item p { margin: 0 0 4px; white-space: pre-wrap; } .item ol { margin: 0; padding-left: 24px; list-style: upper-alpha; }
.mark { color: var(--muted); font-size: 0.85em; margin-left: 6px; } .right { font-weight: 600; }
svg { width: 100%; min-width: 640px; height: auto; font: 12.5px ui-sans-serif, system-ui, sans-serif; }
svg text { fill: var(--ink); }
svg .quiet { fill: var(--muted); } svg .zero { stroke: var(--muted); } svg .grid { stroke: var(--line); }
.better { stroke: var(--better); fill: var(--better); } .worse { stroke: var(--worse); fill: var(--worse); }
.unclear { stroke: var(--muted); fill: var(--page); } svg line { stroke-width: 2; } svg line.zero { stroke-width: 1; }
"""


def to_html(report: Value) -> str:
    about, found = report.get("about") or {}, measures(report)
    first, *others = summarise(report) or ["Nothing was measured."]
    level, text = warning(found)
    title = "Base against tuned"
    what = f"Evaluation {about['evaluation']} of run {about['run']} in “{about['project']}”" if about else ""
    when = f", {about['created'][:16].replace('T', ' ')} UTC" if about.get("created") else ""
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="detail">{_e(what + when)}</p>' if what else "",
        f'<p class="lead">{_e(first)}</p>',
        forest(found),
        f'<p class="{"warning" if level == "warning" else "note"}">{_e(text)}</p>' if level else "",
        "".join(f"<p>{_e(line)}</p>" for line in others),
        "<h2>Every number</h2>" + _table(HEAD, table_rows(report)) if found else "",
        *(f"<h2>{_e(name)}</h2>{_table(head, rows)}" for name, head, rows in tables(report)),
        *(_items(key, task) for key, task in (report.get("benchmarks") or {}).items()),
        "<h2>How it was measured</h2><dl>",
        *(f"<dt>{_e(name)}</dt><dd>{_e(value)}</dd>" for name, value in method(report)),
        "</dl>",
        f"<h2>Repeat it</h2><pre>{_e(about['command'])}</pre><p>{_e(questions(report))}</p>"
        if about.get("command")
        else "",
        f"<details><summary>Specification</summary><pre>{_e(_json(report.get('spec')))}</pre></details>",
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}'
    body = "\n".join(part for part in parts if part)
    head = f'<html lang="en"><head>{head}</title><style>{STYLE}</style></head>'
    return f"<!doctype html>\n{head}\n<body>\n{body}\n</body></html>\n"


WIDTH, LINE, CENTRE, HALF = 820, 34, 470, 160


def forest(found: list[Measure]) -> str:
    """The measures with intervals as SVG: name and values left, the interval in the middle, the numbers right.

    Their rows and the benchmarks have scales of their own, each with 0 in the middle: right of it is better.
    """
    panels = [
        ("The loss on your rows", [m for m in found if m.main and m.known and m.key == "loss"]),
        ("Your rows", [m for m in found if m.main and m.known and m.group == "rows" and m.key != "loss"]),
        ("Elsewhere: benchmarks, in points", [m for m in found if m.main and m.known and m.kind == "points"]),
        ("Elsewhere: other metrics", [m for m in found if _other(m)]),
    ]
    drawn, y = [], 0
    for title, members in panels:
        if members:
            drawn.append(_panel(title, members, y))
            y += LINE * len(members) + 58
    if not drawn:
        return ""
    about = "Differences, tuned against base, with 95 % intervals. Right of the line is better."
    head = f'<svg viewBox="0 0 {WIDTH} {y}" role="img" aria-label="{about}">'
    picture = f'<div class="wide">{head}{"".join(drawn)}</svg></div>'
    return f'{picture}<p class="detail">{about} Filled: there is a difference; hollow: it cannot be told.</p>'


def _other(m: Measure) -> bool:
    return m.main and m.known and m.group == "benchmarks" and m.kind != "points"


def _panel(title: str, members: list[Measure], top: int) -> str:
    reach = max(max(abs(x) for x in m.gain) for m in members) or 1
    place = lambda x: CENTRE + HALF * x / reach  # noqa: E731
    bottom = top + 26 + LINE * len(members)
    parts = [f'<text x="0" y="{top + 16}" class="quiet">{_e(title)}</text>']
    parts.append(f'<line class="zero" x1="{CENTRE}" x2="{CENTRE}" y1="{top + 24}" y2="{bottom}"/>')
    for n, m in enumerate(members):
        y = top + 26 + LINE * n + LINE // 2
        gain, low, high = m.gain
        d = m.difference
        values = f"{m.plain(d['base'])} → {m.plain(d['tuned'])}"
        parts += [
            f'<text x="0" y="{y + 4}">{_e(_short(m.name, 26))}</text>',
            f'<text x="298" y="{y + 4}" text-anchor="end" class="quiet">{_e(values)}</text>',
            f'<line class="{m.verdict}" x1="{place(low):.1f}" x2="{place(high):.1f}" y1="{y}" y2="{y}"/>',
            f'<circle class="{m.verdict}" cx="{place(gain):.1f}" cy="{y}" r="5" stroke-width="2"/>',
            f'<text x="{WIDTH}" y="{y + 4}" text-anchor="end">{_e(m.signed(d["difference"]))} '
            f'<tspan class="quiet">({_e(m.interval)})</tspan></text>',
        ]
    ends = ((-1, "start", "worse"), (1, "end", "better"))
    for side, anchor, word in ends:
        text = f"← {word}" if side < 0 else f"{word} →"
        parts.append(
            f'<text x="{place(side * reach):.0f}" y="{bottom + 14}" text-anchor="{anchor}" class="quiet">{text}</text>'
        )
    return "".join(parts)


def _items(key: str, task: Value) -> str:
    """The questions that changed, with their choices."""
    shown = []
    for kind, word in (("lost", "Right before, wrong now"), ("gained", "Wrong before, right now")):
        items = task.get(kind) or []
        if not items:
            continue
        more = len(items) - MOST_ITEMS
        rest = f'<p class="detail">… and {more:,} more, in the JSON report.</p>' if more > 0 else ""
        listed = "".join(_item(item) for item in items[:MOST_ITEMS])
        shown.append(f"<details><summary>{word}: {len(items):,}</summary>{listed}{rest}</details>")
    if not shown:
        return ""
    about = f'<p class="detail">{_e(ABOUT[key])}</p>' if key in ABOUT else ""
    return f"<h2>{_e(task.get('title', key))}: questions that changed</h2>{about}{''.join(shown)}"


def _item(item: dict[str, Any]) -> str:
    choices = []
    for n, choice in enumerate(item["choices"]):
        said = [word for side, word in (("gold", "right"), ("base", "base"), ("tuned", "tuned")) if item.get(side) == n]
        marks = "".join(f'<span class="mark">[{word}]</span>' for word in said)
        kind = ' class="right"' if item.get("gold") == n else ""
        choices.append(f"<li><span{kind}>{_e(_short(str(choice), MOST_CHARACTERS))}</span>{marks}</li>")
    question = _e(_short(str(item["question"]), MOST_CHARACTERS))
    return f'<div class="item"><p>{question}</p><ol>{"".join(choices)}</ol></div>'


def _table(head, rows) -> str:
    cells = "".join(f"<th>{_e(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{_e(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _e(text: object) -> str:
    return html.escape(str(text), quote=True)
