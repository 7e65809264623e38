"""What a program left in the texts: control tokens and pieces of templates, HTML entities and tags."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

from core.checking.finding import Check, Finding, around
from core.data.checks import CONTROL
from core.data.row_texts import said
from core.reasoning import MARKS
from core.review.detectors.template import TEMPLATE
from core.types import Example

_THOUGHT = {mark for pair in MARKS for mark in pair}
"""Marks around what was thought, which training knows."""
ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{2,5}|#x[0-9a-fA-F]{2,4});")
TAG = re.compile(
    r"</?(?:p|br|div|span|b|i|u|em|strong|font|a|ul|ol|li|table|tr|td|th|tbody|h[1-6]|img|hr|sup|sub|blockquote|center|"
    r"script|style)(?:\s[^<>]{0,300})?/?>",
    re.I,
)
BREAKS = re.compile(r"</(?:p|div|li|tr|h[1-6]|table|ul|ol|blockquote)>|<br(?:\s[^<>]{0,300})?/?>", re.I)
SCRIPT = re.compile(r"<(script|style)\b[^<>]{0,300}>.*?</\1>", re.I | re.S)
# Rows about markup, or about templates, are to hold it.
ABOUT_MARKUP = re.compile(r"\b(?:x?html5?|xml|svg|css|jsx|tags?|markup|html entit(?:y|ies))\b", re.I)
ABOUT_TEMPLATES = re.compile(
    r"\b(?:templates?|placeholders?|jinja2?|mustache|handlebars|f-strings?|format strings?|chatml|special tokens?|"
    r"control tokens?|javascript|react|vue|angular|python|latex|code|markdown)\b",
    re.I,
)
# One of these stands in whatever CONTROL and TEMPLATE find.
SIGNS = ("<", "[", "##", "{", "Human", "USER", "ASSISTANT", "Assistant")
FENCE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,200}`", re.S)


def templated(example: Example) -> Iterator[Finding]:
    texts = list(said(example))
    about: bool | None = None  # found out where it matters
    for where, text in texts:
        if not any(sign in text for sign in SIGNS):
            continue
        if about is None:
            about = any(ABOUT_TEMPLATES.search(text) for _, text in texts)
        patterns = (CONTROL,) if about else (CONTROL, TEMPLATE)
        for found in (found for pattern in patterns for found in pattern.finditer(text)):
            if found.group() not in _THOUGHT and not _in_code(text, found.start()):
                yield Finding(where, *found.span(), around(text, *found.span()))
                break


def without_remnants(text: str) -> str:
    """Without control tokens and headings of templates; what is left is trimmed."""

    def kept(found: re.Match[str]) -> str:
        return found.group() if found.group() in _THOUGHT else ""

    return _outside_code(text, lambda part: TEMPLATE.sub("", CONTROL.sub(kept, part))).strip()


def marked_up(example: Example) -> Iterator[Finding]:
    texts = list(said(example))
    marked = [(where, text) for where, text in texts if "&" in text or "<" in text]
    if not marked or any(ABOUT_MARKUP.search(text) for _, text in texts):
        return
    for where, text in marked:
        for found in (*ENTITY.finditer(text), *TAG.finditer(text)):
            if not _in_code(text, found.start()) and _is_markup(found.group()):
                yield Finding(where, *found.span(), around(text, *found.span()))
                break


def _is_markup(mark: str) -> bool:
    return mark.startswith("<") or html.unescape(mark) != mark


def as_text(text: str) -> str:
    """Entities as their characters, and tags away; where a paragraph or a line ended there is a line break."""

    def plain(part: str) -> str:
        part = TAG.sub("", BREAKS.sub("\n", SCRIPT.sub("", part)))
        part = ENTITY.sub(lambda m: html.unescape(m.group()), part)
        # Text that was escaped twice: &amp;lt;
        part = ENTITY.sub(lambda m: html.unescape(m.group()), part)
        return re.sub(r"\n{3,}", "\n\n", part.replace("\xa0", " "))

    return _outside_code(text, plain).strip()


def _in_code(text: str, place: int) -> bool:
    return "`" in text and any(m.start() <= place < m.end() for m in FENCE.finditer(text))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts, last = [], 0
    for code in FENCE.finditer(text):
        parts += [change(text[last : code.start()]), code.group()]
        last = code.end()
    return "".join([*parts, change(text[last:])])


CHECKS = (
    Check(
        *("remnants", 2, "Control tokens and pieces of templates"),
        "Training sets its own control tokens; a second set in the text is learnt as words, and shows up in answers.",
        look=templated,
        fix="Remove them",
        mend=without_remnants,
    ),
    Check(
        *("markup", 2, "HTML entities and tags"),
        "The model learns to answer with &amp; and <br> where people read text.",
        look=marked_up,
        fix="Turn it into text",
        mend=as_text,
    ),
)
