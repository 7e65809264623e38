"""run.json: what today's release and those before wrote comes back as it was meant."""

from __future__ import annotations

import json

import pytest

from core.errors import UserError
from core.training.result import SCHEMA, RunRecord, record_of
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.version import VERSION

OLD = """{
  "schema": 1,
  "spec": {
    "model": "starter",
    "dataset_version": "8c855971f7610ac775607159ab7ec5d3",
    "rows_file": "/home/somebody/rows.parquet",
    "settings": {
      "objective": "supervised", "method": "lora", "epochs": 3, "learning_rate": 0.001, "rows_per_step": 8,
      "max_length": 512, "quantization": "none", "rank": 16, "alpha": 32, "dropout": 0.0, "block_size": 32,
      "virtual_tokens": 20, "frozen_layers": 0, "preference_beta": 0.1, "optimizer": "adamw", "schedule": "cosine",
      "warmup": 0.05, "weight_decay": 0.0, "gradient_clip": 1.0, "neftune": 0.0, "label_smoothing": 0.0, "seed": 0,
      "evaluations_per_epoch": 1, "patience": 0, "checkpoints_kept": 2, "rows_per_forward": 0, "packing": "shared",
      "precision": "auto", "activation_checkpointing": "no", "processes": 1, "kernels": "torch"
    },
    "revision": null, "template": "", "preset": "quick", "schema": 1
  },
  "python": "3.11.7",
  "versions": {"torch": "2.13.0+cpu", "transformers": "5.23.0", "peft": "0.21.2"},
  "device": "cpu", "dtype": "float32", "threads": 2, "threads_wait": "spinning while the cores are free",
  "allocator": {"MALLOC_TRIM_THRESHOLD_": "4000000000"},
  "processes": 1, "base_weights_sha256": "a672150f", "packed": true, "trainable_parameters": 4884480,
  "all_parameters": 139399488, "rows": {"train": 323, "validation": 40}, "dropped": 0, "truncated": 0,
  "tokens_per_epoch": 24147, "trained_tokens_per_epoch": 9755, "steps": 123
}"""
OLDEST = """{
  "schema": 1,
  "spec": {"model": "starter", "dataset_version": "v", "rows_file": "r", "revision": null, "preset": "quick",
           "settings": {"epochs": 2, "rows_per_step": 4, "method": "lora"}, "schema": 1},
  "python": "3.11.7", "versions": {"torch": "2.13.0+cpu"}, "device": "cpu", "dtype": "float32", "threads": 2,
  "launcher": "/app/core/training/worker.py",
  "base_weights_sha256": "a672150f", "packed": true, "trainable_parameters": 1, "all_parameters": 2,
  "rows": {"train": 32, "validation": 4}, "dropped": 1, "truncated": 2, "tokens_per_epoch": 3,
  "trained_tokens_per_epoch": 4, "steps": 5
}"""


def test_a_record_of_the_release_before_is_read(tmp_path):
    (tmp_path / "run.json").write_text(OLD, encoding="utf-8")
    record, raw = record_of(tmp_path), json.loads(OLD)
    assert record.spec == RunSpec.from_dict(raw["spec"])
    assert (record.spec.settings.batch_size, record.version, record.schema) == (8, None, SCHEMA)
    same = set(raw) - {"spec", "schema"}
    assert {name: record.to_dict()[name] for name in same} == {name: raw[name] for name in same}
    record.write(tmp_path)
    assert record_of(tmp_path) == record


def test_a_record_of_the_first_release_is_read():
    record = RunRecord.from_dict(json.loads(OLDEST))
    assert (record.processes, record.allocator, record.threads_wait) == (1, {}, None)
    assert (record.spec.settings.batch_size, record.spec.template, record.dropped) == (4, "", 1)


def test_a_record_of_today_comes_back(tmp_path):
    spec = RunSpec("starter", "v", "r", TrainSettings(method="dora"))
    record = RunRecord(version=VERSION, spec=spec, base_weights_sha256="0", strength=0.5, strength_of_run=3)
    record.write(tmp_path)
    assert record_of(tmp_path) == record
    assert json.loads((tmp_path / "run.json").read_text())["version"] == VERSION


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"schema": 3}, "has the schema 3, and this version of Tunewright knows 1 to 2"),
        ({"base_weights_sha256": None}, "cannot be read: at base_weights_sha256"),
        ({"spec": None}, "specification cannot be read: it holds no JSON object"),
        ({"rows": {"train": "many"}}, "cannot be read: at rows.train"),
    ],
)
def test_a_newer_or_damaged_record_is_refused(change, sentence):
    with pytest.raises(UserError, match=sentence):
        RunRecord.from_dict(json.loads(OLD) | change)
    with pytest.raises(UserError, match="no JSON object"):
        RunRecord.from_dict([])
