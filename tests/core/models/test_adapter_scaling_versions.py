"""A part of a run's strength becomes a run of its own: evaluated and shared like any, and the first stays as it is."""

from __future__ import annotations

import json
import zipfile

import pytest

from core.cli.main import main
from core.data import actions as data_actions
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.jobs import queue
from core.jobs.status import status_of
from core.models import adapter_scaling
from core.models.sides import adapter_hash
from core.sharing import bundle
from core.training import actions as training_actions
from core.training.spec import RunSpec
from tests.core.models.test_checkpoints import evaluate_here
from tests.core.training.test_methods import settings_of
from tests.core.training.test_training import train_here


@pytest.fixture
def run(workspace, rows_file, tiny_model_folder):
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    spec = RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), settings_of("lora"))
    job, folder, outcome = train_here(workspace, project.id, spec)
    (folder / "outcome.json").unlink()
    outcome.write(folder)
    return job


def test_a_strength_is_a_run_of_its_own(workspace, run, tmp_path):
    before = adapter_hash(workspace.folder(run) / "adapter")
    half = training_actions.save_strength(workspace, run, 0.5)
    assert (half.kind, half.number, half.run_id, half.title) == ("train", 2, run.id, "Run 2 · t at 50 %")
    assert status_of(workspace, half).state == "finished"
    assert "Run 1 at 50 % of its strength." in status_of(workspace, half).message
    queue.tick(workspace)  # nothing is started for it
    assert workspace.job(half.id).state == "ended"
    assert not (workspace.folder(half) / "process.json").exists()
    assert adapter_hash(workspace.folder(run) / "adapter") == before

    # Saved once: asked again, it is the same one, untouched.
    saved = adapter_hash(workspace.folder(half) / "adapter")
    assert training_actions.save_strength(workspace, run, 0.5) == half
    assert len(workspace.jobs(run.project_id, "train")) == 2
    assert adapter_hash(workspace.folder(half) / "adapter") == saved != before
    assert not list(workspace.folder(run).parent.glob(".*"))

    bundle.write_zip(workspace, half, tmp_path / "half.zip")
    with zipfile.ZipFile(tmp_path / "half.zip") as archive:
        assert "Saved at 50 % of the strength it was trained to." in archive.read("README.md").decode()
        assert json.loads(archive.read("strength.json"))["of_adapter_sha256"] == before
        assert json.loads(archive.read("run.json"))["strength"] == 0.5


def test_the_curve_and_the_saved_run_agree(workspace, run, tmp_path):
    report = evaluate_here(workspace, run, tmp_path / "run", checkpoints=False, strengths=[0.5])
    points = report["strength"]["points"]
    assert [p["strength"] for p in points] == [0.0, 0.5, 1.0]
    half = training_actions.save_strength(workspace, run, 0.5)
    report = evaluate_here(workspace, half, tmp_path / "half", checkpoints=False)
    assert report["heldout"]["difference"] == pytest.approx(points[1]["heldout"])


def test_what_cannot_be_saved_leaves_nothing(workspace, run):
    with pytest.raises(UserError, match="it is the base itself"):
        training_actions.save_strength(workspace, run, 0.0)
    with pytest.raises(UserError, match=r"strength 2 is not between 0"):
        evaluation_actions.start_evaluation(workspace, run, strengths=(0.5, 2))
    assert len(workspace.jobs(run.project_id)) == 1
    assert not list(workspace.folder(run).parent.glob(".*"))


def test_on_the_command_line(workspace, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(workspace.settings.home))

    def call(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        return code, *capsys.readouterr()

    code, out, _ = call("strength", "0.25", "--out", str(tmp_path / "quarter"))
    assert (code, "Wrote" in out) == (0, True)
    assert json.loads((tmp_path / "quarter" / "strength.json").read_text())["strength"] == 0.25
    code, _, err = call("strength", "0.25", "--out", str(tmp_path / "quarter"))
    assert (code, "nothing was overwritten" in err) == (1, True)
    code, out, _ = call("strength", "0.25", "--run", "1", "--json")
    assert (code, json.loads(out)["title"]) == (0, "Run 2 · t at 25 %")
    code, _, err = call("evaluate", "--run", "1", "--strengths", "0.25,half")
    assert (code, "give numbers between 0 and 1 with commas" in err) == (1, True)
    words = ("--run", "1", "--max-new-tokens", "4", "--strengths", "--checkpoints", "--json")
    code, out, _ = call("evaluate", *words)
    report = json.loads(out)
    assert [p["strength"] for p in report["strength"]["points"]] == list(adapter_scaling.STRENGTHS)
    assert report["checkpoints"][-1]["final"] is True
