"""Files are read whole or refused with a sentence that names the place; nothing else ever comes out."""

from __future__ import annotations

import csv
import io
import json
import re
import time
from functools import partial
from itertools import chain

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from core.data.columns.choice import Columns
from core.data.columns.rows import to_examples
from core.data.columns.survey import survey
from core.data.reading import delimited
from core.data.reading import table as pieces
from core.data.reading.files import read
from core.errors import UserError


def written(tmp_path, name: str, data: str | bytes):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


BAD = [
    ("empty.jsonl", b"", "is empty"),
    ("blank.jsonl", b"\n\n  \n", "holds no rows"),
    ("rows.xlsx", b"not one", "ends in “.xlsx”"),
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
        survey([read(written(tmp_path, name, data))], name)
    assert sentence in str(refusal.value)
    assert name in str(refusal.value)


def test_too_many_columns_are_a_sentence_at_once(tmp_path):
    keys = "\n".join(json.dumps({f"k{i}": "x"}) for i in range(30_000))
    wide = json.dumps({f"k{i}": "x" for i in range(1_000_000)})
    header = ",".join(f"k{i}" for i in range(1_000_000)) + "\n1\n"
    for name, data, n in (
        ("keys.jsonl", keys, "1,001"),
        ("wide.jsonl", wide, "1,000,000"),
        ("wide.csv", header, "1,00"),
    ):
        started = time.process_time()
        with pytest.raises(UserError, match=f"has {n}.* columns.*; the limit is 1,000"):
            survey([read(written(tmp_path, name, data))], name)
        assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ["deep.jsonl", "deep.json", "deep.csv"])
@pytest.mark.parametrize("depth", [500, 990, 3000, 100_000])
def test_deep_cells_are_rows_or_a_sentence(tmp_path, name, depth):
    cell = "[" * depth + "]" * depth
    row = f'{{"prompt": "a", "answer": {cell}}}'
    data = {"deep.jsonl": row, "deep.json": f"[{row}]", "deep.csv": f"prompt,answer\na,{cell}\n"}[name]
    started = time.process_time()
    try:
        examples, _ = to_examples(read(written(tmp_path, name, data)), Columns("prompt", "answer"))
        text = examples[0].target
    except UserError as refusal:
        text = str(refusal)
    assert text == cell or "too deeply" in text
    assert time.process_time() - started < 5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are(tmp_path, encoding):
    path = written(tmp_path, "rows.csv", "prompt;answer\nGrüße;schön\n".encode(encoding))
    assert read(path).rows == [{"prompt": "Grüße", "answer": "schön"}]


def test_wrapped_json_and_missing_values(tmp_path):
    path = written(tmp_path, "rows.json", '{"version": 1, "data": [{"a": "x"}, {"b": "y"}]}')
    assert read(path).rows == [{"a": "x"}, {"b": "y"}]
    assert survey([read(path)], "rows.json").columns == ("a", "b")


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
    assert table.rows == rows
    assert table.numbers == list(range(1, len(rows) + 1))


