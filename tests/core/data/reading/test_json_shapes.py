"""JSON in every shape that people bring gives the same rows, whatever the file is called; what is not used is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.reading.files import batches, read
from core.data.reading.table import Source
from core.errors import UserError

ROWS = [{"prompt": f"Say {i}.", "answer": f"said, {i}"} for i in range(4)]
LINES = [json.dumps(row) for row in ROWS]
ENDINGS = ["rows.json", "rows.jsonl", "rows.txt", "rows.csv", "rows", "rows.data"]


def notices(path) -> list[str]:
    source = Source(path, path.name)
    list(batches(source))
    return [str(notice) for notice in source.reading.notices]


def written(tmp_path, text: str, name: str = "rows.json"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


SHAPES = {
    "lines": "\n".join(LINES),
    "blank lines": "\n\n".join(LINES) + "\n\n",
    "lines of Windows": "\r\n".join(LINES) + "\r\n",
    "commas behind lines": ",\n".join(LINES) + ",\n",
    "commas before lines": "\n,".join(LINES),
    "list": json.dumps(ROWS),
    "pretty list": json.dumps(ROWS, indent=2),
    "list with a comma too many": "[\n" + ",\n".join(LINES) + ",\n]\n",
    "list behind list": json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]),
    "objects side by side": "".join(LINES),
    "objects with spaces": " ".join(LINES),
    "pretty objects": "\n".join(json.dumps(row, indent=2) for row in ROWS),
    "text sequence": "".join(f"\x1e{line}\n" for line in LINES),
    "encoded twice": json.dumps(json.dumps(ROWS)),
    "lines encoded twice": "\n".join(map(json.dumps, LINES)),
    "columns": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}),
    "pretty columns": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}, indent=1),
    "pandas, columns": json.dumps({name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]}),
    "pandas, index": json.dumps({str(i): row for i, row in enumerate(ROWS)}),
    "pandas, split": json.dumps(
        {"columns": [*ROWS[0]], "index": [0, 1, 2, 3], "data": [list(row.values()) for row in ROWS]}
    ),
    "data": json.dumps({"data": ROWS}),
    "the Hub's viewer": json.dumps(
        {"rows": [{"row_idx": i, "row": row, "truncated_cells": []} for i, row in enumerate(ROWS)]}
    ),
}


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(tmp_path, shape, name):
    assert read(written(tmp_path, SHAPES[shape], name)).rows == ROWS


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("shape", ["lines", "pretty list", "pretty objects", "columns", "data"])
def test_the_ending_does_not_matter(tmp_path, shape, name):
    assert read(written(tmp_path, SHAPES[shape], name)).rows == ROWS


def test_parts_are_put_together_with_their_names_and_told(tmp_path):
    path = written(tmp_path, json.dumps({"version": "1.0", "train": ROWS[:3], "test": ROWS[3:]}))
    assert [row.pop("split") for row in read(path).rows] == ["train", "train", "train", "test"]
    unused, parts = notices(path)
    assert '“version” ("1.0"), which is not used' in unused
    assert "parts: “train” (3 rows), “test” (1 rows)" in parts and "column “split”" in parts


def test_parts_of_columns_are_read_too(tmp_path):
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    rows = read(written(tmp_path, json.dumps({"train": columns, "validation": columns}))).rows
    assert [row["split"] for row in rows] == ["train"] * 4 + ["validation"] * 4
    assert rows[5]["answer"] == "said, 1"


def test_what_stands_beside_the_rows_is_told(tmp_path):
    beside = {"version": 1, "info": {"by": "x"}, "data": ROWS, "errors": []}
    [note] = notices(written(tmp_path, json.dumps(beside)))
    assert "“version” (1), “info” (an object of 1), “errors” (a list of 0), which is not used" in note
    # In an object of columns, too.
    beside = {"name": "set", "prompt": ["a", "b"], "answer": ["c", "d"]}
    [note] = notices(written(tmp_path, json.dumps(beside)))
    assert '“name” ("set")' in note


def test_keys_of_rows_become_a_column(tmp_path):
    rows = read(written(tmp_path, json.dumps({f"q{i}": row for i, row in enumerate(ROWS)}))).rows
    assert rows == [{"key": f"q{i}", **row} for i, row in enumerate(ROWS)]


TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (json.dumps({"messages": TURNS}), 1),
        (json.dumps(TURNS), 1),
        (json.dumps([TURNS, TURNS]), 2),
        ("\n".join([json.dumps(TURNS)] * 3), 3),
        (json.dumps({"messages": [TURNS, TURNS]}), 2),
        ("\n".join([json.dumps({"messages": TURNS})] * 2), 2),
    ],
)
def test_a_conversation_is_one_row_however_it_lies(tmp_path, text, count):
    assert read(written(tmp_path, text)).rows == [{"messages": TURNS}] * count


def test_a_preference_row_alone_stays_a_row(tmp_path):
    row = {"prompt": "Hi", "chosen": TURNS, "rejected": TURNS}
    assert read(written(tmp_path, json.dumps(row))).rows == [row]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"prompt": ["a", "b"], "answer": ["c"]}', "“answer” has 1 values, “prompt” 2"),
        (
            '{"questions": [{"q": "a"}], "answers": [{"a": "b"}]}',
            "several lists of objects: “questions” (1), “answers”",
        ),
        ('["a", "b"]', 'row 1: expected an object with named values, such as {"text": …}, found text: "a"'),
        ('[["a", "b"], ["c", "d"]]', "row 1: expected an object with named values"),
        ("{'prompt': 'a', 'answer': None}\n", "Write the file with json.dumps"),
        ('[{"prompt": "a"}, {"prompt": "b"', "it may be cut off"),
        ('{"columns": ["a", "b"], "data": [["x", "y"], ["z"]]}', "row 2: 1 values, 2 columns"),
    ],
)
def test_what_cannot_be_rows_is_a_sentence(tmp_path, text, sentence):
    with pytest.raises(UserError) as refusal:
        read(written(tmp_path, text))
    assert sentence in str(refusal.value)


def test_numbers_that_are_none_are_missing_and_counted(tmp_path):
    text = '{"a": NaN, "b": "x", "c": [1, NaN]}\n{"a": 1, "b": Infinity}\n{"a": NaN, "b": "NaN"}\n'
    path = written(tmp_path, text, "rows.jsonl")
    assert read(path).rows == [{"a": None, "b": "x", "c": [1, None]}, {"a": 1, "b": None}, {"a": None, "b": "NaN"}]
    notes = notices(path)
    assert notes[0].startswith("2 values “NaN” of the column “a” were taken for missing, the first in row 1.")
    assert notes[1].startswith("1 value “NaN” inside lists and objects was taken for missing")
    assert notes[2].startswith("1 value “Infinity” of the column “b” was taken for missing, the first in row 2.")


cells = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5) | st.lists(st.text(max_size=2), max_size=2)


@given(
    rows=st.lists(st.fixed_dictionaries({"prompt": st.text(max_size=6), "x": cells}), min_size=2, max_size=6),
    indent=st.none() | st.just(1),
    between=st.sampled_from(["\n", ",\n", "\n\n", " ", "\r\n", "\n,"]),
    name=st.sampled_from(ENDINGS),
)
@settings(max_examples=150, deadline=None)
def test_any_rows_come_back_from_any_shape(tmp_path_factory, rows, indent, between, name):
    folder = tmp_path_factory.mktemp("s")
    columns = {column: [row[column] for row in rows] for column in ("prompt", "x")}
    for value in (
        between.join(json.dumps(row, indent=indent) for row in rows),
        json.dumps(rows, indent=indent),
        json.dumps(columns, indent=indent),
        json.dumps({"data": rows, "version": 2}, indent=indent),
    ):
        assert read(written(folder, value, name)).rows == rows


@pytest.mark.parametrize("shape", ["\n", ",\n", " ", "list", "split", "pretty"])
def test_a_key_twice_in_one_object_is_told(tmp_path, shape):
    objects = [
        '{"prompt": "a \\" : \\": ", "answer": "b", "prompt": "c"}',
        '{"prompt" : "d", "answer": "\\\\", "answer" : "e", "meta": {"k": 1, "k": 2}}',
        '{"prompt": "f", "prompt": "f", "answer": "None"}',
        '{"prompt": "g", "answer": "h", "messages": [{"role": "a", "role": "b"}]}',
    ]
    text = shape.join(objects)
    if shape not in ("\n", ",\n", " "):
        text = "[" + ", ".join(objects) + "]"
        text = {"split": f'{{"train": {text}}}', "pretty": text.replace(",", ",\n")}.get(shape, text)
    path = written(tmp_path, text)
    assert [row["prompt"] for row in read(path).rows] == ["c", "d", "f", "g"]
    notes = notices(path)
    for key, row in {"prompt": 1, "answer": 2, "k": 2, "role": 4}.items():
        line = {"pretty": {1: 1, 2: 2, 4: 4}}.get(shape, {row: row})[row]
        found = [n for n in notes if f"1 object holds the key “{key}” twice, with different values" in n]
        assert found and (f"the first in row {line}." in found[0] or shape in (" ", ",\n")), notes
    assert any("1 value “None” of the column “answer” was kept as text" in n for n in notes)


@given(st.lists(st.tuples(st.text('ab":\\ ', max_size=4), st.sampled_from([1, "x", '":', '\\":'])), max_size=5))
@settings(max_examples=150, deadline=None)
def test_keys_are_told_twice_where_pythons_parser_sees_two(tmp_path_factory, pairs):
    line = "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs) + "}"
    seen: list[bool] = []
    json.loads(line, object_pairs_hook=lambda ps: seen.append(any(dict(ps)[k] != v for k, v in ps)))
    path = written(tmp_path_factory.mktemp("k"), f'{line}\n{{"a": 1}}\n', "rows.jsonl")
    assert any("twice" in note for note in notices(path)) == seen[0]


def test_texts_that_say_that_nothing_is_there_are_counted(tmp_path):
    text = '{"a": "nan", "b": "x"}\n{"a": "N/A", "b": {"c": ["null"]}}\n{"a": "None such", "b": "nan"}\n'
    notes = notices(written(tmp_path, text, "rows.jsonl"))
    assert [n.partition(" was")[0] for n in notes] == [
        "1 value “nan” of the column “a”",
        "1 value “N/A” of the column “a”",
        "1 value “null” inside lists and objects",
        "1 value “nan” of the column “b”",
    ]


def test_conversations_under_their_names_are_rows(tmp_path):
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    named = written(tmp_path, json.dumps({name: chat for name in ("one", "two", "three")}))
    assert read(named).rows == [{"key": name, "messages": chat} for name in ("one", "two", "three")]
    one_row = {"prompt": chat[:1], "chosen": chat[1:], "rejected": chat[1:]}
    assert read(written(tmp_path, json.dumps(one_row))).rows == [one_row]
