"""The tab: which version is shown, what of it, and its rows a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from core import wording
from core.checking import beside as checked_rows
from core.checking import result
from core.checking.checks import CHECKS
from core.data import drafts, known, manifest, revising
from core.data.similar import parts
from core.errors import Problem
from core.store import beside, queries
from core.store.queries import BY_COLUMN, Query
from core.store.workspace import Workspace
from core.types import DatasetVersion
from ui import html, text
from ui.data import augmentation, checks, chosen, compare, editor, enough, importer, splits
from ui.data.checks import Checks
from ui.data.chosen import Chosen
from ui.data.compare import Compare
from ui.data.editor import Editor
from ui.data.enough import EnoughData
from ui.data.importer import Importer
from ui.data.splits import Splits
from ui.data.table import MOST_FOUND, WAITING, query, table_of
from ui.page import QUIET, Page, guarded

PAGE_ROWS = 20
PARTS = [("All parts", ""), ("Train", "train"), ("Validation", "validation"), ("Test", "test")]
ORDERS = [
    ("As in the file", "file"),
    ("Longest first", "longest"),
    ("Shortest first", "shortest"),
    ("What measures first", "part"),
]

NOTHING = ""
"""In the place of the newest version's id: no project was shown yet. None: one without rows."""


@dataclass(frozen=True)
class Data:
    page: Page
    lead: gr.HTML
    importer: Importer
    checks: Checks
    asking: gr.Row
    """Which version, and what of it; there where there are rows."""
    version: gr.Dropdown
    part: gr.Dropdown
    search: gr.Textbox
    order: gr.Dropdown
    found: gr.Dropdown
    """Only rows in which a check found something, or that were changed by hand."""
    column: gr.Dropdown
    value: gr.Textbox
    undo: gr.Button
    editor: Editor
    table: gr.HTML
    pager: gr.Row
    back: gr.Button
    place: gr.HTML
    forth: gr.Button
    add: gr.Button
    keys: gr.HTML
    """What the keyboard does; there where there are rows."""
    chosen: Chosen
    at: gr.State
    newest: gr.State
    """Id of the newest version when the tab was looked at last."""
    remarked: gr.Accordion
    remarks: gr.HTML
    alike: gr.Accordion
    pairs: gr.HTML
    splits: Splits
    compare: Compare
    enough: EnoughData

    @property
    def asked(self) -> list[Any]:
        return [self.version, self.part, self.search, self.order, self.found, self.column, self.value]

    @property
    def paging(self) -> list[Any]:
        return [self.table, self.place, self.at, self.back, self.forth, *self.chosen.outputs]

    @property
    def of_version(self) -> list[Any]:
        filters = [
            self.asking,
            self.pager,
            self.order,
            self.found,
            self.column,
            self.value,
            self.undo,
            self.add,
            self.keys,
        ]
        folds = [*self.checks.outputs, *self.splits.outputs, *self.compare.outputs, *self.enough.outputs]
        shown = [self.lead, *self.paging, self.remarked, self.remarks, self.alike, self.pairs]
        return [*shown, *filters, *self.editor.told, *folds]

    def refresh(self, visitor: str, project_id: str | None, chosen: str | None, *asked: Any) -> dict[Any, Any]:
        """`asked`: what of the version is wanted, as `query` takes it; and the version that was the newest."""
        *asked_, newest = asked
        workspace = self.page.workspace(visitor)
        versions = workspace.versions(project_id) if project_id else []
        ids = [v.id for v in versions]
        last = ids[-1] if ids else None
        # A version that came since, from a file or from the review, is what people want to see.
        value = chosen if chosen in ids and newest == last else last
        choices = [(v.title, v.id) for v in reversed(versions)]
        # A look that comes late must not close the fold in which somebody is choosing a file.
        still = not project_id or (versions and newest in (NOTHING, last))
        folded = {} if still else {self.importer.folded: gr.update(open=not versions)}
        return {
            **folded,
            self.version: gr.update(choices=choices, value=value),
            self.newest: last if project_id else NOTHING,
            **self.importer.tell_project(workspace, project_id),
            **self.choose(visitor, value, *asked_),
        }

    def choose(self, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        version = workspace.version(version_id) if version_id else None
        problems = [Problem(**p) for p in version.manifest.get("problems", [])] if version else []
        count = _problem_count(version) if version else 0
        taken = manifest.taken_of(version.manifest) if version else ""
        unused = manifest.unused_of(version.manifest) if version else []
        not_trained = f" · not trained: {wording.count(len(unused), 'thing')}" if unused else ""
        filters, asked = self._filters(workspace, version, asked)
        versions = workspace.versions(version.project_id) if version else []
        return {
            self.lead: _lead(version, int(workspace.rows(version.id).synthetic.sum()) if version else 0),
            self.remarked: gr.update(
                visible=bool(problems or taken), label=f"What import found: {count:,}{not_trained}"
            ),
            self.remarks: html.unused(unused, taken) + html.problems(problems, 100, count),
            **self._alike(workspace, version),
            **self.checks.look(workspace, version_id),
            **self.editor.tell(workspace, version_id),
            **self.splits.tell(workspace, version),
            **self.compare.tell(versions, version_id),
            **self.enough.tell(version_id),
            **filters,
            **self._rows(workspace, version_id, asked, 0),
        }

    def _filters(
        self, workspace: Workspace, version: DatasetVersion | None, asked: tuple[Any, ...]
    ) -> tuple[dict[Any, Any], tuple[Any, ...]]:
        """What the rows of a version can be filtered and sorted by; and what of `asked` it has."""
        part, search, order, found, column, value = asked
        if version is None:
            away = (self.asking, self.pager, self.found, self.undo, self.add, self.column, self.value, self.keys)
            return dict.fromkeys(away, gr.update(visible=False)), asked
        path = workspace.rows_file(version.id)
        names, summary = beside.names(path), result.read(path)
        shows = [("All rows", ""), ("Changed by hand", WAITING)]
        if summary:
            listed = [*summary.shown, *summary.folded]
            shows += [(f"{CHECKS[f.check].title} ({f.rows:,})", f.check) for f in listed]
        columns = [("(none)", ""), *((n, n) for n in names)]
        orders = [*ORDERS, *([MOST_FOUND] if summary else []), *((f"By “{n}”", BY_COLUMN + n) for n in names)]
        found = found if found in [name for _, name in shows] else ""
        order = order if order in [name for _, name in orders] else "file"
        column = column if column in names else ""
        newest = workspace.versions(version.project_id)[-1]
        undo = revising.undoes(version) if newest.id == version.id else ""
        there = gr.update(visible=True)
        return {
            self.asking: there,
            self.pager: there,
            self.found: gr.update(choices=shows, value=found, visible=True),
            self.keys: there,
            self.order: gr.update(choices=orders, value=order),
            self.column: gr.update(choices=columns, value=column, visible=bool(names)),
            self.value: gr.update(visible=bool(names)),
            self.undo: gr.update(visible=bool(undo), value=undo),
            self.add: there,
        }, (part, search, order, found, column, value)

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

    def look(self, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        return self._rows(self.page.workspace(visitor), version_id, asked, 0)

    def turned(self, step: int, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        """`step` rows further than the last of `asked`, which is where the page is."""
        *query, at = asked
        return self._rows(self.page.workspace(visitor), version_id, tuple(query), max(0, at + step))

    def after_an_act(self, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        """The same page of the table, and what waits now."""
        shown = self.turned(0, visitor, version_id, *asked)
        return {**shown, **self.editor.tell(self.page.workspace(visitor), version_id)}

    def undone(self, visitor: str, version_id: str | None, changes: int) -> dict[Any, Any]:
        if not version_id:
            return {}
        made = revising.undo_version(self.page.workspace(visitor), version_id)
        gr.Info(f"Version {made.number}: {made.manifest['changes'][-1]['why']}.")
        return {self.page.changed: changes + 1}

    def _rows(self, workspace: Workspace, version_id: str | None, asked: tuple[Any, ...], at: int) -> dict[Any, Any]:
        if not version_id:
            still = dict.fromkeys((self.back, self.forth), gr.update(interactive=False))
            return {self.table: "", self.place: "", self.at: 0, **still, **self.chosen.tell(None, Query(), None)}
        asks, draft = query(workspace, version_id, *asked), drafts.read(workspace, version_id)
        path = workspace.rows_file(version_id)
        shown = queries.page(path, asks, at, PAGE_ROWS)
        last = shown.at + len(shown.rows)
        of = f"more than {shown.total:,}" if shown.more else f"{shown.total:,}"
        # New rows stand behind the last; here they come first, so that they are seen.
        first = shown.at == 0 and (asks.wants_all or asked[3] == WAITING)
        places = [*(sorted(draft.added, reverse=True) if first else []), *shown.places]
        nothing = html.empty("No row matches.", "Change the search or the part.")
        return {
            self.table: table_of(draft, places, checked_rows.of_rows(path, shown.places), asked) if places else nothing,
            self.place: html.place(f"{shown.at + 1:,}–{last:,} of {of}" if shown.rows else ""),
            self.at: shown.at,
            self.back: gr.update(interactive=shown.at > 0),
            self.forth: gr.update(interactive=last < shown.total),
            **self.chosen.tell(version_id, asks, shown),
        }


def build(page: Page, tab: gr.Tab) -> Data:
    lead = gr.HTML(html.lead("Loading …"))
    imports = importer.build(page)
    checked = checks.build(page)
    augmentation.build(page, tab)
    with gr.Row(elem_classes="tw-toolbar", visible=False) as asking:
        version = gr.Dropdown([], label="Version", min_width=200, scale=2)
        part = gr.Dropdown(PARTS, value="", label="Part", min_width=130, scale=1)
        search = gr.Textbox(label="Search", placeholder="text in prompt or answer", min_width=200, scale=2)
        order = gr.Dropdown(ORDERS, value="file", label="Order", min_width=190, scale=1)
    with gr.Row(elem_classes="tw-toolbar"):
        found = gr.Dropdown([("All rows", "")], value="", label="Only rows with", min_width=200, scale=2)
        column = gr.Dropdown([("(none)", "")], value="", label="Column", min_width=130, scale=1, visible=False)
        value = gr.Textbox(label="Its value holds", min_width=160, scale=2, visible=False)
        undo = gr.Button("Undo", size="sm", scale=0, min_width=150, visible=False, elem_id="tw-undo-version")
        add = gr.Button("Add a row", scale=0, min_width=120, size="sm", visible=False, elem_id="tw-add-row")
    edited = editor.build(page)
    table = gr.HTML(elem_id="tw-rows")
    with gr.Row(elem_classes="tw-pager", visible=False) as pager:
        back = gr.Button("← Back", size="sm", scale=0, min_width=100)
        place = gr.HTML()
        forth = gr.Button("More →", size="sm", scale=0, min_width=100)
    keys = gr.HTML(html.detail(text.ROWS_HELP), visible=False, elem_id="tw-rows-help")
    many = chosen.build(page, query)
    with gr.Accordion("What import found", open=False, visible=False) as remarked:
        remarks = gr.HTML()
    with gr.Accordion("Similar rows in different parts", open=False, visible=False, elem_id="tw-similar") as alike:
        pairs = gr.HTML()
    folds = (enough.build(page), splits.build(page), compare.build(page))
    data = Data(
        page=page,
        lead=lead,
        importer=imports,
        checks=checked,
        asking=asking,
        version=version,
        part=part,
        search=search,
        order=order,
        found=found,
        column=column,
        value=value,
        undo=undo,
        editor=edited,
        table=table,
        pager=pager,
        back=back,
        place=place,
        forth=forth,
        add=add,
        keys=keys,
        chosen=many,
        at=gr.State(0),
        newest=gr.State(NOTHING),
        remarked=remarked,
        remarks=remarks,
        alike=alike,
        pairs=pairs,
        enough=folds[0],
        splits=folds[1],
        compare=folds[2],
    )
    _bind(data, tab)
    return data


def _bind(data: Data, tab: gr.Tab) -> None:
    page = data.page
    checks.bind(data.checks, data.version)
    splits.bind(data.splits, data.version)
    enough.bind(data.enough, data.version)
    opened = [data.version, data.newest, data.importer.folded, *data.importer.of_project, *data.of_version]
    page.whenever(tab, data.refresh, [*data.asked, data.newest], opened)
    looking = [page.visitor, *data.asked]
    data.version.input(guarded(data.choose), looking, data.of_version, **QUIET)
    picked = [control.input for control in (data.part, data.order, data.found, data.column)]
    written = [event for box in (data.search, data.value) for event in (box.submit, box.blur)]
    gr.on([*picked, *written], guarded(data.look), looking, data.paging, **QUIET)
    for button, step in ((data.back, -PAGE_ROWS), (data.forth, PAGE_ROWS)):
        button.click(guarded(partial(data.turned, step)), [*looking, data.at], data.paging, **QUIET)
    acts = [*editor.bind(data.editor, data.version), *chosen.bind(data.chosen, data.asked), *compare.bind(data.compare)]
    for act in acts:
        again = {**QUIET, "trigger_mode": "multiple"}
        act.success(guarded(data.after_an_act), [*looking, data.at], [*data.paging, *data.editor.told], **again)
    added = [page.visitor, data.version]
    data.add.click(guarded(partial(data.editor.do, act="add")), added, data.editor.outputs, **QUIET)
    data.undo.click(guarded(data.undone), [*added, page.changed], page.changed, **QUIET)


def _lead(version: DatasetVersion | None, synthetic: int = 0) -> str:
    if version is None:
        return html.lead(text.NO_ROWS, text.NO_ROWS_NEXT)
    c = version.counts
    total = sum(c.values())
    corrected = len({i for change in version.manifest.get("changes", []) for i in change.get("corrected", [])})
    more = f" Corrected in the Error review: {corrected:,}." if corrected else ""
    more += f" Synthetic, written by a model: {synthetic:,}." if synthetic else ""
    nearly = ", in whatever words," if "similar" in version.manifest else ""
    together = f"and rows that ask the same{nearly} stand in the same part."
    if named := version.manifest.get("split", {}).get("named"):
        together = f"and each row stands in the part that the file names in “{named}”."
    stay = " ".join(["", *known.sentences(version.manifest.get("split", {}))])
    changes = version.manifest.get("changes", [])
    why = f" Version {version.number}: {changes[-1]['why']}." if changes and "why" in changes[-1] else ""
    frozen = f"The parts are frozen: test rows are never trained, {together}"
    return html.lead(
        f"{total:,} rows: {c['train']:,} to train, {c['validation']:,} to validate, {c['test']:,} to test.",
        f"From {version.manifest['file']}. {frozen}{more}{stay}{why}",
    )


def _problem_count(version: DatasetVersion) -> int:
    """All of them; the manifest holds the first thousand. Older ones count what they hold."""
    counts = version.manifest.get("problem_counts")
    return sum(counts.values()) if counts is not None else len(version.manifest.get("problems", []))


def _how(pair: parts.Pair) -> str:
    return "They ask the same." if pair.score == 1 else f"{pair.score:.0%} of their words, by weight, are the same."
