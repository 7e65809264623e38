"""The only place that builds HTML. Text of a file, a model or a person goes through `esc`.

Pages pass the result to `gr.HTML` with its default template, which inserts the value as it is: Python's escaping is
then all there is, and a row that holds `<script>`, `${…}` or `{{…}}` is shown as those characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from markupsafe import Markup
from markupsafe import escape as esc

from core.chat.transcript import Turn
from core.data.columns.unused import Unused
from core.errors import Problem
from core.evaluation.benchmarks.result import Question
from core.jobs.events import Answer
from core.judge.result import JudgedPair
from core.tokens.preview import TokenView
from core.types import SIDES, Example, Message, Suggestion
from core.wording import count as counted


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


@dataclass(frozen=True)
class RowState:
    """What the table shows beside a row that can be changed."""

    place: int
    done: str
    """What was done with it: changed, added, deleted, moved; empty: nothing."""
    found: Sequence[tuple[str, str]] = ()
    """(title of a check, what it found)."""
    beside: str = ""
    """The value of a column that is looked at."""


def rows(examples: Sequence[Example], whole: bool = False, states: Sequence[RowState] = ()) -> str:
    """A table of examples: number, split, what stands before the answer, and all of the answer.

    `whole`: long ones are shown at full height, instead of scrolling in theirs. `states`: of each what can be done.
    """
    body = "".join(_row(e, states[i] if states else None) for i, e in enumerate(examples))
    head = "<tr><th>Row</th><th>Part</th><th>Prompt</th><th>Answer that is trained</th></tr>"
    kind = "tw-table tw-whole" if whole else "tw-table"
    return f'<div class="tw-scroll"><table class="{kind}"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _synthetic(example: Example) -> str:
    """That a model wrote a row, and which."""
    if not example.synthetic:
        return ""
    return f' <span class="tw-chip" title="{esc(example.meta.get("synthetic_model", ""))}">synthetic</span>'


def _row(e: Example, state: RowState | None) -> str:
    number, attributes = str(e.row), ""
    chips = f'<span class="tw-chip tw-{e.split}">{e.split}</span>{_synthetic(e)}'
    if state is not None:
        attributes = f' tabindex="-1" data-place="{state.place}" class="tw-row-{esc(state.done or "same")}"'
        done = f'<span class="tw-chip tw-done">{esc(state.done)}</span>' if state.done else ""
        again = ("restore", "Restore") if state.done == "deleted" else ("delete", "Delete")
        acts = "".join(
            f'<button type="button" data-act="{act}" aria-label="{word} row {e.row}">{word}</button>'
            for act, word in (("edit", "Edit"), again)
        )
        chips = f"{chips}{done}<div class=tw-acts>{acts}</div>"
    return (
        f'<tr{attributes}><td class="tw-number">{number}</td><td>{chips}</td>'
        f'<td><div class="tw-cell">{_before_answer(e)}</div>{_found(state)}</td>'
        f'<td><div class="tw-cell">{_answer_cell(e)}</div></td></tr>'
    )


def _found(state: RowState | None) -> str:
    """What checks found in a row, and a column beside it, below its prompt."""
    if state is None:
        return ""
    marks = "".join(
        f'<span class="tw-chip tw-length" title="{esc(evidence)}">{esc(title)}</span>'
        for title, evidence in state.found
    )
    return (f'<p class="tw-marks">{marks}</p>' if marks else "") + (detail(state.beside) if state.beside else "")


def _judgement(example: Example) -> str:
    """What people said of the answer, before it: the mark, or the answer that it was preferred to."""
    if example.good is not None:
        return f'<p class="tw-detail">marked {"good" if example.good else "bad"}</p>'
    if example.rejected:
        return f'<p class="tw-detail">rejected: {esc(example.rejected)}</p>'
    return ""


def _answer_cell(example: Example) -> str:
    return f"{_judgement(example)}{_said({'content': example.target, **example.answer})}{_references(example)}"


def _references(example: Example) -> str:
    if not example.references:
        return ""
    return f'<p class="tw-detail">also right: {esc(" · ".join(example.references))}</p>'


def _before_answer(example: Example) -> str:
    """The messages before the answer, each under who says it, and the tools that may be called."""
    if not example.messages:
        return "(plain text)"
    tools = ", ".join(str(tool.get("function", tool).get("name", "")) for tool in example.tools)
    head = f'<p class="tw-detail">tools: {esc(tools)}</p>' if tools else ""
    if len(example.messages) == 1 and example.messages[0].keys() == {"role", "content"}:
        return f"{head}{esc(example.messages[0]['content'])}"
    return head + "".join(
        f'<div class="tw-message"><small>{esc(_speaker(m, example))}</small>{_said(m)}</div>' for m in example.messages
    )


def _speaker(message: Message, example: Example) -> str:
    """Who says a message; and of an earlier answer, whether it is trained."""
    words = [message["role"], message.get("name", "")]
    if message["role"] == "assistant" and example.kind == "answer":
        words.append("trained" if message.get("train", True) else "context only")
    return " · ".join(word for word in words if word)


def _said(message: Message) -> str:
    """All that a message says: its reasoning, its text, and the tools that it calls."""
    thought = message.get("reasoning_content", "")
    calls = "".join(
        f'<code class="tw-call">{esc(_call(call.get("function", {})))}</code>' for call in message.get("tool_calls", ())
    )
    shown = f'<div class="tw-thought"><small>reasoning</small>{esc(thought)}</div>' if thought else ""
    return f"{shown}{esc(message['content'])}{calls}"


def _call(function: dict[str, Any]) -> str:
    return f"{function.get('name')}({json.dumps(function.get('arguments', {}), ensure_ascii=False)})"


def check(title: str, level: str, rows: int, total: int, why: str, examples: Sequence[tuple[int, str, str]]) -> str:
    """What a check found: how many rows, why it matters, and the first of them."""
    items = "".join(
        f'<li><span class="tw-where">row {row}</span><span>{f"<em>{esc(where)}:</em> " if where else ""}{esc(evidence)}'
        "</span></li>"
        for row, where, evidence in examples
    )
    left = rows - len(examples)
    more = f'<p class="tw-detail">… and {left:,} more rows.</p>' if left > 0 else ""
    listed = f'<ul class="tw-unused">{items}</ul>'
    if len(examples) > 1:
        listed = f'<details class="tw-fold"><summary>Examples</summary>{listed}{more}</details>'
    of = f"{counted(rows, 'row')} of {total:,}"
    return (
        f'<div class="tw-check tw-level-{esc(level)}"><p><b>{esc(title)}</b> <span class="tw-chip">{of}</span></p>'
        f'<p class="tw-detail">{esc(why)}</p>{listed}</div>'
    )


def held(filters: Sequence[tuple[str, int, Sequence[tuple[str, str]]]]) -> str:
    """What filters keep from people: (heading, how many drafts, (what is wrong, beginning) of the first ones)."""
    return "".join(
        f'<details class="tw-fold"><summary>{esc(title)} <span class="tw-chip">{n:,}</span></summary>'
        + "".join(
            f'<div class="tw-held"><p dir="auto">{esc(text)}</p><p class="tw-detail">{esc(why)}</p></div>'
            for why, text in examples
        )
        + f"{detail(f'… and {n - len(examples):,} more.') if n > len(examples) else ''}</details>"
        for title, n, examples in filters
    )


def difference(changes: Sequence[tuple[str, str, str, bool]]) -> str:
    """Texts before and after: (which, before, after, is the row left out).

    What goes is struck, what comes underlined.
    """
    parts = []
    for which, before, after, left_out in changes:
        body = f"<del>{esc(before)}</del>" if left_out else _edits(before, after)
        note = ' <span class="tw-chip">left out</span>' if left_out else ""
        parts.append(
            f'<article class="tw-change"><p class="tw-detail">{esc(which)}{note}</p><div>{body}</div></article>'
        )
    return "".join(parts)


def _edits(before: str, after: str) -> str:
    """Word by word."""
    old, new = re.findall(r"\s+|\w+|[^\w\s]", before), re.findall(r"\s+|\w+|[^\w\s]", after)
    pieces: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = "".join(old[a:b]), "".join(new[c:d])
        if tag == "equal":
            pieces.append(esc(gone))
        else:
            pieces += [f"<del>{esc(_visible(gone))}</del>" if gone else "", f"<ins>{esc(come)}</ins>" if come else ""]
    return "".join(pieces)


def _visible(text: str) -> str:
    """White space that goes, as signs: it could not be seen."""
    return text.replace(" ", "␣").replace("\n", "↵\n") if not text.strip() else text


def unused(things: Sequence[Unused], taken: str = "") -> str:
    """Which columns are taken, and what of the rows is not trained, each with rows to look at."""
    if not things:
        return detail(taken) if taken else ""
    items = "".join(
        f'<li><span class="tw-where">{esc(counted(u.rows, "row"))}</span>'
        f"<span>{esc(u.title)} <em>{esc(u.where)}</em></span></li>"
        for u in things
    )
    head = f"{taken} Of the rows that are trained, these parts are not:"
    return detail(head.strip()) + f'<ul class="tw-unused">{items}</ul>'


def prompts(texts: Sequence[str]) -> str:
    """The prompts of the first rows, as a template makes them."""
    empty = '<span class="tw-detail">(empty: the row would be left out)</span>'
    return '<div class="tw-prompts">' + "".join(f"<div>{esc(t) if t else empty}</div>" for t in texts) + "</div>"


def columns(lines: Sequence[tuple[str, str, Sequence[str]]]) -> str:
    """The columns of a file: (name, what it is taken for or empty, its first values)."""
    body = "".join(
        f"<tr><td><b>{esc(name)}</b></td><td>{esc(taken)}</td>"
        f"<td>{''.join(f'<div>{esc(value)}</div>' for value in values)}</td></tr>"
        for name, taken, values in lines
    )
    head = "<tr><th>Column</th><th>Taken for</th><th>First values</th></tr>"
    return f'<div class="tw-scroll"><table class="tw-table"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def tokens(views: Sequence[TokenView], most: int = 4000) -> str:
    """One row's tokens. Trained ones are filled, others outlined, special ones badges, cut ones struck through."""
    shown = "".join(_token(t) for t in views[:most])
    more = f'<p class="tw-detail">… and {len(views) - most:,} more tokens.</p>' if len(views) > most else ""
    return f'<div class="tw-tokens" dir="auto">{shown}</div>{more}'


