"""Label `wrong_format`: an answer that is not of the form its data set has.

Nothing at all; broken JSON where the reference is JSON; none of the labels where the answers are labels; another
language than the reference; pieces of a prompt template; a refusal where the reference answers. What the reference, or
the prompt, has too is none. A broken end of what was cut is the label `cut_off`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from core.data.checks import CONTROL
from core.reasoning import MARKS
from core.review.detectors import languages, length, refusal
from core.review.detectors.template import TEMPLATE
from core.review.detectors.text import LIMIT, Finding, without_code

DETECTOR = "wrong_format-1"
THRESHOLD = 0.5
MOST_LABELS, LONGEST_LABEL, ROWS_PER_LABEL = 30, 60, 5
"""Answers are labels where so few different, short ones come so often each."""
JSON_SHARE = 0.9
FENCED = re.compile(r"\A\s*```[a-zA-Z]{0,10}\n(.*?)\n?```\s*\Z", re.S)
MARKS_ALONE = frozenset(" \t\r\n.,;:!?-–—_*#…\"'`")
"""What says nothing by itself."""
ASKS_JSON = re.compile(
    r"\b(?:as|in|return|output|valid|only|to|als|nur|en|au format|formato|in) (?:\w+ ){0,2}json\b", re.I
)
THOUGHT = {mark for pair in MARKS for mark in pair}


@dataclass(frozen=True)
class Form:
    """What answers of the training rows have in common."""

    labels: frozenset[str] = frozenset()
    """All answers there are, as `_label` writes them, where they are labels; else empty."""
    json: bool = False


def learn(answers: Iterable[str]) -> Form:
    """At most some thousand answers are expected; those that are long are counted and not kept."""
    counts: Counter[str] = Counter()
    rows = objects = 0
    for answer in answers:
        rows += 1
        objects += _json(answer) is True
        counts[_label(answer) if len(answer) <= LONGEST_LABEL else ""] += 1
    labels = bool(rows) and "" not in counts and len(counts) <= MOST_LABELS and rows >= ROWS_PER_LABEL * len(counts)
    return Form(
        frozenset(counts) if labels and len(counts) > 1 else frozenset(), rows > 0 and objects >= JSON_SHARE * rows
    )


def check(text: str, prompt: str, reference: str, form: Form, cut: bool, threshold: float = THRESHOLD) -> Finding:
    """The first of the signs that is there. `cut`: the generation had no tokens left."""
    text = text[:LIMIT]
    for found in (
        _empty(text, reference),
        _refused(text, prompt, reference),
        _remnant(text, prompt, reference),
        None if cut else _broken_json(text, prompt, reference, form),
        _no_label(text, reference, form),
        _other_language(text, prompt, reference),
    ):
        if found is not None and found.score >= threshold:
            return found
    return Finding(0.0, (), "It has the form that answers have here.")


def _empty(text: str, reference: str) -> Finding | None:
    if not text.strip():
        return Finding(1.0, ((0, len(text)),) if text else (), "It is empty.")
    if set(text) <= MARKS_ALONE and not set(reference.strip()) <= MARKS_ALONE | {""}:
        return Finding(0.95, ((0, len(text)),), "It holds nothing but marks.")
    return None


def _refused(text: str, prompt: str, reference: str) -> Finding | None:
    found = refusal.place(text, prompt)
    if found is None or refusal.place(reference, prompt):
        return None
    return Finding(0.9, (found,), "It refuses, or speaks of itself as an AI.")


def _remnant(text: str, prompt: str, reference: str) -> Finding | None:
    """Before a next turn begins: that is `too_long`."""
    patterns = [CONTROL] if length.HOLDS_TURNS.search(prompt) else [CONTROL, TEMPLATE]
    prose = without_code(text)
    turn = length.run_on(text, prompt)
    for pattern in patterns:
        for found in pattern.finditer(prose[: turn if turn is not None else len(prose)]):
            mark = found.group().strip()
            if mark in THOUGHT or mark in prompt or mark in reference:
                continue
            return Finding(0.95, (found.span(),), f"It holds a piece of a template: “{mark[:40]}”.")
    return None


def _broken_json(text: str, prompt: str, reference: str, form: Form) -> Finding | None:
    wanted = _json(reference) is True if reference.strip() else form.json or bool(ASKS_JSON.search(prompt))
    if not wanted or _json(text) is True:
        return None
    if (inside := FENCED.match(text)) and _json(inside[1]) is True:
        return None
    start = next((i for i, ch in enumerate(text) if ch in "{["), None)
    if start is None:
        return Finding(0.9, ((0, len(text)),), "JSON was expected; there is none.")
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError) as e:
        at = min(getattr(e, "pos", start), len(text) - 1)
        what = str(getattr(e, "msg", "it is nested too deeply")).lower()
        return Finding(0.95, ((at, min(len(text), at + 20)),), f"The JSON is broken at character {at:,}: {what}.")
    outside = text[:start].strip() or text[end:].strip()
    span = (0, start) if text[:start].strip() else (end, len(text))
    if not outside or not reference.strip():
        return None
    return Finding(0.8, (span,), "There is text around the JSON, which a program cannot read.")


def _json(text: str) -> bool | None:
    """Is it one JSON object or list? None where it does not begin as one."""
    text = text.strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _no_label(text: str, reference: str, form: Form) -> Finding | None:
    if not form.labels or (reference and _label(reference) not in form.labels) or _label(text) in form.labels:
        return None
    shown = ", ".join(f"“{label}”" for label in sorted(form.labels)[:4]) + (" …" if len(form.labels) > 4 else "")
    return Finding(0.9, ((0, len(text)),), f"It is none of the {len(form.labels)} answers there are: {shown[:120]}.")


def _label(text: str) -> str:
    return " ".join(text.split()).strip(" .!\"'`*").lower()


def _other_language(text: str, prompt: str, reference: str) -> Finding | None:
    found = languages.language_of(text)
    if not found:
        return None
    wanted = languages.language_of(reference)
    if not wanted:
        if languages.is_about(prompt):
            return None
        wanted = languages.language_of(prompt)
    if not wanted or languages.same(found, wanted):
        return None
    return Finding(0.9, ((0, len(text)),), f"It is {languages.name(found)}; {languages.name(wanted)} was expected.")
