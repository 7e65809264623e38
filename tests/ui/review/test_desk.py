"""What a desk is given and what it stores: blind sides, three states, undo, two windows, other people."""

from __future__ import annotations

import json
import time

import pytest

from core.errors import UserError
from core.review import actions, invitations, labels
from core.review.looks import looks
from core.types import Suggestion
from tests.core.judge.test_actions import make_evaluation
from ui.html import review as html
from ui.review import desk, item

SAID = {"verdict": "a", "labels": {"a": {"too_long": "unsure"}, "b": {"repetition": "present"}}}


@pytest.fixture
def reader(workspace, rows_file):
    return desk.Reader(workspace, make_evaluation(workspace, rows_file), workspace.owner)


def first(reader, **asked):
    return desk.hand(reader, {"blind": True, "n": 1, **asked})["items"][0]


def tell(reader, one, said=SAID, **more):
    told = {
        "item": one["id"],
        "said": said,
        "version": one["version"],
        "blind": one["blind"],
        "key": "k",
        "hints": True,
    }
    return desk.store(reader, {**told, "since": one["since"], **more})


def test_the_sides_are_told_after_the_verdict(reader):
    one = first(reader)
    sides = actions.item(reader.workspace, reader.job, one["id"]).order
    assert one["names"] is None and "tuned" not in str(one).lower()
    without = tell(reader, one, {**SAID, "verdict": "none"}, key="1")
    assert without["names"] is None
    told = tell(reader, one, since=without["since"], key="2")
    assert told["names"] == {place: item.NAMES[side] for place, side in zip("ab", sides, strict=True)}
    event = labels.history(reader.workspace.engine, reader.job.id)[-1]
    assert (event.verdict, event.blind, event.shown_order) == (sides[0], True, sides)
    assert event.labels[sides[0]]["too_long"] == "unsure" and event.labels[sides[1]]["repetition"] == "present"
    assert event.labels[sides[0]]["repetition"] == "absent"  # what is not marked is not wrong
    assert event.labels["reference"] == {"reference_wrong": "absent"}
    again = first(reader, only=one["id"])
    assert again["names"] == told["names"] and again["said"]["verdict"] == "a"
    seen = first(reader, only=one["id"], blind=False)
    assert again["place"] == seen["place"] == one["place"] == 0
    assert seen["names"] == {"a": "Base", "b": "Tuned"} and seen["said"]["verdict"] == "ab"[sides[0] == "tuned"]


def test_places_stay_while_rows_are_labelled(reader):
    """Fetched ahead of a person who labels: none is left out, none comes twice."""
    whole = looks(reader.workspace, reader.job).ids
    met, at = [], None
    while found := desk.hand(reader, {"blind": True, "n": 2, "from": at, "step": 1})["items"]:
        for one in found:
            tell(reader, one, key=one["id"])
        met += [one["id"] for one in found]
        at = found[-1]["place"]
    assert met == whole and len(whole) == 4
    assert desk.hand(reader, {"from": None})["items"] == []
    assert desk.hand(reader, {})["progress"] == {"done": 4, "of": 4}
    back = desk.hand(reader, {"from": 3, "step": -1, "n": 9, "filter": "all"})["items"]
    assert [one["id"] for one in back] == whole[:3][::-1]


def test_taken_back_once_however_often_it_is_sent(reader):
    one = first(reader)
    stored = tell(reader, one, key="1")
    stored = tell(reader, one, {**SAID, "note": "second"}, since=stored["since"], key="2")
    undo = {"undo": True, "since": stored["since"], "key": "3"}
    back = tell(reader, one, **undo)
    assert back["said"]["note"] == "" and back["said"]["verdict"] == "a"
    assert tell(reader, one, **undo)["said"] == back["said"]  # the answer was lost, and it is sent again
    assert tell(reader, one, undo=True, since=back["since"])["said"] is None
    assert desk.hand(reader, {})["progress"]["done"] == 0


def test_sent_twice_it_is_stored_once(reader):
    one = first(reader)
    assert tell(reader, one)["since"] == tell(reader, one)["since"]
    assert len(labels.history(reader.workspace.engine, reader.job.id)) == 1


def test_what_waited_in_a_browser_does_not_win_over_what_was_said_later(reader):
    one = first(reader)
    tell(reader, one, {**SAID, "note": "in the other window"}, key="1")
    now = tell(reader, one, {**SAID, "note": "newer"}, since=0, key="2")
    assert "in another place" in now["notice"] and "what you said now counts" in now["notice"]
    time.sleep(1.1)
    late = tell(reader, one, {**SAID, "note": "older, offline"}, since=0, age=3600, key="3")
    assert "after this. That counts; both are kept." in late["notice"]
    assert first(reader, only=one["id"])["said"]["note"] == "newer"
    notes = [e.note for e in labels.history(reader.workspace.engine, reader.job.id)]
    assert notes == ["in the other window", "newer", "older, offline", "newer"]


