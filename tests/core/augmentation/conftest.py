"""A project with rows to make more of."""

from __future__ import annotations

import json
import re

import pytest

from core.data import actions as data_actions

THINGS = re.findall(
    r"\w+", "river lamp garden bridge violin kettle harbour tunnel candle orchard mirror ladder basket carpet engine"
)


@pytest.fixture
def project(workspace, tmp_path):
    return make_project(workspace, tmp_path)


def make_project(workspace, folder, name="Mine"):
    """Sixty rows that ask different things; six test, six validate."""
    path = folder / f"{name}.jsonl"
    lines = [
        {
            "instruction": f"Tell me what a {thing} {does} and who would want one of them.",
            "output": f"A {thing} {does}, and people who like {thing}s want one.",
        }
        for thing in THINGS
        for does in ("costs today", "weighs roughly", "looks like", "is made from")
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    project = workspace.create_project(name)
    data_actions.import_file(workspace, project.id, path)
    return project
