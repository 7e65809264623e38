"""Which reader reads a file, told by what is in it rather than by its ending, and what every file must have.

A folder and an archive are read as the files that are in them.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from core.data.reading import (
    archives,
    arrow_tables,
    delimited,
    dialect,
    documents,
    exports,
    json_rows,
    spreadsheets,
    text,
    unpacking,
)
from core.data.reading.decoding import decoded_pieces
from core.data.reading.table import NotRead, Source, Table
from core.errors import UserError

Reader = Callable[[Source], Iterator[Table]]
JSON = (".json", ".jsonl", ".ndjson", ".jsonlines", ".jsonld")
CSV = (".csv", ".tsv")
MARKDOWN = (".md", ".markdown")
TEXT = (".txt", ".text", *MARKDOWN)
READ = (
    ".jsonl, .json, .csv, .tsv, .txt, .md, .parquet and .arrow, also packed by gzip or Zstandard; .xlsx, .xls, .ods, "
    ".pdf and .docx; and .zip of them"
)

_UNPACK = "Unpack it, and import the file with the rows."
OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "an archive within an archive", _UNPACK),
    (0, b"SQLite format 3", "an SQLite database", "Export the table as CSV, and import that."),
    (0, b"\x89HDF", "an HDF5 file", "Save the rows as .jsonl or .parquet, e.g. with pandas."),
    (0, b"\x93NUMPY", "a NumPy array", "Save the rows as .jsonl or .parquet, e.g. with pandas."),
    (0, b"FEA1", "a Feather file of the first version", "Save it as .parquet, e.g. with pandas."),
    (0, b"Obj\x01", "an Avro file", "Save it as .parquet or .jsonl."),
    (0, b"ORC", "an ORC file", "Save it as .parquet or .jsonl."),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", _UNPACK),
    (0, b"\x80\x04\x95", "a Python pickle", "Pickles can run code and are not read: save the rows as .jsonl."),
    (0, b"{\\rtf", "a rich-text document", "Save it as plain text (.txt)."),
    (
        *(0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself"),
        "Fetch the file with `git lfs pull`, or download it from the dataset's page.",
    ),
)
"""Where which bytes stand, what that is, and what to do."""
_PAGE = re.compile(rb"\s*(?:<!doctype html|<html|<\?xml)", re.I)
_GAP = re.compile(r"\n[^\S\n]*\n")
_OBJECT = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{]\s*[\"{\]}])")
"""How JSON with rows begins, and hardly any text or table."""
_NAMES = frozenset(
    ("prompt", "answer", "question", "text", "label", "instruction", "input", "output", "completion", "response")
    + ("query", "sentence", "source", "target", "context", "category", "class", "messages", "conversations", "system")
    + ("chosen", "rejected", "id")
)
"""Columns by which a table is known where its ending says that it is text."""


_WITHIN = (
    ("xl/", "a workbook"),
    ("word/", "a Word document"),
    ("ppt/", "a presentation"),
)
"""What is in the archives of office programs, and what that says they are."""
_OPEN = {
    "application/vnd.oasis.opendocument.spreadsheet": "a workbook",
    "application/vnd.oasis.opendocument.text": "a document of LibreOffice",
    "application/vnd.oasis.opendocument.presentation": "a presentation",
    "application/epub+zip": "an e-book",
}


def batches(source: Source) -> Iterator[Table]:
    """The rows of a file, or of all that are in a folder or an archive, some at a time.

    Raises UserError with line or row where it can be known.
    """
    several = source.path.is_dir() or (archives.is_archive(source.path) and not _of_office(source.path))
    tables = archives.batches(source, _of_one) if several else _of_one(source)
    some = False
    for rows in tables:
        some = some or bool(rows.rows)
        yield rows
    if not some:
        raise UserError(f"“{source.name}” holds no rows. Choose a file with at least one row.")


def _of_one(source: Source) -> Iterator[Table]:
    """The rows of one file."""
    if source.path.stat().st_size == 0:
        raise UserError(f"“{source.name}” is empty (0 bytes). Choose a file with rows.")
    reader = _reader(source)
    for rows in exports.rows(reader(source), source):
        if rows.rows:
            if reader not in (delimited.batches, text.batches):
                source.reading.count_marked(rows.rows, rows.numbers)
            yield rows


def needs_library(path: Path) -> bool:
    """Is it read by a library of its own, or are several files in it? Then not in the process of a page."""
    if path.is_dir() or archives.is_archive(path):
        return True
    with open(path, "rb") as file:
        return file.read(4) in (b"%PDF", b"\xd0\xcf\x11\xe0")


def read(path: Path, name: str = "", encoding: str = "") -> Table:
    """A small file at once."""
    tables = list(batches(Source(path, name or path.name, encoding=encoding)))
    return Table([row for t in tables for row in t.rows], [n for t in tables for n in t.numbers])


def _reader(source: Source) -> Reader:
    with open(source.path, "rb") as file:
        first = file.read(8)
    if first.startswith(b"PAR1"):
        return arrow_tables.parquet_batches
    if first.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return arrow_tables.arrow_batches
    if first.startswith(b"%PDF"):
        return documents.pdf_batches
    if first.startswith(b"\xd0\xcf\x11\xe0"):
        return _of_old_office(source)
    if archives.is_archive(source.path) and (what := _of_office(source.path)):
        return _of_new_office(source, what)
    _refuse_others(source)
    ending = unpacking.ending(source.path.name)
    if ending in JSON and _beginning(source, 1)[:1] in ("", "{", "[", '"'):
        return json_rows.batches
    beginning = _beginning(source, dialect.SAMPLE)
    if ending in JSON:
        return _as_table(source, "") if _is_table(beginning) else json_rows.batches
    if _OBJECT.match(beginning):
        return json_rows.batches
    if ending in CSV:
        return delimited.batches
    if ending in TEXT:
        if _is_table(beginning, known=True):
            return _as_table(source, "If it is text, put an empty line between its parts.")
        return documents.markdown_batches if ending in MARKDOWN and documents.has_headings(beginning) else text.batches
    if _is_table(beginning):
        return delimited.batches
    given = f"ends in “{source.path.suffix}”" if source.path.suffix else "has no ending"
    raise NotRead(
        f"“{source.name}” {given}, and what is in it is neither JSON nor a table. Tunewright reads {READ}: save it as "
        "one of these."
    )


def _of_office(path: Path) -> str:
    """What an archive is that an office program wrote; empty for any other, and for a broken one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            kind = archive.read("mimetype")[:100].decode("ascii", "replace") if "mimetype" in names[:1] else ""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError, zlib.error):
        return ""
    if "[Content_Types].xml" in names:
        return next((what for folder, what in _WITHIN if any(n.startswith(folder) for n in names)), "")
    return _OPEN.get(kind.strip(), "")


