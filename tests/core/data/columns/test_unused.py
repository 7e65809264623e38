"""What is not trained is counted by kind, with the first rows, and without growing with the file."""

from __future__ import annotations

from core.data.columns.unused import FIRST_ROWS, LONGEST_VALUE, MOST_KINDS, Part, Tally, Unused


def test_a_thing_counts_once_a_row_and_shows_its_first_rows():
    tally = Tally()
    for row in range(1, 10):
        tally.add(row, [Part("turn", "a turn", f"text {row}"), Part("turn", "a turn", "again")])
    [unused] = tally.unused
    assert (unused.rows, unused.first_rows) == (9, (1, 2, 3, 4, 5))
    assert str(unused) == "a turn: 9 rows (rows 1, 2, 3, 4, 5 …, such as “again”)"
    assert Unused.from_dict(unused.to_dict()) == unused


def test_batches_are_counted_together():
    first, second = Tally(), Tally()
    first.add(1, [Part("column", "id", "x")])
    second.add_rows("column", "id", [4, 5, 6, 7, 8, 9], "y")
    second.add_rows("column", "url", [], "")
    first.merge(second)
    assert first.unused == [Unused("column", "id", 7, (1, 4, 5, 6, 7), "x")]
    assert len(first.unused[0].first_rows) == FIRST_ROWS


def test_turns_come_before_columns():
    tally = Tally()
    tally.add(1, [Part("column", "a"), Part("space", "white space"), Part("turn", "a turn"), Part("answer", "others")])
    assert [u.kind for u in tally.unused] == ["turn", "answer", "column", "space"]


def test_it_never_knows_more_than_a_few_kinds():
    tally = Tally()
    tally.add(1, [Part("key", f"key {i}", "x" * 10_000) for i in range(10 * MOST_KINDS)])
    assert len(tally.unused) == MOST_KINDS + 1
    assert tally.unused[-1].kind == "other" and tally.unused[-1].rows == 9 * MOST_KINDS
    assert max(len(u.value) for u in tally.unused) <= LONGEST_VALUE
