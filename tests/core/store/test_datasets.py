"""Rows on disk: old shapes are read as they are, and every query says what a list of all rows would."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.store import datasets, queries, search
from core.store.queries import Query, Rows
from core.types import Example, content_hash

SPLITS = ("train", "validation", "test")


def row(n: int, asked: str, target: str, split: str = "train", system: str = "", **more) -> Example:
    head = ({"role": "system", "content": system},) if system else ()
    return Example((*head, {"role": "user", "content": asked}), target, n, split, **more)


MIXED = [
    row(1, "Straße", "x"),
    row(2, "b", "STRASSE", "test", system="Be kind."),
    row(5, "c", "d", "validation", rejected="straSSe and more"),
    row(6, "c", "d", "test", good=False, meta={"k": "ä\u2028"}),
    Example((), "plain text", 7),
    Example(tuple({"role": role, "content": role} for role in ("user", "assistant", "user")), "4", 9),
]

CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1.5, "b": [None, True]}}}
NEW = [
    Example(
        (
            {"role": "user", "content": "1.5?", "name": "Ada"},
            {
                "role": "assistant",
                "content": "",
                "reasoning_content": "I need a sum.",
                "tool_calls": [CALL],
                "train": False,
            },
            {"role": "tool", "content": "2", "tool_call_id": "7"},
        ),
        "It is 2.",
        10,
        answer={"reasoning_content": "The tool said so."},
        tools=({"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},),
        references=("2", "two"),
    ),
    Example(({"role": "user", "content": "Call."},), "", 11, answer={"tool_calls": [CALL]}),
]
"""What schema 1 and 2 could not hold."""


def write_schema_1(path, examples) -> None:
    """What a version's rows were before they had columns."""
    table = {
        "id": [e.id for e in examples],
        "split": [e.split for e in examples],
        "row": [e.row for e in examples],
        "prompt": [e.prompt for e in examples],
        "target": [e.target for e in examples],
        "example": [json.dumps(e.to_dict(), ensure_ascii=False) for e in examples],
    }
    pq.write_table(pa.table(table), path, compression="zstd")


def write_schema_2(path, examples) -> None:
    """What they were before `more` and `group`; `asks` was a hash of something else, too."""
    table, _ = datasets.to_table(examples)
    table = table.drop_columns(["more", "group"]).set_column(10, "asks", pa.array(range(len(table)), pa.int64()))
    pq.write_table(table.replace_schema_metadata({"tunewright": "2"}), path, row_group_size=2)


WRITERS = {"now": datasets.write_rows, "schema 1": write_schema_1, "schema 2": write_schema_2}


@pytest.fixture(params=list(WRITERS))
def rows(request, tmp_path) -> Rows:
    path = tmp_path / "rows.parquet"
    WRITERS[request.param](path, MIXED)
    return Rows(path)


def test_reasoning_tools_and_further_right_answers_are_kept(tmp_path):
    path = tmp_path / "rows.parquet"
    datasets.write_rows(path, [*MIXED, *NEW])
    assert datasets.read_rows(path) == [*MIXED, *NEW]
    assert [Example.from_dict(json.loads(json.dumps(e.to_dict()))) for e in NEW] == NEW
    assert len({e.id for e in NEW} | {Example(e.messages, e.target, 1).id for e in NEW}) == 4
    assert [e.answered for e in NEW] == [True, True] and NEW[1].conversation[-1]["tool_calls"] == [CALL]
    for needle in ("need a sum", "the tool said", "add", "two"):
        assert [e.row for e in queries.page(path, Query(text=needle), 0, 20).rows][:1] == [10], needle


def test_rows_of_every_shape_are_read_as_they_are(rows):
    before = rows.path.read_bytes()
    assert datasets.read_rows(rows.path) == list(rows) == MIXED
    assert datasets.read_rows(rows.path, "test") == [MIXED[1], MIXED[3]]
    assert (len(rows), rows[-1], rows[1:3], rows.take([4, 0, 4])) == (
        *(6, MIXED[-1], MIXED[1:3]),
        [MIXED[4], MIXED[0], MIXED[4]],
    )
    assert [rows.with_id(e.id) for e in MIXED] == MIXED
    assert (rows.with_id("0" * 16), rows.at_row(5), rows.at_row(3)) == (None, MIXED[2], None)
    assert rows.asking(MIXED[3].asks) == [2, 3]
    assert [SPLITS[i] for i in rows.splits] == [e.split for e in MIXED]
    assert rows.numbers("row").tolist() == [e.row for e in MIXED]
    assert rows.path.read_bytes() == before
    assert not list(rows.path.parent.glob(".*"))