def _of_new_office(source: Source, what: str) -> Reader:
    if what == "a workbook":
        return spreadsheets.batches
    if what == "a Word document":
        return documents.docx_batches
    fix = "In LibreOffice or Word save it as .docx." if "document" in what else "Save its text as .docx, .pdf or .txt."
    raise NotRead(f"“{source.name}” is {what}. Tunewright reads {READ}. {fix}")


def _of_old_office(source: Source) -> Reader:
    with open(source.path, "rb") as file:
        data = file.read(1 << 22)
    if "WordDocument".encode("utf-16-le") in data:
        fix = "In Word or LibreOffice save it as .docx, and import that."
        raise NotRead(f"“{source.name}” is an old Word document (.doc). Tunewright reads {READ}. {fix}")
    return spreadsheets.batches


def _refuse_others(source: Source) -> None:
    """Raises NotRead for kinds of files that are not read."""
    head = unpacking.beginning(source)
    what = fix = ""
    if _PAGE.match(head):
        what, fix = "a web page or XML", "Where it was downloaded, choose the file itself (“raw” or “download”)."
    elif unpacking.packed_by(head) or head.startswith(b"PAR1"):
        what, fix = "packed twice", _UNPACK
    else:
        for at, begins, kind, remedy in OTHERS:
            if head[at:].startswith(begins):
                what, fix = kind, remedy
                break
    if what:
        raise NotRead(f"“{source.name}” is {what}. Tunewright reads {READ}. {fix}")


def _beginning(source: Source, size: int) -> str:
    """The first letters of the text, `size` at least where it has so many, behind empty lines."""
    pieces: list[str] = []
    length = 0
    for piece in decoded_pieces(source.quietly()):
        pieces.append(piece if pieces else piece.lstrip())
        length += len(pieces[-1])
        if length >= size:
            break
        if not length:
            pieces.clear()
    return "".join(pieces)


def _is_table(beginning: str, known: bool = False) -> bool:
    """Has each line as many cells as the first, of which there are several? `known`: one of them has a common name."""
    sniffed = dialect.sniff(beginning, len(beginning) < dialect.SAMPLE)
    if sniffed.columns < 2 or sniffed.share < 1 or len(sniffed.rows) < 2 or _GAP.search(beginning.strip()):
        return False
    names = [cell.strip().lower() for cell in sniffed.rows[0]]
    if not all(names) or len(set(names)) < len(names):
        return False
    return sniffed.delimiter == "\t" or not known or not _NAMES.isdisjoint(names)


def _as_table(source: Source, fix: str) -> Reader:
    what = f"What is in “{source.name}” was read as a table, whatever its ending: its lines all have as many values."
    source.reading.tell("note", what, fix)
    return delimited.batches