def _token(view: TokenView) -> str:
    kinds = ["tw-token", "tw-trained" if view.trained else "tw-untrained"]
    kinds += ["tw-special"] if view.special else []
    kinds += ["tw-cut"] if view.cut else []
    about = f"id {view.id} · piece {view.piece} · position {view.position} · "
    about += "cut off" if view.cut else "trained" if view.trained else "not trained"
    # Line breaks inside a token are shown as a mark and then happen.
    text = esc(view.text).replace("\n", Markup('<i class="tw-break">↵</i>\n')) or "∅"
    line = '<span class="tw-cutline" title="Maximum length: what follows is cut off"></span>' if view.cut else ""
    return f'{line}<span class="{" ".join(kinds)}" title="{esc(about)}">{text}</span>'


BRAND = '<h1 class="tw-brand">Tunewright</h1>'
TOKEN_LEGEND = (
    '<div class="tw-legend"><span class="tw-token tw-trained">trained</span>'
    '<span class="tw-token tw-untrained">shown, not trained</span>'
    '<span class="tw-token tw-untrained tw-special">control token</span>'
    '<span class="tw-token tw-untrained tw-cut">cut off</span></div>'
)


def figures(cells: Sequence[tuple[str, str, str, str]]) -> str:
    """Numbers in boxes: (name, value, a word on it, level or empty)."""
    boxes = "".join(
        f'<div class="tw-{esc(level)}"><dt>{esc(name)}</dt><dd>{esc(value)}</dd><small>{esc(word)}</small></div>'
        for name, value, word, level in cells
    )
    return f'<dl class="tw-figures tw-wide">{boxes}</dl>'


