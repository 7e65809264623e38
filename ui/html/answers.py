"""What models answered: marked texts, conversations, questions of benchmarks, verdicts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import escape as esc

from core.chat.transcript import Turn
from core.evaluation.benchmarks.result import Question
from core.jobs.events import Answer
from core.judge.result import JudgedPair
from core.types import SIDES, Suggestion
from ui.html.basics import note, quote, side


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
