"""When two texts ask the same: the one definition, for splits, lessons, chats and checks.

Case, white space, typographic marks and final punctuation make no other question; neither does a system prompt (see
`core.types.Example.asks`). What is only worded differently is found by core/data/similar/.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

_STRAIGHT = {ord(mark): "'" for mark in "‘’‚‛′´‹›ʼ"} | {ord(mark): '"' for mark in "“”„‟«»″「」『』"}
_DASHES = {ord(mark): "-" for mark in "‐‑‒–—―−"}
_UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
"""Soft hyphen, joiners and marks without width."""
_MARKS = _STRAIGHT | _DASHES | _UNSEEN
_MARK = re.compile(f"[{''.join(map(chr, _MARKS))}]")
_ENDS = " .?!:;,…。、؟।"
_BEGINS = " ¿¡"
_LOWER_AND_SPACED = bytes(
    ord(" " if chr(byte).isspace() else chr(byte).lower()) if byte < 128 else byte for byte in range(256)
)


def canonical(text: str) -> str:
    """The text as it is compared: equal for two texts that ask the same. It stays within one line."""
    if not text.isascii():
        # Before NFKC, which makes of some marks an accent that stands alone; of a no-break space it makes a space.
        text = text.translate(_MARKS) if _MARK.search(text) else text
        text = unicodedata.normalize("NFKC", text).lstrip(_BEGINS)
    return _without_ends(" ".join(text.casefold().split()))


def canonical_all(texts: Sequence[str]) -> list[str]:
    """`canonical` of each, several times as fast where most are ASCII: thousands of texts at once."""
    plain = [text if text.isascii() and "\0" not in text else "" for text in texts]
    data = np.frombuffer("\0".join(plain).encode().translate(_LOWER_AND_SPACED), np.uint8)
    again = (data[1:] == ord(" ")) & (data[:-1] == ord(" "))
    if again.any():
        data = data[np.append(True, ~again)]
    spaced = data.tobytes().decode("ascii").split("\0") if plain else []
    return [
        _without_ends(one.strip(" ")) if known or not text else canonical(text)
        for one, known, text in zip(spaced, plain, texts, strict=True)
    ]


def _without_ends(text: str) -> str:
    if text[-1:].isalnum():
        return text
    asked = text.rstrip(_ENDS)
    if asked[-1:].isdigit() and text[len(asked) :].startswith("!"):
        asked += "!"  # a factorial
    return asked or text  # nothing but marks is a question of its own


def asks_hash(asks: Iterable[str]) -> int:
    """64 bits, signed: rows with the same `Example.asks` have the same."""
    import xxhash

    value = xxhash.xxh3_64_intdigest("\0".join(asks).encode("utf-8", "surrogatepass"))
    return value - (1 << 64) if value >= 1 << 63 else value
