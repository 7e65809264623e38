"""Turns are added and removed an exchange at a time, and what is trained stays what it was."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.data import drafts, editing, exchanges
from core.engine.rendering import render
from core.errors import UserError
from core.types import Example

CALL = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": {}}}


def said(role: str, content: str, **more: object) -> dict:
    return {"role": role, "content": content, **more}


TALK = Example(
    (
        said("system", "Be brief."),
        *(said("user", "Hi"), said("assistant", "Hello")),
        *(said("user", "Time?"), said("assistant", "", tool_calls=[CALL]), said("tool", "12:00")),
        *(said("assistant", "Noon."), said("user", "Thanks")),
    ),
    "Bye.",
    7,
    answer={"reasoning_content": "They go."},
)


def test_an_exchange_goes_with_what_its_tools_said():
    assert exchanges.of(TALK) == [range(1, 3), range(3, 7), range(7, 9)]
    without = exchanges.changed(TALK, [("remove", 2)])
    assert without.messages == (*TALK.messages[:3], TALK.messages[7])
    assert (without.target, without.answer) == ("Bye.", TALK.answer)
    first = exchanges.changed(TALK, [("remove", 3)])
    assert (first.messages, first.target, first.answer) == (TALK.messages[:6], "Noon.", {})
    only = exchanges.changed(TALK, [("remove", 3), ("remove", 2)])
    assert (only.messages, only.target) == (TALK.messages[:2], "Hello")
    with pytest.raises(UserError, match="Delete the row instead"):
        exchanges.changed(only, [("remove", 1)])
    with pytest.raises(UserError, match="no exchange 4. It has 3"):
        exchanges.changed(TALK, [("add", 4)])


def test_an_answer_is_trained_also_when_it_is_the_last_no_more(tiny_tokenizer):
    more = exchanges.changed(TALK, [("add", 3)])
    assert more.messages[-2] == {"role": "assistant", "content": "Bye.", "reasoning_content": "They go."}
    assert (more.messages[-1], more.target, more.answer) == (said("user", ""), "", {})
    row = Example((said("user", "the cat"),), "sat", 1)
    longer = exchanges.changed(row, [("add", 1)])
    longer = replace(longer, messages=(*longer.messages[:2], said("user", "and then")), target="on the mat")
    rendered = render(longer, tiny_tokenizer)
    trained = tiny_tokenizer.decode([i for i, t in zip(rendered.ids, rendered.trained, strict=True) if t])
    assert "sat" in trained and "on the mat" in trained and "the cat" not in trained and "and then" not in trained


def test_what_is_context_only_never_becomes_the_last_answer():
    context = replace(TALK, messages=(*TALK.messages[:6], said("assistant", "Noon.", train=False), TALK.messages[7]))
    with pytest.raises(UserError, match="context only"):
        exchanges.changed(context, [("remove", 3)])
    for judged in (replace(TALK, rejected="No."), replace(TALK, good=True)):
        with pytest.raises(UserError, match="is judged"):
            exchanges.changed(judged, [("add", 3)])
        assert exchanges.changed(judged, [("add", 1)]).target == "Bye."
    with pytest.raises(UserError, match="Other right answers"):
        exchanges.changed(replace(TALK, references=("See you.",)), [("remove", 3)])


def test_a_row_is_kept_with_its_new_turns_unless_one_is_empty(workspace):
    rows = [Example((said("user", f"Say {i}"),), str(i), i + 1) for i in range(8)]
    version = workspace.add_version(workspace.create_project("p").id, "v", rows, {"file": "x"})
    texts = {"user 3": "Again?", "answer": "Yes, 2."}
    for new, words in (({**texts, "user 3": " "}, "“user 3” is empty"), ({**texts, "answer": ""}, "answer is empty")):
        with pytest.raises(UserError, match=words):
            editing.change(workspace, version.id, 2, rows[2].id, new, [("add", 1)])
    assert drafts.read(workspace, version.id).count == 0
    editing.change(workspace, version.id, 2, rows[2].id, texts, [("add", 1)])
    row = drafts.read(workspace, version.id).row(2)
    assert row and (row.asks, row.target) == (("say 2", "2", "again"), "Yes, 2.")
