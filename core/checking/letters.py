"""What happened to letters on their way: damage by a wrong encoding, and white space around a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from core.checking.finding import Check, Finding, around
from core.data.row_texts import said
from core.types import Example

# Control characters that no text holds; a character that says that another was lost; a soft mark without width.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
LOST = "\ufffd"
SPACE = re.compile(r"^\s+|\s+$|\u200b|\ufeff")


def damaged(example: Example) -> Iterator[Finding]:
    """Texts that were read in the wrong encoding (“cafÃ©”), hold control characters, or lost some (“caf�”)."""
    for where, text in said(example):
        if found := CONTROL.search(text):
            # C1 controls are most often half of a letter that ftfy puts together again; only those are mended.
            yield Finding(where, *found.span(), f"character U+{ord(found.group()):04X}")
        elif not text.isascii():
            if LOST in text and mended(text) == text:
                at = text.index(LOST)
                yield Finding(where, at, at + 1, around(text, max(0, at - 20), at + 20))
            elif (good := mended(text)) != text:
                at = next((i for i, (a, b) in enumerate(zip(text, good, strict=False)) if a != b), 0)
                yield Finding(where, at, min(len(text), at + 20), around(text, max(0, at - 15), at + 20))


def mended(text: str) -> str:
    """The text as it was meant, by ftfy, which changes nothing where it is in doubt."""
    import ftfy

    if text.isascii():
        return CONTROL.sub("", text)
    # Only the encoding: typographic quotation marks, ligatures and full width are what a person wrote.
    return CONTROL.sub("", ftfy.fix_encoding(text))


def spaced(example: Example) -> Iterator[Finding]:
    """White space before or behind a text, and marks without width inside it."""
    for where, text in said(example):
        if text.strip() == text and (text.isascii() or not ("\u200b" in text or "\ufeff" in text)):
            continue
        # Plain text goes on where it stops, and tools may have given anything.
        if example.messages and not where.startswith("tool") and (found := SPACE.search(text)):
            yield Finding(where, *found.span(), f"{found.group()!r}")


def trimmed(text: str) -> str:
    return re.sub("[\u200b\ufeff]", "", text).strip()


CHECKS = (
    Check(
        *("encoding", 2, "Damaged letters"),
        "The model learns to write “Ã©” for “é”, and never sees the word as people write it.",
        look=damaged,
        fix="Mend the letters",
        mend=mended,
    ),
    Check(
        *("spaces", 2, "White space around a text"),
        "A model that learns a space before its answer writes one, and tokens at the edge are split differently.",
        look=spaced,
        fix="Trim",
        mend=trimmed,
        level="note",
    ),
)
