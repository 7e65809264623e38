"""Columns are guessed as a person would, and rows that cannot be used are named."""

from __future__ import annotations

import pytest

from core.data.columns import Columns, guess, to_examples
from core.data.reading import Table
from core.types import UserError


def table(*rows: dict) -> Table:
    columns = tuple(dict.fromkeys(k for row in rows for k in row))
    return Table(columns, [{c: row.get(c) for c in columns} for row in rows], list(range(1, len(rows) + 1)))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("instruction", "input", "output"), ("instruction", "output", "input")),
        (("prompt", "completion"), ("prompt", "completion", None)),
        (("Question", "Answer", "id"), ("Question", "Answer", None)),
        (("text", "label"), ("text", "label", None)),
        (("frage", "answer"), ("frage", "answer", None)),
        (("input", "output"), ("input", "output", None)),
        (("system prompt", "user", "assistant"), ("user", "assistant", None)),
    ],
)
def test_guess(columns, expected):
    found = guess(table(dict.fromkeys(columns, "x")))
    assert (found.prompt, found.answer, found.context) == expected


def test_a_label_task_names_its_labels():
    rows = table({"text": "it drips", "label": "leak"}, {"text": "lovely", "label": "praise"})
    columns = guess(rows)
    assert columns.label_task
    examples, _ = to_examples(rows, columns)
    assert examples[0].prompt == "it drips\n\nLabel, one of leak, praise:"
    assert examples[0].target == "leak"


def test_openai_and_sharegpt_chats():
    openai = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    openai += [{"role": "assistant", "content": "hello"}, {"role": "user", "content": "unanswered"}]
    sharegpt = [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]
    for column, turns, roles in (
        ("messages", openai, ["system", "user"]),
        ("conversations", sharegpt, ["user"]),
    ):
        rows = table({column: turns})
        examples, problems = to_examples(rows, guess(rows))
        assert [m["role"] for m in examples[0].messages] == roles
        assert examples[0].target == "hello"
        assert not problems


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"prompt": "a", "answer": " "}, "The answer is empty"),
        ({"prompt": None, "answer": "b"}, "The prompt is empty"),
    ],
)
def test_rows_that_cannot_be_trained_are_named(row, what):
    examples, problems = to_examples(table({"prompt": "a", "answer": "b"}, row), Columns("prompt", "answer"))
    assert len(examples) == 1
    assert (problems[0].row, problems[0].what) == (2, what + ".")


@pytest.mark.parametrize(
    "turns",
    ["text", [], [{"role": "tool", "content": "x"}], [{"role": "user", "content": "x"}], [1], [{"role": "user"}]],
)
def test_chats_without_an_answer_are_named(turns):
    examples, problems = to_examples(table({"messages": turns}), Columns(messages="messages"))
    assert not examples
    assert problems[0].row == 1


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        (Columns("nope", "answer"), "There is no column “nope”. The file has: “prompt”, “answer”"),
        (Columns("prompt"), "No column for the answer"),
        (Columns(None, "answer"), "No column for the prompt"),
        (Columns("prompt", "prompt"), "is both prompt and answer"),
    ],
)
def test_wrong_columns_are_refused(columns, sentence):
    with pytest.raises(UserError, match=sentence):
        to_examples(table({"prompt": "a", "answer": "b"}), columns)


def test_values_become_text_and_keep_their_content():
    rows = table({"prompt": 3, "answer": ["a", None], "source": "<script>${x}</script>"})
    examples, _ = to_examples(rows, Columns("prompt", "answer"))
    assert examples[0].prompt == "3"
    assert examples[0].target == '["a", null]'
    assert examples[0].meta == {"source": "<script>${x}</script>"}