def batch(lengths: Sequence[tuple[int, int, int]], packed: int) -> str:
    """How one step's batch holds rows. `lengths`: per row (prompt, answer, padding) tokens; `packed`: nodes fed."""
    width = max((sum(parts) for parts in lengths), default=1)
    bars = "".join(
        '<div class="tw-bar">'
        + "".join(
            f'<span class="tw-part-{kind}" style="width:{100 * n / width:.2f}%" title="{n} {title}"></span>'
            for kind, title, n in zip(
                ("prompt", "answer", "padding"),
                ("tokens of the prompt", "trained tokens", "tokens of padding"),
                parts,
                strict=True,
            )
        )
        + "</div>"
        for parts in lengths
    )
    padded, real = width * len(lengths), sum(p + a for p, a, _ in lengths)
    text = (
        f"{len(lengths)} rows of one step hold {real:,} tokens. Padded to a rectangle they would be {padded:,}; "
        f"with shared prefixes the model is fed {packed:,}."
    )
    return f'<div class="tw-batch">{bars}<p class="tw-detail">{esc(text)}</p></div>'


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


def answer(text: str, suggestions: Sequence[Suggestion], cut: bool) -> str:
    """One side's answer with the evidence of flagged suggestions underlined, and their reasons below."""
    flagged = [s for s in suggestions if s.flagged]
    body = _with_spans(text, flagged) or '<em class="tw-detail">(empty answer)</em>'
    end = '<span class="tw-chip tw-length">cut at the token limit</span>' if cut else ""
    reasons = "".join(
        f'<li class="tw-flag-{esc(s.label)}"><b>{esc(s.label.replace("_", " "))}</b> {esc(s.reason)}</li>'
        for s in flagged
    )
    return f'<div class="tw-answer" dir="auto">{body}{end}</div><ul class="tw-reasons">{reasons}</ul>'


