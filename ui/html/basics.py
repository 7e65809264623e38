"""What every tab is made of: sentences, figures, tables, folds."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import escape as esc

from core.errors import Problem


def lead(sentence: str, detail: str = "") -> str:
    """The one sentence at the top of a tab that answers its question."""
    more = f'<p class="tw-detail">{esc(detail)}</p>' if detail else ""
    return f'<div class="tw-lead"><p>{esc(sentence)}</p>{more}</div>'


def empty(what: str, next_step: str) -> str:
    return f'<div class="tw-empty"><p>{esc(what)}</p><p class="tw-detail">{esc(next_step)}</p></div>'


def note(level: str, text: str) -> str:
    return f'<div class="tw-note tw-{esc(level)}">{esc(text)}</div>'


def problems(remarks: Sequence[Problem], most: int = 50, count: int = 0) -> str:
    """Problems with their row numbers; the first `most` of them. `count`: of all, where not all are given."""
    if not remarks:
        return ""
    items = "".join(
        f'<li class="tw-{p.level}"><span class="tw-where">{f"row {p.row}" if p.row is not None else "file"}</span>'
        f"<span>{esc(p.what)} <em>{esc(p.fix)}</em></span></li>"
        for p in remarks[:most]
    )
    left = max(count, len(remarks)) - len(remarks[:most])
    more = f'<p class="tw-detail">… and {left:,} more.</p>' if left else ""
    return f'<ul class="tw-problems">{items}</ul>{more}'


BRAND = '<h1 class="tw-brand">Tunewright</h1>'


def figures(cells: Sequence[tuple[str, str, str, str]]) -> str:
    """Numbers in boxes: (name, value, a word on it, level or empty)."""
    boxes = "".join(
        f'<div class="tw-{esc(level)}"><dt>{esc(name)}</dt><dd>{esc(value)}</dd><small>{esc(word)}</small></div>'
        for name, value, word, level in cells
    )
    return f'<dl class="tw-figures tw-wide">{boxes}</dl>'


def progress(share: float | None, title: str, detail: str = "") -> str:
    """A bar that is filled to `share` (0 to 1); None: going on, no share known."""
    width = "" if share is None else f' style="width:{100 * min(1, max(0, share)):.1f}%"'
    kind = " tw-unknown" if share is None else ""
    value = "" if share is None else f' aria-valuenow="{100 * share:.0f}"'
    return (
        '<div class="tw-progress"><div class="tw-progress-text">'
        f"<strong>{esc(title)}</strong><span>{esc(detail)}</span></div>"
        f'<div class="tw-track" role="progressbar" aria-valuemin="0" aria-valuemax="100"{value}>'
        f'<div class="tw-fill{kind}"{width}></div></div></div>'
    )


def checklist(steps: Sequence[tuple[str, str, str, bool]], hint: str) -> str:
    """The way through the rooms. `steps`: (tab, state done|now|later, what is there, is it the next to do)."""
    marks = {"done": "✓", "now": "●", "later": "○"}
    items = "".join(
        f'<li class="tw-{state}{" tw-next" if is_next else ""}"><button type="button" data-goto="{esc(tab)}">'
        f'<span class="tw-mark" aria-label="{state}">{marks[state]}</span><span><b>{esc(tab)}</b>'
        f"<small>{esc(what)}</small></span></button></li>"
        for tab, state, what, is_next in steps
    )
    return f'<nav class="tw-checklist"><ol>{items}</ol><p class="tw-hint">{esc(hint)}</p></nav>'


def quote(title: str, text: str, kind: str) -> str:
    return (
        f'<section class="tw-side tw-side-{esc(kind)}"><h4>{esc(title)}</h4>'
        f'<div class="tw-answer" dir="auto">{esc(text)}</div></section>'
    )


def side(title: str, kind: str, body: str, detail: str = "") -> str:
    """A column of the review page; `body` is HTML made by `answer`."""
    head = f"<h4>{esc(title)} <small>{esc(detail)}</small></h4>"
    return f'<section class="tw-side tw-side-{esc(kind)}">{head}{body}</section>'


def table(head: Sequence[str], lines: Sequence[Sequence[str]], kind: str = "") -> str:
    """A plain table: first column text, the others right-aligned numbers. `kind` is a further class."""
    cells = "".join(f"<th>{esc(h)}</th>" for h in head)
    body = "".join("<tr>" + "".join(f"<td>{esc(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    return (
        f'<div class="tw-scroll"><table class="tw-table tw-numbers {kind}"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def log(lines: Sequence[str]) -> str:
    return f'<pre class="tw-log" tabindex="0">{esc(chr(10).join(lines))}</pre>'


def sentences(texts: Sequence[str]) -> str:
    return '<div class="tw-sentences">' + "".join(f"<p>{esc(t)}</p>" for t in texts) + "</div>"


def heading(title: str) -> str:
    """A small heading within a form."""
    return f'<h4 class="tw-group">{esc(title)}</h4>'


def detail(text: str) -> str:
    """A sentence beside the point."""
    return f'<p class="tw-detail">{esc(text)}</p>'


def fold(title: str, body: str, detail: str = "") -> str:
    """A part that opens at a click; `body` is HTML made here."""
    about = f'<p class="tw-detail">{esc(detail)}</p>' if detail else ""
    return f'<details class="tw-fold"><summary>{esc(title)}</summary>{about}{body}</details>'


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Names with what they mean."""
    return '<dl class="tw-definitions">' + "".join(f"<dt>{esc(a)}</dt><dd>{esc(b)}</dd>" for a, b in pairs) + "</dl>"


def stored_at(clock: str) -> str:
    return f'<span class="tw-detail">Stored at {esc(clock)} UTC.</span>'


def place(text: str) -> str:
    return f'<p class="tw-place">{esc(text)}</p>'


def code(text: str) -> str:
    return f'<pre class="tw-code" tabindex="0">{esc(text)}</pre>'
