"""A specification as a file: it comes back as it was, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.errors import UserError
from core.training import spec_file
from core.training.presets import PRESETS, preset
from core.training.settings import TrainSettings
from core.training.spec import RunSpec

SPEC = RunSpec(
    "starter", "v1", "/home/somebody/rows.parquet", TrainSettings(method="dora", epochs=7), "abc", "question"
)


def test_it_comes_back_without_the_place_of_the_rows(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(spec_file.to_text(SPEC), encoding="utf-8")
    assert "somebody" not in path.read_text()
    assert spec_file.read(path) == replace(SPEC, rows_file="")


def test_a_path_in_a_file_is_not_believed():
    raw = {**json.loads(spec_file.to_text(SPEC)), "rows_file": "/etc/passwd"}
    assert spec_file.from_text(json.dumps(raw)).rows_file == ""


def test_what_an_older_file_lacks_has_its_default():
    made = spec_file.from_text('{"model": "starter", "settings": {"epochs": 2}}')
    # Before there was a choice, the last answer was trained; so a run of then repeats as it was.
    assert made.settings == TrainSettings(epochs=2, answers="last")
    assert made.preset == spec_file.OWN


def changed(**parts) -> str:
    return json.dumps({**json.loads(spec_file.to_text(SPEC)), **parts})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "broken JSON (line 1, character 2)"),
        ("[" * 50_000, "broken JSON"),
        ("9" * 5000, "broken JSON"),
        ("[]", "names no model and no settings"),
        ('{"model": "starter"}', "names no model and no settings"),
        (changed(speed=9), "has no part “speed”"),
        (changed(schema=4), "has the schema 4, and this version of Tunewright knows 1 to 3"),
        (changed(schema="newest"), "schema is 'newest', which is not a number"),
        (changed(model=5), "model is 5, which is not text"),
        (changed(settings=[1]), "settings is [1], which is not an object"),
        (changed(revision=5), "revision is 5"),
        (changed(template="nice"), "no template “nice”"),
        (changed(settings={"speed": 9}), "no setting “speed”"),
        (changed(settings={"method": ["lora"]}), "setting “method” is ['lora']"),
        (changed(settings={"epochs": int("9" * 400)}), "setting “epochs” is 999"),
        (changed(settings={"epochs": 0}), "Epochs (passes over the rows): 0 is not a whole number from 1 to 50"),
        (changed(settings={"learning_rate": float("nan")}), "Learning rate: nan is not a number"),
    ],
)
def test_anything_else_is_refused_with_its_value(text, sentence):
    with pytest.raises(UserError) as refused:
        spec_file.from_text(text)
    assert sentence in str(refused.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        spec_file.read(tmp_path / "nowhere.json")
    path = tmp_path / "big.json"
    path.write_bytes(b" " * (spec_file.MOST_BYTES + 1))
    with pytest.raises(UserError, match="100,001 bytes"):
        spec_file.read(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not text in UTF-8"):
        spec_file.read(path)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_takes_the_rate_of_its_method(name):
    assert preset(name) == PRESETS[name][1]
    full = preset(name, "full", "dpo")
    assert (full.method, full.objective, full.epochs) == ("full", "dpo", PRESETS[name][1].epochs)
    assert full.learning_rate < preset(name, "full").learning_rate < preset(name).learning_rate


OLD = """{
  "model": "starter",
  "dataset_version": "8c855971f7610ac775607159ab7ec5d3",
  "rows_file": "/home/somebody/rows.parquet",
  "settings": {
    "objective": "supervised", "method": "lora", "epochs": 3, "learning_rate": 0.001, "rows_per_step": 16,
    "max_length": 512, "quantization": "none", "rank": 16, "alpha": 32, "dropout": 0.0, "block_size": 32,
    "virtual_tokens": 20, "frozen_layers": 0, "preference_beta": 0.1, "optimizer": "adamw", "schedule": "cosine",
    "warmup": 0.05, "weight_decay": 0.0, "gradient_clip": 1.0, "neftune": 0.0, "label_smoothing": 0.0, "seed": 0,
    "evaluations_per_epoch": 1, "patience": 0, "checkpoints_kept": 2, "rows_per_forward": 4, "packing": "shared",
    "precision": "auto", "activation_checkpointing": "no", "processes": 1, "kernels": "torch"
  },
  "revision": null,
  "template": "",
  "preset": "quick",
  "schema": 1
}"""
OLDEST = """{
  "model": "starter",
  "dataset_version": "v",
  "rows_file": "/home/somebody/rows.parquet",
  "settings": {
    "epochs": 2, "learning_rate": 0.001, "rows_per_step": 4, "max_length": 256, "method": "lora", "rank": 8,
    "alpha": 16, "dropout": 0.05, "schedule": "cosine", "warmup": 0.05, "weight_decay": 0.0, "gradient_clip": 1.0,
    "evaluations_per_epoch": 2, "seed": 0
  },
  "revision": null,
  "preset": "balanced",
  "schema": 1
}"""


@pytest.mark.parametrize(("text", "batch", "micro_batch"), [(OLD, 16, 4), (OLDEST, 4, 0)])
def test_a_specification_of_schema_1_is_read_with_the_names_of_today(text, batch, micro_batch):
    for spec in (RunSpec.from_dict(json.loads(text)), spec_file.from_text(text)):
        assert (spec.settings.batch_size, spec.settings.micro_batch_size) == (batch, micro_batch)
        assert (spec.schema, spec.settings.answers) == (3, "last")
        assert RunSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
    assert RunSpec.from_dict(json.loads(text)).rows_file == "/home/somebody/rows.parquet"
