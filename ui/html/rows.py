"""Rows of a dataset: as they are, what is odd about them, and what changes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from markupsafe import escape as esc

from core.data.columns.unused import Unused
from core.types import Example, Message
from core.wording import count as counted
from ui.html.basics import detail, fold, quote


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


@dataclass(frozen=True)
class Told:
    """What a check found, as it is told."""

    name: str
    title: str
    level: str
    rows: int
    why: str
    examples: Sequence[tuple[int, str, str]]
    """(number of a row, where in it, evidence) of the first ones."""
    acts: Sequence[tuple[str, str]]
    """(what a button asks for, its words)."""


def checks(shown: Sequence[Told], folded: Sequence[Told], total: int) -> str:
    """All that checks found in `total` rows, each with what can be done; `folded`: what is less certain."""
    more = "".join(_check(told, total) for told in folded)
    less = "Less certain: found in many good rows, too"
    return "".join(_check(told, total) for told in shown) + (fold(less, more) if more else "")


def _check(told: Told, total: int) -> str:
    """How many rows, why it matters, and the first of them."""
    items = "".join(
        f'<li><span class="tw-where">row {row}</span><span>{f"<em>{esc(where)}:</em> " if where else ""}{esc(evidence)}'
        "</span></li>"
        for row, where, evidence in told.examples
    )
    left = told.rows - len(told.examples)
    more = f'<p class="tw-detail">… and {left:,} more rows.</p>' if left > 0 else ""
    listed = f'<ul class="tw-unused">{items}</ul>'
    if len(told.examples) > 1:
        listed = f'<details class="tw-fold"><summary>Examples</summary>{listed}{more}</details>'
    of = f"{counted(told.rows, 'row')} of {total:,}"
    buttons = "".join(
        f'<button type="button" data-mend="{esc(told.name)} {esc(act)}">{esc(words)}</button>'
        for act, words in told.acts
    )
    return (
        f'<article class="tw-check-row" id="tw-check-{esc(told.name)}">'
        f'<div class="tw-check tw-level-{esc(told.level)}">'
        f'<p><b>{esc(told.title)}</b> <span class="tw-chip">{of}</span></p>'
        f'<p class="tw-detail">{esc(told.why)}</p>{listed}</div><div class="tw-acts">{buttons}</div></article>'
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


def similar(pairs: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> str:
    """Rows side by side: (how similar they are, (name, text) of each row)."""
    return "".join(
        f'<article class="tw-question"><p class="tw-detail">{esc(how)}</p><div class="tw-pair">'
        + "".join(quote(name, text, "prompt") for name, text in rows)
        + "</div></article>"
        for how, rows in pairs
    )
