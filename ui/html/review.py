"""The desk of the Error review: one item with all that can be said of it. `assets/review.js` fills and works it.

Its two answers are called `a` and `b` here, left and right, whoever wrote them: a desk may be blind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import escape as esc

from core.types import Suggestion
from ui.html.basics import detail
from ui.html.rows import difference

LEFT_RIGHT = ("a", "b")
VERDICTS = (("a", "A", "is better"), ("b", "B", "is better"), ("tie", "T", "Equal"), ("both_bad", "X", "Both bad"))
KEYS = (
    ("1 – 9", "a label: wrong, then unsure, then not wrong. Select text first to mark the place"),
    ("⇧ 1 – 9", "the same for the other answer"),
    ("R", "the reference is wrong"),
    ("A · B · T · X", "A better, B better, equal, both bad"),
    ("Enter", "stored and on; what is not marked is not wrong"),
    ("N or → · P or ←", "the next, the one before"),
    ("U", "take the last thing back"),
    ("C · M", "correct the answer · write a note. Esc leaves the text"),
    ("H", "what was said of this row, by whom and when"),
    ("F", "the desk alone, on the whole window"),
    ("?", "these keys"),
)
LONGEST_EDIT = 1_500
"""Words of a changed passage that are compared one by one; a longer one is shown as a whole."""


def desk(
    labels: Sequence[tuple[str, str]], about: Mapping[str, str], filters: Sequence[tuple[str, str]], guest: bool
) -> str:
    """An empty desk. `labels`: (id, title); `about`: what the script sends along, as data-… of the element; `filters`:
    (value, title) of what can be chosen to be read. A `guest` is always blind, and searches for nothing."""
    owners = " hidden" if guest else ""
    data = "".join(f' data-{esc(name)}="{esc(value)}"' for name, value in about.items())
    verdicts = "".join(
        f'<button type="button" data-verdict="{value}" aria-pressed="false"><kbd>{key}</kbd> '
        f"<span>{f'<b data-name={value}>{key}</b> ' if value in LEFT_RIGHT else ''}{word}</span></button>"
        for value, key, word in VERDICTS
    )
    sides = "".join(_side(side, labels, guest) for side in LEFT_RIGHT)
    options = "".join(f'<option value="{esc(value)}">{esc(title)}</option>' for value, title in filters)
    return (
        f'<section class="tw-desk" id="tw-review" tabindex="-1" aria-label="Answers to review"{data}>'
        '<div class="tw-desk-bar"><span class="tw-desk-place" data-count aria-live="polite"></span>'
        '<span class="tw-desk-track" role="progressbar" aria-label="Read" aria-valuemin="0" aria-valuemax="100">'
        "<i></i></span>"
        f'<select data-filter aria-label="Which answers are shown">{options}</select>'
        f'<input type="search" data-search placeholder="Find" aria-label="Find in prompts and answers"{owners}>'
        f'<label{owners}><input type="checkbox" data-blind checked> Blind</label>'
        '<label><input type="checkbox" data-hints checked> Hints</label>'
        '<span class="tw-desk-saved" data-saved role="status"></span>'
        '<button type="button" data-act="large" aria-pressed="false" title="The desk alone, on the whole window (F)"'
        f"{owners}>"
        "<kbd>F</kbd> Alone</button>"
        '<button type="button" data-act="keys"><kbd>?</kbd> Keys</button></div>'
        '<div class="tw-desk-notice" data-notice role="alert" hidden></div>'
        '<div class="tw-desk-prompt"><button type="button" data-act="history" '
        f'data-asks title="What was said of this row (H)"{" disabled" if guest else ""}></button>'
        '<div class="tw-answer" data-text="prompt" dir="auto" tabindex="0" role="region" aria-label="Prompt"></div>'
        "</div>"
        '<div class="tw-desk-voices" data-voices tabindex="0" role="region" aria-label="What was said" hidden></div>'
        f'<div class="tw-desk-sides">{sides}{_reference()}</div>'
        f'<div class="tw-desk-verdict"><div role="group" aria-label="Which is better?">{verdicts}</div>'
        '<div class="tw-desk-go">'
        '<button type="button" data-act="undo" title="Take the last thing back (U)"><kbd>U</kbd> Undo</button>'
        '<button type="button" data-act="back" title="The one before (P)">←<span class="tw-unseen"> Before</span>'
        "</button>"
        '<button type="button" data-act="next" title="The next (N)">→<span class="tw-unseen"> Next</span></button>'
        '<button type="button" data-act="done" class="tw-desk-done">Done <kbd>⏎</kbd></button></div></div>'
        f'{_keys()}<dialog data-history aria-label="What was said of this row"></dialog></section>'
    )


def _side(side: str, labels: Sequence[tuple[str, str]], guest: bool) -> str:
    name = side.upper()
    add = (
        '<button type="button" data-act="add" title="A label of your own">+<span class="tw-unseen"> A label of your own'
        "</span></button>"
    )
    return (
        f'<section class="tw-desk-side" data-side="{side}" aria-label="Answer {name}">'
        f'<h2><span data-name="{side}">{name}</span> <small data-detail></small></h2>'
        f'<div class="tw-answer" data-text="{side}" dir="auto" tabindex="0" role="region" aria-label="Text of {name}">'
        '</div><ul class="tw-reasons" data-reasons></ul>'
        f'<div class="tw-desk-labels" role="group" aria-label="Wrong with {name}">'
        f"{''.join(label(*each) for each in labels)}{'' if guest else add}</div>"
        '<ul class="tw-desk-spans" data-spans></ul></section>'
    )


def label(name: str, title: str) -> str:
    """A button of three states: absent, present, unsure."""
    return (
        f'<button type="button" data-label="{esc(name)}" aria-pressed="false">'
        f'<kbd></kbd><span class="tw-desk-title">{esc(title)}</span></button>'
    )


def _reference() -> str:
    starts = "".join(
        f'<button type="button" data-start="{side}">{word}</button>'
        for side, word in (
            ("a", '<span data-name="a">A</span>'),
            ("b", '<span data-name="b">B</span>'),
            ("reference", "Reference"),
        )
    )
    return (
        '<section class="tw-desk-side tw-desk-reference" data-side="reference" aria-label="Reference">'
        "<h2><span>Reference</span></h2>"
        '<div class="tw-answer" data-text="reference" dir="auto" tabindex="0" role="region" '
        'aria-label="Text of the reference"></div>'
        '<div class="tw-desk-labels" role="group" aria-label="Wrong with the reference">'
        '<button type="button" data-label="reference_wrong" aria-pressed="false"><kbd>R</kbd>'
        '<span class="tw-desk-title">The reference is wrong</span></button>'
        '<button type="button" data-act="correct" aria-expanded="false"><kbd>C</kbd> Correct</button></div>'
        '<ul class="tw-desk-spans" data-spans></ul>'
        '<div class="tw-desk-correct" hidden><div class="tw-desk-starts">'
        f"<span>Start from</span>{starts}</div>"
        '<textarea data-correction rows="4" maxlength="100000" dir="auto" '
        'aria-label="The answer as it should have been" placeholder="The answer as it should have been"></textarea>'
        '<div class="tw-desk-edits" data-edits aria-label="What was changed" tabindex="0" role="region" hidden></div>'
        '</div><textarea data-note rows="1" maxlength="100000" dir="auto" aria-label="Note" '
        'placeholder="Note (M): the first thing that is wrong"></textarea></section>'
    )


def _keys() -> str:
    lines = "".join(f"<dt>{esc(key)}</dt><dd>{esc(what)}</dd>" for key, what in KEYS)
    return (
        '<dialog data-keys aria-label="Keys"><h2>Keys</h2>'
        f'<dl class="tw-definitions">{lines}</dl>'
        '<form method="dialog"><button>Close</button></form></dialog>'
    )


def told(text: str, suggestions: Sequence[Suggestion]) -> str:
    """An answer, with the evidence of flagged suggestions underlined. Its text content is `text`, character by
    character, so that marked places are found again."""
    flagged = [s for s in suggestions if s.flagged]
    edges = sorted({0, len(text)} | {e for s in flagged for span in s.spans for e in span if 0 <= e <= len(text)})
    pieces = []
    for start, end in zip(edges, edges[1:], strict=False):
        names = sorted({s.label for s in flagged for a, b in s.spans if a <= start and end <= b})
        piece = exact(text[start:end])
        pieces.append(
            f'<mark class="{" ".join(f"tw-{esc(name)}" for name in names)}">{piece}</mark>' if names else piece
        )
    return "".join(pieces)


def exact(text: str) -> str:
    """Escaped so that a browser reads back the same characters; it would drop NUL, and turn CR into a line break."""
    return str(esc(text.replace("\0", "␀"))).replace("\r", "&#13;")


def reasons(suggestions: Sequence[Suggestion], titles: Mapping[str, str]) -> str:
    """Why detectors flagged it."""
    return "".join(
        f'<li tabindex="0"><b>{esc(titles.get(s.label, s.label))}</b> {esc(s.reason)}</li>'
        for s in suggestions
        if s.flagged
    )


def edits(before: str, after: str) -> str:
    """What was changed, word by word; between what both begin and end with, and in one piece where that is long."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    while start and before[start - 1].isalnum():
        start -= 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    while end and before[len(before) - end].isalnum():
        end -= 1
    gone, come = before[start : len(before) - end], after[start : len(after) - end]
    if max(len(gone.split()), len(come.split())) > LONGEST_EDIT or max(len(gone), len(come)) > 10 * LONGEST_EDIT:
        middle = f"<del>{esc(gone)}</del><ins>{esc(come)}</ins>"
    else:
        middle = difference([("", gone, come, False)]).split("<div>", 1)[1].rsplit("</div>", 1)[0]
    return f"{esc(before[:start])}{middle}{esc(before[len(before) - end :])}"


