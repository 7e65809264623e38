"""A row that the file calls a test row is never trained: the parts that a file names are kept, unless one says no."""

from __future__ import annotations

import json

import pytest

from core.cli.main import main
from core.data import actions as data_actions
from core.data import manifest
from core.data.columns.choice import Columns
from core.data.columns.named_parts import are_parts, part_of
from core.data.similar import parts
from core.errors import UserError
from core.settings import from_environment
from core.store.workspace import open_workspace

NAMES = ["train"] * 6 + ["Dev", "test_sft"]


def rows(column: str | None, names: list[str], n: int = 40, chat: bool = False) -> list[dict]:
    made = []
    for i in range(n):
        row = {"question": f"What is thing {i}?", "answer": f"It is {i}."}
        if chat:
            row = {
                "messages": [
                    {"role": r, "content": c} for r, c in zip(("user", "assistant"), row.values(), strict=True)
                ]
            }
        made.append({**row, column: names[i % len(names)]} if column else row)
    return made


def imported(workspace, tmp_path, content, chosen=None, name="rows.jsonl", **more):
    path = tmp_path / name
    text = json.dumps(content) if isinstance(content, dict) else "\n".join(map(json.dumps, content))
    path.write_text(text, encoding="utf-8")
    project = workspace.create_project(f"p{len(workspace.projects())}")
    version, problems = data_actions.import_file(workspace, project.id, path, chosen, **more)
    return version, {e.row: e.split for e in workspace.examples(version.id)}, [p.what for p in problems]


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("column", ["split", "Subset"])
def test_the_parts_of_the_file_are_kept_and_said(workspace, tmp_path, column, chat):
    version, splits, told = imported(workspace, tmp_path, rows(column, NAMES, chat=chat))
    assert splits == {i + 1: part_of(NAMES[i % len(NAMES)]) for i in range(40)}
    assert f"The parts that the file names in “{column}” are kept: 30 train, 5 validation, 5 test." in told
    assert f"part ← {column}" in manifest.taken_of(version.manifest)
    assert column in parts.summary(version.manifest["similar"])


def test_a_part_that_is_not_there_is_drawn_from_the_training_rows(workspace, tmp_path):
    _, splits, told = imported(workspace, tmp_path, rows("split", ["train", "train", "train", "test"]))
    assert {row for row, split in splits.items() if split == "test"} == set(range(4, 41, 4))
    assert list(splits.values()).count("validation") == 3
    assert any("the validation rows were drawn, since it names none" in what for what in told)


def test_parts_of_one_object_are_kept(workspace, tmp_path):
    content = {"train": rows(None, [], 30), "test": [{"question": f"Other {i}?", "answer": "x"} for i in range(4)]}
    _, splits, _ = imported(workspace, tmp_path, content, name="rows.json")
    assert [splits[i] for i in range(31, 35)] == ["test"] * 4 and list(splits.values()).count("test") == 4


def test_a_person_can_have_them_drawn_or_name_another_column(workspace, tmp_path):
    content = [{**row, "kind": name} for row, name in zip(rows("split", NAMES), ["train", "val"] * 20, strict=True)]
    drawn, splits, _ = imported(workspace, tmp_path, content, part="")
    assert splits != {i + 1: part_of(NAMES[i % len(NAMES)]) for i in range(40)} and not drawn.manifest["split"]["named"]
    _, splits, _ = imported(workspace, tmp_path, content, Columns("question", "answer", part="kind"))
    assert {splits[i] for i in range(2, 41, 2)} == {"validation"}
    _, splits, _ = imported(workspace, tmp_path, content, Columns("question", "answer"))
    assert splits[8] == "test" and splits[7] == "validation"


def test_what_is_no_part_is_named(workspace, tmp_path):
    chosen = Columns("question", "answer", part="split")
    version, splits, told = imported(workspace, tmp_path, rows("split", [*NAMES, "spare"]), chosen)
    assert "The part is “spare”; understood are train, validation and test." in told and 9 not in splits
    with pytest.raises(UserError, match="No row of the file is for training"):
        imported(workspace, tmp_path, rows("split", ["test", "dev"]), chosen)


def test_rows_that_ask_the_same_across_named_parts_are_shown(workspace, tmp_path):
    content = [*rows("split", NAMES), {"question": "what is thing 0", "answer": "Zero.", "split": "test"}]
    version, splits, _ = imported(workspace, tmp_path, content)
    look = parts.look(workspace.rows(version.id), version)
    assert splits[41] == "test" and look.shared == 1 and "file names in “split”" in look.sentences[0]


@pytest.mark.parametrize(
    ("names", "are"),
    [
        (["train", "test"], True),
        (["training", "", "validation-matched"], True),
        (["train"], False),
        (["test", "dev"], False),
        (["train", "test", "math"], False),
        (["contrain", "latest"], False),
    ],
)
def test_which_values_are_parts(names, are):
    assert are_parts(names) == are


def test_the_command_line_keeps_them_or_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    path = tmp_path / "rows.csv"
    lines = [f"{row['question']},{row['answer']},{row['split']}" for row in rows("split", NAMES)]
    path.write_text("question,answer,split\n" + "\n".join(lines), encoding="utf-8")
    assert main(["import", str(path)]) == 0
    assert "30 train, 5 validation, 5 test" in capsys.readouterr().out
    assert main(["import", str(path), "--part", "none"]) == 0  # rows of earlier versions keep their part all the same
    assert "30 train, 5 validation, 5 test" in capsys.readouterr().out
    workspace = open_workspace(from_environment())
    assert [v.manifest["split"]["named"] for v in workspace.versions(workspace.projects()[0].id)] in (
        ["", "split"],
        ["split", ""],
    )
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "another"))
    assert main(["import", str(path), "--part", "none"]) == 0
    assert "32 train, 4 validation, 4 test" in capsys.readouterr().out
