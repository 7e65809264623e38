"""Tables of text: separators, quotes and first lines of every kind; cells that may mean that nothing is there."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.reading.dialect import sniff
from core.data.reading.files import batches, read
from core.data.reading.table import Source
from core.errors import UserError


def written(tmp_path, text: str | bytes, name: str = "rows.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def notices(path) -> list[str]:
    source = Source(path, path.name)
    list(batches(source))
    return [str(notice) for notice in source.reading.notices]


AWKWARD = {
    "comma": ("p,a\nx y,z\n", ",", ""),
    "semicolons with commas in names": ('"p, in words";a\nx;z\n', ";", ""),
    "semicolons with commas in cells": ("p;a\nWell, well, x;y, z\nNo;None, at all\n", ";", ""),
    "commas with semicolons in cells": ("p,a\nx; y; z,1\nu; v; w,2\n", ",", ""),
    "names with commas, not quoted": ("p, short;a, long\nx;y\nz;w\n", ";", ""),
    "decimal commas": ("p;a;s\nx;y;0,5\nz;w;1,5\n", ";", ""),
    "tabs": ("p\ta\nx, y\tz; w\nu, v\tw; x\n", "\t", ""),
    "bars": ("p|a\nx, y|z\nu|v\n", "|", ""),
    "quoted separators": ('p,a\n"x;y;z","u;v"\n"k;l;m","n;o"\n', ",", ""),
    "doubled quotes": ('p,a\n"He said ""x"", then",z\n', ",", ""),
    "escaped quotes": ('p,a\n"He said \\"x\\", then",z\n"\\"y\\"",w\n', ",", "\\"),
    "single quotes": ("p,a\n'x, y','z'\n'u, v','w'\n", ",", "'"),
    "apostrophes": ("p,a\nIt's x's,'tis\nDon't,can't\n", ",", ""),
    "line breaks in cells": ('p,a\n"x\ny; z\n\nw",1\n"u\nv",2\n', ",", ""),
    "quotes that are none": ('p\ta\n"x" he said\ty\n"never closed\tz\nu\tv\n', "\t", "none"),
    "one column": ("text\nWell, this, then\nNot this\n", ",", ""),
    "inches": ('p,a\n5" disk,x 3" y\n7" reel,z\n', ",", ""),
    "markup": ('p;a\n<a href="x, y">t</a>;ok, fine\n<b>c</b>;d\n', ";", ""),
    "addresses": ("p;a\nhttp://x.y/1?a=b&c=d;u1@m.com, yes\nhttp://x.y/2?a=b&c=d;u2@m.com, no\n", ";", ""),
    "empty columns at the end": ("p;a;;\nx;y;;\nz;w;;\n", ";", ""),
    "cut within quotes": ('p;a\n"x; y\nz";w\n"cut; here\nand', ";", ""),
    "one long cell": ("p,a\n" + "x" * 100_000 + ",y\n", ",", ""),
}


@pytest.mark.parametrize("kind", AWKWARD)
def test_the_dialect_is_told_by_what_fits(kind):
    text, delimiter, quotes = AWKWARD[kind]
    dialect = sniff(text, whole=kind != "cut within quotes")
    assert dialect.delimiter == delimiter
    plain = {"": {"strict": True}, "none": {"quoting": csv.QUOTE_NONE}}
    if quotes in plain:
        assert dialect.quoting == plain[quotes]
    else:
        assert quotes in (dialect.quoting.get("escapechar"), dialect.quoting.get("quotechar"))


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "\n\n", ""])
def test_lines_before_the_names_are_no_rows(tmp_path, first, mark):
    table = read(written(tmp_path, f"{mark}{first}prompt;answer\r\nQ 0;A, 0\r\nQ 1;A 1\r\n"))
    assert table.rows == [{"prompt": "Q 0", "answer": "A, 0"}, {"prompt": "Q 1", "answer": "A 1"}]
    assert table.numbers == [1, 2]


def test_a_separator_that_only_the_first_line_names(tmp_path):
    assert read(written(tmp_path, "sep=^\nprompt^answer\na,b^c;d\n")).rows == [{"prompt": "a,b", "answer": "c;d"}]


def test_empty_columns_and_lines_at_the_end_are_left(tmp_path):
    text = "prompt;answer;;\nQ;A;;\nQ 1;A 1;\n;;;\nQ 2;A 2\n\n;;;\n"
    assert [row["answer"] for row in read(written(tmp_path, text)).rows] == ["A", "A 1", "A 2"]


def test_the_numbers_that_pandas_writes_get_a_name(tmp_path):
    path = written(tmp_path, ",prompt,answer\n0,Q,A\n1,Q 1,A 1\n")
    assert read(path).rows[1] == {"column 1": "1", "prompt": "Q 1", "answer": "A 1"}
    [note] = notices(path)
    assert "“column 1”" in note


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("p,a\nx,y\nlonely\n", "row 2 (line 3): 1 values, 2 columns; it ends before “a”: “lonely” is its last"),
        ('p,a\n"x\ny",z\nx,y,more\n', "row 2 (line 4): 3 values, 2 columns; the first one too many is “more”"),
        ('p,a\nx,"never closed\nu,v\n', "quoted text that begins in line 2 does not end"),
        ("p,,a\nx,y,z\n", "column 2 of the first line has no name"),
    ],
)
def test_rows_that_do_not_fit_name_line_value_and_remedy(tmp_path, text, sentence):
    with pytest.raises(UserError) as refusal:
        read(written(tmp_path, text))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ham,Are you there?\nspam,Win now\nham,See you\n", "ham"),
        ("What is two and two?,Four.\nWhat is one and one?,Two.\n", "What is two and two?"),
        ("1,first\n2,second\n", "1"),
    ],
)
def test_a_first_line_that_looks_like_a_row_is_told(tmp_path, text, value):
    [note] = notices(written(tmp_path, text))
    assert f"“{value}” looks like a value" in note and "line with names above" in note


def test_names_are_not_taken_for_a_row(tmp_path):
    assert notices(written(tmp_path, "prompt,answer\nWhat?,That.\nWho?,He.\n")) == []
    assert notices(written(tmp_path, "0,1\nWhat?,That.\nWho?,He.\n")) == []


def test_cells_that_pandas_writes_for_nothing_are_missing_and_counted(tmp_path):
    path = written(tmp_path, "q,context,a\nx,nan,A b\ny,<NA>,C d\nz,NaN,E f\nu,text,None\nv,None,nan and none\n")
    rows = read(path).rows
    assert [row["context"] for row in rows] == [None, None, None, "text", None]
    assert [row["a"] for row in rows] == ["A b", "C d", "E f", None, "nan and none"]
    notes = notices(path)
    assert "1 value “nan” of the column “context” was taken for missing, the first in row 1." in notes[0]
    assert len(notes) == 5


def test_a_word_that_labels_is_no_missing_value(tmp_path):
    rows = [f"text {i},{label}" for i, label in enumerate(["None", "anger", "joy", "anger", "None", "joy"])]
    path = written(tmp_path, "\n".join(["text,label", *rows]))
    assert [row["label"] for row in read(path).rows] == ["None", "anger", "joy", "anger", "None", "joy"]
    [note] = notices(path)
    assert note.startswith("2 values “None” of the column “label” were kept as text, the first in row 1.")
    # "null" and "NA" are words of people as often as of programs.
    path = written(tmp_path, "q,a\nThe number 0 in German?,null\nSodium?,NA\n")
    assert [row["a"] for row in read(path).rows] == ["null", "NA"]
    assert all("kept as text" in note for note in notices(path))


def test_a_table_is_known_under_other_endings_and_text_stays_text(tmp_path):
    table = "prompt,answer\nWhat?,That.\nWho?,He.\n"
    for name in ("rows.json", "rows.jsonl", "rows.txt", "rows", "rows.dat"):
        path = written(tmp_path, table, name)
        assert [row["answer"] for row in read(path).rows] == ["That.", "He."]
    assert "read as a table" in notices(written(tmp_path, table, "rows.txt"))[0]
    for text in (
        "Hello, world\nBye, moon\nSun, rise\n",
        "prompt,answer\n\nand, then\n",
        "[1] See, there.\nMore, too.\n",
    ):
        assert "text" in read(written(tmp_path, text, "poem.txt")).rows[0]


@given(
    rows=st.lists(
        st.tuples(*[st.text(st.sampled_from("ab ,;|\t\"'\n\\0.é"), min_size=1, max_size=12)] * 3),
        min_size=3,
        max_size=8,
    ),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
@settings(max_examples=200, deadline=None)
def test_quoted_tables_come_back_whatever_parts_them(tmp_path_factory, rows, delimiter, quoting):
    rows = [row for row in rows if any(cell.strip() for cell in row)] or [("x", "y", "z")]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows([("prompt", "further", "answer"), *rows])
    table = read(written(tmp_path_factory.mktemp("d"), out.getvalue()))
    assert [tuple(row.values()) for row in table.rows] == rows


def test_a_space_behind_each_separator_is_no_part_of_a_cell(tmp_path):
    """As people write lists; where the first line has none, spaces are the cell's own."""
    path = written(tmp_path, 'prompt, answer\nWhat is 1?, "One, I think"\nWhat is 2?, Two\n')
    assert [list(row.values()) for row in read(path).rows] == [["What is 1?", "One, I think"], ["What is 2?", "Two"]]
    path = written(tmp_path, 'prompt,answer\nWhat is 1?," One"\n')
    assert read(path).rows == [{"prompt": "What is 1?", "answer": " One"}]