def voices(lines: Sequence[tuple[str, str, Sequence[str], Sequence[str]]]) -> str:
    """What each annotator said of an item: (who, which is better, wrong with A, wrong with B)."""
    body = "".join(
        f"<tr><th scope=row>{esc(who)}</th><td>{esc(better)}</td><td>{esc(', '.join(a) or '–')}</td>"
        f"<td>{esc(', '.join(b) or '–')}</td></tr>"
        for who, better, a, b in lines
    )
    head = "<tr><th>Who</th><th>Better</th><th>Wrong with A</th><th>Wrong with B</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def history(lines: Sequence[tuple[str, str, str, str]]) -> str:
    """All that was ever said of an item: (when, who, what they did, what they said)."""
    body = "".join(
        f"<tr><td>{esc(when)}</td><th scope=row>{esc(who)}</th><td>{esc(did)}</td><td>{esc(said)}</td></tr>"
        for when, who, did, said in lines
    )
    table = f'<div class="tw-desk-history" tabindex="0"><table><tbody>{body}</tbody></table></div>'
    return (
        f"<h2>What was said of this row</h2>{table if lines else detail('Nothing yet.')}"
        '<form method="dialog"><button>Close</button></form>'
    )


def door(expires: str) -> str:
    """What an invited person sees first: what they are asked for, and by which name they are to be known."""
    return (
        '<form class="tw-door" data-door><h1>Which answer is better?</h1>'
        "<p>You were invited to read answers of two models, side by side, and to say what is wrong with each. "
        "Which model wrote which is told after your verdict. Everything is stored at once; you can go on later, in "
        "this browser.</p>"
        '<label>Your name, or any other: it stands beside your labels<input name="name" required maxlength="80" '
        'autocomplete="nickname"></label>'
        f'<button class="tw-desk-done">Begin</button><p class="tw-detail">The invitation ends on {esc(expires[:10])} '
        f"at {esc(expires[11:16])} UTC.</p></form>"
    )


