"""Workbooks: the sheet that is meant, row numbers as the program shows them, and a sentence for what cannot be read."""

from __future__ import annotations

import io
import zipfile

import pytest

from core.data import actions
from core.data.reading import spreadsheets
from core.data.reading.files import batches
from core.data.reading.table import Reading, Source
from core.errors import UserError
from tests.files import workbook, zipped

ROWS = [["prompt", "answer"], ["Is it?", "yes"], [None, None], ["How many?", 3.0], ["Sure?", True], ["N", 2.5]]


def written(tmp_path, data: bytes, name: str = "book.xlsx"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(path, sheet: str = ""):
    reading = Reading()
    tables = list(batches(Source(path, path.name, reading=reading, sheet=sheet)))
    rows = [(n, row) for table in tables for n, row in zip(table.numbers, table.rows, strict=True)]
    return rows, [str(notice) for notice in reading.notices]


def test_one_sheet_is_read_with_the_numbers_of_its_rows(tmp_path):
    rows, told = read(written(tmp_path, workbook({"Empty": [], "Rows": ROWS})))
    assert rows == [
        (2, {"prompt": "Is it?", "answer": "yes"}),
        (4, {"prompt": "How many?", "answer": 3}),
        (5, {"prompt": "Sure?", "answer": True}),
        (6, {"prompt": "N", "answer": 2.5}),
    ]
    assert not told


def test_of_several_sheets_a_person_chooses_one_or_all(tmp_path, workspace):
    path = written(tmp_path, workbook({"One": ROWS[:2], "Two": [*ROWS[:1], ["Two?", "no"], ["Three?", "no"]]}))
    with pytest.raises(
        spreadsheets.WhichSheet, match="2 sheets with rows: “One” \\(1 row of prompt, answer\\)"
    ) as asked:
        read(path)
    assert list(asked.value.offered) == ["One", "Two"]
    assert actions.inspect(path, workspace).sheets == asked.value.offered
    assert [n for n, _ in read(path, "Two")[0]] == [2, 3]
    rows, _ = read(path, "all")
    assert [(n, row["sheet"]) for n, row in rows] == [(1, "One"), (2, "Two"), (3, "Two")]
    with pytest.raises(spreadsheets.WhichSheet, match="no sheet “Three”. It has: “One”"):
        read(path, "Three")
    project = workspace.create_project("p")
    version, _ = actions.import_file(workspace, project.id, path, sheet="all")
    assert version.manifest["sheet"] == "all" and sum(version.counts.values()) == 3


def test_columns_without_a_name_are_called_by_their_number(tmp_path):
    rows, told = read(written(tmp_path, workbook({"S": [["prompt", None, "answer"], ["p", "x", "a", "far"]]})))
    assert rows == [(2, {"prompt": "p", "column 2": "x", "answer": "a", "column 4": "far"})]
    assert any("Columns without a name" in sentence for sentence in told)


LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le")
BAD = {
    "locked.xlsx": (LOCKED, "is protected by a password"),
    "empty.xlsx": (workbook({"S": [["prompt", "answer"]]}), "no sheet with a line of names"),
    "cut.xlsx": (workbook({"S": ROWS})[:400], "broken or cut off"),
    "parts.xlsx": (zipped({"[Content_Types].xml": "x", "xl/workbook.xml": "<"}), "begins as a workbook, but cannot be"),
    "twice.xlsx": (workbook({"S": [["a", "a"], ["x", "y"]]}), "“a” occurs twice"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_a_sentence(tmp_path, name):
    data, sentence = BAD[name]
    with pytest.raises(UserError) as refusal:
        read(written(tmp_path, data, name))
    assert sentence in str(refusal.value) and name in str(refusal.value)


def test_a_sheet_that_spans_millions_of_empty_cells_is_refused_before_it_is_loaded(tmp_path):
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    with zipfile.ZipFile(io.BytesIO(workbook({"S": ROWS}))) as book:
        parts = {name: book.read(name).decode() for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace("</sheetData>", far)
    with pytest.raises(UserError, match="reach to row 1,048,576 and column 16,384"):
        read(written(tmp_path, zipped(parts)))


def test_a_workbook_that_unpacks_to_too_much_is_refused_by_its_stated_size(tmp_path):
    data = zipped({"[Content_Types].xml": "x", "xl/workbook.xml": b" " * 210_000_000})
    assert len(data) < 500_000
    with pytest.raises(UserError, match="unpacks to 210 MB, more than the 200 MB"):
        read(written(tmp_path, data))
