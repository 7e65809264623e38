"""Documents that people write: PDF, Word (.docx) and Markdown. Their text becomes passages; pictures are not read."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.data.reading import archives, passages
from core.data.reading.decoding import text_pieces
from core.data.reading.passages import Paragraph
from core.data.reading.table import NotRead, Source, Table
from core.errors import UserError
from core.wording import count

if TYPE_CHECKING:
    import pypdfium2

MOST_UNPACKED = 200_000_000
"""Bytes that a Word document may hold: its text is held in memory as a tree, which takes some ten times as much."""
_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_ITEM = re.compile(r"\s*(?:[-–•*·▪◦]|\(?\d{1,3}[.)]|[a-z][.)])\s")
_SENTENCE_END = re.compile(r"[.!?…:;。！？][\"”’»)\]]*$")
_HYPHEN = re.compile("[\x02\ufffe\xad]\\s*")
"""What PDFium writes where a word is parted at the end of a line."""


def pdf_batches(source: Source) -> Iterator[Table]:
    yield from passages.tables(_of_pdf(source), source.reading)


def docx_batches(source: Source) -> Iterator[Table]:
    yield from passages.tables(_of_docx(source), source.reading)


def markdown_batches(source: Source) -> Iterator[Table]:
    yield from passages.tables(_of_markdown(source), source.reading)


def has_headings(beginning: str) -> bool:
    return any(_HEADING.match(line) for line in beginning.splitlines())


# PDF


def _of_pdf(source: Source) -> Iterator[Paragraph]:
    """Paragraphs with their pages; one that goes on over a page's end stays in two. Raises UserError."""
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(source.path)
    except pdfium.PdfiumError as e:
        raise _unopened(source.name, str(e)) from e
    empty: list[int] = []
    try:
        pages = len(document)
        for number in range(1, pages + 1):
            text = _text_of(document, number, source.name)
            source.reading.bytes += len(text)
            if not text.strip():
                empty.append(number)
            for paragraph in _paragraphs(text):
                yield Paragraph(paragraph, {"page": number})
            source.tick(number / pages)
    finally:
        document.close()
    if len(empty) == pages:
        raise NotRead(
            f"“{source.name}” has {count(pages, 'page')} and no text: they are pictures, as a scanner makes them. "
            "Have the text recognised first (OCR, e.g. ocrmypdf, or “Recognise text” in a PDF program)."
        )
    if empty:
        what = f"{len(empty):,} of {pages:,} pages of “{source.name}” have no text, the first is page {empty[0]:,}."
        source.reading.tell("warning", what, "If they are scanned, have their text recognised (OCR) first.")


def _unopened(name: str, why: str) -> UserError:
    if "password" in why.lower():
        return UserError(f"“{name}” is protected by a password. Save it without one in a PDF program, and import that.")
    return UserError(f"“{name}” begins as a PDF, but cannot be read: {why} Fetch it again, or save its text as .txt.")


def _text_of(document: pypdfium2.PdfDocument, number: int, name: str) -> str:
    import pypdfium2 as pdfium

    try:
        page = document[number - 1]
        text = page.get_textpage()
        found = str(text.get_text_bounded())
        text.close()
        page.close()
    except (pdfium.PdfiumError, IndexError, ValueError, UnicodeError) as e:
        raise UserError(f"“{name}”, page {number:,}: cannot be read ({e}). Save it again in a PDF program.") from e
    return _HYPHEN.sub("", found).replace("\0", "")


def _paragraphs(page: str) -> Iterator[str]:
    """The lines of a page, put together where they only end because the page is that wide."""
    lines = page.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    widths = sorted(len(line.rstrip()) for line in lines if line.strip())
    full = 0.75 * widths[int(0.9 * (len(widths) - 1))] if widths else 0
    text, last = "", 0
    for line in map(str.strip, lines):
        if not line:
            if text:
                yield text
            text = ""
            continue
        ended = last < full and _SENTENCE_END.search(text) is not None
        if text and (_ITEM.match(line) or ended or (last < full / 2 and line[0].isupper())):
            yield text
            text = ""
        text, last = _joined(text, line), len(line)
    if text:
        yield text