def test_nothing_is_shown_of_hints_where_the_draw_hides_them(reader, monkeypatch):
    one = actions.item(reader.workspace, reader.job, first(reader)["id"])
    with open(reader.workspace.folder(reader.job) / "suggestions.jsonl", "w") as file:
        for answer in one.generations.values():
            found = Suggestion(answer.id, "misspelling", 0.9, True, ((0, 3),), "why", "d-1", 0.5)
            file.write(json.dumps(found.to_dict()) + "\n")
    for hidden in (False, True):
        monkeypatch.setattr(actions.blind, "hints_hidden", lambda *_, hidden=hidden: hidden)
        shown = first(reader, only=one.example.id)
        assert shown["hints"] is not hidden
        assert bool(shown["parts"]["a"]["suggested"]) is not hidden
        assert ("<mark" in shown["parts"]["a"]["html"]) is not hidden
        tell(reader, shown, key=str(hidden))
        assert labels.history(reader.workspace.engine, reader.job.id)[-1].suggestions_visible is not hidden


@pytest.mark.parametrize(
    "text",
    ["<script>x</script> & “a”", "a\r\nb\rc\n", "\n leading", "مرحبا 👩‍👩‍👧", "  \t ", "x" * 100_000, "${x} {{y}}"],
)
def test_a_text_is_given_character_by_character(text):
    """What a browser reads back of the markup is the text: marked places are found again."""
    from html import unescape
    from re import sub

    found = [Suggestion("g", "misspelling", 1.0, True, ((0, 2), (1, 3)), "r", "d", 0.5)]
    shown = html.told(text, found)
    assert unescape(sub(r"</?mark[^>]*>", "", shown)) == text
    assert "<script" not in shown and "\r" not in shown


def test_what_a_correction_changes_is_shown_fast():
    assert html.edits("The cat sat.", "The dog sat.") == "The <del>cat</del><ins>dog</ins> sat."
    assert html.edits("<b>", "<b> more").startswith("&lt;b&gt;")
    began = time.perf_counter()
    html.edits("a b " * 25_000, "b a " * 25_000)
    assert time.perf_counter() - began < 2


def test_people_who_disagree_are_shown_and_settled(reader):
    _, link = invitations.invite(reader.workspace, reader.job, places=2, overlap=2)
    guests = []
    for name in ("Ada", "Bob"):
        guest = invitations.guest(reader.workspace, invitations.join(reader.workspace, link, name))
        guests.append(desk.Reader(guest.workspace, guest.evaluation, guest.annotator, guest))
    ada, bob = guests
    one = first(ada, blind=False)
    assert one["blind"] and one["names"] is None  # a guest cannot ask for open sides
    side = actions.item(ada.workspace, ada.job, one["id"], "Ada").order[0]
    tell(ada, one, {"verdict": "a", "labels": {"a": {"off_topic": "present"}}})
    other = first(bob)
    assert other["id"] == one["id"]  # two labels are wanted of each
    assert "Ada" not in str(other)
    place = "ab"[actions.item(bob.workspace, bob.job, one["id"], "Bob").order.index(side)]
    tell(bob, other, {"verdict": "ab"[place == "a"], "labels": {}})

    [open_] = desk.hand(reader, {"filter": "disagreement", "blind": False, "n": 5})["items"]
    assert open_["id"] == one["id"] and "Ada" in open_["settles"] and "Bob" in open_["settles"]
    assert open_["said"]["labels"]["ab"[side == "tuned"]]["off_topic"] == "unsure"
    tell(reader, open_, {"verdict": "tie", "labels": {}}, settles=True)
    assert desk.hand(reader, {"filter": "disagreement"})["items"] == []
    assert labels.current(reader.workspace.engine, reader.job.id)[one["id"]].verdict == "tie"
    said = desk.history(reader, {"item": one["id"]})["html"]
    assert said.index("You") < said.index("Bob") < said.index("Ada") and "settled" in said and "off topic" in said
    for act, what in ((desk.add_label, {"title": "x"}), (desk.history, {"item": one["id"]})):
        with pytest.raises(UserError, match="owner"):
            act(ada, what)


def test_a_label_of_ones_own_is_used_at_once(reader):
    made = desk.add_label(reader, {"title": "Wrong <unit>"})
    assert "Wrong &lt;unit&gt;" in made["html"]
    one = first(reader)
    tell(reader, one, {"verdict": "none", "labels": {"b": {made["label"]: "present"}}})
    assert [i["id"] for i in desk.hand(reader, {"filter": f"label:{made['label']}", "n": 9})["items"]] == [one["id"]]
    assert "Wrong &lt;unit&gt;" in desk.empty_desk(reader)


@pytest.mark.parametrize(
    "told",
    [
        {"said": None},
        {"said": {"labels": {"a": {"no such": "present"}}}},
        {"said": {"labels": {"a": {"too_long": "maybe"}}}},
        {"said": {"verdict": "best"}},
        {"said": {"spans": {"a": {"too_long": [[5, 2]]}}}},
        {"said": {"note": "n" * 100_001}},
        {"item": "0123456789abcdef"},
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(reader, told):
    one = first(reader)
    with pytest.raises(UserError):
        tell(reader, one, told.get("said", SAID), **({"item": told["item"]} if "item" in told else {}))
    assert labels.history(reader.workspace.engine, reader.job.id) == []
