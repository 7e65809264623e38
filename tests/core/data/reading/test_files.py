"""Which reader reads a file is told by its content; packed files are unpacked; what is not read has a remedy."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import time
import zipfile

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.columns.survey import survey
from core.data.reading import table as pieces
from core.data.reading import unpacking
from core.data.reading.files import batches, read
from core.data.reading.table import Source
from core.errors import UserError

ROWS = [{"prompt": f"Say {i}.", "answer": f"said {i}"} for i in range(300)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CSV = b"prompt,answer\n" + b"".join(f"Say {i}.,said {i}\n".encode() for i in range(300))


def packed_by_zstandard(path, data: bytes):
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as out:
        out.write(data)
    return path


def written(tmp_path, data: bytes, name: str):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [LINES, CSV, json.dumps(ROWS).encode()], ids=["lines", "csv", "list"])
@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows"])
def test_packed_files_are_read(tmp_path, data, kind, name):
    path = tmp_path / f"{name}.{kind}"
    if kind == "zst":
        packed_by_zstandard(path, data)
    else:
        path.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[kind].compress(data))
    assert read(path).rows == ROWS


def test_two_packed_parts_one_behind_the_other(tmp_path):
    path = written(tmp_path, gzip.compress(LINES) + gzip.compress(LINES), "rows.jsonl.gz")
    assert read(path).rows == ROWS * 2
    for name in ("a", "b"):
        packed_by_zstandard(tmp_path / name, LINES)
    both = (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes()
    assert read(written(tmp_path, both, "rows.jsonl.zst")).rows == ROWS * 2


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_packed_files_that_are_cut_off_are_refused(tmp_path, kind):
    path = tmp_path / f"rows.jsonl.{kind}"
    if kind == "zst":
        packed_by_zstandard(path, LINES)
    else:
        path.write_bytes({"gz": gzip, "bz2": bz2, "xz": lzma}[kind].compress(LINES))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="broken or cut off"):
        read(path)


def test_a_small_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "FREE", 1_000_000)
    line = json.dumps({"prompt": "x" * 1000, "answer": "y"}) + "\n"
    path = written(tmp_path, gzip.compress((line * 20_000).encode()), "bomb.jsonl.gz")
    with pytest.raises(UserError, match="unpacks to more than .* MB, which rows hardly do"):
        read(path)
    assert read(written(tmp_path, gzip.compress(line.encode() * 100), "small.jsonl.gz")).numbers[-1] == 100


def zipped(*names: str, data: bytes = b"x" * 100) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("rows.jsonl"), io.BytesIO(b""))
    return out.getvalue()


OTHERS = {
    "slides.pptx": (zipped("[Content_Types].xml", "ppt/presentation.xml"), "a presentation", ".docx"),
    "rows.zip": (
        zipped("in.zip", data=zipped("rows.jsonl")),
        "holds no file with rows",
        "an archive within an archive",
    ),
    "book.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "begins as a workbook", "CSV UTF-8"),
    "text.doc": (b"\xd0\xcf\x11\xe0" + "WordDocument".encode("utf-16-le"), "old Word document", ".docx"),
    "rows.tar": (tarred(), "a tar archive", "Unpack it"),
    "rows.tar.gz": (gzip.compress(tarred()), "a tar archive", "Unpack it"),
    "rows.jsonl.gz": (gzip.compress(gzip.compress(LINES)), "packed twice", "Unpack it"),
    "page.json": (b"\n<!DOCTYPE html><html>", "a web page", "raw"),
    "big.jsonl": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS", "git lfs pull"),
    "text.pdf": (b"%PDF-1.7\n", "begins as a PDF", ".txt"),
    "rows.pkl": (b"\x80\x04\x95\x10", "pickle", ".jsonl"),
    "rows.db": (b"SQLite format 3\0" + bytes(600), "SQLite", "CSV"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_read_is_named_with_a_remedy(tmp_path, name):
    data, what, remedy = OTHERS[name]
    with pytest.raises(UserError) as refusal:
        read(written(tmp_path, data, name))
    assert what in str(refusal.value) and remedy in str(refusal.value) and name in str(refusal.value)


MEGABYTE = 1 << 20
HUGE = {
    "line.jsonl": (b'{"prompt": "', b"x" * MEGABYTE, 150),
    "line.csv": (b"prompt,answer\n", b"x," * (MEGABYTE // 2), 40),
    "line.txt": (b"", b"word " * (MEGABYTE // 5), 40),
    "none.csv": (b"prompt,answer\n", b"x" * MEGABYTE, 40),
    "quotes.csv": (b"", b'"' * MEGABYTE, 40),
    "quotes.jsonl": (b"", b'"' * MEGABYTE, 40),
    "quoted.csv": (b'prompt,answer\n"', b"x\n" * (MEGABYTE // 2), 40),
    "brackets.json": (b"", b"[" * MEGABYTE, 40),
    "braces.jsonl": (b"", b'{"a":' * (MEGABYTE // 5), 40),
}


@pytest.mark.parametrize("name", HUGE)
def test_files_of_one_endless_thing_are_a_sentence_at_once(tmp_path, name):
    begins, piece, times = HUGE[name]
    path = tmp_path / name
    with open(path, "wb") as file:
        file.write(begins)
        for _ in range(times):
            file.write(piece)
    started = time.process_time()
    with pytest.raises(UserError, match=f"“{name}”"):
        survey((batch for batch in batches(Source(path, name))), name)
    assert time.process_time() - started < 5


def test_one_line_of_a_gigabyte_is_a_sentence_at_once(tmp_path):
    path = tmp_path / "line.jsonl"
    with open(path, "wb") as file:
        file.write(b'{"prompt": "')
        file.seek(1_000_000_000)
        file.write(b'"}')
    started = time.process_time()
    with pytest.raises(UserError, match="NUL|one JSON object of 1,000 MB"):
        read(path)
    assert time.process_time() - started < 5


def test_a_row_has_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 1000)
    monkeypatch.setattr(pieces, "LONGEST_ROW", 20_000)
    good, bad = json.dumps({"a": "x" * 15_000}), json.dumps({"a": "x" * 90_000})
    for text, name in (
        (f"{good}\n{bad}\n", "rows.jsonl"),
        (f"[{good}, {bad}]", "rows.json"),
        (f"a,b\n{'x' * 15_000},y\n{'x' * 30_000},y\n", "rows.csv"),
        (f'a,b\n{"x" * 15_000},y\n"{"x " * 15_000}",y\n', "rows.csv"),
        ("word\n" * 10_000, "rows.txt"),
    ):
        with pytest.raises(UserError, match="million letters"):
            read(written(tmp_path, text.encode(), name))
    assert len(read(written(tmp_path, f"[{', '.join([good] * 5)}]".encode(), "rows.json")).rows) == 5


@given(
    data=st.binary(max_size=200),
    begins=st.sampled_from(
        [
            b"",
            b"\x1f\x8b",
            b"\x28\xb5\x2f\xfd",
            b"PAR1",
            b"ARROW1",
            b"\xff\xff\xff\xff",
            b"BZh9",
            b"\xff\xfe",
            b"{",
            b"[",
        ]
        + [b'{"a":', b'[{"a":', b'"', b"a,b\n", b"sep=;\n", b"\0", b"\xfd7zXZ\0", gzip.compress(b'{"a":1}\n')[:-3]]
    ),
    name=st.sampled_from(["any.jsonl", "any.json", "any.csv", "any.tsv", "any.txt", "any", "any.gz", "any.parquet"]),
    encoding=st.sampled_from(["", "", "cp1252", "utf-16", "utf-8", "shift_jis"]),
)
@settings(max_examples=500, deadline=2000)
def test_any_bytes_under_any_name_are_rows_or_a_sentence(tmp_path_factory, data, begins, name, encoding):
    path = written(tmp_path_factory.mktemp("b"), begins + data, name)
    refused = ""
    try:
        rows = read(path, encoding=encoding).rows
    except UserError as e:
        rows, refused = [], str(e)
    assert all(isinstance(row, dict) for row in rows)
    assert rows or refused.startswith("“any")