def _joined(text: str, line: str) -> str:
    if not text:
        return line
    if text.endswith("-") and line[0].islower() and text[-2:-1].isalpha():
        return text[:-1] + line
    return f"{text} {line}"


# Word


def _of_docx(source: Source) -> Iterator[Paragraph]:
    """Paragraphs and the rows of tables, under the heading that stands above them. Raises UserError."""
    import docx
    from docx.table import Table as WordTable
    from lxml.etree import LxmlError

    archives.require_honest(source.path, source.name, MOST_UNPACKED)
    with archives.sentence(source.name), zipfile.ZipFile(source.path) as archive:
        names = archive.namelist()
        for name in names:
            with archive.open(name) as part:  # a part that is larger than it states has another checksum
                while part.read(1 << 20):
                    pass
    section, some = "", False
    try:
        content = list(docx.Document(str(source.path)).iter_inner_content())
        for i, block in enumerate(content, start=1):
            if isinstance(block, WordTable):
                text, style = _rows_of(block), ""
            else:
                text, style = block.text, str(getattr(block.style, "name", "") or "")
            heading = style.startswith(("Heading", "Title")) and bool(text.strip())
            section = " ".join(text.split()) if heading else section
            if style.startswith("List") and text.strip():
                text = f"- {text}"
            if text.strip():
                some = True
                source.reading.bytes += len(text)
                yield Paragraph(text, {"section": section} if section else {}, heading)
            if i % 100 == 0:
                source.tick(i / len(content))
    except UserError:
        raise
    except (LxmlError, KeyError, ValueError, AttributeError, OSError, IndexError, RecursionError) as e:
        # What the library makes of a document that lacks a part of its own, or names one that is not there.
        why = " ".join(str(e).split())[:200]
        raise UserError(
            f"“{source.name}” begins as a Word document, but cannot be read ({type(e).__name__}: {why}). Open it in "
            "Word or LibreOffice and save it again."
        ) from e
    if not some:
        raise NotRead(f"“{source.name}” holds no text: perhaps its pages are pictures. Have the text recognised first.")
    _tell_beside(source, names)


def _rows_of(table: Any) -> str:
    lines = []
    for row in table.rows:
        cells: list[Any] = []
        for cell in row.cells:  # one that spans several columns is given for each of them
            if not cells or cell._tc is not cells[-1]._tc:
                cells.append(cell)
        lines.append(" | ".join(" ".join(cell.text.split()) for cell in cells))
    return "\n".join(line for line in lines if line.strip(" |"))


def _tell_beside(source: Source, names: list[str]) -> None:
    """What a Word document holds besides its text."""
    kinds = {"header": "headers", "footer": "footers", "footnotes": "footnotes", "comments": "comments"}
    kinds |= {"endnotes": "endnotes", "media/": "pictures"}
    found = Counter(kind for name in names for part, kind in kinds.items() if name.startswith(f"word/{part}"))
    if found:
        what = f"“{source.name}” holds {', '.join(found)}, which are not read: only its running text and tables are."
        source.reading.tell("note", what)


# Markdown


def _of_markdown(source: Source) -> Iterator[Paragraph]:
    """Paragraphs under their headings; code between fences stays in one."""
    lines: list[str] = []
    section, fence, size = "", "", 0

    def place() -> dict[str, Any]:
        return {"section": section} if section else {}

    for piece in text_pieces(source):
        for line in piece.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n"):
            mark = _FENCE.match(line)
            heading = None if fence else _HEADING.match(line)
            ends = not fence and not line.strip()
            # A fence that is never closed would hold the rest of the file.
            if (heading or ends or size > passages.LONGEST) and lines:
                yield Paragraph("\n".join(lines), place())
                lines, size, fence = [], 0, ""
            if mark:
                fence = "" if fence == mark[1] else fence or mark[1]
            if heading and heading[2]:
                section = heading[2]
                yield Paragraph(line.strip(), place(), heading=True)
            elif not ends:
                lines.append(line)
                size += len(line)
    if lines:
        yield Paragraph("\n".join(lines), place())
