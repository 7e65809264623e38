"""Storing a label whatever happened meanwhile, and what an annotator is shown."""

from __future__ import annotations

from collections import Counter

import pytest

from core.errors import UserError
from core.jobs.answers import Answers
from core.review import actions, blind, finding, labels, notes, own, suggested
from core.review.finding import Wanted
from tests.core.review.conftest import answer, make_review


def test_sides_are_shuffled_and_stay_so_for_a_person(workspace, review):
    ids = [f"{n:016x}" for n in range(2000)]
    drawn = Counter(blind.sides(review.id, id_, "Ada")[0] for id_ in ids)
    assert 900 < drawn["base"] < 1100
    assert [blind.sides(review.id, i, "Ada") for i in ids] == [blind.sides(review.id, i, "Ada") for i in ids]
    assert sum(blind.sides(review.id, i, "Ada") == blind.sides(review.id, i, "Bob") for i in ids) < 1100
    hidden = sum(blind.hints_hidden(review.id, i, "Ada") for i in ids)
    assert 0.12 * 2000 < hidden < 0.18 * 2000
    both = sum(blind.hints_hidden(review.id, i, "Ada") and blind.sides(review.id, i, "Ada")[0] == "base" for i in ids)
    assert 0.35 < both / hidden < 0.65  # one says nothing of the other


def test_hidden_hints_do_not_reach_the_page(workspace, review):
    ids = actions.reading_order(workspace, review)
    items = [actions.item(workspace, review, id_, "Ada") for id_ in ids]
    assert {bool(i.suggestions["base"]) for i in items if i.hints_hidden} <= {False}
    assert all(i.suggestions["base"] for i in items if not i.hints_hidden)
    assert any(i.hints_hidden for i in items)


def test_a_row_that_was_answered_anew_meanwhile(workspace, review, say):
    [first, *_] = actions.reading_order(workspace, review)
    known = Answers(workspace, review)
    before = {side: g.id for side, g in known.of(first).items()}
    answer(workspace, review, known.examples(known.ids()), tuned="Another answer, {}.")
    stored = say(review, first, generation_ids=before, labels={"tuned": {"wrong_fact": "present"}})
    assert "answered anew while you labelled it. Your label is stored" in stored.said
    assert labels.history(workspace.engine, review.id) == [stored.event]
    # It says nothing of the answers that are there now.
    assert finding.find(workspace, review, Wanted(label="wrong_fact")) == []
    assert say(review, first, labels={"tuned": {"wrong_fact": "present"}}).said == ""
    assert finding.find(workspace, review, Wanted(label="wrong_fact")) == [first]


def test_two_tabs_of_one_person(workspace, review, say):
    [first, *_] = actions.reading_order(workspace, review)
    seen = actions.item(workspace, review, first).newest
    here = say(review, first)
    event = here.event
    there = actions.store(
        workspace, review, event.__class__(**{**vars(event), "verdict": "tie", "key": "b"}), seen=seen
    )
    assert f"in another place too, at {here.event.created[11:16]} UTC" in there.said
    assert labels.current(workspace.engine, review.id)[first].verdict == "tie"
    # What is sent again, because no answer came, is no second tab.
    again = actions.store(
        workspace, review, event.__class__(**{**vars(event), "verdict": "tie", "key": "b"}), seen=seen
    )
    assert (again.event.id, again.said) == (there.event.id, "")


def test_places_that_are_not_in_the_answer_are_refused(workspace, review, say):
    [first, *_] = actions.reading_order(workspace, review)
    longest = len(Answers(workspace, review).of(first)["base"].text)
    assert say(review, first, spans={"base": {"repetition": [(0, longest)]}}).event.spans
    with pytest.raises(UserError, match=f"which has {longest} characters"):
        say(review, first, spans={"base": {"repetition": [(0, longest + 1)]}})
    with pytest.raises(UserError, match="not part of the evaluation"):
        say(review, "00" * 8)


def test_rows_are_found_by_what_is_said_of_them(workspace, review, say):
    ids = actions.reading_order(workspace, review)
    a, b, c = ids[:3]
    say(review, a, labels={"tuned": {"wrong_fact": "present"}}, verdict="base")
    say(review, a, "Ada", labels={"tuned": {"wrong_fact": "absent"}}, verdict="base")
    say(review, b, "Ada", verdict="tie")
    find = lambda **wanted: finding.find(workspace, review, Wanted(**wanted))  # noqa: E731
    assert find() == [i for i in ids if i != a] + [a]  # what I labelled comes last
    assert find(label="wrong_fact") == [a] and find(disagreement=True) == [a]
    assert find(verdict="tie") == [b] and set(find(labelled="anybody")) == {a, b}
    assert find(labelled="mine") == [a] and a not in find(labelled="no") and set(find(annotator="Ada")) == {a, b}
    assert len(find(suggested="repetition")) == 10 and find(suggested="too_long") == []
    assert len(find(drawn=True)) == 4
    examples = {e.row: e.id for e in Answers(workspace, review).examples(ids)}
    assert find(text="NAME 7?") == [examples[7]] and find(text="no no 12 ") == [examples[12]] and find(text="zzz") == []
    actions.adjudicate(workspace, review, labels.current(workspace.engine, review.id, "Ada")[a])
    assert find(disagreement=True) == [] and find(label="wrong_fact") == []  # it was settled as absent


