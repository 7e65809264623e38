"""Whatever bytes stand in a workbook, a document or an archive: rows or a sentence come out, in bounded time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.reading.files import batches
from core.data.reading.table import Source
from core.errors import UserError
from tests.files import pdf, word, workbook, zipped

TABLE = [["prompt", "answer"], ["a", "b"], ["c", 1.5]]
WHOLE = {
    "a.xlsx": workbook({"S": TABLE, "T": TABLE}),
    "a.pdf": pdf([["One line.", "Another one."], ["A third."]]),
    "a.docx": word([("Heading 1", "Head"), ("Normal", "Some text.")]),
    "a.zip": zipped({"a.csv": "prompt,answer\na,b\n", "b.xlsx": workbook({"S": TABLE}), "c.pdf": pdf([["x"]])}),
    "a.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000),
    "a.md": b"# Head\n\ntext\n\n```\ncode\n",
}
SECONDS = 10.0
"""Far more than any of these takes; a reader that hangs takes all of them."""


def read_or_refused(path) -> None:
    started = time.process_time()
    refused, rows = "", 0
    try:
        for table in batches(Source(path, path.name, sheet="all")):
            rows += len(table.rows)
            assert len(table.rows) == len(table.numbers) and all(isinstance(row, dict) for row in table.rows)
    except UserError as e:
        refused = str(e)
    assert rows or refused.startswith("“a.")
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_files_are_rows_or_a_sentence(tmp_path_factory, name, data):
    whole = WHOLE[name]
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(broken)))
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(bytes(broken[:cut] if data.draw(st.booleans()) else broken))
    read_or_refused(path)


@given(
    first=st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", b"%PDF-1.7\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PAR1"]),
    rest=st.binary(max_size=400),
    name=st.sampled_from(["a.xlsx", "a.pdf", "a.docx", "a.zip", "a.parquet", "a.csv", "a.jsonl", "a"]),
)
@settings(max_examples=50, deadline=None)
def test_any_bytes_behind_a_known_beginning_are_rows_or_a_sentence(tmp_path_factory, first, rest, name):
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(first + rest)
    if name == "a":
        path = path.rename(path.with_name("a."))
    read_or_refused(path)


@given(
    name=st.sampled_from(["xl/workbook.xml", "word/document.xml", "xl/worksheets/sheet1.xml", "[Content_Types].xml"]),
    xml=st.text("<>/=\"'a r:&;x0", max_size=60),
)
@settings(max_examples=40, deadline=None)
def test_any_text_within_an_office_file_is_rows_or_a_sentence(tmp_path_factory, name, xml):
    folder = "word" if name.startswith("word") else "xl"
    path = tmp_path_factory.mktemp("any") / "a.xlsx"
    path.write_bytes(zipped({"[Content_Types].xml": "<a/>", f"{folder}/x.xml": "<a/>", name: xml}))
    read_or_refused(path)
