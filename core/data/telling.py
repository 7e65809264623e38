"""What people should know of an import as a whole: what its rows are, and what was added to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.data.columns.choice import as_text, cell
from core.data.reading.table import Reading
from core.wording import count

MOST_OF_SAMPLE = 2000
"""Letters of a cell in a sample."""


def sample(row: dict[str, Any], columns: Sequence[str]) -> dict[str, str]:
    """What is in a row, shortened: templates are shown with it while they are written."""
    return {column: as_text(cell(row, column))[:MOST_OF_SAMPLE] for column in columns}


def of_given(rows: int, reading: Reading) -> None:
    """How many rows got the project's system prompt."""
    if rows:
        what = f"{count(rows, 'row')} that brought no system prompt got the project's."
        reading.tell("note", what, "Change or empty it where that is not meant (--system-prompt).")
