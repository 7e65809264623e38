"""Prompts of a file whose answer was empty: no rows, but kept beside them, so that a model can answer them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from core.files import read_json
from core.questions import asks_hash
from core.store.keys import among
from core.store.workspace import Workspace
from core.types import Example

NAME = "unanswered.json"
MOST = 10_000
"""Prompts that are kept of one file."""
MOST_CHARACTERS = 1_000_000
"""Of all of them together."""


class Unanswered:
    """Collects them, each once, the first of the file."""

    def __init__(self) -> None:
        self.prompts: dict[str, None] = {}
        self._left = MOST_CHARACTERS

    def add(self, prompts: Iterable[str]) -> None:
        for prompt in prompts:
            if prompt not in self.prompts and len(prompt) <= self._left and len(self.prompts) < MOST:
                self.prompts[prompt] = None
                self._left -= len(prompt)

    def write(self, rows: Path) -> None:
        """Beside the rows of a version; nothing where there are none."""
        if self.prompts:
            text = json.dumps({"prompts": list(self.prompts)}, ensure_ascii=False)
            rows.with_name(NAME).write_text(text, encoding="utf-8", errors="replace")


def of(workspace: Workspace, version_id: str) -> list[str]:
    """Those of the file that a version of this owner came from, without those that one of its rows asks by now."""
    version = workspace.version(version_id)
    asks = workspace.rows(version.id).numbers("asks")
    while version.parent_id and not workspace.rows_file(version.id).with_name(NAME).is_file():
        version = workspace.version(version.parent_id)
    found = read_json(workspace.rows_file(version.id).with_name(NAME)) or {}
    prompts = [prompt for prompt in found.get("prompts", []) if isinstance(prompt, str)]
    asked = [asks_hash(Example(({"role": "user", "content": prompt},), "", 0).asks) for prompt in prompts]
    known = among(np.array(asked, np.int64), asks).tolist()
    return [prompt for prompt, is_known in zip(prompts, known, strict=True) if not is_known]
