"""`edit`, `split`, `diff`, `enough` and `export rows`: what the page does with rows by hand, from the command line."""

from __future__ import annotations

import json

import pytest

from core.cli.main import main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))

    def call(*words: str) -> tuple[int, str]:
        code = main(list(words))
        out = capsys.readouterr()
        return code, out.out + out.err

    return call


@pytest.fixture
def imported(run, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": f"What is {i} times {i}?", "answer": f"It is {i * i}.", "by": f"c{i // 4}"} for i in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert run("import", str(path))[0] == 0


def test_rows_are_changed_and_a_version_is_made_and_undone(run, imported):
    assert "answer: 'It is 9.'" in run("edit", "4")[1]
    assert "1 changed" in run("edit", "4", "--set", "answer", "Nine.")[1]
    assert "has no text “anser”. It has: user 1, answer." in run("edit", "4", "--set", "anser", "x")[1]
    assert "1 changed, 2 deleted" in run("edit", "--delete", "5", "6")[1]
    assert "1 changed, 1 deleted" in run("edit", "--restore", "5")[1]
    assert "1 added" in run("edit", "--add", "New?", "Yes.", "--to", "test")[1]
    assert json.loads(run("edit", "--json")[1])["waiting"] == {"changed": 1, "added": 1, "deleted": 1, "moved": 0}
    assert "version 2: by hand: 1 changed, 1 added, 1 deleted" in run("edit", "--save")[1]
    code, told = run("diff")
    assert code == 0 and "1 with other texts, 1 added, 1 removed; 38 rows are the same." in told
    assert "- It is 9." in told and "+ Nine." in told and "row 41 (test): added" in told
    assert json.loads(run("diff", "1", "2", "--only", "removed", "--json")[1])["rows"][0]["before"]["row"] == 6
    assert "1 added" in run("edit", "--restore", "6", "--of", "1")[1]
    assert "No change waits." in run("edit", "--undo")[1]
    assert "the rows are those of version 1" in run("edit", "--undo-version")[1]
    assert "No row differs" in run("diff", "1", "3")[1]
    assert run("edit", "99")[0] == run("diff", "1", "9")[0] == 1


def test_rows_are_split_anew(run, imported):
    code, told = run("split", "--test", "10", "--validation", "0.2", "--group", "by", "--dry-run")
    assert code == 0 and "Nothing was changed" in told
    code, told = run("split", "--test", "8", "--reason", "more to measure")
    assert code == 0 and "more to measure (a new split: validation 10%, test 8 rows, seed 0)" in told
    assert "4 rows were test rows and stay so." in told
    assert "no column “town”" in run("split", "--group", "town")[1]
    assert "test rows" in run("enough")[1]


def test_rows_leave_as_files(run, imported, tmp_path):
    assert run("export", "rows", str(tmp_path / "all.jsonl"))[0] == 0
    assert len((tmp_path / "all.jsonl").read_text("utf-8").splitlines()) == 40
    assert run("export", "rows", str(tmp_path / "some.csv"), "--part", "test", "--search", "times")[0] == 0
    assert len((tmp_path / "some.csv").read_text("utf-8-sig").splitlines()) == 5
    assert "nothing to export" in run("export", "rows", str(tmp_path / "none.csv"), "--search", "zebra")[1]
    assert not (tmp_path / "none.csv").exists()
