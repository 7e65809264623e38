"""Columns are guessed as a person would, and rows that cannot be used are named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.columns import guess as guessing
from core.data.columns import rows as rows_of
from core.data.columns.batches import convert, of_examples
from core.data.columns.choice import Columns, check
from core.data.columns.labels import labels_of
from core.data.columns.survey import Survey, survey
from core.data.columns.unused import Tally, Unused
from core.data.reading.table import Table
from core.errors import UserError
from core.store import datasets
from core.types import Example, content_hash


def table(*rows: dict) -> Table:
    return Table(list(rows), list(range(1, len(rows) + 1)))


def looked(rows: Table, labels: str | None = None) -> Survey:
    return survey([rows], "rows", labels)


def guess(rows: Table) -> Columns:
    return guessing.guess(looked(rows))


def to_examples(rows: Table, columns: Columns):
    """Row by row; and all at once, which must be the same."""
    examples, problems, _ = with_unused(rows, columns)
    return examples, problems


def with_unused(rows: Table, columns: Columns) -> tuple[list[Example], list, list[Unused]]:
    check(looked(rows).columns, columns)
    labels = labels_of(looked(rows, columns.answer), columns)
    examples, problems = rows_of.to_examples(rows, columns, labels, tally := Tally())
    batch, expected = convert(rows, columns, labels), of_examples(examples, problems, tally)
    assert batch.tally.unused == tally.unused
    assert datasets.to_examples(batch.table) == examples
    assert batch.problems == problems
    assert batch.table.drop_columns("meta") == expected.table.drop_columns("meta")
    assert batch.texts == expected.texts
    assert batch.asked == expected.asked
    for name in ("prompt", "target", "asks"):
        assert getattr(batch.keys, name).tolist() == getattr(expected.keys, name).tolist()
    assert batch.table["id"].to_pylist() == [content_id(e) for e in examples]
    return examples, problems, tally.unused


def content_id(e: Example) -> str:
    """What an id has always been."""
    judged = ({"rejected": e.rejected} if e.rejected else {}) | ({"good": e.good} if e.good is not None else {})
    more = {name: value for name, value in e.more.items() if value}
    return content_hash({"messages": list(e.messages), "target": e.target, **judged, **more})[:16]


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
    columns = guess(table(dict.fromkeys(columns, "x")))
    assert (columns.prompt, columns.answer, columns.context) == expected


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
    ["text", [], [{"role": "narrator", "content": "x"}], [{"role": "user", "content": "x"}], [1], [{"role": "user"}]],
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
        (Columns("prompt", "answer", mark="answer"), "is both answer and mark"),
        (Columns("prompt", "answer", rejected="prompt"), "is both prompt and rejected answer"),
    ],
)
def test_wrong_columns_are_refused(columns, sentence):
    with pytest.raises(UserError, match=sentence):
        to_examples(table({"prompt": "a", "answer": "b"}), columns)


HELLO = [{"role": "user", "content": "hi"}]
KIND, RUDE = {"role": "assistant", "content": "hello"}, {"role": "assistant", "content": "what"}
PREFERENCES = {
    "strings": {"prompt": "hi", "chosen": "hello", "rejected": "what"},
    "messages": {"prompt": HELLO, "chosen": [KIND], "rejected": [RUDE]},
    "the prompt in both answers": {"chosen": [*HELLO, KIND], "rejected": [*HELLO, RUDE]},
    "the prompt twice": {"prompt": "hi", "chosen": [*HELLO, KIND], "rejected": [*HELLO, RUDE]},
    "HH-RLHF": {
        "chosen": "\n\nHuman: hi\n\nAssistant: hello",
        "rejected": "\n\nHuman: hi\n\nAssistant: what",
    },
    "LLaMA-Factory": {
        "conversations": [{"from": "human", "value": "hi"}],
        "chosen": {"from": "gpt", "value": "hello"},
        "rejected": {"from": "gpt", "value": "what"},
    },
    "JSON in a cell": {"prompt": "hi", "chosen": json.dumps([KIND]), "rejected": json.dumps([RUDE])},
    "Alpaca": {"instruction": "hi", "input": "", "output": "hello", "rejected": "what"},
    "Alpaca, all columns": {"instruction": "hi", "input": "", "output": "x", "rejected": "what", "chosen": "hello"},
}


@pytest.mark.parametrize("row", PREFERENCES.values(), ids=PREFERENCES)
def test_preferences_of_common_schemas(row):
    rows = table(row)
    [example], problems = to_examples(rows, guess(rows))
    assert not problems
    assert (list(example.messages), example.target, example.rejected) == (HELLO, "hello", "what")
    assert example.kind == "preference"


def test_a_system_message_stands_before_a_prompt_that_comes_with_the_answers():
    rows = table({"system": "be kind", "chosen": [*HELLO, KIND], "rejected": [*HELLO, RUDE]})
    [example], _ = to_examples(rows, guess(rows))
    assert [m["role"] for m in example.messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"prompt": "hi", "chosen": "a", "rejected": "a"}, "Chosen and rejected answer are the same."),
        ({"prompt": "hi", "chosen": "a", "rejected": ""}, "The rejected answer is empty."),
        ({"prompt": "", "chosen": "a", "rejected": "b"}, "The prompt is empty."),
        (
            {"prompt": "", "chosen": [*HELLO, KIND], "rejected": [{"role": "user", "content": "x"}, RUDE]},
            "Chosen and rejected answer belong to different prompts.",
        ),
        ({"prompt": "hi", "chosen": HELLO, "rejected": [RUDE]}, "The answer is empty."),
    ],
)
def test_preferences_that_cannot_be_used_are_named(row, what):
    rows = table(row)
    examples, problems = to_examples(rows, guess(rows))
    assert not examples
    assert (problems[0].row, problems[0].what) == (1, what)


@pytest.mark.parametrize(
    "marks", [(True, False), (1, 0), ("1", "0"), ("good", "Bad"), ("👍", "👎"), ("thumbs_up", "thumbs_down")]
)
def test_marked_rows(marks):
    rows = table(*({"prompt": "hi", "completion": f"c{i}", "label": mark} for i, mark in enumerate(marks)))
    columns = guess(rows)
    assert (columns.answer, columns.mark, columns.label_task) == ("completion", "label", False)
    examples, problems = to_examples(rows, columns)
    assert not problems
    assert [e.good for e in examples] == [True, False]
    assert [e.kind for e in examples] == ["marked"] * 2
    assert [e.meta for e in examples] == [{}, {}]


def test_marked_chats_and_marks_that_are_none():
    rows = table({"messages": [*HELLO, KIND], "label": "yes"}, {"messages": [*HELLO, RUDE], "label": "no"})
    assert [e.good for e in to_examples(rows, guess(rows))[0]] == [True, False]
    rows = table({"prompt": "a", "answer": "b", "mark": "good"}, {"prompt": "a", "answer": "b", "mark": "perhaps"})
    assert guess(rows).mark is None
    examples, problems = to_examples(rows, Columns("prompt", "answer", mark="mark"))
    assert (len(examples), problems[0].row, problems[0].what[:24]) == (1, 2, "The mark is “perhaps”; u")


def test_labels_that_look_like_marks_stay_labels_where_there_is_no_other_answer():
    columns = guess(table({"text": "it drips", "label": 1}, {"text": "lovely", "label": 0}))
    assert (columns.prompt, columns.answer, columns.mark, columns.label_task) == ("text", "label", None, True)


def test_plain_text():
    for row in ({"text": " Once.\n"}, {"id": 1, "url": "u", "title": "t", "text": " Once.\n"}):
        rows = table(row, {**row, "text": " "})
        examples, problems = to_examples(rows, guess(rows))
        assert [(e.messages, e.target, e.kind, e.prompt) for e in examples] == [((), " Once.\n", "text", "")]
        assert problems[0].what == "The text is empty."


value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.text(max_size=12)
    | st.sampled_from(["\n\nHuman: a", "[", "[{}]"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "name"]), inner, max_size=3)
        | st.fixed_dictionaries(
            {"role": st.sampled_from(["user", "Assistant", "system", "tool", "function_call"]), "content": inner},
            optional=dict.fromkeys(("tool_calls", "weight", "reasoning_content", "name", "tools", "id"), inner),
        )
    ),
    max_leaves=6,
)
names = st.sampled_from(
    [
        *("prompt", "chosen", "rejected", "completion", "label", "text", "messages", "input", "system"),
        *("conversations", "history", "tools", "thinking", "images"),
    ]
)


@given(lines=st.lists(st.dictionaries(names, value | st.just(float("nan")), min_size=1), min_size=1, max_size=5))
@settings(max_examples=300, deadline=None)
def test_any_values_are_examples_or_named_problems_and_survive_json(lines):
    rows = table(*lines)
    try:
        examples, problems = to_examples(rows, guess(rows))
    except UserError:
        return
    assert sorted([e.row for e in examples] + [p.row for p in problems]) == rows.numbers
    for e in examples:
        assert Example.from_dict(json.loads(json.dumps(e.to_dict()))) == e
        assert e.target.strip() or e.answer.get("tool_calls")
        assert e.messages or e.kind == "text"
        assert e.rejected != e.target


plain = st.none() | st.text(max_size=12) | st.sampled_from(["\n\nHuman: a", "[", "[{}]", "é\ud800", " x ", "ß\0\u0130"])


@given(
    lines=st.lists(st.dictionaries(st.sampled_from(["prompt", "output", "input", "system", "x"]), plain), min_size=1),
    chosen=st.sampled_from(
        [
            Columns("prompt", "output"),
            Columns("prompt", "output", "input"),
            Columns("prompt", "output", "input", "system"),
            Columns("prompt", "output", system="system", label_task=True),
        ]
    ),
)
@settings(max_examples=400, deadline=None)
def test_plain_rows_are_the_same_column_by_column(lines, chosen):
    lines.append(dict.fromkeys(("prompt", "output", "input", "system"), "a"))
    examples, problems = to_examples(table(*lines), chosen)  # holds both ways of converting against each other
    assert len(examples) + len(problems) == len(lines)


def test_values_become_text_and_keep_their_content():
    rows = table({"prompt": 3, "answer": [["a"], None], "source": "<script>${x}</script>"})
    examples, _ = to_examples(rows, Columns("prompt", "answer"))
    assert examples[0].prompt == "3"
    assert examples[0].target == '[["a"], null]'
    assert examples[0].meta == {"source": "<script>${x}</script>"}
