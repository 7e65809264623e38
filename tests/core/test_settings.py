"""Where and how we run, from the environment."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from core.errors import UserError
from core.settings import Limits, from_environment

SPACE = {"TUNEWRIGHT_HOME": "/x", "SPACE_ID": "a/b"}
README = Path(__file__).resolve().parents[2] / "README.md"


def test_limits_are_read_from_the_environment():
    settings = from_environment({**SPACE, "TUNEWRIGHT_MAX_HOURS": "0.5", "TUNEWRIGHT_OWNER_MB": "7"})
    assert settings.shared
    assert settings.limits == replace(Limits(), max_hours=0.5, owner_mb=7)
    assert not from_environment({"TUNEWRIGHT_HOME": "/x"}).shared


@pytest.mark.parametrize("text", ["many", "-1", "nan", "inf", "1.5", ""])
def test_a_limit_that_is_no_number_is_named(text):
    with pytest.raises(UserError, match=f"TUNEWRIGHT_OWNER_MB is “{text}”. Give a whole number from 0 on"):
        from_environment({**SPACE, "TUNEWRIGHT_OWNER_MB": text})


def test_the_readme_names_every_limit_with_its_default():
    told = {}
    for line in README.read_text(encoding="utf-8").splitlines():
        if names := re.findall(r"`TUNEWRIGHT_(\w+)`", line.split("|")[1] if line.count("|") == 4 else ""):
            values = line.split("|")[3].strip().split(", ")
            told |= dict(zip(names, values, strict=False))
    for f in fields(Limits):
        assert told[f.name.upper()] == f"{f.default:,g}", f.name
