"""`export` writes the format that a file's ending means, refuses what it cannot write, and overwrites nothing."""

from __future__ import annotations

import csv
import json

import pytest

from core.cli.main import main
from core.review import actions as review_actions
from core.settings import Settings
from core.store.workspace import open_workspace
from core.types import Example, Generation, LabelEvent


@pytest.fixture
def labelled(tmp_path, monkeypatch):
    """A home with an evaluation of one row, which is not labelled yet: (workspace, evaluation, event)."""
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    workspace = open_workspace(Settings(home=tmp_path / "home"))
    project = workspace.create_project("Garden")
    row = Example(({"role": "user", "content": "Größe?"},), "a,b\n“c”", 1, "test")
    version = workspace.add_version(project.id, "rows", [row], {})
    spec = {"dataset_version": version.id, "split": "test", "seed": 0}
    evaluation = workspace.add_job(project.id, "evaluate", "of run 1", spec, state="ended")
    sides = [Generation(row.id, side, f"{side} says, “no”\n=1+1", 3, "stop", 0.1) for side in ("base", "tuned")]
    lines = "".join(json.dumps(g.to_dict()) + "\n" for g in sides)
    (workspace.folder(evaluation) / "generations.jsonl").write_text(lines)
    (workspace.folder(evaluation) / "suggestions.jsonl").write_text("")
    ids = {g.side: g.id for g in sides}
    marks = {"tuned": {"repetition": "present"}}
    event = LabelEvent(evaluation.id, row.id, "me", "tuned", marks, "b", "", ids, ("base", "tuned"), True)
    return workspace, evaluation, event


def table(path) -> list[dict]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_labels_are_what_the_ending_says(labelled, tmp_path, capsys):
    workspace, evaluation, event = labelled
    assert main(["export", "labels", str(tmp_path / "none.csv")]) == 0
    assert table(tmp_path / "none.csv") == []  # its line of names is there
    review_actions.add_label(workspace, evaluation, event)
    for name in ("labels.csv", "LABELS.JSONL"):
        assert main(["export", "labels", str(tmp_path / name)]) == 0
    [line] = [json.loads(text) for text in (tmp_path / "LABELS.JSONL").read_text().splitlines()]
    [cells] = table(tmp_path / "labels.csv")
    assert cells == {name: "" if value is None else str(value) for name, value in line.items()}
    assert cells["reference"] == "a,b\n“c”" and cells["prompt"] == "Größe?"
    assert (tmp_path / "none.csv").read_text(encoding="utf-8-sig").strip().split(",") == list(line)
    assert (tmp_path / "labels.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("labels", "labels.xlsx"), "is written as .jsonl, .csv, .parquet, not as “labels.xlsx”"),
        (("labels", "nowhere/labels.csv"), "There is no folder"),
        (("labels", "."), "is a folder. Name a file in it"),
        (("report", "report.pdf"), "is written as .html, .md, .json"),
        (("report", "nowhere/report.md"), "There is no folder"),
        (("adapter", "adapter.tar.gz"), "An adapter is written as .zip, not as “adapter.tar.gz”. Choose this ending."),
        (("adapter", "nowhere/a.zip"), "There is no folder"),
        (("adapter", "there.zip"), "exists already; nothing was overwritten"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(labelled, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.zip").write_text("theirs")
    assert main(["export", *words]) == 1
    assert said in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} == {"home", "there.zip"}
