"""What the tests of the Data tab begin with: the tab, a version, rows of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from core.data import actions as data_actions
from ui.data import tab
from ui.page import Page

ALL = ("", "", "file", "", "", "")
"""All rows: part, search, order, check, column, its value."""


@pytest.fixture
def data(workspace):
    """The components and handlers of the tab."""
    with gr.Blocks():
        state = gr.State(0)
        page = Page(workspace, gr.BrowserState(""), gr.Dropdown(), gr.State(0), state, gr.State(""))
        with gr.Tab("Data", id="Data") as opened:
            return tab.build(page, opened)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def imported(workspace, path: Path, rows: list[dict[str, Any]]):
    """The first version of a project with these rows."""
    return data_actions.import_file(workspace, workspace.create_project("p").id, write(path, rows))[0]
