"""The label store on a real database, its summary, and the rows it exports."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core import cells
from core.errors import UserError
from core.review import exporting, labels, own
from core.store import tables
from core.types import ERROR_LABELS, LabelEvent, Suggestion


@pytest.fixture
def engine(workspace):
    with workspace.engine.begin() as db:
        db.execute(tables.projects.insert().values(id="p", owner="local", name="P", created="2026-01-01"))
    return workspace.engine


def event(example_id: str = "x1", **changes) -> LabelEvent:
    base = LabelEvent(
        evaluation_id="ev",
        example_id=example_id,
        annotator="Ada",
        verdict="tuned",
        labels={"tuned": {"repetition": "present", "misspelling": "absent"}, "base": {"too_long": "unsure"}},
        correction="",
        note="",
        generation_ids={"base": "g0", "tuned": "g1"},
        shown_order=("tuned", "base"),
        suggestions_visible=True,
    )
    return replace(base, **changes)


def test_an_event_comes_back_as_it_was_said(engine):
    said = event(correction="Ünïcode “quotes” 🎹\nאב", note="see row 3", suggestions_visible=False)
    stored = labels.add(engine, "p", said)
    assert replace(stored, id=0, created="") == said
    assert stored.id > 0
    written = datetime.strptime(stored.created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60
    assert labels.history(engine, "ev") == [stored]


def test_a_second_thought_is_appended_and_counts(engine):
    first = labels.add(engine, "p", event(verdict="tie"))
    second = labels.add(engine, "p", event(verdict="base"))
    assert labels.history(engine, "ev", "x1") == [first, second]
    assert labels.current(engine, "ev") == {"x1": second}
    assert first.id < second.id


def test_evaluations_examples_and_annotators_are_kept_apart(engine):
    ada = labels.add(engine, "p", event())
    bob = labels.add(engine, "p", event(annotator="Bob"))
    other = labels.add(engine, "p", event("x2"))
    labels.add(engine, "p", event(evaluation_id="another"))
    assert labels.history(engine, "ev", "x2") == [other]
    assert labels.current(engine, "ev") == {"x1": bob, "x2": other}
    assert labels.current(engine, "ev", "Ada") == {"x1": ada, "x2": other}
    assert labels.current(engine, "ev", "Bob") == {"x1": bob}
    assert labels.current(engine, "ev", "Eve") == {}
    assert labels.history(engine, "none") == []


def test_several_people_at_once_lose_nothing(engine):
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lambda n: labels.add(engine, "p", event(f"x{n}", annotator=f"A{n % 4}")), range(40)))
    assert len({e.id for e in stored}) == 40
    assert labels.history(engine, "ev") == sorted(stored, key=lambda e: e.id)


def test_undo_is_an_event_that_restores_what_was_said_before(engine):
    first = labels.add(engine, "p", event(verdict="tie", note="one", spans={"tuned": {"repetition": [(0, 3)]}}))
    labels.add(engine, "p", event(verdict="base", note="two"))
    labels.add(engine, "p", event(annotator="Bob", verdict="both_bad"))
    back = labels.undo(engine, "ev", "x1", "Ada")
    assert (back.act, back.verdict, back.note, back.spans) == ("undo", "tie", "one", first.spans)
    assert labels.current(engine, "ev", "Ada") == {"x1": back}
    nothing = labels.undo(engine, "ev", "x1", "Ada")
    assert (nothing.act, nothing.verdict, nothing.labels, nothing.note) == ("clear", "none", {}, "")
    assert labels.current(engine, "ev", "Ada") == {}
    assert labels.undo(engine, "ev", "x1", "Ada") is None
    again = labels.add(engine, "p", event(verdict="tuned"))
    assert labels.current(engine, "ev", "Ada") == {"x1": again}
    assert [e.act for e in labels.history(engine, "ev")] == ["label", "label", "label", "undo", "clear", "label"]
    assert labels.current(engine, "ev", "Bob")["x1"].verdict == "both_bad"


def test_an_adjudication_wins_over_whoever_comes_later(engine):
    labels.add(engine, "p", event())
    settled = labels.add(engine, "p", event(act="adjudicate", verdict="base"))
    later = labels.add(engine, "p", event(annotator="Bob", verdict="tie"))
    assert labels.current(engine, "ev") == {"x1": settled}
    assert labels.current(engine, "ev", "Ada")["x1"].verdict == "tuned"
    assert later in labels.of_each(labels.history(engine, "ev"))


def test_what_is_sent_twice_is_stored_once(engine):
    first = labels.add(engine, "p", event(key="k1"))
    assert labels.add(engine, "p", event(key="k1", verdict="base")) == first
    other = labels.add(engine, "p", event(key="k1", annotator="Bob"))
    with ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda _: labels.add(engine, "p", event(key="k2")), range(8)))
    assert len({e.id for e in at_once}) == 1
    assert labels.history(engine, "ev") == [first, other, at_once[0]]


def test_a_project_has_labels_of_its_own(workspace):
    project = workspace.create_project("p").id
    added = own.add(workspace, project, "  Wrong unit ")
    assert (added.id, added.title, added.retired) == ("own_wrong_unit", "Wrong unit", False)
    assert own.add(workspace, project, "Wrong-unit").id == "own_wrong_unit_2"
    assert own.add(workspace, project, "单位错了").id == "own_单位错了"
    for there in ("wrong UNIT", "off topic"):
        with pytest.raises(UserError, match="already a label"):
            own.add(workspace, project, there)
    marks = {"tuned": {"own_wrong_unit": "present"}, "reference": {"reference_wrong": "present"}}
    stored = labels.add(workspace.engine, project, event(labels=marks))
    own.retire(workspace, project, "own_wrong_unit")
    assert [label.id for label in own.offered(workspace.engine, project)] == ["own_wrong_unit_2", "own_单位错了"]
    assert labels.add(workspace.engine, project, event(labels=marks)).labels == stored.labels
    assert own.add(workspace, project, "wrong unit").id == "own_wrong_unit"  # offered again, as it was
    other = workspace.create_project("other").id
    with pytest.raises(UserError, match="“own_wrong_unit” is no label"):
        labels.add(workspace.engine, other, event(labels=marks))
    with pytest.raises(UserError):
        own.add(workspace.as_owner("somebody"), project, "x")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"verdict": "better"}, "“better” is no verdict"),
        ({"labels": {"left": {}}}, "“left” is no side"),
        ({"labels": {"tuned": {"mispelling": "present"}}}, "“mispelling” is no label"),
        ({"labels": {"tuned": {"misspelling": "yes"}}}, "“yes” is no mark"),
        ({"labels": {"tuned": {"misspelling": True}}}, "“True” is no mark"),
        ({"generation_ids": {"reference": "g"}}, "“reference” is no side"),
        ({"shown_order": ("A", "B")}, "“A” is no side"),
        ({"labels": {"reference": {"misspelling": "present"}}}, "“misspelling” is no label"),
        ({"spans": {"tuned": {"repetition": [(5, 5)]}}}, "empty or begins before"),
        ({"act": "delete"}, "“delete” is no act"),
        ({"annotator": "  "}, "Enter your name"),
        ({"annotator": "A" * 129}, "129 characters"),
        ({"note": "n" * 100_001}, "100,001 characters"),
        ({"correction": "a\0b"}, "U+0000"),
        ({"note": "\ud83c"}, "U+D83C"),
    ],
)
def test_what_cannot_be_stored_is_refused_in_words(engine, changes, says):
    with pytest.raises(UserError) as refused:
        labels.add(engine, "p", event(**changes))
    assert says in str(refused.value)
    assert labels.history(engine, "ev") == []


def test_summary_counts_what_was_judged():
    events = [
        event("x1", correction="Better."),
        event("x2", verdict="none", labels={"tuned": {"repetition": "present"}}, note="odd"),
        event("x2", verdict="both_bad", labels={"base": {"off_topic": "absent"}}, annotator="Bob", note=" "),
    ]
    found = labels.summary(events)
    assert (found["examples"], found["annotators"], found["corrections"], found["notes"]) == (2, 2, 1, 1)
    assert found["verdicts"] == {"base": 0, "tuned": 1, "tie": 0, "both_bad": 1, "none": 1}
    assert found["labels"]["tuned"]["repetition"] == {"present": 2, "absent": 0, "unsure": 0}
    assert found["labels"]["base"]["off_topic"] == {"present": 0, "absent": 1, "unsure": 0}
    assert found["labels"]["base"]["too_long"]["unsure"] == 1
    assert set(found["labels"]["base"]) == set(ERROR_LABELS)


def test_summary_of_nothing_has_the_same_shape():
    empty, full = labels.summary([]), labels.summary([event()])
    assert empty["labels"].keys() == full["labels"].keys()
    assert empty["examples"] == 0


@pytest.fixture
def pair(make_example, make_generation):
    row = make_example("What is 2 + 2?", "4", row=7)
    return row, make_generation("5 5 5", row, "base"), make_generation("4", row, "tuned")


def suggestion(of, label: str, flagged: bool) -> Suggestion:
    return Suggestion(of.id, label, 0.9 if flagged else 0.1, flagged, (), "So.", f"{label}-1", 0.5)


def test_exported_rows_hold_everything_flat(pair):
    row, base, tuned = pair
    said = event(row.id, generation_ids={"base": base.id, "tuned": tuned.id}, correction="Four.", id=3, created="now")
    (found,) = exporting.export_rows([row], [base, tuned], [suggestion(tuned, "repetition", True)], [said])
    assert json.loads(json.dumps(found)) == found
    assert not any(isinstance(value, dict | list) for value in found.values())
    expected = {
        "prompt": "What is 2 + 2?",
        "reference": "4",
        "row": 7,
        "base": "5 5 5",
        "tuned": "4",
        "verdict": "tuned",
        "correction": "Four.",
        "annotator": "Ada",
        "created": "now",
        "suggestions_visible": True,
        "shown_order": "tuned,base",
        "tuned_repetition": "present",
        "tuned_misspelling": "absent",
        "base_repetition": None,
        "base_too_long": "unsure",
    }
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("mark", "flagged", "agreed"),
    [
        ("present", True, True),
        ("present", False, False),
        ("absent", True, False),
        ("absent", False, True),
        ("unsure", True, None),
        (None, True, None),
        ("present", None, None),
    ],
)
def test_agreement_with_the_suggestion(pair, mark, flagged, agreed):
    row, base, tuned = pair
    marks = {"tuned": {"repetition": mark}} if mark else {}
    said = event(row.id, labels=marks, generation_ids={"base": base.id, "tuned": tuned.id})
    suggested = [] if flagged is None else [suggestion(tuned, "repetition", flagged)]
    (found,) = exporting.export_rows([row], [base, tuned], suggested, [said])
    assert (found["tuned_repetition_suggested"], found["tuned_repetition_agreed"]) == (flagged, agreed)
    assert found["base_repetition_suggested"] is None


def test_a_label_outlives_its_row_and_its_texts(pair):
    row, base, tuned = pair
    said = event(row.id, generation_ids={"base": base.id, "tuned": tuned.id})
    full, bare = (
        exporting.export_rows([row], [base, tuned], [], [said])[0],
        exporting.export_rows([], [], [], [said])[0],
    )
    assert full.keys() == bare.keys()
    assert (bare["prompt"], bare["tuned"], bare["tuned_repetition"]) == (None, None, "present")


def test_a_text_that_was_not_the_one_shown_is_not_exported_as_if(pair):
    row, base, tuned = pair
    said = event(row.id, generation_ids={"base": base.id, "tuned": "another text"})
    assert exporting.export_rows([row], [base, tuned], [], [said])[0]["tuned"] is None


def test_no_cell_of_exported_labels_is_a_formula():
    event = LabelEvent("e", "x", "@me", "none", {}, "=1+1", "-note", {}, ("base", "tuned"), False)
    [row] = exporting.export_rows([], [], [], [event])
    [written] = csv.DictReader(io.StringIO("".join(exporting.as_csv([row]))))
    assert (written["correction"], written["note"], written["annotator"]) == ("'=1+1", "'-note", "'@me")
    assert cells.is_own(list(written)) and cells.original(written["correction"]) == "=1+1"
