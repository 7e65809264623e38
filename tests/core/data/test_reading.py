"""Files are read whole or refused with a sentence that names the place; nothing else ever comes out."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.reading import read
from core.errors import UserError


def written(tmp_path, name: str, data: str | bytes):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


BAD = [
    ("empty.jsonl", b"", "is empty"),
    ("blank.jsonl", b"\n\n  \n", "holds no rows"),
    ("rows.xlsx", b"PK", "ends in “.xlsx”"),
    ("rows", b"x", "has no ending"),
    ("broken.jsonl", b'{"a": 1}\n{"a": \n', "line 2, character"),
    ("broken.json", b'[\n {"a": 1},\n {"a" 2}\n]', "line 3, character"),
    ("list.jsonl", b'{"a": 1}\n[1, 2]\n', "line 2: expected an object"),
    ("numbers.json", b"[1, 2]", "row 1: expected an object"),
    ("text.json", b'"hello"', "holds text"),
    ("latin.csv", "prompt,answer\nGr\u00fc\u00dfe,ja\n".encode("latin-1"), "line 2 holds the byte 0xFC"),
    ("nul.jsonl", b'{"a": "x\x00"}', "NUL byte in line 1"),
    ("short.csv", b"prompt,answer\none\n", "row 1 (line 2): 1 values, 2 columns"),
    ("quote.csv", b'prompt,answer\n"one"x,two\n', "line 2: broken CSV"),
    ("twice.csv", b"a,a\n1,2\n", "“a” occurs twice"),
    ("noname.csv", b"a,,c\n1,2,3\n", "column 2 of the first line has no name"),
    ("deep.json", b"[" * 100_000, "nested too deeply"),
    ("nothing.jsonl", b"{}\n{}\n", "none has a column"),
]


@pytest.mark.parametrize(("name", "data", "sentence"), BAD, ids=[b[0] for b in BAD])
def test_bad_files_are_refused_with_the_place(tmp_path, name, data, sentence):
    with pytest.raises(UserError) as refusal:
        read(written(tmp_path, name, data))
    assert sentence in str(refusal.value)
    assert name in str(refusal.value)


def test_limits(tmp_path):
    path = written(tmp_path, "many.jsonl", '{"a": 1}\n' * 11)
    with pytest.raises(UserError, match="has 11 rows; the limit is 10"):
        read(path, max_rows=10)
    with pytest.raises(UserError, match="the limit is 0 MB"):
        read(path, max_mb=0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(tmp_path, encoding):
    path = written(tmp_path, "rows.csv", "prompt;answer\nGrüße;schön\n".encode(encoding))
    assert read(path).rows == [{"prompt": "Grüße", "answer": "schön"}]


def test_wrapped_json_and_missing_values(tmp_path):
    path = written(tmp_path, "rows.json", '{"version": 1, "data": [{"a": "x"}, {"b": "y"}]}')
    assert read(path).rows == [{"a": "x", "b": None}, {"a": None, "b": "y"}]


def test_text_is_parted_by_two_empty_lines_or_by_one(tmp_path):
    two = "\n\na\n\na2\n\n\nb\n \n\n\nc\n"
    table = read(written(tmp_path, "two.txt", two))
    assert [row["text"] for row in table.rows] == ["a\n\na2", "b", "c"]
    assert table.numbers == [3, 8, 12]
    table = read(written(tmp_path, "one.txt", "a\r\na2\r\n\r\n  b\r\n\r\nc"))
    assert [row["text"] for row in table.rows] == ["a\na2", "  b", "c"]
    assert table.numbers == [1, 4, 6]


text = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=40)


@given(
    rows=st.lists(st.dictionaries(st.sampled_from(["prompt", "answer", "x"]), text, min_size=1), min_size=1, max_size=8)
)
@settings(max_examples=150, deadline=None)
def test_jsonl_round_trip(tmp_path_factory, rows):
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    table = read(written(tmp_path_factory.mktemp("r"), "rows.jsonl", data))
    assert [{k: v for k, v in row.items() if v is not None} for row in table.rows] == rows
    assert table.numbers == list(range(1, len(rows) + 1))


@given(rows=st.lists(st.tuples(text, text), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_csv_round_trip(tmp_path_factory, rows):
    rows = [(a or "x", b) for a, b in rows if (a or "x").strip() or b.strip()] or [("x", "y")]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("prompt", "answer"), *rows])
    table = read(written(tmp_path_factory.mktemp("c"), "rows.csv", out.getvalue()))
    assert [(r["prompt"], r["answer"]) for r in table.rows] == rows


@given(lines=st.lists(st.sampled_from(["", "", " ", "a", "b c", "\u2028"]), min_size=1, max_size=30))
@settings(max_examples=150, deadline=None)
def test_no_line_of_a_text_is_lost_and_numbers_are_lines(tmp_path_factory, lines):
    if not any(line.strip() for line in lines):
        return
    table = read(written(tmp_path_factory.mktemp("t"), "any.txt", "\n".join(lines)))
    kept = [line for row in table.rows for line in row["text"].split("\n") if line.strip()]
    assert kept == [line for line in lines if line.strip()]
    for row, number in zip(table.rows, table.numbers, strict=True):
        first = next(line for line in row["text"].split("\n") if line.strip())
        assert lines[number - 1] == first


@given(data=st.binary(min_size=1, max_size=300), suffix=st.sampled_from([".jsonl", ".json", ".csv", ".tsv", ".txt"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_rows_or_a_sentence(tmp_path_factory, data, suffix):
    path = written(tmp_path_factory.mktemp("b"), f"any{suffix}", data)
    refused = ""
    try:
        rows = read(path).rows
    except UserError as e:
        rows, refused = [], str(e)
    assert rows or refused.startswith("“any")