def test_pages_of_every_shape(rows):
    page = lambda part="", text="", order="file", at=0, most=2: queries.page(  # noqa: E731
        rows.path, Query(part, text, order), at, most
    )
    assert (page().rows, page().total, page().more) == (MIXED[:2], 6, False)
    assert (page(at=4).rows, page(at=99).at, page(at=-5).at) == (MIXED[4:], 4, 0)
    assert (page("test").rows, page("test").total) == ([MIXED[1], MIXED[3]], 2)
    assert page(text=" strasse ", most=9).rows == MIXED[:3]
    assert page("test", "STRASSE").rows == [MIXED[1]]
    assert page(text="be kind").rows == [MIXED[1]]
    assert page(text="nothing holds this").rows == []
    assert [e.row for e in page(order="longest", most=3).rows] == [5, 9, 2]
    assert [e.row for e in page("validation", order="shortest").rows] == [5]


@given(
    texts=st.lists(st.text(st.sampled_from("abAB ßé"), max_size=30), min_size=1, max_size=40),
    needle=st.text(st.sampled_from("abAB ßé"), min_size=1, max_size=8),
    most=st.none() | st.integers(1, 5),
    part=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_search_finds_what_a_look_at_every_row_would(tmp_path_factory, texts, needle, most, part):
    """Blocks as small as they can be, so that texts stand across their edges."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("BLOCK", 16),
            ("BLOCKS", 8),
            ("CHUNK", 128),
            ("AHEAD", 16),
            ("READ", 32),
            ("HASHES", 1 << 15),
        ):
            patch.setattr(search, name, value)
        path = tmp_path_factory.mktemp("s") / "rows.parquet"
        writer = search.Writer(path)
        for start in range(0, len(texts), 3):
            writer.add(pa.array([search.row_text([t, "!"]) for t in texts[start : start + 3]]))
        writer.close()
        wanted = np.arange(len(texts)) % 2 == 0 if part else None
        found = search.find(path, needle, wanted, most)
        again = pa.array([search.row_text([t, "!"]) for t in texts])
        for first in range(len(texts)):
            assert search.texts(path, first, len(texts)).to_pylist() == again.to_pylist()[first:]
    folded = needle.casefold()
    expected = [i for i, t in enumerate(texts) if folded in t.casefold() and (wanted is None or wanted[i])]
    assert found.tolist() == expected[:most]


def test_a_frequent_text_is_counted_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(queries, "MOST", 10)
    path = tmp_path / "rows.parquet"
    datasets.write_rows(path, [row(n, f"q{n}", "the same" + "!" * n, SPLITS[n % 2]) for n in range(30)])
    found = queries.page(path, Query(text="same"), 0, 5)
    assert ([e.row for e in found.rows], found.total, found.more) == ([0, 1, 2, 3, 4], 10, True)
    found = queries.page(path, Query(text="same", order="longest"), 25, 5)
    assert ([e.row for e in found.rows], found.total, found.more) == ([4, 3, 2, 1, 0], 30, False)
    assert queries.page(path, Query("validation", "same"), 0, 5).rows[0].row == 1


def test_many_rows_stand_in_groups_and_any_of_them_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "GROUP", 7)
    path = tmp_path / "rows.parquet"
    examples = [row(n, f"question {n}", f"answer {n}", SPLITS[n % 3]) for n in range(100)]
    written = datasets.write_rows(path, iter(examples))
    assert written.content_hash == content_hash([[e.id, e.split] for e in examples])
    assert dict(written.counts) == {"train": 34, "validation": 33, "test": 33}
    assert pq.ParquetFile(path).num_row_groups == 15
    assert Rows(path).take([99, 3, 50]) == [examples[99], examples[3], examples[50]]
    assert [e.row for e in queries.page(path, Query("test", "question 5"), 0, 20).rows] == [5, 50, 53, 56, 59]


texts = st.text(max_size=30) | st.sampled_from(["\ud800", "\x7f\u2028\u2029", '"\\/\b\f\n\r\t\x00\x1f', "😀é"])


@given(contents=st.lists(texts, max_size=3), target=texts, rejected=texts, good=st.none() | st.booleans())
@settings(max_examples=300, deadline=None)
def test_the_same_content_has_the_same_id_as_ever(contents, target, rejected, good):
    messages = tuple({"role": "user", "content": c} for c in contents)
    example = Example(messages, target, 1, rejected=rejected, good=good)
    judged = ({"rejected": rejected} if rejected else {}) | ({"good": good} if good is not None else {})
    assert example.id == content_hash({"messages": list(messages), "target": target, **judged})[:16]
