"""Two versions side by side: how many rows came, went, changed and moved, and each of them, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from core.data import differing, editing
from core.data.differing import KINDS, WORDS, Pair
from core.errors import UserError
from core.types import DatasetVersion
from ui import html
from ui.page import BUSY, QUIET, Page, guarded

PAGE = 10
HIDDEN = gr.update(visible=False)


@dataclass(frozen=True)
class Compare:
    page: Page
    folded: gr.Accordion
    before: gr.Dropdown
    after: gr.Dropdown
    kind: gr.Dropdown
    look_button: gr.Button
    words: gr.HTML
    rows: gr.HTML
    pager: gr.Row
    back: gr.Button
    place: gr.HTML
    forth: gr.Button
    number: gr.Number
    restore: gr.Button
    restoring: gr.Row
    at: gr.State

    @property
    def outputs(self) -> list[Any]:
        return [self.folded, self.before, self.after, self.words, self.rows, self.pager, self.restoring]

    @property
    def shown(self) -> list[Any]:
        return [self.words, self.rows, self.pager, self.back, self.place, self.forth, self.restoring, self.at]

    def tell(self, versions: list[DatasetVersion], chosen: str | None) -> dict[Any, Any]:
        """Which versions there are: the one that is shown, and the one that it was made of."""
        if len(versions) < 2:
            return {self.folded: HIDDEN}
        after = next((v for v in versions if v.id == chosen), versions[-1])
        number = {v.id: v.number for v in versions}.get(after.parent_id or "", max(1, after.number - 1))
        before = next((v for v in versions if v.number == number), versions[0])
        choices = [(f"Version {v.number}", v.id) for v in reversed(versions)]
        return {
            self.folded: gr.update(visible=True),
            **{self.words: "", self.rows: "", self.pager: HIDDEN, self.restoring: HIDDEN},
            self.before: gr.update(choices=choices, value=before.id),
            self.after: gr.update(choices=choices, value=after.id),
        }

    def look(
        self, step: int, visitor: str, before: str | None, after: str | None, kind: str, at: int
    ) -> dict[Any, Any]:
        """`step` rows further; 0: from the first on."""
        if not before or not after:
            raise UserError("Choose two versions to compare.")
        workspace = self.page.workspace(visitor)
        found = differing.compare(workspace, before, after)
        total = found.counts[kind] if kind else len(found.kinds)
        at = min(max(0, at + step), max(0, (total - 1) // PAGE * PAGE)) if step else 0
        pairs = differing.pairs(workspace, found, kind, at, PAGE)
        last = at + len(pairs)
        how = "" if found.by_number else "They are of different files: rows are matched by what they say and ask."
        return {
            self.words: html.lead(found.sentence, how),
            self.rows: html.difference([change for pair in pairs for change in _changes(pair)]),
            self.pager: gr.update(visible=total > PAGE),
            self.back: gr.update(interactive=at > 0),
            self.place: html.place(f"{at + 1:,}–{last:,} of {total:,}" if pairs else ""),
            self.forth: gr.update(interactive=last < total),
            self.restoring: gr.update(visible=bool(found.counts["removed"])),
            self.at: at,
        }

    def restored(
        self, visitor: str, project_id: str | None, before: str | None, number: float | None
    ) -> dict[Any, Any]:
        if not before or number is None:
            raise UserError("Which row? Write its number.")
        workspace = self.page.workspace(visitor)
        newest = workspace.versions(project_id or "")[-1]
        editing.bring_back(workspace, newest.id, before, int(number))
        gr.Info(f"Row {int(number):,} comes back. That waits above until you make a version, and can be undone.")
        return {self.number: None}


def _changes(pair: Pair) -> list[tuple[str, str, str, bool]]:
    row = pair.after or pair.before
    assert row is not None
    parts: str = row.split
    if pair.before and pair.after and pair.before.split != pair.after.split:
        parts = f"{pair.before.split} → {pair.after.split}"
    head = f"Row {row.row} · {parts} · {WORDS[pair.kind]}"
    if not pair.texts:
        return [(head, row.prompt or row.target, row.prompt or row.target, False)]
    return [(f"{head} · {name}", old, new, pair.kind == "removed") for name, old, new in pair.texts]


def build(page: Page) -> Compare:
    with gr.Accordion("Compare versions", open=False, visible=False, elem_id="tw-versions") as folded:
        with gr.Row(elem_classes="tw-toolbar"):
            before = gr.Dropdown([], label="Before", min_width=150)
            after = gr.Dropdown([], label="After", min_width=150)
            kinds = [("All that differ", ""), *((WORDS[kind].capitalize(), kind) for kind in KINDS)]
            kind = gr.Dropdown(kinds, value="", label="Rows", min_width=200)
            look = gr.Button("Compare", scale=0, min_width=120, elem_id="tw-compare-versions")
        words = gr.HTML(elem_id="tw-difference")
        rows = gr.HTML(elem_id="tw-different-rows")
        with gr.Row(elem_classes="tw-pager", visible=False) as pager:
            back = gr.Button("← Back", size="sm", scale=0, min_width=100)
            place = gr.HTML()
            forth = gr.Button("More →", size="sm", scale=0, min_width=100)
        with gr.Row(elem_classes="tw-toolbar", visible=False) as restoring:
            number = gr.Number(label="Bring a removed row back: its number", precision=0, minimum=1, min_width=220)
            restore = gr.Button("Bring it back", scale=0, min_width=140, elem_id="tw-bring-back")
    paging = (pager, back, place, forth)
    return Compare(
        page, folded, before, after, kind, look, words, rows, *paging, number, restore, restoring, gr.State(0)
    )


def bind(part: Compare) -> list[Any]:
    """Returns the events after which the table looks again."""
    page = part.page
    known = [page.visitor, part.before, part.after, part.kind, part.at]
    part.look_button.click(guarded(partial(part.look, 0)), known, part.shown, **BUSY)
    part.kind.input(guarded(partial(part.look, 0)), known, part.shown, **QUIET)
    for button, step in ((part.back, -PAGE), (part.forth, PAGE)):
        button.click(guarded(partial(part.look, step)), known, part.shown, **QUIET)
    asked = [page.visitor, page.project, part.before, part.number]
    return [part.restore.click(guarded(part.restored), asked, part.number, **QUIET)]