def test_a_review_may_stop_when_nothing_new_turns_up(workspace, say):
    review = make_review(workspace, 30)
    ids = actions.reading_order(workspace, review)
    for n, id_ in enumerate(ids[:26]):
        label = "misspelling" if n < 5 else "repetition"
        say(review, id_, "Ada", labels={"base": {label: "present"}})
        far = finding.progress(workspace, review)
        assert far.enough == (n == 25), n
    say(review, ids[3], "Ada", note="a second thought is no further row")
    assert finding.progress(workspace, review).anybody == 26
    say(review, ids[26], labels={"tuned": {"cut_off": "present"}})
    far = finding.progress(workspace, review)
    assert (far.items, far.mine, far.anybody, far.kinds, far.since_new, far.enough) == (30, 1, 27, 3, 0, False)
    assert (far.drawn, far.drawn_done, far.people) == (6, 5, {"Ada": 26, "local": 1})


def test_notes_become_a_label(workspace, review, say):
    ids = actions.reading_order(workspace, review)
    first = say(review, ids[0], note="Wrong unit: metres!", labels={"tuned": {"repetition": "absent"}}).event
    second = say(review, ids[1], "Ada", note="wrong unit (metres)").event
    say(review, ids[2], note="rude")
    found = notes.grouped(workspace, review)
    assert [(g.title, g.events) for g in found][0] == ("Wrong unit: metres!", (first.id, second.id))
    label, carried = notes.promote(workspace, review, found[0].events, "Wrong unit")
    assert (label.id, carried) == ("own_wrong_unit", 2)
    mine, hers = (labels.current(workspace.engine, review.id, name)[ids[n]] for n, name in enumerate(("local", "Ada")))
    assert mine.labels == {"tuned": {"repetition": "absent", "own_wrong_unit": "present"}} and mine.note == first.note
    assert hers.annotator == "Ada" and hers.labels == {"tuned": {"own_wrong_unit": "present"}}
    with pytest.raises(UserError, match="changed or taken back"):
        notes.promote(workspace, review, [first.id], "Wrong unit")
    assert [o.title for o in own.offered(workspace.engine, review.project_id)] == ["Wrong unit"]


def test_scores_are_paired_with_what_people_say(workspace, review, say):
    ids, answers = actions.reading_order(workspace, review), Answers(workspace, review)
    flagged = [id_ for id_ in ids if answers.suggestions(answers.of(id_)["base"])[0].flagged]
    # Whose draw hides some of the flagged rows, and not all: ids of reviews are random.
    names = (f"Ada {n}" for n in range(1000))
    ada = next(n for n in names if 0 < sum(blind.hints_hidden(review.id, i, n) for i in flagged) < len(flagged))
    for id_ in ids:
        hidden = blind.hints_hidden(review.id, id_, ada)
        # Ada follows the detector where she sees it, and else says that there is nothing.
        mark = "present" if id_ in flagged and not hidden else "absent"
        say(review, id_, ada, labels={"base": {"repetition": mark}}, suggestions_visible=not hidden)
    pairs = suggested.score_pairs(workspace, review)["repetition"]
    assert len(pairs) == 20 and all(score == 0.9 for score, present in pairs if present)
    found = suggested.anchoring(workspace, review)["repetition"]
    assert found.flagged_seen.mean == 1.0 and found.flagged_hidden.mean == 0.0
    assert found.flagged_seen.n + found.flagged_hidden.n == 10
    # Who hides hints by themselves tells nothing of anchoring.
    say(review, ids[0], "Bob", labels={"base": {"repetition": "present"}}, suggestions_visible=False)
    bobs = 1 if blind.hints_hidden(review.id, ids[0], "Bob") else 0
    again = suggested.anchoring(workspace, review)["repetition"]
    cells = (again.flagged_seen, again.flagged_hidden, again.quiet_seen, again.quiet_hidden)
    assert sum(cell.n for cell in cells if cell) == 20 + bobs
