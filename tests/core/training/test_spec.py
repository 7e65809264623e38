"""Settings: every field is checked, named in its refusal, and reaches the trainer's configuration."""

from __future__ import annotations

from dataclasses import asdict, fields

import pytest

from core.training.spec import PRESETS, RunSpec, TrainSettings
from core.types import UserError

NUMBERS = [f for f in fields(TrainSettings) if "low" in f.metadata]


@pytest.mark.parametrize("field", NUMBERS, ids=[f.name for f in NUMBERS])
def test_ranges(field):
    low, high = field.metadata["low"], field.metadata["high"]
    for good in (low, high):
        assert getattr(TrainSettings(**{field.name: good}), field.name) == good
    for bad in (low - 1, high + 1, float("nan"), float("inf"), None, "x", True):
        with pytest.raises(UserError, match=field.metadata["label"].split(" (")[0]):
            TrainSettings(**{field.name: bad})


def test_whole_numbers_may_come_as_floats_or_text_from_a_form():
    assert TrainSettings.from_dict({"epochs": 4.0, "rank": "8"}) == TrainSettings(epochs=4, rank=8)
    with pytest.raises(UserError, match="whole number"):
        TrainSettings.from_dict({"epochs": 2.5})
    with pytest.raises(UserError, match="no setting “speed”"):
        TrainSettings.from_dict({"speed": 9})
    with pytest.raises(UserError, match="“ppo” is not one of"):
        TrainSettings(method="ppo")


def test_each_field_says_why_to_change_it():
    for f in fields(TrainSettings):
        assert f.metadata["label"] and len(f.metadata["why"]) > 20


@pytest.mark.parametrize("name", PRESETS)
def test_a_run_spec_survives_json(name):
    import json

    spec = RunSpec("starter", "v", "rows", PRESETS[name][1], preset=name)
    assert RunSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_derived_numbers():
    settings = TrainSettings(epochs=3, rows_per_step=8, evaluations_per_epoch=2)
    assert settings.steps(33) == 15
    assert settings.evaluate_every(33) == 2
    assert settings.evaluate_every(1) == 1
    assert asdict(settings)["epochs"] == 3
