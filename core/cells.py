"""Cells of tables that people open in a spreadsheet: what they hold is text there, never a formula.

A cell that begins with =, +, -, @, a tab or a carriage return is computed by Excel, LibreOffice and others, and may
send what stands beside it elsewhere. OWASP's remedy (“CSV injection”) is an apostrophe before it. So that nothing is
lost by that, a text that begins with apostrophes and then one of these signs is given one more, too; `original` takes
one away.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

OWN = "tunewright_row"
"""A column with the numbers of rows in the tables that this app exports: by it they are known when they come back."""
LABELS = {"example_id", "shown_order", "suggestions_visible"}
"""Columns by which exported labels are known."""
_FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
_NEUTRAL = re.compile(r"'+[=+\-@\t\r＝＋－＠]")


def neutral(text: str) -> str:
    """The text as a cell that no spreadsheet computes."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(cell: str) -> str:
    """The text of a cell that `neutral` made."""
    return cell[1:] if _NEUTRAL.match(cell) else cell


def as_text(value: Any) -> Any:
    """A value of a table's row: texts made neutral, others as they are."""
    return neutral(value) if isinstance(value, str) else value


def is_own(columns: Collection[str]) -> bool:
    """Was a table with these columns exported here?"""
    return OWN in columns or set(columns) >= LABELS
