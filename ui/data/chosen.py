"""All rows that match what is asked for, at once: deleted, moved to a part, or exported. No list of them is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
import numpy as np

from core.data import editing, exporting
from core.store import queries, quota
from core.store.queries import Query
from core.store.workspace import Workspace
from core.wording import count
from ui import html, text
from ui.page import BUSY, QUIET, Page, download, guarded

Asked = Callable[..., Query]
MOVES = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Chosen:
    page: Page
    folded: gr.Accordion
    words: gr.HTML
    delete: gr.Button
    moves: dict[str, gr.Button]
    exports: dict[str, gr.Button]
    file: gr.DownloadButton
    query: Asked
    """(workspace, version, what is asked for …) → the query: see ui/data/tab.py."""

    @property
    def outputs(self) -> list[Any]:
        return [self.folded, self.words, self.delete, *self.moves.values(), *self.exports.values()]

    def tell(self, version_id: str | None, query: Query, shown: queries.Page | None) -> dict[Any, Any]:
        """How many rows what is chosen below would be about."""
        if not version_id or shown is None:
            return {self.folded: gr.update(visible=False)}
        n = f"more than {shown.total:,} rows" if shown.more else count(shown.total, "row")
        all_of_them = query.wants_all
        still = dict.fromkeys((self.delete, *self.moves.values()), gr.update(interactive=not all_of_them))
        words = text.ALL_ROWS if all_of_them else text.MATCHING_ROWS
        title = f"With all {n} at once" if all_of_them or shown.total != 1 else "With the row that matches"
        if not all_of_them and shown.total != 1:
            title = f"With the {n} that match, at once"
        return {
            self.folded: gr.update(visible=bool(shown.total), label=title),
            self.words: html.detail(words),
            **still,
        }

    def deleted(self, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        workspace, places, words = self._places(visitor, version_id, asked)
        editing.delete(workspace, version_id or "", places, words)
        gr.Info(f"{count(len(places), 'row')} deleted. That waits above until you make a version, and can be undone.")
        return {}

    def moved(self, to: Any, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        workspace, places, words = self._places(visitor, version_id, asked)
        draft = editing.move(workspace, version_id or "", places, to, words)
        n = int((draft.moved != -1).sum())
        gr.Info(f"{count(n, 'row')} will change their part: these, and what asks the same. That waits above.")
        return {}

    def exported(self, ending: str, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        workspace, places, _ = self._places(visitor, version_id, asked)
        version = workspace.version(version_id or "")
        rows = workspace.rows(version.id)
        name = f"rows-version-{version.number}{ending}"
        with download(workspace, name, quota.size_of(rows.path.parent) if workspace.bounded else 0) as target:
            n = exporting.write(rows, places, target)
        label = f"Download {name} ({count(n, 'row')})"
        return {self.file: gr.update(value=str(target), visible=True, label=label)}

    def _places(
        self, visitor: str, version_id: str | None, asked: tuple[Any, ...]
    ) -> tuple[Workspace, np.ndarray, str]:
        workspace = self.page.workspace(visitor)
        query = self.query(workspace, version_id, *asked)
        places, _ = queries.matching(workspace.rows_file(version_id or ""), query, all_of_them=True)
        return workspace, np.asarray(places, np.int64), query.text


def build(page: Page, query: Asked) -> Chosen:
    with gr.Accordion("With all rows at once", open=False, visible=False, elem_id="tw-chosen") as folded:
        words = gr.HTML()
        with gr.Row(elem_classes="tw-toolbar"):
            delete = gr.Button("Delete them", size="sm", scale=0, min_width=130, elem_id="tw-delete-all")
            moves = {
                name: gr.Button(f"Move to {title}", size="sm", scale=0, min_width=150, elem_id=f"tw-move-{name}")
                for name, title in MOVES.items()
            }
            exports = {
                ending: gr.Button(f"Export as {ending[1:].upper()}", size="sm", scale=0, min_width=150)
                for ending in exporting.FORMATS
            }
        file = gr.DownloadButton("Download", visible=False, scale=0, elem_id="tw-download-rows")
    return Chosen(page, folded, words, delete, moves, exports, file, query)


def bind(part: Chosen, asked: list[Any]) -> list[Any]:
    """`asked`: the version and what is asked for. Returns the events after which the table looks again."""
    known = [part.page.visitor, *asked]
    events = [part.delete.click(guarded(part.deleted), known, part.words, **BUSY)]
    for name, button in part.moves.items():
        events.append(button.click(guarded(partial(part.moved, name)), known, part.words, **BUSY))
    for ending, button in part.exports.items():
        button.click(guarded(partial(part.exported, ending)), known, part.file, **BUSY)
    gr.on([c.input for c in asked], lambda: gr.update(visible=False), None, part.file, **QUIET)
    return events
