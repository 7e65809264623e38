"""An evaluation that was stopped, failed or was killed goes on: what is on disk is not measured again."""

from __future__ import annotations

import json
import shutil

import pytest

from core.data import actions as data_actions
from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation import worker
from core.evaluation.benchmarks import asking
from core.evaluation.result import evaluations_with_report, report_of
from core.jobs import queue
from core.jobs.events import EventLog
from core.jobs.follow import wait
from core.jobs.outcome import Outcome
from core.jobs.status import write_outcome
from core.models import batching, generation
from core.models.loading import weights_hash
from core.store.workspace import new_id
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.types import Generation
from tests.core.evaluation.as_json import evaluate


def quiet(*args, **more):
    pass


def measured(folder, spec, examples, should_stop=lambda: False):
    folder.mkdir(exist_ok=True)
    return evaluate(folder, spec, folder, lambda split: examples if split == "test" else [], quiet, should_stop)


def comparable(report):
    return {k: v for k, v in report.items() if k not in ("seconds", "environment")} | {
        "benchmarks": {k: {**v, "seconds": None} for k, v in report["benchmarks"].items()}
    }


def test_what_is_on_disk_is_not_measured_again(spec, examples, own_benchmarks, tmp_path, monkeypatch):
    """And what is to be known of it is told again: here, that subjects of MMLU are missing."""
    spec = {**spec, "benchmarks": ["arc_easy", "mmlu"], "benchmark_folder": str(own_benchmarks)}
    whole = measured(tmp_path / "whole", spec, examples)
    assert "of the 57 subjects" in whole["problems"][-1]["what"]
    again = tmp_path / "again"
    measured(again, spec, examples)
    (again / "generations.jsonl").rename(again / "answers.partial.jsonl")
    with open(again / "answers.partial.jsonl", "a", encoding="utf-8") as file:
        file.write('{"torn": "lin')  # the process was killed while it wrote

    def refuse(*args, **more):
        raise AssertionError("measured again")

    monkeypatch.setattr(generation, "generate", refuse)
    monkeypatch.setattr(asking, "run", refuse)
    assert comparable(measured(again, spec, examples)) == comparable(whole)
    assert not (again / "answers.partial.jsonl").exists()


def test_only_the_missing_answers_are_asked_for(spec, examples, tmp_path, monkeypatch):
    """Stopped during the answers; the rest is answered as if nothing had happened."""
    monkeypatch.setattr(batching, "ROWS", 8)
    spec = {**spec, "benchmarks": []}
    whole = measured(tmp_path / "whole", spec, examples)
    folder, asked_to = tmp_path / "stopped", []

    def stop():
        if (folder / "answers.partial.jsonl").exists():  # the first batch is on disk
            asked_to.append("stop")
        return bool(asked_to)

    first = measured(folder, spec, examples, stop)
    assert first["problems"][0]["what"] == "The evaluation was stopped during generation."
    n = first["heldout"]["token_f1"]["difference"]["n"]
    assert 0 < n < len(examples)
    assert comparable(measured(folder, spec, examples)) == comparable(whole)
    lines = (folder / "generations.jsonl").read_text(encoding="utf-8").split("\n")
    made = [Generation.from_dict(json.loads(line)) for line in lines if line]
    assert [(g.example_id, g.side) for g in made] == [(e.id, side) for e in examples for side in ("base", "tuned")]


def test_a_killed_second_attempt_keeps_the_first_ones_benchmarks(spec, examples, tmp_path):
    folder = tmp_path / "killed"
    whole = measured(folder, spec, examples)

    def killed(*args, **more):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(folder, spec, folder, lambda split: examples, quiet, killed)
    kept = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert kept["benchmarks"] == whole["benchmarks"]


def test_what_another_adapter_answered_is_not_gone_on_with(spec, examples, tiny_adapter, tmp_path):
    """A run that was stopped, evaluated and then trained on: what was measured stays as it is."""
    from safetensors.torch import load_file, save_file

    folder, adapter = tmp_path / "evaluation", tmp_path / "adapter"
    shutil.copytree(tiny_adapter, adapter)
    spec = {**spec, "adapter": str(adapter), "benchmarks": []}
    measured(folder, spec, examples)
    before = (folder / "report.json").read_bytes()
    weights = load_file(adapter / "adapter_model.safetensors")
    save_file({name: w + 1 for name, w in weights.items()}, adapter / "adapter_model.safetensors")
    with pytest.raises(UserError, match="trained on since this evaluation began"):
        measured(folder, spec, examples)
    assert (folder / "report.json").read_bytes() == before


