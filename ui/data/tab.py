"""The tab: which version is shown, what of it, and its rows a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from core import wording
from core.data import actions as data_actions
from core.data.similar import parts
from core.errors import Problem
from core.store import queries
from core.store.workspace import Workspace
from core.types import DatasetVersion
from ui import html, text
from ui.data import checks, importer
from ui.data.checks import Checks
from ui.data.importer import Importer
from ui.page import QUIET, Page, guarded

PAGE_ROWS = 20
PARTS = [("All parts", ""), ("Train", "train"), ("Validation", "validation"), ("Test", "test")]
ORDERS = [("As in the file", "file"), ("Longest first", "longest"), ("Shortest first", "shortest")]


@dataclass(frozen=True)
class Data:
    page: Page
    lead: gr.HTML
    importer: Importer
    checks: Checks
    version: gr.Dropdown
    part: gr.Dropdown
    search: gr.Textbox
    order: gr.Dropdown
    table: gr.HTML
    back: gr.Button
    place: gr.HTML
    forth: gr.Button
    at: gr.State
    newest: gr.State
    """Id of the newest version when the tab was looked at last."""
    remarked: gr.Accordion
    remarks: gr.HTML
    alike: gr.Accordion
    pairs: gr.HTML

    @property
    def asked(self) -> list[Any]:
        return [self.version, self.part, self.search, self.order]

    @property
    def paging(self) -> list[Any]:
        return [self.table, self.place, self.at, self.back, self.forth]

    @property
    def of_version(self) -> list[Any]:
        return [self.lead, *self.paging, self.remarked, self.remarks, self.alike, self.pairs, *self.checks.outputs]

    def refresh(
        self, visitor: str, project_id: str | None, chosen: str | None, part: str, search: str, order: str, newest: Any
    ) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        versions = workspace.versions(project_id) if project_id else []
        ids = [v.id for v in versions]
        last = ids[-1] if ids else None
        # A version that came since, from a file or from the review, is what people want to see.
        value = chosen if chosen in ids and newest == last else last
        choices = [(v.title, v.id) for v in reversed(versions)]
        return {
            self.version: gr.update(choices=choices, value=value),
            self.newest: last,
            self.importer.folded: gr.update(open=not versions),
            **self.importer.tell_project(workspace, project_id),
            **self.choose(visitor, value, part, search, order),
        }

    def choose(self, visitor: str, version_id: str | None, part: str, search: str, order: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        version = workspace.version(version_id) if version_id else None
        problems = [Problem(**p) for p in version.manifest.get("problems", [])] if version else []
        count = _problem_count(version) if version else 0
        taken = data_actions.taken_of(version.manifest) if version else ""
        unused = data_actions.unused_of(version.manifest) if version else []
        not_trained = f" · not trained: {wording.count(len(unused), 'thing')}" if unused else ""
        return {
            self.lead: _lead(version),
            self.remarked: gr.update(
                visible=bool(problems or taken), label=f"What import found: {count:,}{not_trained}"
            ),
            self.remarks: html.unused(unused, taken) + html.problems(problems, 100, count),
            **self._alike(workspace, version),
            **self.checks.look(workspace, version_id),
            **self._rows(workspace, version_id, part, search, order, 0),
        }

    def _alike(self, workspace: Workspace, version: DatasetVersion | None) -> dict[Any, Any]:
        """The rows of different parts that ask nearly the same, side by side."""
        look = parts.look(workspace.rows(version.id), version) if version else None
        if version is None or look is None or not look.total:
            return {self.alike: gr.update(visible=False), self.pairs: ""}
        pairs = [(_how(pair), [(f"Row {e.row} · {e.split}", e.prompt or e.target) for e in (pair.measures, pair.other)])
                 for pair in look.pairs]  # fmt: skip
        similar = version.manifest.get("similar")
        words = [*look.sentences, *([parts.summary(similar)] if similar else [])]
        left = look.total - len(pairs)
        more = html.detail(f"… and {left:,} more pairs.") if left else ""
        return {
            self.alike: gr.update(visible=True, label=f"Similar rows in different parts: {look.total:,}"),
            self.pairs: html.sentences(words) + html.similar(pairs) + more,
        }

    def look(self, visitor: str, version_id: str | None, part: str, search: str, order: str) -> dict[Any, Any]:
        return self._rows(self.page.workspace(visitor), version_id, part, search, order, 0)

    def turned(
        self, step: int, visitor: str, version_id: str | None, part: str, search: str, order: str, at: int
    ) -> dict[Any, Any]:
        """`step` rows further."""
        return self._rows(self.page.workspace(visitor), version_id, part, search, order, max(0, at + step))

    def _rows(
        self, workspace: Workspace, version_id: str | None, part: Any, search: str, order: Any, at: int
    ) -> dict[Any, Any]:
        if not version_id:
            still = dict.fromkeys((self.back, self.forth), gr.update(interactive=False))
            return {self.table: html.empty(text.NO_ROWS, text.NO_ROWS_NEXT), self.place: "", self.at: 0, **still}
        shown = queries.page(workspace.rows_file(version_id), part, search or "", order, at, PAGE_ROWS)
        last = shown.at + len(shown.rows)
        of = f"more than {shown.total:,}" if shown.more else f"{shown.total:,}"
        nothing = html.empty("No row matches.", "Change the search or the part.")
        return {
            self.table: html.rows(shown.rows) if shown.rows else nothing,
            self.place: html.place(f"{shown.at + 1:,}–{last:,} of {of}" if shown.rows else ""),
            self.at: shown.at,
            self.back: gr.update(interactive=shown.at > 0),
            self.forth: gr.update(interactive=last < shown.total),
        }


def build(page: Page, tab: gr.Tab) -> Data:
    lead = gr.HTML(html.lead("Loading …"))
    imports = importer.build(page)
    checked = checks.build(page)
    with gr.Row(elem_classes="tw-toolbar"):
        version = gr.Dropdown([], label="Version", min_width=200, scale=2)
        part = gr.Dropdown(PARTS, value="", label="Part", min_width=130, scale=1)
        search = gr.Textbox(label="Search", placeholder="text in prompt or answer", min_width=200, scale=2)
        order = gr.Dropdown(ORDERS, value="file", label="Order", min_width=130, scale=1)
    table = gr.HTML(elem_id="tw-rows")
    with gr.Row(elem_classes="tw-pager"):
        back = gr.Button("← Back", size="sm", scale=0, min_width=100)
        place = gr.HTML()
        forth = gr.Button("More →", size="sm", scale=0, min_width=100)
    with gr.Accordion("What import found", open=False, visible=False) as remarked:
        remarks = gr.HTML()
    with gr.Accordion("Similar rows in different parts", open=False, visible=False, elem_id="tw-similar") as alike:
        pairs = gr.HTML()
    pager, state = (table, back, place, forth), (gr.State(0), gr.State(None))
    data = Data(
        page, lead, imports, checked, version, part, search, order, *pager, *state, remarked, remarks, alike, pairs
    )
    _bind(data, tab)
    return data


def _bind(data: Data, tab: gr.Tab) -> None:
    checks.bind(data.checks, data.version)
    opened = [data.version, data.newest, data.importer.folded, *data.importer.of_project, *data.of_version]
    data.page.whenever(tab, data.refresh, [*data.asked, data.newest], opened)
    looking = [data.page.visitor, *data.asked]
    data.version.input(guarded(data.choose), looking, data.of_version, **QUIET)
    changes = [data.part.input, data.order.input, data.search.submit, data.search.blur]
    gr.on(changes, guarded(data.look), looking, data.paging, **QUIET)
    for button, step in ((data.back, -PAGE_ROWS), (data.forth, PAGE_ROWS)):
        button.click(guarded(partial(data.turned, step)), [*looking, data.at], data.paging, **QUIET)


def _lead(version: DatasetVersion | None) -> str:
    if version is None:
        return html.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
    c = version.counts
    total = sum(c.values())
    corrected = len({i for change in version.manifest.get("changes", []) for i in change.get("corrected", [])})
    more = f" Corrected in the Error review: {corrected:,}." if corrected else ""
    nearly = ", in whatever words," if "similar" in version.manifest else ""
    together = f"and rows that ask the same{nearly} stand in the same part."
    if named := version.manifest.get("split", {}).get("named"):
        together = f"and each row stands in the part that the file names in “{named}”."
    return html.lead(
        f"{total:,} rows: {c['train']:,} to train, {c['validation']:,} to validate, {c['test']:,} to test.",
        f"From {version.manifest['file']}. The parts are frozen: test rows are never trained, {together}{more}",
    )


def _problem_count(version: DatasetVersion) -> int:
    """All of them; the manifest holds the first thousand. Older ones count what they hold."""
    counts = version.manifest.get("problem_counts")
    return sum(counts.values()) if counts is not None else len(version.manifest.get("problems", []))


def _how(pair: parts.Pair) -> str:
    return "They ask the same." if pair.score == 1 else f"{pair.score:.0%} of their words, by weight, are the same."
