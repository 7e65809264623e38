"""JSON text → values, and sentences for what is broken. NaN and Infinity, as pandas writes them, are missing values."""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import Any

from core.data.reading.table import Reading, shortened
from core.errors import UserError

_LONG_NUMBER = re.compile(r"\d{18}")
_PLAIN = frozenset((str, bool, type(None)))
_PYTHONS = re.compile(r"[{,\[]\s*'|[:,\[]\s*(?:None|True|False)\b")


class _Missing(float):
    """A number that is none, as it was written."""

    def __new__(cls, written: str) -> _Missing:
        return super().__new__(cls, written)

    def __init__(self, written: str) -> None:
        self.written = written


class _Twice(dict[str, Any]):
    """An object that had a key twice, with different values."""

    twice: tuple[str, ...] = ()


class Decoder:
    """Python's own parser, which remembers whether it saw a number that is none, or a key twice."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._odd = False
        decoder = json.JSONDecoder(parse_constant=self._constant, object_pairs_hook=self._object)
        self._decode = decoder.raw_decode

    def _constant(self, written: str) -> _Missing:
        self._odd = True
        return _Missing(written)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        twice = dict.fromkeys(key for key, one in pairs if one != value[key] and not isinstance(one, _Missing))
        if not twice:
            return value
        self._odd = True
        odd = _Twice(value)
        odd.twice = tuple(twice)
        return odd

    def value(self, text: str, at: int = 0) -> tuple[Any, int]:
        """(value that begins at `at`, where it ends). Raises json.JSONDecodeError, RecursionError, ValueError."""
        return self._decode(text, at)

    def cleaned(self, row: dict[str, Any], number: int) -> dict[str, Any]:
        """The row with null for numbers that are none, each counted by its column; keys that are there twice, too."""
        if not self._odd:
            return row
        whole: dict[str, Any] = {"": row}
        inner: list[Any] = [whole]
        while inner:
            value = inner.pop()
            for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
                if isinstance(child, _Missing):
                    self._reading.count(child.written, key if value is whole[""] else "", number, missing=True)
                    value[key] = None
                elif isinstance(child, dict | list):
                    if isinstance(child, _Twice):
                        for name in child.twice:
                            self._reading.count_twice(name, number)
                        child = value[key] = dict(child)
                    inner.append(child)
        cleaned: dict[str, Any] = whole[""]
        return cleaned


def keys_in(value: Any) -> int:
    """Keys of all objects in a value."""
    keys, inner = 0, [value]
    while inner:
        one = inner.pop()
        if isinstance(one, dict):
            keys += len(one)
            one = one.values()
        inner += [child for child in one if isinstance(child, dict | list)]
    return keys


def may_hold_twice(text: str, keys: int) -> bool:
    """Has a JSON text more keys than were read from it? Then one was there twice.

    Within texts, a quotation mark has a backslash before it; with other white space than a space before the colon, keys
    are not seen here, and the text deserves a closer look.
    """
    seen = text.count('":') + text.count('" :')
    if seen == keys:  # of most files this is all that is looked at: six passes over the text are a fifth of an import
        return False
    if '\\\\":' in text or '\\\\" :' in text:  # a backslash that ends a key looks like one before a mark
        return True
    return seen - text.count('\\":') - text.count('\\" :') != keys


def whole_value(text: str, name: str, decoder: Decoder) -> Any:
    """The one JSON value of a text, as Python's own parser reads it, mostly three times as fast."""
    import orjson

    try:
        value = orjson.loads(text)
        # orjson makes floats of integers beyond 64 bits, and keeps the last value of a key that is there twice.
        if not _LONG_NUMBER.search(text) and not may_hold_twice(text, keys_in([value])):
            return value
    except ValueError:
        pass
    try:
        value, end = decoder.value(text, len(text) - len(text.lstrip()))
    except json.JSONDecodeError as e:
        raise broken_json(name, e.lineno, e.colno, e) from e
    except RecursionError as e:
        raise too_deep(name) from e
    except ValueError as e:
        raise bad_number(name, e) from e
    if rest := text[end:].strip(" \t\r\n,"):
        extra = json.JSONDecodeError("Extra data", text, text.index(rest, end))
        raise broken_json(name, extra.lineno, extra.colno, extra)
    return value


def json_lines(lines: str) -> list[dict[str, Any]] | None:
    """The objects of lines with one each, all parsed in one go; None where one of them needs a closer look."""
    import orjson

    try:
        values = orjson.loads(f"[{lines.rstrip().replace(chr(10), ',')}]")
    except ValueError:
        return None
    if set(map(type, values)) != {dict}:
        return None
    plain = _PLAIN.issuperset(map(type, chain.from_iterable(map(dict.values, values))))
    if may_hold_twice(lines, sum(map(len, values)) if plain else keys_in(values)):
        return None
    return values if plain or not _LONG_NUMBER.search(lines) else None


def broken_json(name: str, line: int, column: int, error: json.JSONDecodeError) -> UserError:
    near = error.doc[max(0, error.pos - 12) : error.pos + 12].replace("\n", " ").strip()
    fix = "Correct that place and import the file again."
    if _PYTHONS.match(error.doc, max(0, error.pos - 1)) or error.doc.startswith(("'", "None", "True"), error.pos):
        fix = "Python writes values like this; JSON puts texts into double quotes. Write the file with json.dumps."
    elif not near or error.pos >= len(error.doc.rstrip()):
        fix = "The file ends there: it may be cut off. Fetch or write it again."
    return UserError(f"“{name}”, line {line}, character {column}: broken JSON ({error.msg}), near “{near}”. {fix}")


def bad_number(name: str, error: ValueError, where: str = "") -> UserError:
    """For what Python cannot make a number of, e.g. thousands of digits."""
    return UserError(f"“{name}”{where}: {error}. Correct it and import it again.")


def too_deep(name: str, where: str = "") -> UserError:
    return UserError(f"“{name}”{where}: JSON nested too deeply to be rows.")


def inner_object(value: Any, decoder: Decoder) -> dict[str, Any] | None:
    """The object in a text that is itself JSON, as programs write it that encode twice."""
    if not isinstance(value, str) or not value.lstrip().startswith("{"):
        return None
    try:
        inner, end = decoder.value(value, len(value) - len(value.lstrip()))
    except (ValueError, RecursionError):
        return None
    return inner if isinstance(inner, dict) and not value[end:].strip() else None


def begins(value: Any) -> str:
    """A value in a sentence."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value):,}"
    return shortened(json.dumps(value, ensure_ascii=False))
