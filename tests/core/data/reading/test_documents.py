"""Documents become passages that lose no word, and say where they stand; pages without text are told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.columns.guess import guess
from core.data.columns.survey import survey
from core.data.reading import passages
from core.data.reading.files import batches
from core.data.reading.passages import Paragraph
from core.data.reading.table import NotRead, Reading, Source
from core.errors import UserError
from tests.files import pdf, word, zipped

LINES = [f"Sentence number {i} goes on and on over the whole of its line, as the lines of" for i in range(12)]


def read(tmp_path, name: str, data: bytes | str):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    reading = Reading()
    tables = list(batches(Source(path, path.name, reading=reading)))
    return [row for table in tables for row in table.rows], [str(notice) for notice in reading.notices]


def test_a_pdf_becomes_passages_with_their_pages(tmp_path):
    rows, told = read(tmp_path, "a.pdf", pdf([[*LINES, "a page are."], [], ["Short.", "- an item"]]))
    assert [row["page"] for row in rows] == [1, 3, 3]
    assert rows[0]["text"].startswith(f"{LINES[0]} {LINES[1]}") and rows[0]["text"].endswith("a page are.")
    assert any("1 of 3 pages of “a.pdf” have no text, the first is page 2" in sentence for sentence in told)
    assert any("passages of text, without questions and answers" in sentence for sentence in told)
    table = next(iter(batches(Source(tmp_path / "a.pdf", "a.pdf"))))
    columns = guess(survey([table], "a.pdf"))
    assert (columns.text, columns.prompt, columns.answer) == ("text", None, None)


def test_a_scanned_pdf_and_a_broken_one_are_sentences(tmp_path):
    with pytest.raises(NotRead, match="2 pages and no text: they are pictures"):
        read(tmp_path, "scan.pdf", pdf([[], []]))
    with pytest.raises(UserError, match="begins as a PDF, but cannot be read"):
        read(tmp_path, "cut.pdf", pdf([LINES])[:200])


def test_a_word_document_becomes_passages_under_its_headings(tmp_path):
    long = "A sentence of the garden. " * 20
    data = word(
        [("Heading 1", "Soil"), ("Normal", long), ("List Bullet", "peat"), ("Heading 2", "Water"), ("Normal", long)]
    )
    rows, _ = read(tmp_path, "garden.docx", data)
    assert [row["section"] for row in rows] == ["Soil", "Soil", "Water"]
    assert rows[0]["text"].startswith("Soil\n\nA sentence") and rows[1]["text"] == "- peat"
    for name, broken, sentence in (
        ("empty.docx", word([]), "holds no text"),
        ("parts.docx", zipped({"[Content_Types].xml": "x", "word/document.xml": "<a"}), "begins as a Word document"),
        ("cut.docx", data[:2000], "broken or cut off"),
    ):
        with pytest.raises(UserError, match=sentence):
            read(tmp_path, name, broken)


def test_markdown_is_parted_at_its_headings_and_code_stays_whole(tmp_path):
    code = "```\n# no heading\n\n3 minutes\n```"
    text = f"# Tea\n\nBoil it.\nPour it.\n\n## Times\n\n{code}\n\nThen drink.\n\n## Milk\n\nNone.\n"
    rows, _ = read(tmp_path, "tea.md", text)
    assert [row.get("section") for row in rows] == ["Tea", "Times", "Times", "Milk"]
    assert rows[1]["text"] == f"## Times\n\n{code}"
    plain, _ = read(tmp_path, "plain.md", "one\n\ntwo\n\nthree\n")
    assert [row["text"] for row in plain] == ["one", "two", "three"]


@given(
    parts=st.lists(
        st.tuples(st.text("ab .\n", min_size=1, max_size=30), st.integers(1, 400), st.booleans()), max_size=12
    )
)
@settings(max_examples=50, deadline=None)
def test_passages_lose_no_word_and_are_not_too_long(parts):
    paragraphs = [Paragraph(text * times, {}, heading) for text, times, heading in parts]
    tables = list(passages.tables(iter(paragraphs), Reading()))
    texts = [row["text"] for table in tables for row in table.rows]
    assert "".join("".join(texts).split()) == "".join("".join(p.text for p in paragraphs).split())
    whole = max((len(p.text) for p in paragraphs if len(p.text) <= passages.LONGEST), default=0)
    headings = sum(len(p.text) for p in paragraphs if p.heading)
    assert all(len(text) <= max(passages.LONGEST, whole) + headings + 2 * len(paragraphs) for text in texts)
