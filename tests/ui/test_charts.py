"""The loss chart: its note stays within the figure, and its place is there before the first loss."""

from __future__ import annotations

import pytest

from ui import charts

CURVE = [(step, 3 - step / 50) for step in range(1, 101)]


@pytest.mark.parametrize(("lowest", "side"), [(0, "left"), (10, "left"), (50, "center"), (95, "right"), (100, "right")])
def test_the_note_of_the_lowest_validation_is_not_cut_at_an_end(lowest, side):
    """An anchor at its left lets the text run to the right, and the other way round."""
    validation = [(step, 1.0 if step == lowest else 2.0) for step in (0, 10, 50, 95, 100)]
    figure = charts.losses(CURVE, validation, 100)
    [note] = figure.layout.annotations
    assert (note.text, note.x, note.xanchor) == ("lowest validation 1.000", lowest, side)


def test_the_note_of_the_first_validation_while_the_run_goes_on():
    """Known before the number of steps: the one point is at step 0."""
    [note] = charts.losses([], [(0, 4.2)]).layout.annotations
    assert note.xanchor == "left"


def test_the_place_of_the_curve_is_there_before_it():
    empty, full = charts.losses([], []), charts.losses(CURVE, [], 100)
    assert empty.layout.height == full.layout.height
    assert empty.layout.xaxis.showticklabels is False and not empty.layout.showlegend
    assert full.layout.xaxis.showticklabels is None and full.layout.showlegend