@given(rows=st.lists(st.tuples(text, text), min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_csv_round_trip(tmp_path_factory, rows):
    rows = [(a or "x", b) for a, b in rows if (a or "x").strip() or b.strip()] or [("x", "y")]
    assume(not (delimited.MISSING | {delimited.NONE}) & set(chain.from_iterable(rows)))
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


# Whatever the size of a piece, and wherever it is cut, a file is read as it would be at once.


def small_pieces(path, size: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", size)
        return read(path)


cell = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.lists(st.text(max_size=3))
objects = st.lists(
    st.dictionaries(st.text(max_size=3), cell | st.just("\ud800") | st.integers(2**60, 2**70), max_size=3),
    min_size=2,  # one object alone may hold columns: tests/core/data/reading/test_json_shapes.py
    max_size=12,
)


@given(
    rows=objects, size=st.integers(1, 40), ascii=st.booleans(), blank=st.integers(0, 3), indent=st.none() | st.just(1)
)
@settings(max_examples=300, deadline=None)
def test_json_is_read_in_pieces_as_python_reads_it(tmp_path_factory, rows, size, ascii, blank, indent):
    folder = tmp_path_factory.mktemp("p")
    dumped = [json.dumps(row, ensure_ascii=ascii or "\\ud800" in json.dumps(row)) for row in rows]
    lines = [line for row in dumped for line in (row, *[" "] * blank)]
    path = written(folder, "rows.jsonl", "\n".join(lines))
    loads = partial(json.loads, parse_constant=lambda number: None)  # NaN and Infinity are missing values
    expected = [loads(line) for line in dumped]
    for table in (small_pieces(path, size), read(path)):
        assert repr(table.rows) == repr(expected)
        assert table.numbers == [i * (blank + 1) + 1 for i in range(len(rows))]
    whole = json.dumps(rows, ensure_ascii=ascii or "\\ud800" in json.dumps(rows), indent=indent)
    path = written(folder, "rows.json", whole)
    for table in (small_pieces(path, size), read(path)):
        assert repr(table.rows) == repr(loads(whole))
        assert table.numbers == list(range(1, len(rows) + 1))


@given(
    data=st.text(st.sampled_from('[]{}",:\\ \n1a\u2028é'), max_size=40),
    size=st.integers(1, 12),
    whole=st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_a_broken_list_is_refused_at_the_place_that_python_names(tmp_path_factory, data, size, whole):
    data = f'[{{"a": 1}},{data}' if whole else f"[{data}"
    assume(not re.search(r",\s*\]", data))  # a comma behind the last element is read
    path = written(tmp_path_factory.mktemp("p"), "any.json", data)
    try:
        value = json.loads(data)
    except json.JSONDecodeError as e:
        value, error = None, e
    try:
        rows = small_pieces(path, size).rows
    except UserError as refusal:
        sentence = str(refusal)
        if value is None and error.msg == "Extra data":  # behind a list another may follow
            assert "broken JSON (" in sentence or "expected an object" in sentence or "holds no rows" in sentence
        elif value is None and "expected an object" not in sentence:
            assert f"line {error.lineno}, character {error.colno}: broken JSON (" in sentence
        else:
            assert "expected an object" in sentence or "holds no rows" in sentence
    else:
        assert rows == value or (value is None and error.msg == "Extra data")


@given(
    parts=st.lists(
        st.sampled_from(["\n", "\n", "\n\n\n", "\r\n", "\r", " ", "a", "b c", "\u2028", "\t\n"]), max_size=30
    ),
    size=st.integers(1, 9),
)
@settings(max_examples=400, deadline=None)
def test_text_is_parted_in_pieces_as_at_once(tmp_path_factory, parts, size):
    data = "".join(parts)
    if not data.strip():
        return
    path = written(tmp_path_factory.mktemp("t"), "any.txt", data)
    table = small_pieces(path, size)
    assert ([row["text"] for row in table.rows], table.numbers) == parted_at_once(data)


def parted_at_once(text: str) -> tuple[list[str], list[int]]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for gap in (r"\n(?:[^\S\n]*\n){2,}", r"\n(?:[^\S\n]*\n)+"):
        rows, numbers, start, line = [], [], 0, 1
        for end, following in [*((m.start(), m.end()) for m in re.finditer(gap, text)), (len(text), 0)]:
            part = text[start:end]
            if part.strip():
                rows.append(part.strip("\n"))
                numbers.append(line + part[: len(part) - len(part.lstrip())].count("\n"))
            line += text.count("\n", start, following)
            start = following
        if len(rows) >= 3:
            break
    return rows, numbers


@given(rows=st.lists(st.tuples(text, text), min_size=1, max_size=8), size=st.integers(1, 20), utf16=st.booleans())
@example(rows=[("0", ""), ("0", ""), ("None", "")], size=1, utf16=False)  # what “None” means shows in several rows
@settings(max_examples=200, deadline=None)
def test_csv_is_read_in_pieces_as_at_once(tmp_path_factory, rows, size, utf16):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("prompt", "answer"), *rows, ("x", "y")])
    path = written(tmp_path_factory.mktemp("c"), "rows.csv", out.getvalue().encode("utf-16" if utf16 else "utf-8"))
    assert small_pieces(path, size) == read(path)
