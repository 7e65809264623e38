"""The log of a run holds nothing of no use to its reader: what libraries say about themselves is kept out of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.data import actions as data_actions
from core.jobs.follow import wait
from core.training import actions as training_actions
from core.training.settings import TrainSettings
from core.training.spec import RunSpec

SETTINGS = TrainSettings(epochs=1, max_length=128, rank=4, alpha=8, evaluations_per_epoch=4, checkpoints_kept=1)


@pytest.mark.parametrize(
    "change",
    [{"quantization": "4bit"}, {"objective": "dpo", "method": "full"}],
    ids=lambda change: "-".join(change.values()),
)
def test_a_run_prints_nothing(workspace, tmp_path, rows_file, tiny_model_folder, change):
    """Trained by the worker itself, whose whole output is worker.log."""
    from tests.core.training.test_patience import PAIRS

    project = workspace.create_project("p")
    if "objective" in change:
        rows_file = tmp_path / "pairs.jsonl"
        rows_file.write_text("\n".join(map(json.dumps, PAIRS)), encoding="utf-8")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    spec = RunSpec(
        str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), replace(SETTINGS, **change)
    )
    job = training_actions.start_training(workspace, project.id, spec)
    ended = wait(workspace, job)
    printed = (workspace.folder(job) / "worker.log").read_text(encoding="utf-8")
    assert ended.state == "finished", f"{ended.message}\n{printed}"
    assert printed == ""