def link(address: str, sentence: str) -> str:
    """An address to copy; the script completes it by where the page is."""
    return (
        f'<div class="tw-note tw-link"><p>{esc(sentence)}</p><code data-address="{esc(address)}">{esc(address)}</code> '
        '<button type="button" data-copy>Copy</button></div>'
    )


def both_texts(title: str, prompt: str, before: str, after: str, names: tuple[str, str]) -> str:
    """A row that was fixed or broke, with what both sides say."""
    shown = "".join(
        f'<section class="tw-side tw-side-{kind}"><h4>{esc(name)}</h4>'
        f'<div class="tw-answer" dir="auto">{esc(said)}</div></section>'
        for kind, name, said in zip(("base", "tuned"), names, (before, after), strict=True)
    )
    return (
        f'<article class="tw-question"><p class="tw-detail">{esc(title)}</p><p dir="auto">{esc(prompt)}</p>'
        f'<div class="tw-pair">{shown}</div></article>'
    )


def outside(title: str, style: str, scripts: Sequence[str], body: str) -> str:
    """A whole page of its own, without Gradio; `style` and `scripts` are addresses, `body` is HTML made here."""
    loaded = "".join(f'<script src="{esc(script)}" defer></script>' for script in scripts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{esc(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="robots" content="noindex">'
        f'<link rel="stylesheet" href="{esc(style)}">{loaded}</head>'
        f'<body class="tw-outside"><main>{body}</main></body></html>'
    )
