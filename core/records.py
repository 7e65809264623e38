"""Dataclasses as JSON: what stands in a file is read into its noun, checked, or refused in a sentence.

Knows no noun of its own. A noun that reaches a file has `schema`, and upgrades older shapes before it is read here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from core.errors import UserError

T = TypeVar("T")


def absent() -> Any:
    """A field that is None, and not written, where there is nothing of the kind."""
    return field(default=None, metadata={"absent": True})


def read(noun: type[T], raw: Any, what: str) -> T:
    """`raw` as parsed JSON, nested dataclasses included; keys that the noun does not know are left out.

    Raises UserError, with `what` it is and where in it, for a missing part or one of another type.
    """
    from pydantic import ValidationError

    try:
        return _adapter(noun).validate_python(raw)  # type: ignore[arg-type]  # mypy: no class of unknown kind is hashable
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != noun.__name__) or "its beginning"
        raise UserError(
            f"{what} cannot be read: at {where}, {first['msg'][0].lower()}{first['msg'][1:]}. The file is damaged, or "
            "another program wrote it. Restore it, or make it anew."
        ) from e


def parsed(path: Path, what: str) -> Any:
    """A JSON file's content. Raises UserError where it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as e:  # no JSON, or no UTF-8
        raise UserError(f"{what} cannot be read: it is no JSON ({e}). Restore {path.name}, or make it anew.") from e


def check_schema(raw: Any, newest: int, what: str) -> int:
    """The schema of a file's content; 1 where it says none. Raises UserError for what is no object, or is newer."""
    if not isinstance(raw, Mapping):
        raise UserError(f"{what} cannot be read: it holds no JSON object. Restore it, or make it anew.")
    schema = raw.get("schema", 1)
    if not isinstance(schema, int) or not 1 <= schema <= newest:
        raise UserError(
            f"{what} has the schema {schema}, and this version of Tunewright knows 1 to {newest}. "
            "Update Tunewright, or open it with the version that wrote it."
        )
    return schema


def plain(value: Any) -> Any:
    """A noun as JSON has it: dicts, lists, texts and numbers."""
    if is_dataclass(value):
        there = ((f.name, getattr(value, f.name), f.metadata) for f in fields(value))
        return {name: plain(part) for name, part, about in there if part is not None or "absent" not in about}
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


@lru_cache(maxsize=64)
def _adapter(noun: type[T]) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(noun)
