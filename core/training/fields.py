"""What a setting is: a dataclass field that knows its label, its range, and why it is what it is."""

from __future__ import annotations

import math
from dataclasses import Field, field
from typing import Any

from core.errors import UserError


def setting(
    default: Any,
    label: str,
    why: str,
    because: str,
    within: tuple[float, float],
    group: str = "basic",
    step: float | None = None,
    only: tuple[str, ...] = (),
) -> Any:
    """A field with what its control needs: label, one line 'why change it', and the range it stays within.

    `because` is a clause that gives the reason for the default: its source, what it does, or that it is our choice.
    `only` names the methods or objectives that read it; empty: all do.
    """
    about = {"label": label, "why": why, "because": because, "low": within[0], "high": within[1]}
    return field(default=default, metadata={**about, "group": group, "step": step, "only": only})


def choice(
    default: str,
    label: str,
    why: str,
    because: str,
    options: dict[str, str],
    group: str,
    only: tuple[str, ...] = (),
) -> Any:
    """A field that takes one of `options` (value → what people read)."""
    about = {"label": label, "why": why, "because": because, "options": options, "group": group, "only": only}
    return field(default=default, metadata=about)


def check(f: Field[Any], value: Any) -> None:
    """Raise UserError where the field cannot be `value`.

    Ours and not pydantic's `Field(ge=…, le=…)`: its errors would have to be made into this sentence from the same
    label, kind and range, so nothing would be shorter. And a form's "8" and 8.0 are whole numbers here while True is
    none, which pydantic has in neither of its modes.
    """
    about = f.metadata
    if "options" in about:
        if value not in about["options"]:
            raise UserError(f"{about['label']}: “{value}” is not one of {', '.join(about['options'])}.")
    elif not _is_number(value, f.type == "int") or not about["low"] <= value <= about["high"]:
        kind = "a whole number" if f.type == "int" else "a number"
        raise UserError(f"{about['label']}: {value!r} is not {kind} from {about['low']:g} to {about['high']:g}.")


def _is_number(value: Any, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return isinstance(value, int) or not whole


def typed(value: Any, kind: str) -> Any:
    """'8' and 8.0 are 8 for a whole number; what is no number stays as it is and is refused with its value."""
    if kind == "str":
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return int(number) if kind == "int" and number.is_integer() else number
