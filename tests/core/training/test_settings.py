"""Settings: every field is checked, named in its refusal, and reaches the trainer's configuration."""

from __future__ import annotations

import re
from dataclasses import asdict, fields

import pytest

from core.errors import UserError
from core.training.presets import PRESETS
from core.training.settings import TrainSettings
from core.training.spec import RunSpec

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


@pytest.mark.parametrize("field", fields(TrainSettings), ids=lambda f: f.name)
def test_each_default_has_a_reason_that_speaks_of_no_other_value(field):
    because = field.metadata["because"]
    assert 8 < len(because) < 80 and because[-1] != "."
    numbers = re.findall(r"\d[\d.,]*", re.sub(r" et al\. \d{4}", "", because))
    assert all(float(number.strip(".,")) == field.default for number in numbers)
    others = [o for o in field.metadata.get("options", {}).items() if o[0] != field.default]
    for name in (name for option in others for name in option):
        assert not re.search(rf"\b{re.escape(name)}\b", because, re.IGNORECASE), name


def test_a_default_said_to_be_a_librarys_is():
    """“As in …” is looked up in what is installed: when a library changes its mind, ours is our choice."""
    from peft import OFTConfig
    from transformers import TrainingArguments
    from trl import DPOConfig, KTOConfig, ModelConfig

    theirs = {
        "transformers": {
            "epochs": [(TrainingArguments, "num_train_epochs")],
            "batch_size": [(TrainingArguments, "per_device_train_batch_size")],
            "optimizer": [(TrainingArguments, "optim")],
            "weight_decay": [(TrainingArguments, "weight_decay")],
            "gradient_clip": [(TrainingArguments, "max_grad_norm")],
        },
        "TRL": {
            "rank": [(ModelConfig, "lora_r")],
            "alpha": [(ModelConfig, "lora_alpha")],
            "dropout": [(ModelConfig, "lora_dropout")],
            "preference_beta": [(DPOConfig, "beta"), (KTOConfig, "beta")],
        },
        "PEFT": {"block_size": [(OFTConfig, "oft_block_size")]},
    }
    reasons = {f.name: f.metadata["because"] for f in fields(TrainSettings)}
    for library, known in theirs.items():
        assert {name for name, because in reasons.items() if re.search(rf"as in {library}\b(?!')", because)} == set(
            known
        )
        for name, places in known.items():
            for config, theirs_name in places:
                default = config.__dataclass_fields__[theirs_name].default
                default = default.split("_")[0] if name == "optimizer" else default  # adamw_torch, adamw_torch_fused
                assert default == getattr(TrainSettings(), name), name


@pytest.mark.parametrize("name", PRESETS)
def test_a_run_spec_survives_json(name):
    import json

    spec = RunSpec("starter", "v", "rows", PRESETS[name][1], preset=name)
    assert RunSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_derived_numbers():
    settings = TrainSettings(epochs=3, batch_size=8, evaluations_per_epoch=2)
    assert settings.steps(33) == 15
    assert settings.evaluate_every(33) == 2
    assert settings.evaluate_every(1) == 1
    assert asdict(settings)["epochs"] == 3
