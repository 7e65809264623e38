"""A prompt as a text with columns in braces: “Translate {text} into {language}.” Two braces stand for one as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from core.errors import UserError

LONGEST = 20_000
"""Letters of a template."""
_PART = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}|[{}]")


@lru_cache(maxsize=64)
def parts_of(template: str) -> tuple[tuple[str, str], ...]:
    """(text before it, column) of each place, at last (the rest, ""). Raises UserError for a brace on its own."""
    parts: list[tuple[str, str]] = []
    text, at = "", 0
    for found in _PART.finditer(template):
        text += template[at : found.start()]
        at = found.end()
        if found[0] in ("{{", "}}"):
            text += found[0][0]
        elif found[1] is not None:
            parts.append((text, found[1].strip()))
            text = ""
        else:
            near = template[max(0, found.start() - 15) : found.end() + 15].replace("\n", " ")
            raise UserError(
                f"The template has a single “{found[0]}” near “{near}”. A column is written in braces, {{text}}; a "
                "brace that belongs to the text is written twice."
            )
    return (*parts, (text + template[at:], ""))


def columns_in(template: str) -> list[str]:
    """The columns that a template names, each once; none where it is broken, which `check` tells."""
    try:
        return list(dict.fromkeys(column for _, column in parts_of(template) if column))
    except UserError:
        return []


def check(template: str, there: Sequence[str]) -> None:
    """Raises UserError for a template that rows with the columns `there` cannot fill."""
    have = ", ".join(f"{{{column}}}" for column in there[:30])
    if len(template) > LONGEST:
        raise UserError(f"The template has {len(template):,} letters; the limit is {LONGEST:,}. Shorten it.")
    parts = parts_of(template)
    doubled = next((column for column in there if f"{{{{{column}}}}}" in template), None)
    if doubled:
        raise UserError(
            f"The template has two braces, “{{{{{doubled}}}}}”, which stand for “{{{doubled}}}” as text. Write "
            f"{{{doubled}}} for what is in the column."
        )
    named = [column for _, column in parts[:-1]]
    if not named:
        raise UserError(f"The template names no column: each prompt would be the same. Columns: {have}.")
    missing = [column for column in named if column not in there]
    if missing:
        raise UserError(
            f"The template names “{{{missing[0]}}}”, and there is no such column. The file has: {have}. A brace that "
            "belongs to the text is written twice: {{ and }}."
        )


def filled(template: str, cell: Callable[[str], str]) -> str:
    """The template with what is in a row's columns; empty where all of these are. `cell` gives a column's text."""
    *places, (end, _) = parts_of(template)
    texts = [cell(column) for _, column in places]
    if not any(map(str.strip, texts)):
        return ""
    return "".join([before + text for (before, _), text in zip(places, texts, strict=True)] + [end])
