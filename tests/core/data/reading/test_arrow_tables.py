"""Parquet and Arrow files as public data sets come in; broken ones are a sentence."""

from __future__ import annotations

import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.reading import unpacking
from core.data.reading.files import batches, read
from core.data.reading.table import Source
from core.errors import UserError

ROWS = [{"prompt": f"Say {i}.", "answer": f"said {i}"} for i in range(2500)]
TURNS = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}]


def stored(path, table: pa.Table, kind: str):
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=700)
    elif kind == "arrow file":
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table, max_chunksize=600)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as out:
            out.write_table(table, max_chunksize=600)
    return path


def notices(path) -> list[str]:
    source = Source(path, path.name)
    list(batches(source))
    return [str(notice) for notice in source.reading.notices]


KINDS = ["parquet", "arrow file", "arrow stream"]


@pytest.mark.parametrize("name", ["rows.parquet", "rows.arrow", "data-00000-of-00001", "rows.txt"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_read_whatever_the_file_is_called(tmp_path, kind, name):
    table = read(stored(tmp_path / name, pa.Table.from_pylist(ROWS), kind))
    assert table.rows == ROWS
    assert table.numbers == list(range(1, 2501))


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_as_json_would_hold_them(tmp_path, kind):
    row = {
        "messages": TURNS,
        "when": datetime.datetime(2026, 1, 2, 3, 4, 5),
        "day": datetime.date(2026, 1, 2),
        "price": decimal.Decimal("1.50"),
        "score": float("nan"),
        "good": True,
        "n": 2**60,
        "none": None,
        "image": {"bytes": b"\x89PNG", "path": "a.png"},
    }
    path = stored(tmp_path / "rows", pa.Table.from_pylist([row, row]), kind)
    [first, _] = read(path).rows
    json.dumps(first)
    assert first["messages"] == TURNS
    assert (first["when"], first["day"], first["price"]) == ("2026-01-02T03:04:05", "2026-01-02", "1.50")
    assert (first["score"], first["good"], first["n"], first["none"]) == (None, True, 2**60, None)
    assert first["image"] == {"bytes": None, "path": "a.png"}
    assert [note.split(" the")[0] for note in notices(path)] == ["2 values “NaN” of", "2 values “binary data” of"]


def test_numbers_of_classes_become_the_names_that_the_file_gives(tmp_path):
    info = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}, "text": {}}}}
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, -1]})
    table = table.replace_schema_metadata({b"huggingface": json.dumps(info).encode()})
    path = stored(tmp_path / "rows.parquet", table, "parquet")
    assert [row["label"] for row in read(path).rows] == ["pos", "neg", None]
    [note] = notices(path)
    assert "column “label” were read as the names that the file gives: 0 = “neg”, 1 = “pos”" in note


def test_a_small_file_that_holds_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "FREE", 1_000_000)
    table = pa.table({"text": pa.array(["x" * 1000] * 200_000).dictionary_encode()})
    path = tmp_path / "bomb.parquet"
    pq.write_table(table, path)
    assert path.stat().st_size < 30_000
    with pytest.raises(UserError, match="unpacks to more than"):
        read(path)


def test_too_many_columns_and_equal_names(tmp_path):
    many = pa.table({f"k{i}": ["x"] for i in range(1001)})
    with pytest.raises(UserError, match="has 1,001 columns; the limit is 1,000"):
        read(stored(tmp_path / "many.parquet", many, "parquet"))
    twice = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], names=["a", "a"])
    with pytest.raises(UserError, match="the column “a” occurs twice"):
        read(stored(tmp_path / "twice.arrow", twice, "arrow stream"))


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    folder, table = (
        tmp_path_factory.mktemp("w"),
        pa.Table.from_pylist([{"a": "xyz", "b": TURNS, "n": i} for i in range(9)]),
    )
    return [stored(folder / kind, table, kind).read_bytes() for kind in KINDS]


@given(st.data())
@settings(max_examples=250, deadline=None)
def test_broken_files_are_rows_or_a_sentence(whole_files, tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(whole_files)))
    for at in data.draw(st.lists(st.integers(8, len(content) - 1), max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("x") / "any"
    path.write_bytes(content[: data.draw(st.integers(9, len(content)))])
    refused = ""
    try:
        rows = read(path).rows
    except UserError as e:
        rows, refused = [], str(e)
    assert rows or refused.startswith("“any”")
