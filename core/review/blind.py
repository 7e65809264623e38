"""What an annotator sees of an item, drawn once and for all from who and what they are.

The same person meets the same item the same way in every tab and after every restart, and nothing of it is guessable
from the item alone. What was shown is stored with each label (`LabelEvent.shown_order`, `suggestions_visible`).
"""

from __future__ import annotations

from core.types import SIDES, Side, content_hash

HIDDEN_SHARE = 0.15
"""Of the items: what detectors found is not shown, so that labels with and without can be compared (anchoring)."""


def sides(evaluation_id: str, example_id: str, annotator: str) -> tuple[Side, Side]:
    """Which side stands left and which right."""
    first, second = SIDES
    return (first, second) if _drawn("sides", evaluation_id, example_id, annotator) < 0.5 else (second, first)


def hints_hidden(evaluation_id: str, example_id: str, annotator: str) -> bool:
    """Is this one of the items on which this annotator is not shown what detectors found?"""
    return _drawn("hints", evaluation_id, example_id, annotator) < HIDDEN_SHARE


def _drawn(what: str, evaluation_id: str, example_id: str, annotator: str) -> float:
    """A number from 0 to 1, evenly distributed over annotators and items."""
    return int(content_hash([what, evaluation_id, example_id, annotator])[:13], 16) / 16**13
