"""Enough data? What the rows give for their task, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.data import enough
from ui import html
from ui.page import QUIET, Page, guarded


@dataclass(frozen=True)
class EnoughData:
    page: Page
    folded: gr.Accordion
    words: gr.HTML

    @property
    def outputs(self) -> list[Any]:
        return [self.folded, self.words]

    def tell(self, version_id: str | None) -> dict[Any, Any]:
        """What was told of another version goes; it is looked at when somebody opens the fold."""
        return {self.folded: gr.update(visible=version_id is not None, open=False), self.words: ""}

    def look(self, visitor: str, version_id: str | None) -> dict[Any, Any]:
        if not version_id:
            return {}
        found = enough.look(self.page.workspace(visitor), version_id)
        return {self.words: "".join(html.note(remark.level, remark.text) for remark in found.remarks)}


def build(page: Page) -> EnoughData:
    with gr.Accordion("Enough data?", open=False, visible=False, elem_id="tw-enough") as folded:
        words = gr.HTML(elem_id="tw-enough-words")
    return EnoughData(page, folded, words)


def bind(part: EnoughData, version: gr.Dropdown) -> None:
    part.folded.expand(guarded(part.look), [part.page.visitor, version], part.words, **QUIET)
