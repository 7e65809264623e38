"""Error rates are of the random stratum; what was fixed and what broke is told by name; people agree or settle it."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.jobs.answers import Answers
from core.review import actions, agreement, looks, rates, settled
from tests.core.review.conftest import answer, make_review

PRESENT, ABSENT = {"repetition": "present"}, {"repetition": "absent"}


def test_rates_are_of_the_random_stratum_alone(workspace, say):
    review = make_review(workspace, 60)
    drawn = looks.looks(workspace, review).drawn
    others = [i for i in actions.reading_order(workspace, review) if i not in drawn]
    for n, id_ in enumerate(drawn):
        say(review, id_, labels={"base": PRESENT if n < 9 else ABSENT, "tuned": PRESENT if n in (0, 10) else ABSENT})
    for id_ in others[:15]:
        say(review, id_, labels={"base": PRESENT, "tuned": PRESENT})  # chosen because they are bad
    found = rates.error_rates(workspace, review)
    [rate] = found.rates
    assert (found.drawn, found.judged, found.skipped) == (12, 12, 0)
    assert (rate.label, rate.n, rate.first.mean, rate.second.mean) == ("repetition", 12, 9 / 12, 2 / 12)
    assert rate.difference.difference == pytest.approx(-7 / 12) and rate.difference.high < 0 and rate.p < 0.05
    assert set(rate.fixed) == set(drawn[1:9]) and rate.broke == (drawn[10],)


def test_what_nobody_is_sure_of_is_no_rate(workspace, review, say):
    drawn = looks.looks(workspace, review).drawn
    say(review, drawn[0], labels={"base": PRESENT, "tuned": {"repetition": "unsure"}})
    assert rates.error_rates(workspace, review).rates == ()
    say(review, drawn[2], labels={"base": PRESENT, "tuned": ABSENT})
    [rate] = rates.error_rates(workspace, review).rates
    assert rate.n == 1 and rates.error_rates(workspace, review).skipped == 1


def test_two_runs_are_compared_on_the_rows_that_both_answered(workspace, say):
    first = make_review(workspace, 30)
    second = workspace.add_job(first.project_id, "evaluate", "of run 2", first.spec, state="ended")
    known = Answers(workspace, first)
    answer(workspace, second, known.examples(known.ids()), tuned="The answer is {}.")
    for n, id_ in enumerate(looks.looks(workspace, first).drawn):
        say(first, id_, labels={"tuned": PRESENT})
        say(second, id_, labels={"tuned": PRESENT if n == 0 else ABSENT})
    [rate] = rates.compare_runs(workspace, first, second).rates
    assert (rate.n, rate.first.mean, rate.second.mean, len(rate.fixed)) == (6, 1.0, 1 / 6, 5)
    with pytest.raises(UserError):
        rates.compare_runs(workspace.as_owner("somebody"), first, second)


def test_people_agree_or_it_is_settled(workspace, review, say):
    ids = actions.reading_order(workspace, review)
    for n, id_ in enumerate(ids[:12]):
        say(review, id_, "Ada", labels={"base": PRESENT, "tuned": ABSENT}, verdict="tuned")
        say(review, id_, "Bob", labels={"base": PRESENT, "tuned": PRESENT if n < 3 else ABSENT}, verdict="tuned")
    say(review, ids[15], "Ada", labels={"base": PRESENT})
    found = agreement.agreement(workspace, review)
    assert set(found) == {"verdict", "repetition"}
    assert found["verdict"].percent.value == 1.0 and found["verdict"].kappa.value is None
    assert (found["repetition"].units, found["repetition"].items) == (24, 12)
    assert found["repetition"].percent.value == pytest.approx(21 / 24)
    assert found["repetition"].kappa.value == pytest.approx(0.75)  # 12:12 against 15:9, 21 of 24 alike
    assert settled.disagreements(workspace, review) == ids[:3]
    assert settled.voices(workspace, review)[ids[0]].marks["tuned", "repetition"] == "unsure"
    event = settled.voices(workspace, review)[ids[0]].each[0]
    actions.adjudicate(workspace, review, event)
    assert settled.disagreements(workspace, review) == ids[1:3]
    assert settled.voices(workspace, review)[ids[0]].marks["tuned", "repetition"] == "absent"
    # Settling changes nothing of what people said by themselves, nor does who labels afterwards unsettle it.
    assert agreement.agreement(workspace, review) == found
    say(review, ids[0], "Eve", labels={"tuned": PRESENT})
    assert settled.voices(workspace, review)[ids[0]].marks["tuned", "repetition"] == "absent"
    assert agreement.agreement(workspace.as_owner("local"), make_review(workspace, 5, "Other")) == {}
