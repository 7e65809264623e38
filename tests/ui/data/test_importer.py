"""A text whose encoding is not known: it is chosen by its words, and only then are its columns seen."""

from __future__ import annotations

import gradio as gr
import pytest

from ui.data import importer
from ui.page import Page


@pytest.fixture
def part(workspace):
    with gr.Blocks():
        page = Page(workspace, gr.BrowserState(""), gr.Dropdown(), gr.State(0), gr.State(0), gr.State(""))
        return importer.build(page)


def test_an_encoding_is_chosen_by_words_of_the_file(workspace, part, rows_file, tmp_path):
    path, reading = tmp_path / "rows.csv", {"run": 0}
    lines = "".join(f"Größe {i}?;Höhe {i}\n" for i in range(12))
    path.write_bytes(f"prompt;answer\n{lines}".encode("cp1252"))
    *_, shown = part.uploaded("", str(path), reading)
    assert "seems to be Windows-1252: “Größe”, “Höhe”" in shown[part.findings]
    assert shown[part.encoding]["choices"][0] == ("Windows-1252: “Größe”, “Höhe”", "cp1252")
    assert shown[part.encoding]["visible"] and not shown[part.mapping]["visible"]

    *_, shown = part.decoded("", str(path), reading, "cp1252")
    assert shown[part.mapping]["visible"] and "Höhe 0" in shown[part.findings]
    values = [*(shown[control].get("value", False) for control in part.chosen[:-2]), "", ""]
    *_, shown = part.remapped("", str(path), reading, *values)
    assert "12 of 12 rows" in shown[part.findings]
    project = workspace.create_project("p")
    list(part.import_file("", project.id, str(path), reading, 0.1, 0.1, 0, *values))
    [version] = workspace.versions(project.id)
    assert (version.manifest["encoding"], sum(version.counts.values())) == ("cp1252", 12)

    # The next file is read as it is.
    *_, shown = part.uploaded("", str(rows_file), reading)
    assert not shown[part.encoding]["visible"] and "40 of 40 rows" in shown[part.findings]


def test_what_was_read_in_another_way_is_told_where_columns_are_missing(part, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("ham,Are you there?\nspam,Win now\nham,See you\n", encoding="utf-8")
    *_, shown = part.uploaded("", str(path), {"run": 0})
    assert "“ham” looks like a value" in shown[part.findings]
