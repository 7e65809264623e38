"""The text of a document → rows: passages of a few paragraphs, each begun anew by a heading. Nothing is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from core.data.reading import table
from core.data.reading.table import Reading, Table

PASSAGE = 2000
"""Letters that a passage has at most, some 500 tokens; one paragraph may have more."""
LONGEST = 2 * PASSAGE
"""Letters of a paragraph that is kept whole."""
AT_LEAST = 4
"""Passages that a short document is parted into, where it has so many paragraphs: a split needs three."""
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+|(?<=\n)")


@dataclass(frozen=True)
class Paragraph:
    text: str
    place: dict[str, Any] = field(default_factory=dict)
    """Further columns of the passage that begins with it: page, section."""
    heading: bool = False


def tell(reading: Reading) -> None:
    """What rows of text alone are, for people who may expect questions and answers of them."""
    what = (
        "The rows are passages of text, without questions and answers. A model that is trained on them learns to go on "
        "with such text: its words and its style, not to answer questions about it."
    )
    reading.tell("note", what, "For that, have questions and answers made from the passages after the import.")


def tables(paragraphs: Iterator[Paragraph], reading: Reading) -> Iterator[Table]:
    """Rows with a column `text`, and those of the place where each passage begins."""
    tell(reading)
    first: list[Paragraph] = []
    length = 0
    for paragraph in paragraphs:
        first.append(paragraph)
        length += len(paragraph.text)
        if length > AT_LEAST * PASSAGE:
            break
    short = length <= AT_LEAST * PASSAGE
    most = max(1, length // AT_LEAST) if short else PASSAGE
    if short and sum(1 for _ in _passages(iter(first), most)) < AT_LEAST:
        most = 1
    rows: list[dict[str, Any]] = []
    size = done = 0
    for row in _passages(chain(first, paragraphs), most):
        rows.append(row)
        size += len(row["text"])
        if size >= table.PIECE:
            yield Table(rows, list(range(done + 1, done + len(rows) + 1)))
            done, size, rows = done + len(rows), 0, []
    yield Table(rows, list(range(done + 1, done + len(rows) + 1)))


def _passages(paragraphs: Iterator[Paragraph], most: int) -> Iterator[dict[str, Any]]:
    waiting: list[Paragraph] = []
    length = 0
    for paragraph in (part for whole in paragraphs for part in _parted(whole)):
        has_text = any(not p.heading for p in waiting)
        if has_text and (paragraph.heading or length + len(paragraph.text) > most):
            yield _row(waiting)
            waiting, length = [], 0
        waiting.append(paragraph)
        length += len(paragraph.text)
    if waiting:
        yield _row(waiting)


def _row(paragraphs: list[Paragraph]) -> dict[str, Any]:
    return {"text": "\n\n".join(p.text for p in paragraphs), **paragraphs[-1 if paragraphs[0].heading else 0].place}


def _parted(paragraph: Paragraph) -> Iterator[Paragraph]:
    """The paragraph; a very long one in parts that end with a sentence, or wherever there is none."""
    if len(paragraph.text) <= LONGEST:
        if paragraph.text.strip():
            yield paragraph
        return
    part = ""
    for sentence in _SENTENCE.split(paragraph.text):
        if part and len(part) + len(sentence) > PASSAGE:
            yield Paragraph(part, paragraph.place)
            part = ""
        part = f"{part} {sentence}" if part and not part.endswith("\n") else part + sentence
        while len(part) > LONGEST:
            yield Paragraph(part[:PASSAGE], paragraph.place)
            part = part[PASSAGE:]
    if part.strip():
        yield Paragraph(part, paragraph.place)
