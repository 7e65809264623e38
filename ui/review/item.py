"""One item as a desk shows it: HTML by place, and what its annotator said of it, in the desk's words.

A desk knows its two answers as left and right, `a` and `b`. Which of them is the tuned one it is told after
the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.review.actions import Item
from core.review.settled import Voices
from core.types import REFERENCE, SIDES, Example, LabelEvent, Side
from ui import text
from ui.html import review as html

NAMES: dict[str, str] = {"base": "Base", "tuned": "Tuned"}


def order(item: Item, blind: bool) -> tuple[Side, Side]:
    """The sides from left to right. Not blind, the base stands left."""
    return item.order if blind else SIDES


def shown(item: Item, blind: bool, titles: Mapping[str, str], voices: Voices | None = None) -> dict[str, Any]:
    """What the script is given of an item. `titles`: label → what people call it; `voices`: what everybody said, where
    it is to be settled."""
    sides = order(item, blind)
    said = item.stored
    parts: dict[str, Any] = {
        "prompt": {"html": html.exact(item.example.prompt)},
        REFERENCE: {"html": html.exact(item.example.target), "empty": _emptiness(item.example.target)},
    }
    for place, side in zip(html.LEFT_RIGHT, sides, strict=True):
        one, found = item.generations[side], item.suggestions[side]
        parts[place] = {
            "html": html.told(one.text, found),
            "reasons": html.reasons(found, titles),
            "suggested": [s.label for s in found if s.flagged],
            "detail": f"{one.tokens:,} tokens" + (", cut there" if one.finish == "length" else ""),
            "empty": _emptiness(one.text),
        }
    judged = bool(said and said.verdict != "none")
    given = {
        "id": item.example.id,
        "asks": _asks(item.example),
        "parts": parts,
        "blind": blind,
        "hints": not item.hints_hidden,
        "names": names(sides) if not blind or judged else None,
        "version": [item.generations[side].id for side in sides],
        "since": item.newest,
        "said": as_shown(said, sides),
    }
    if voices is None:
        return given
    agreed: dict[str, dict[str, str]] = {}
    for (of, label), mark in voices.marks.items():
        agreed.setdefault(_places(sides)[of], {})[label] = mark
    start = as_shown(voices.settled, sides) or {"verdict": "none", "labels": agreed}
    return {**given, "said": start, "settles": html.voices(_lines(voices, sides, titles)), "names": None}


def as_shown(said: LabelEvent | None, sides: tuple[Side, Side]) -> dict[str, Any] | None:
    """What was said, in the desk's words."""
    if said is None:
        return None
    place = _places(sides)
    return {
        "verdict": place.get(said.verdict, said.verdict),
        "labels": {place[side]: marks for side, marks in said.labels.items()},
        "spans": {place[side]: spans for side, spans in said.spans.items()},
        "correction": said.correction,
        "note": said.note,
    }


def names(sides: tuple[Side, Side]) -> dict[str, str]:
    """Place → whose answer stands there."""
    return {place: NAMES[side] for place, side in zip(html.LEFT_RIGHT, sides, strict=True)}


def _places(sides: tuple[Side, Side]) -> dict[str, str]:
    return {**dict(zip(sides, html.LEFT_RIGHT, strict=True)), REFERENCE: REFERENCE}


def _lines(
    voices: Voices, sides: tuple[Side, Side], titles: Mapping[str, str]
) -> list[tuple[str, str, list[str], list[str]]]:
    """(who, which is better, wrong with A, wrong with B) of each annotator."""
    lines = []
    for event in voices.each:
        verdict = _places(sides).get(event.verdict, event.verdict)
        better = {"a": "A", "b": "B", "tie": "equal", "both_bad": "both bad"}.get(verdict, "–")
        wrong = [
            [
                titles.get(label, label) + ("?" if mark == "unsure" else "")
                for label, mark in event.labels.get(side, {}).items()
                if mark != "absent"
            ]
            for side in sides
        ]
        lines.append((text.annotator(event.annotator), better, wrong[0], wrong[1]))
    return lines


ACTS = {"label": "said", "undo": "went back to", "clear": "took back", "adjudicate": "settled"}


def history(events: Sequence[LabelEvent], titles: Mapping[str, str]) -> str:
    """All that was ever said of an item, newest first; whose answers stood where is open here."""
    lines = []
    for event in reversed(events):
        said = [] if event.verdict == "none" else [text.VERDICTS[event.verdict].lower()]
        for side, marks in event.labels.items():
            wrong = [
                f"{titles.get(name, 'wrong').lower()}{'?' * (m == 'unsure')}"
                for name, m in marks.items()
                if m != "absent"
            ]
            said += [f"{NAMES.get(side, 'Reference').lower()}: {', '.join(wrong)}"] if wrong else []
        said += [f"note: {event.note}"] if event.note else []
        said += ["a correction"] if event.correction else []
        when = f"{event.created[:10]} {event.created[11:16]}"
        lines.append((when, text.annotator(event.annotator), ACTS[event.act], "; ".join(said) or "nothing is wrong"))
    return html.history(lines)


def _asks(example: Example) -> str:
    turn = example.turn
    return f"Row {example.row}" + (f", answer {turn.number} of {turn.of} in its conversation" if turn else "")


def _emptiness(answer: str) -> str:
    """What to write in the place of an answer that shows nothing."""
    if answer.strip():
        return ""
    return f"(only white space: {len(answer):,} characters)" if answer else "(empty)"