def _with_spans(text: str, flagged: Sequence[Suggestion]) -> str:
    """The text, escaped, with each character marked by the labels whose evidence covers it."""
    edges = sorted({0, len(text)} | {edge for s in flagged for span in s.spans for edge in span})
    edges = [e for e in edges if 0 <= e <= len(text)]
    out = []
    for start, end in zip(edges, edges[1:], strict=False):
        labels = sorted({s.label for s in flagged for a, b in s.spans if a <= start and end <= b})
        piece = esc(text[start:end])
        out.append(f'<mark class="{" ".join("tw-" + label for label in labels)}">{piece}</mark>' if labels else piece)
    return "".join(out)


def quote(title: str, text: str, kind: str) -> str:
    return (
        f'<section class="tw-side tw-side-{esc(kind)}"><h4>{esc(title)}</h4>'
        f'<div class="tw-answer" dir="auto">{esc(text)}</div></section>'
    )


def similar(pairs: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Rows side by side: (how similar they are, (name, text) of each row)."""
    return "".join(
        f'<article class="tw-question"><p class="tw-detail">{esc(how)}</p><div class="tw-pair">'
        + "".join(quote(name, text, "prompt") for name, text in rows)
        + "</div></article>"
        for how, rows in pairs
    )


def side(title: str, kind: str, body: str, detail: str = "") -> str:
    """A column of the review page; `body` is HTML made by `answer`."""
    head = f"<h4>{esc(title)} <small>{esc(detail)}</small></h4>"
    return f'<section class="tw-side tw-side-{esc(kind)}">{head}{body}</section>'


def conversation(turns: Sequence[Turn]) -> str:
    """A chat: each message above what base and tuned say to it; the end stays in sight."""
    shown = "".join(
        f'<div class="tw-turn">{quote("You", t.message, "prompt")}'
        f"{_pair(t)}{note('error', t.error) if t.error else ''}</div>"
        for t in turns
    )
    return f'<div class="tw-chat" role="log" tabindex="0" aria-label="Conversation"><div>{shown}</div></div>'


def _pair(turn: Turn) -> str:
    if turn.error and not any(a.text for a in turn.answers.values()):
        return ""
    return f'<div class="tw-pair">{"".join(_spoken(name, a, turn.over) for name, a in turn.answers.items())}</div>'


def _spoken(name: str, answer: Answer, over: bool) -> str:
    """One side's words; while it goes on a mark stands at their end."""
    going = not answer.finish and not over
    ends = {"length": "cut at the token limit", "stopped": "stopped"}
    chip = f' <span class="tw-chip tw-length">{ends[answer.finish]}</span>' if answer.finish in ends else ""
    empty = "" if going else '<em class="tw-detail">(empty answer)</em>'
    mark = '<span class="tw-going" aria-hidden="true">▍</span>' if going else ""
    body = f'<div class="tw-answer" dir="auto">{esc(answer.text) or empty}{mark}{chip}</div>'
    detail = f"{answer.tokens:,} tokens" + (f" · {answer.seconds:.1f} s" if answer.finish else "")
    return side(name.capitalize(), name, body, detail)


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


def methods(lines: Sequence[tuple[str, str, str, str, str, str, bool]]) -> str:
    """Methods side by side: (name, what it trains, parameters, memory, does it fit, more, is it the chosen one)."""
    body = "".join(
        f'<tr{" class=tw-chosen aria-current=true" if chosen else ""} title="{esc(more)}">'
        f"<td><b>{esc(name)}</b><small>{esc(trains)}</small></td><td>{esc(count)}</td>"
        f'<td>{esc(size)}<small class="tw-fit-{esc(fits.split(" ")[0])}">{esc(fits)}</small></td></tr>'
        for name, trains, count, size, fits, more, chosen in lines
    )
    head = "<tr><th>Method</th><th>Trained</th><th>Memory</th></tr>"
    return (
        '<div class="tw-scroll"><table class="tw-table tw-numbers tw-methods">'
        f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def models(lines: Sequence[tuple[str, str, str, str, str, str, str, str, str, bool]]) -> str:
    """Models side by side: (name, good for, whether it reasons, parameters, context, licence, what the Hub says,
    memory, does it fit, is it the chosen one).
    """
    body = "".join(
        f"<tr{' class=tw-chosen aria-current=true' if chosen else ''}>"
        f"<td><b>{esc(name)}</b><small>{esc(good_for)}</small><small>{esc(reasons)}</small></td>"
        f"<td>{esc(count)}<small>{esc(context)}</small></td><td>{esc(licence)}<small>{esc(hub)}</small></td>"
        f'<td>{esc(size)}<small class="tw-fit-{esc(fits.split(" ")[0])}">{esc(fits)}</small></td></tr>'
        for name, good_for, reasons, count, context, licence, hub, size, fits, chosen in lines
    )
    head = "".join(f"<th>{h}</th>" for h in ("Model", "Size, context", "Licence", "Memory, from"))
    return (
        '<div class="tw-scroll"><table class="tw-table tw-numbers tw-methods">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def takes(sentence: str, fits: str) -> str:
    """What a run takes; marked where it is tight or does not fit."""
    return f'<p class="tw-takes tw-fit-{esc(fits.split(" ")[0])}">{esc(sentence)}</p>'


def detail(text: str) -> str:
    """A sentence beside the point."""
    return f'<p class="tw-detail">{esc(text)}</p>'


def fold(title: str, body: str, detail: str = "") -> str:
    """A part that opens at a click; `body` is HTML made here."""
    about = f'<p class="tw-detail">{esc(detail)}</p>' if detail else ""
    return f'<details class="tw-fold"><summary>{esc(title)}</summary>{about}{body}</details>'


def effort(lines: Sequence[tuple[str, str, str, str, str]], detail: str) -> str:
    """What will be asked: (benchmark, what it measures, questions, difference it shows, time), and a sentence."""
    body = "".join(
        f"<tr><td><b>{esc(name)}</b></td><td>{esc(smallest)}</td><td>{esc(seconds)}</td></tr>"
        f'<tr class="tw-about"><td colspan="3">{esc(questions)} questions. {esc(about)}</td></tr>'
        for name, about, questions, smallest, seconds in lines
    )
    head = "<tr><th>Benchmark</th><th>Shows from</th><th>Time</th></tr>"
    shown = f'<div class="tw-scroll"><table class="tw-table tw-numbers tw-effort"><thead>{head}</thead>'
    return (f"{shown}<tbody>{body}</tbody></table></div>" if lines else "") + f'<p class="tw-detail">{esc(detail)}</p>'


def questions(items: Sequence[Question]) -> str:
    """Benchmark questions with their choices: which is right, and which each side took."""
    return "".join(
        f'<article class="tw-question"><p dir="auto">{esc(item.question)}</p><ol>'
        + "".join(_choice(item, n, choice) for n, choice in enumerate(item.choices))
        + "</ol></article>"
        for item in items
    )


def _choice(item: Question, n: int, choice: str) -> str:
    words = (("gold", "right", "reference"), ("base", "base", "base"), ("tuned", "tuned", "tuned"))
    chips = "".join(
        f'<span class="tw-chip tw-of-{kind}">{word}</span>' for key, word, kind in words if getattr(item, key) == n
    )
    return f'<li{" class=tw-right" if item.gold == n else ""} dir="auto"><span>{esc(choice)}</span> {chips}</li>'


def verdicts(pairs: Sequence[JudgedPair]) -> str:
    """What a judge said of pairs of answers: prompt, both answers, winner, and the reference that it compared with."""
    return "".join(
        f'<article class="tw-question"><p dir="auto">{esc(pair.prompt)}</p><div class="tw-pair">'
        + "".join(
            f'<section class="tw-side tw-side-{side}"><h4>{side.capitalize()}'
            f"{' <small>preferred</small>' if pair.winner == side else ''}</h4>"
            f'<div class="tw-answer" dir="auto">{esc(getattr(pair, side))}</div></section>'
            for side in SIDES
        )
        + f'</div><p class="tw-detail">Reference: {esc(pair.reference)}</p></article>'
        for pair in pairs
    )


def confusion(names: Sequence[str], sides: Sequence[tuple[str, Sequence[Sequence[int]]]]) -> str:
    """Matrices side by side: true labels in rows, given ones in columns (the last: none of them), counts shaded."""
    return '<div class="tw-matrices">' + "".join(_matrix(title, names, counts) for title, counts in sides) + "</div>"


def _matrix(title: str, names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    head = "".join(f'<th title="{esc(name)}"><span>{esc(name)}</span></th>' for name in [*names, "other"])
    body = "".join(
        f'<tr><th title="{esc(name)}">{esc(name)}</th>'
        + "".join(
            f'<td style="--share:{100 * n / max(1, sum(line)):.0f}%"{" class=tw-right" if i == j else ""}>{int(n)}</td>'
            for j, n in enumerate(line)
        )
        + "</tr>"
        for i, (name, line) in enumerate(zip(names, counts, strict=True))
    )
    return (
        f'<figure class="tw-matrix"><figcaption>{esc(title)}</figcaption><div class="tw-scroll"><table>'
        f"<thead><tr><th>true \\ given</th>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>"
    )


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Names with what they mean."""
    return '<dl class="tw-definitions">' + "".join(f"<dt>{esc(a)}</dt><dd>{esc(b)}</dd>" for a, b in pairs) + "</dl>"


def stored_at(clock: str) -> str:
    return f'<span class="tw-detail">Stored at {esc(clock)} UTC.</span>'


def place(text: str) -> str:
    return f'<p class="tw-place">{esc(text)}</p>'


def code(text: str) -> str:
    return f'<pre class="tw-code" tabindex="0">{esc(text)}</pre>'
