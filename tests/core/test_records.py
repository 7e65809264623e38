"""Dataclasses as JSON: read with their parts, refused in a sentence, written without what is not there."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from core.errors import UserError
from core.records import absent, check_schema, parsed, plain, read


@dataclass(frozen=True)
class Part:
    name: str
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Whole:
    parts: dict[str, Part]
    first: Part | None
    note: str | None = absent()


def test_parts_are_read_and_written():
    raw = {"parts": {"a": {"name": "x", "places": [1, 2]}}, "first": None, "unknown": 3}
    whole = read(Whole, raw, "It")
    assert whole == Whole({"a": Part("x", (1, 2))}, None)
    assert plain(whole) == {"parts": {"a": {"name": "x", "places": [1, 2]}}, "first": None}
    assert plain(Whole({}, Part("y"), "Hm.")) == {"parts": {}, "first": {"name": "y", "places": []}, "note": "Hm."}
    assert read(Whole, plain(whole), "It") == whole


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"parts": {"a": {}}, "first": None}, "It cannot be read: at parts.a.name, field required."),
        ({"parts": {"a": {"name": "x", "places": ["b"]}}, "first": None}, "at parts.a.places.0, input should be"),
        ({"parts": []}, "at parts, input should be a valid dictionary"),
        (None, "at its beginning, input should be"),
    ],
)
def test_what_is_damaged_is_said_with_its_place(raw, sentence):
    with pytest.raises(UserError) as caught:
        read(Whole, raw, "It")
    assert sentence in str(caught.value)


def test_schemas_that_are_known():
    assert (check_schema({}, 2, "It"), check_schema({"schema": 2}, 2, "It")) == (1, 2)
    for schema in (3, 0, "2", None):
        with pytest.raises(UserError, match="knows 1 to 2"):
            check_schema({"schema": schema}, 2, "It")


def test_a_file_that_is_no_json(tmp_path):
    (tmp_path / "it.json").write_text("{")
    with pytest.raises(UserError, match=r"It cannot be read: it is no JSON \(.*\)\. Restore it\.json"):
        parsed(tmp_path / "it.json", "It")
