"""The verb `import`: files, folders, what is piped in, templates, sheets and the project's system prompt."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from core.cli.main import main
from core.settings import from_environment
from core.store.workspace import open_workspace
from tests.files import workbook

CSV = "text,language,output\n" + "".join(f"word {i},French,mot {i}\n" for i in range(6))


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))

    def call(*words: str, piped: str = "") -> tuple[int, dict | str]:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(piped.encode())))
        code = main(["import", *words, "--json"])
        out = capsys.readouterr()
        return code, json.loads(out.out)

    return call


def test_what_is_piped_in_is_imported_with_a_template_and_a_system_prompt(run, tmp_path):
    asked = ("--template", "Say {text} in {language}.", "--answer", "output", "--system-prompt", "Be brief.")
    code, done = run("-", *asked, piped=CSV)
    assert code == 0 and done["version"]["manifest"]["system_prompt"]["rows"] == 6
    workspace = open_workspace(from_environment())
    [example, *_] = workspace.examples(done["version"]["id"])
    assert [m["content"] for m in example.messages] == ["Be brief.", "Say word 0 in French."]
    # It is the project's: the next import has it, too, until it is emptied.
    for words, rows in (((), 6), (("--system-prompt", ""), None)):
        _, done = run("-", "--prompt", "text", "--answer", "output", *words, piped=CSV)
        assert done["version"]["manifest"].get("system_prompt", {}).get("rows") == rows
    code, done = run("-", "--template", "Say {word}.", "--answer", "output", piped=CSV)
    assert code == 1 and "names “{word}”" in done["error"]


def test_several_files_a_folder_and_a_sheet(run, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(CSV.replace("word", name), encoding="utf-8")
    columns = ("--prompt", "text", "--answer", "output")
    _, done = run(str(tmp_path / "a.csv"), str(tmp_path / "b.csv"), *columns)
    assert done["version"]["manifest"]["rows_in_file"] == 12 and done["version"]["manifest"]["file"] == "2 files"
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "a.csv").rename(folder / "a.csv")
    code, done = run(str(folder), *columns)
    assert code == 0 and done["version"]["manifest"]["rows_in_file"] == 6
    rows = [line.split(",") for line in CSV.splitlines()]
    (tmp_path / "book.xlsx").write_bytes(workbook({"One": rows, "Two": rows[:4]}))
    code, done = run(str(tmp_path / "book.xlsx"), *columns)
    assert code == 1 and "--sheet NAME, or --sheet all" in done["error"]
    code, done = run(str(tmp_path / "book.xlsx"), *columns, "--sheet", "Two")
    assert done["version"]["manifest"]["rows_in_file"] == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Say what is imported"),
        (("x.csv", "--hub", "me/rows"), "only one of them"),
        (("me/rows",), "named by --hub me/rows"),
        (("--hub", "../etc"), "is no id of a data set"),
    ],
)
def test_what_is_not_said_or_not_there_is_a_sentence(run, words, sentence):
    code, done = run(*words)
    assert code == 1 and sentence in done["error"]
