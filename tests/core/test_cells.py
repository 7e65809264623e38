"""No cell of an exported table is a formula, and nothing is lost by that."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from core import cells

TEXTS = st.text(alphabet="'=+-@\t\r a1＝\n", max_size=8) | st.text(max_size=20)


@given(TEXTS)
@settings(max_examples=300)
def test_neutral_cells_are_no_formulas_and_give_their_text_back(text):
    cell = cells.neutral(text)
    assert not cell or cell[0] not in "=+-@\t\r＝＋－＠"
    assert cells.original(cell) == text


def test_only_what_a_spreadsheet_computes_is_changed():
    assert [cells.neutral(t) for t in ("=1+1", "-5", "@x", "\tq", "'=a", "'quoted", "a=b", "")] == [
        *("'=1+1", "'-5", "'@x", "'\tq", "''=a", "'quoted", "a=b", ""),
    ]
    assert cells.as_text(-5) == -5 and cells.as_text(None) is None
