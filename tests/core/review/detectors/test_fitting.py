"""A threshold fitted to what people said: by hand where it can be counted, and by properties."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.review.detectors import fitting
from core.statistics.bounds import of_rate


def test_accuracy_is_counted_by_hand():
    found = fitting.accuracy([(0.9, True), (0.8, False), (0.4, True), (0.1, False)], 0.5)
    assert (found.flagged, found.right, found.present, found.labels) == (2, 1, 2, 4)
    assert (found.precision, found.recall) == (0.5, 0.5)
    assert found.precision_interval == of_rate(1, 2)
    none = fitting.accuracy([(0.1, False)], 0.5)
    assert (none.precision, none.recall, none.precision_interval) == (None, None, (None, None))


def test_a_threshold_moves_between_the_scores_of_both_kinds():
    labelled = [(0.3, True)] * 20 + [(0.2, False)] * 40
    found = fitting.fit(labelled, 0.5)
    assert found.before.recall == 0.0
    assert found.after.threshold == pytest.approx(0.25)
    assert (found.after.precision, found.after.recall, found.why) == (1.0, 1.0, "")


@pytest.mark.parametrize("labelled", [[(0.9, True)] * 49, [(0.9, True)] * 60, [(0.1, False)] * 58 + [(0.9, True)] * 2])
def test_too_few_labels_change_nothing(labelled):
    found = fitting.fit(labelled, 0.5)
    assert found.before == found.after
    assert found.why.endswith(".")


def test_what_is_right_already_stays():
    labelled = [(0.9, True)] * 30 + [(0.1, False)] * 30
    assert fitting.fit(labelled, 0.5).after.threshold == 0.5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 100).map(lambda n: n / 100), st.booleans()), max_size=90))
def test_no_fit_is_worse_than_what_was_there(labelled):
    found = fitting.fit(labelled, 0.5)
    f1 = fitting._f1
    assert f1(found.after) >= f1(found.before)
    assert found.after == fitting.accuracy(labelled, found.after.threshold)
    assert found.after.threshold > 0
