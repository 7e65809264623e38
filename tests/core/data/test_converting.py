"""A large file is converted while it is surveyed: with the same result as one after the other."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from core.data import converting
from core.data.actions import import_file
from core.errors import UserError
from core.store.workspace import Workspace

WORDS = "a long answer of many words that fills the file " * 20
ROWS = [{"instruction": f"What is number {i}?", "output": f"{i}: {WORDS}"} for i in range(3000)]
"""About 3 MB: several pieces."""


def imported(workspace: Workspace, path: Path, at_once: bool, monkeypatch: pytest.MonkeyPatch, **options):
    monkeypatch.setattr(converting, "AT_ONCE", 1 if at_once else 1 << 60)
    project = workspace.create_project(f"Project {len(workspace.projects())}")
    version, problems = import_file(workspace, project.id, path, **options)
    manifest = {name: value for name, value in version.manifest.items() if name != "origin"}
    rows = [(e.id, e.split, e.row, e.meta) for e in workspace.examples(version.id)]
    return rows, manifest, problems


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def late(column: str, value: object) -> list[dict]:
    return [{**row, column: value} if i > 2900 else row for i, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(ROWS, id="as it begins"),
        pytest.param(late("system", "Answer in one word."), id="a column that is trained comes late"),
        pytest.param(late("source", "the web"), id="a column that is not trained comes late"),
        pytest.param(late("synthetic", True), id="what a model wrote comes late"),
        pytest.param(late("output", "NaN"), id="cells without a value come late"),
        pytest.param(late("output", ["a", "list"]), id="lists come late"),
        pytest.param([{**row, "output": f"{i % 3}"} for i, row in enumerate(ROWS)], id="labels"),
    ],
)
def test_converting_at_once_gives_what_two_passes_give(rows, workspace, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", rows)
    assert imported(workspace, path, True, monkeypatch) == imported(workspace, path, False, monkeypatch)


def test_a_packed_file_is_looked_through_before_it_is_converted(workspace, tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    assert imported(workspace, path, True, monkeypatch) == imported(workspace, path, False, monkeypatch)


def test_rows_are_converted_once_where_the_beginning_tells_all(workspace, tmp_path, monkeypatch):
    converted = []
    convert = converting.convert
    monkeypatch.setattr(converting, "convert", lambda *given: converted.append(len(given[0].rows)) or convert(*given))
    path = write(tmp_path / "rows.jsonl", ROWS)
    imported(workspace, path, True, monkeypatch)
    assert sum(converted) == len(ROWS) and len(converted) > 1


def test_the_grouping_column_may_come_late_and_must_come(workspace, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", late("customer", "Marrowby"))
    both = [imported(workspace, path, at_once, monkeypatch, group="customer") for at_once in (True, False)]
    assert both[0] == both[1]
    with pytest.raises(UserError, match="no column “client” beside the rows"):
        imported(workspace, path, True, monkeypatch, group="client")


def test_a_file_that_breaks_at_its_end_says_where(workspace, tmp_path, monkeypatch):
    path = write(tmp_path / "rows.jsonl", ROWS)
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"instruction": "cut o')
    with pytest.raises(UserError, match="line 3001"):
        imported(workspace, path, True, monkeypatch)
    assert not list(workspace.settings.home.rglob("waiting.arrow"))
