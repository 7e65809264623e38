"""The model card: front matter that huggingface_hub reads back, and in its text what the run and its evaluation say."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace

import pytest

from core.data import actions as data_actions
from core.sharing import bundle, card
from core.training.result import RunRecord
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.version import VERSION
from tests.core.evaluation.full_report import full_report


@pytest.fixture
def run(workspace, rows_file, tiny_adapter):
    """A finished run of the tiny adapter, with a name that YAML would misread."""
    project = workspace.create_project("Mine")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    settings = TrainSettings(method="dora", batch_size=4)
    spec = RunSpec("starter", version.id, str(workspace.rows_file(version.id)), settings)
    job = workspace.add_job(project.id, "train", "a: b # [c]", spec.to_dict(), state="ended")
    folder = workspace.folder(job)
    shutil.copytree(tiny_adapter, folder / "adapter")
    RunRecord(
        version=VERSION,
        spec=spec,
        base_weights_sha256="ab12",
        versions={"peft": "0.21.2"},
        device="cpu",
        dtype="float32",
        rows={"train": 32, "validation": 4},
        dropped=1,
        refused=2,
        reasons={"The chat template refuses rows: no system.": 2, "It is too long.": 1},
        trained_tokens_per_epoch=9755,
        strength=0.5,
    ).write(folder)
    return job


def evaluated(workspace, run):
    spec = {**full_report()["spec"], "dataset_version": RunSpec.from_dict(run.spec).dataset_version}
    job = workspace.add_job(run.project_id, "evaluate", "of run 1", spec, run_id=run.id, state="ended")
    report = {**full_report(), "spec": spec}
    (workspace.folder(job) / "report.json").write_text(json.dumps(report), encoding="utf-8")
    from core.jobs.status import write_outcome

    write_outcome(workspace.folder(job), "finished", "Finished.")
    return job


def test_the_card_without_an_evaluation(workspace, run):
    from huggingface_hub import ModelCard

    text = card.model_card(workspace, run)
    data = ModelCard(text).data
    assert (data.base_model, data.library_name) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "peft")
    assert data.tags == ["dora", "tunewright"]
    assert data.base_model_relation == "adapter" and data.eval_results is None
    for part in (
        "# Adapter of run 1",
        f"Trained with Tunewright {VERSION} on 32 rows, 9,755 trained tokens an epoch.",
        "weights SHA-256 `ab12`",
        "Saved at 50 % of the strength it was trained to.",
        "| method | dora |",
        "| batch_size | 4 |",
        "Not trained: 3 rows. The chat template refuses rows: no system (2 rows); It is too long (1 row).",
        "Libraries: peft 0.21.2. Device: cpu, float32.",
    ):
        assert part in text
    assert "## Evaluation" not in text


def test_an_evaluation_stands_in_the_front_matter_and_in_the_text(workspace, run):
    from huggingface_hub import ModelCard

    from core.evaluation.report.measures import measures
    from core.evaluation.result import report_of

    evaluation = evaluated(workspace, run)
    text = card.model_card(workspace, run)
    results = ModelCard(text).data.eval_results
    main = [m for m in measures(report_of(workspace, evaluation)) if m.main]
    assert [r.metric_name for r in results] == [m.name for m in main]
    assert [r.dataset_type for r in results if r.dataset_type != "private"] == [
        m.key for m in main if m.group == "benchmarks"
    ]
    loss = next(r for r in results if r.metric_type == "loss")
    assert loss.metric_value == pytest.approx(full_report()["heldout"]["difference"]["tuned"], abs=1e-6)
    assert "## Evaluation" in text and "Evaluation 1: base against tuned" in text


def test_nothing_of_this_machine_leaves_with_the_zip(workspace, run, tmp_path):
    folder = tmp_path / "a model of mine"
    folder.mkdir()
    spec = replace(RunSpec.from_dict(run.spec), model=str(folder))
    RunRecord(spec=spec, base_weights_sha256="0").write(workspace.folder(run))
    config = workspace.folder(run) / "adapter" / "adapter_config.json"
    raw = json.loads(config.read_text()) | {"base_model_name_or_path": str(folder)}
    config.write_text(json.dumps(raw))
    bundle.write_zip(workspace, run, tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as archive:
        text = b"".join(archive.read(n) for n in archive.namelist() if not n.endswith(".safetensors")).decode()
        record = RunRecord.from_dict(json.loads(archive.read("run.json")))
    assert str(tmp_path) not in text
    assert record.spec == replace(spec, model="a model of mine", rows_file="")