def test_a_benchmark_that_could_not_be_asked_is_asked_by_going_on(spec, examples, samples, workspace, tmp_path):
    folder, questions = tmp_path / "jobs" / "one" / "evaluation", tmp_path / "questions"
    folder.mkdir(parents=True)
    shutil.copytree(samples / "arc_easy", questions / "arc_easy")
    version = workspace.add_version(workspace.create_project("Mine").id, "rows", examples, {"schema": 1})
    spec |= {"benchmarks": ["arc_easy", "arc_challenge"], "benchmark_folder": str(questions), "max_rows": 4}
    (folder / "spec.json").write_text(json.dumps({**spec, "rows_file": str(workspace.rows_file(version.id))}))

    def outcome() -> Outcome:
        return worker.work(folder, tmp_path, EventLog(folder / "events.jsonl"))

    first = outcome()
    assert first.state == "stopped"
    assert first.message.startswith("Without ARC-Challenge, which could not be asked; all else is measured.")
    before = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    shutil.copytree(samples / "arc_easy", questions / "arc_challenge")
    assert outcome().state == "finished"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert list(report["benchmarks"]) == ["arc_easy", "arc_challenge"]
    metrics = [r["benchmarks"]["arc_easy"]["metrics"] for r in (before, report)]
    assert metrics[0] == metrics[1]


def test_a_benchmark_that_is_complete_outlives_a_kill_in_the_next(spec, examples, own_benchmarks, tmp_path):
    folder = tmp_path / "killed"
    spec = {**spec, "benchmarks": ["arc_easy", "hellaswag"], "benchmark_folder": str(own_benchmarks)}

    def killed() -> bool:
        path = folder / "report.json"
        if path.is_file() and "arc_easy" in json.loads(path.read_text(encoding="utf-8"))["benchmarks"]:
            raise KeyboardInterrupt  # while HellaSwag is asked
        return False

    with pytest.raises(KeyboardInterrupt):
        measured(folder, spec, examples, killed)
    kept = json.loads((folder / "report.json").read_text(encoding="utf-8"))["benchmarks"]
    assert list(kept) == ["arc_easy"]
    whole = measured(folder, spec, examples)["benchmarks"]
    assert list(whole) == ["arc_easy", "hellaswag"]
    assert whole["arc_easy"]["metrics"] == kept["arc_easy"]["metrics"]


def test_a_stopped_evaluation_is_queued_again(workspace, rows_file, tiny_model_folder, tiny_adapter):
    """Taken from the queue, then gone on with, to its end, in a process of its own."""
    project = workspace.create_project("Mine")
    version, _ = data_actions.import_file(workspace, project.id, rows_file)
    settings = TrainSettings(max_length=128)
    run_spec = RunSpec(str(tiny_model_folder), version.id, str(workspace.rows_file(version.id)), settings)
    finished = workspace.settings.home / f".{new_id()}"
    finished.mkdir()
    shutil.copytree(tiny_adapter, finished / "adapter")
    hashed = weights_hash(str(tiny_model_folder), workspace.models)
    (finished / "run.json").write_text(json.dumps({"spec": run_spec.to_dict(), "base_weights_sha256": hashed}))
    write_outcome(finished, "finished", "Finished.")
    (workspace.settings.home / "projects" / project.id / "jobs").mkdir(parents=True, exist_ok=True)
    run = workspace.add_job(project.id, "train", "quick", run_spec.to_dict(), finished=finished)

    job = evaluation_actions.start_evaluation(workspace, run)
    known = job.spec["references"]
    assert known["references"] == 4 and known["limit"] == known["tokens"] + 16 == job.spec["decoding"]["max_new_tokens"]
    queue.stop(workspace, job)
    assert wait(workspace, job).state == "stopped"
    queue.resume(workspace, job)
    ended = wait(workspace, job)
    assert ended.state == "finished", ended.message
    assert report_of(workspace, job).heldout.rows == 4
    assert [j.id for j in evaluations_with_report(workspace, project.id, run)] == [job.id]
    assert (workspace.folder(job) / "outcome.1.json").is_file()
