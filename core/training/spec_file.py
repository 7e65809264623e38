"""A run specification as a file: what a run is made of, to read, keep, and run again here or elsewhere.

Where the rows lie is not part of it: that is looked up when the run starts, and never believed of a file.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

from core.engine.rendering import TEMPLATES
from core.errors import UserError
from core.training.presets import PRESETS
from core.training.spec import RunSpec, upgraded

OWN = "own settings"
"""The `preset` of a run whose numbers are no preset's."""

MOST_BYTES = 100_000
KINDS = {
    "model": (str, "text"),
    "dataset_version": (str, "text"),
    "template": (str, "text"),
    "preset": (str, "text"),
    "date": (str, "text"),
    "settings": (dict, "an object"),
    "schema": (int, "a number"),
}


def to_text(spec: RunSpec) -> str:
    """JSON as people read it."""
    shown = {name: value for name, value in spec.to_dict().items() if name != "rows_file"}
    return json.dumps(shown, ensure_ascii=False, indent=2) + "\n"


def read(path: Path) -> RunSpec:
    """The specification in a file; see `from_text`. Raises UserError where there is none."""
    if not path.is_file():
        raise UserError(f"There is no file {path}. Check the path.")
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"The file has {path.stat().st_size:,} bytes; a run specification has about 2,000.")
    try:
        return from_text(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as e:
        raise UserError("The file is not a run specification: it is not text in UTF-8. Save one anew.") from e


def from_text(text: str) -> RunSpec:
    """A specification without rows: `rows_file` is empty. Settings that are not in it have their defaults.

    Raises UserError for what is no specification, for names that are unknown, and for values out of range.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as e:
        where = (
            f"line {e.lineno}, character {e.colno}"
            if isinstance(e, json.JSONDecodeError)
            else "a value that cannot be read"
        )
        raise UserError(f"The file is not a run specification: broken JSON ({where}). Save one anew.") from e
    if not isinstance(raw, dict) or "settings" not in raw or "model" not in raw:
        raise UserError("The file is not a run specification: it names no model and no settings. Save one anew.")
    known = [f.name for f in fields(RunSpec)]
    unknown = sorted(set(raw) - set(known))
    if unknown:
        raise UserError(f"A run specification has no part “{unknown[0][:80]}”. Known are: {', '.join(known)}.")
    for name, (kind, expected) in KINDS.items():
        if not isinstance(raw.get(name, kind()), kind):
            raise UserError(f"The run specification's {name} is {_short(raw[name])}, which is not {expected}.")
    raw = upgraded(raw)
    if not isinstance(raw.get("revision"), str | None):
        raise UserError(f"The run specification's revision is {_short(raw['revision'])}: give text, or null.")
    template = raw.get("template", "")
    if template and template not in TEMPLATES:
        names = ", ".join(TEMPLATES)
        raise UserError(f"There is no template “{template[:80]}”. Known are: {names}; empty: the model's own.")
    if day := raw.get("date", ""):
        try:
            date.fromisoformat(day)
        except ValueError as e:
            raise UserError(f"The run specification's date is {_short(day)}: give a day as 2026-11-25.") from e
    for name, value in raw["settings"].items():
        # Further than this Python's own numbers go, and no setting's range does.
        if not isinstance(value, str | int | float) or (isinstance(value, int) and abs(value) > 10**15):
            raise UserError(f"The setting “{name[:80]}” is {_short(value)}: give one text or number within its range.")
    preset = raw.get("preset", OWN)
    spec = {**raw, "dataset_version": raw.get("dataset_version", ""), "rows_file": ""}
    return RunSpec.from_dict({**spec, "preset": preset if preset in PRESETS else OWN})


def _short(value: Any) -> str:
    return repr(value)[:80]
