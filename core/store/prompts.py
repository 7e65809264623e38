"""What people wrote for a whole project, beside its rows: the system prompt."""

from __future__ import annotations

import json
from pathlib import Path

from core.errors import UserError
from core.files import read_json, write_atomically
from core.store.workspace import Workspace

MOST = 20_000
"""Letters of a project's system prompt."""


def system_prompt(workspace: Workspace, project_id: str) -> str:
    """What the project's rows get as a system message where they bring none; empty where nothing was written."""
    workspace.project(project_id)
    return (read_json(_file(workspace, project_id)) or {}).get("system_prompt", "")


def set_system_prompt(workspace: Workspace, project_id: str, text: str) -> None:
    """Keep it for the imports to come; versions that are there stay as they are. Raises UserError."""
    if len(text) > MOST:
        raise UserError(
            f"The system prompt has {len(text):,} letters; the limit is {MOST:,}. Shorten it: the model reads it "
            "before each row."
        )
    workspace.take_sample()
    workspace.project(project_id)
    path = _file(workspace, project_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {**(read_json(path) or {}), "system_prompt": text.strip()}
    write_atomically(path, json.dumps(document, ensure_ascii=False, indent=2))


def _file(workspace: Workspace, project_id: str) -> Path:
    return workspace.settings.home / "projects" / project_id / "project.json"
