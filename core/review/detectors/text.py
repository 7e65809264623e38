"""What the detectors share: which characters of an answer are prose, and the shape of what a detector finds.

What is not prose (code, formulas, links, tables) is blanked, so that offsets stay valid. Time is linear in the text:
every pattern is bounded or starts only at markers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LIMIT = 200_000
"""Characters of one text that detectors look at. A long answer has a tenth of that."""

FENCE = "```"
# Bounded repetitions: an opening mark without its end costs at most as many steps as the bound.
INLINE = re.compile(r"`[^`\n]{1,200}`|\$[^$\n]{1,200}\$|\\\([^\n]{1,200}?\\\)|\\\[[^\n]{1,200}?\\\]")
CHUNK = re.compile(r"\S+")
NOT_A_BREAK = re.compile(r"[^\n]")


@dataclass(frozen=True)
class Finding:
    """What one detector says of one text."""

    score: float
    """0 to 1, see Suggestion."""
    spans: tuple[tuple[int, int], ...]
    """Evidence; empty where the score stays under the detector's threshold."""
    reason: str


def without_code(text: str) -> str:
    """The text with fenced code, inline code and formulas replaced by as many spaces. Line breaks stay."""
    # An odd last fence was never closed: what follows it is code all the same.
    parts = [part if i % 2 == 0 else blank(part) for i, part in enumerate(text.split(FENCE))]
    return INLINE.sub(lambda m: blank(m.group()), blank(FENCE).join(parts))


def without_links(text: str) -> str:
    """The text with URLs and e-mail addresses replaced by as many spaces."""
    return CHUNK.sub(lambda m: blank(m.group()) if is_link(m.group()) else m.group(), text)


def without_tables(text: str) -> str:
    """The text with lines of a table (two bars or tabs, or more) replaced by as many spaces."""
    lines = text.split("\n")
    return "\n".join(blank(line) if line.count("|") >= 2 or line.count("\t") >= 2 else line for line in lines)


def is_link(chunk: str) -> bool:
    return "://" in chunk or "www." in chunk or "@" in chunk[1:-1]


def blank(text: str) -> str:
    return NOT_A_BREAK.sub(" ", text)
