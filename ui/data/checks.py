"""What would spoil the model, as one list; each fix is shown as a difference before it becomes the next version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import escape

from core.checking import asked, result, worker
from core.checking.checks import CHECKS
from core.checking.finding import Check
from core.checking.mending import Fix, Preview
from core.checking.result import Found
from core.errors import UserError
from core.store.workspace import Workspace
from core.wording import count
from ui import html, text
from ui.page import QUIET, Page, guarded

if TYPE_CHECKING:
    import numpy as np

HIDDEN, SHOWN = gr.update(visible=False), gr.update(visible=True)


@dataclass(frozen=True)
class Checks:
    page: Page
    folded: gr.Accordion
    state: gr.HTML
    start: gr.Button
    cancel: gr.Button
    listed: gr.HTML
    """All that was found, with buttons; shortcuts.js writes into `act` which of them was pressed."""
    act: gr.Textbox
    """Unseen: the fix that is asked for, as “personal leave …”."""
    shown: gr.Column
    """The difference that a fix would make, in the place of the list."""
    difference: gr.HTML
    rows: gr.Textbox
    apply: gr.Button
    back: gr.Button
    run: gr.State
    """{"run": number of the newest work, "fix": (check, leave out) that is looked at}."""

    @property
    def outputs(self) -> list[Any]:
        return [self.folded, self.state, self.start, self.cancel, *self.panel]

    @property
    def panel(self) -> list[Any]:
        return [self.listed, self.shown, self.difference, self.rows, self.apply, self.back]

    def look(self, workspace: Workspace, version_id: str | None) -> dict[Any, Any]:
        """What is known of a version; nothing is looked at here."""
        closed = {self.shown: HIDDEN, self.cancel: HIDDEN}
        if not version_id:
            return {self.folded: HIDDEN, self.listed: HIDDEN, **closed}
        version, path = workspace.version(version_id), workspace.rows_file(version_id)
        summary = result.read(path)
        if summary is None:
            start = gr.update(visible=True, value=f"Check {count(sum(version.counts.values()), 'row')}")
            label = {self.folded: gr.update(visible=True, label="Checks: not looked yet")}
            return {
                **label,
                self.state: html.detail(text.CHECKS_HELP),
                self.start: start,
                self.listed: HIDDEN,
                **closed,
            }
        n = len(summary.shown)
        title = f"Checks: {count(n, 'finding')}" if n else "Checks: nothing found"
        looked = f"{count(summary.rows, 'row')} checked."
        said = html.detail(looked) if n else html.empty("Nothing was found that would spoil the model.", looked)
        notes = "".join(html.detail(note) for note in summary.notes)
        changed = summary.benchmarks != asked.mark_of(workspace.settings.benchmarks)
        again = gr.update(visible=True, value="Check again: the benchmark files changed")
        numbers = workspace.rows(version_id).numbers("row")
        told = [[_told(found, numbers) for found in group] for group in (summary.shown, summary.folded)]
        return {
            self.folded: gr.update(visible=True, label=title),
            self.state: said + (html.fold("What was not looked at", notes) if notes else ""),
            self.start: again if changed else HIDDEN,
            self.listed: gr.update(visible=True, value=html.checks(told[0], told[1], summary.rows)),
            **closed,
        }

    def checked(self, visitor: str, version_id: str | None, run: dict[str, Any]) -> Iterator[dict[Any, Any]]:
        if not version_id:
            raise UserError("There are no rows to check yet. Import a file first.")
        workspace = self.page.workspace(visitor)
        for step in self._steps(workspace, worker.request("check", version_id), run):
            if step is None:
                yield {**self._nothing(), self.start: SHOWN}
            elif step.done:
                yield self.look(workspace, version_id)
            else:
                yield self._progress(step)

    def cancelled(self, run: dict[str, Any]) -> dict[Any, Any]:
        run["cancelled"] = run["run"]
        run["run"] += 1
        return {self.state: html.progress(None, "Cancelling …"), self.cancel: HIDDEN}

    def previewed(
        self, visitor: str, version_id: str | None, run: dict[str, Any], act: str
    ) -> Iterator[dict[Any, Any]]:
        """`act`: “CHECK mend” or “CHECK leave”, as the list's buttons ask."""
        check, leave_out = _asked(act)
        if not version_id or not check:
            return
        run["fix"] = (check, leave_out)
        wanted = worker.request("preview", version_id, [Fix(check, leave_out)])
        for step in self._steps(self.page.workspace(visitor), wanted, run):
            if step is None:
                yield self._nothing()
                continue
            if not step.preview:
                waiting = worker.Step(step.share, "Looking at what would change …")
                yield self._progress(waiting)
                continue
            yield {
                self.state: "",
                self.cancel: HIDDEN,
                self.listed: HIDDEN,
                self.shown: SHOWN,
                self.difference: _difference(CHECKS[check], leave_out, step.preview),
                self.rows: "",
                self.apply: gr.update(value=f"Apply to {count(step.preview.rows, 'row')}", interactive=True),
            }

    def chosen(self, rows: str) -> dict[Any, Any]:
        numbers = _numbers(rows)
        return {self.apply: gr.update(value=f"Apply to {count(len(numbers), 'row')}")} if numbers else {}

    def closed(self) -> dict[Any, Any]:
        return {self.listed: SHOWN, self.shown: HIDDEN}

    def applied(
        self, visitor: str, version_id: str | None, run: dict[str, Any], rows: str, changes: int
    ) -> Iterator[dict[Any, Any]]:
        if not version_id or not run.get("fix"):
            return
        check, leave_out = run["fix"]
        fix = Fix(check, leave_out, tuple(_numbers(rows)))
        yield from self._made(visitor, worker.request("apply", version_id, [fix]), run, changes)

    def _made(
        self, visitor: str, wanted: dict[str, Any], run: dict[str, Any], changes: int
    ) -> Iterator[dict[Any, Any]]:
        """A version is made, and the tab looks again: it shows the newest."""
        workspace = self.page.workspace(visitor)
        for step in self._steps(workspace, wanted, run):
            if step is None:
                yield self._nothing()
                continue
            if not step.done:
                yield self._progress(step)
                continue
            made = workspace.version(step.version_id)
            why = made.manifest["changes"][-1]["why"]
            gr.Info(str(escape(f"Version {made.number}: {why}.")))
            yield {
                self.state: "",
                self.cancel: HIDDEN,
                self.listed: SHOWN,
                self.shown: HIDDEN,
                self.page.changed: changes + 1,
            }

    def _progress(self, step: worker.Step) -> dict[Any, Any]:
        return {self.state: html.progress(step.share, step.what), self.start: HIDDEN, self.cancel: SHOWN}

    def _nothing(self) -> dict[Any, Any]:
        return {self.state: html.note("note", "Cancelled: nothing was changed."), self.cancel: HIDDEN}

    def _steps(self, workspace: Workspace, wanted: dict[str, Any], run: dict[str, Any]) -> Iterator[worker.Step | None]:
        """The steps of the newest work, None where a person cancelled it.

        One that is not the newest any more ends without a word.
        """
        run["run"] += 1
        mine = run["run"]
        try:
            yield from worker.run(workspace, wanted, lambda: run["run"] != mine)
        except worker.Cancelled:
            if run.get("cancelled") == mine:
                yield None


def _difference(check: Check, leave_out: bool, preview: Preview) -> str:
    what = check.leave if leave_out else check.fix
    changes = [
        (f"Row {c.row} · {c.split} · {c.why or c.where}", c.before, c.after, c.left_out) for c in preview.changes
    ]
    left = preview.rows - len({c.row for c in preview.changes})
    more = html.detail(f"… and {left:,} more rows.") if left > 0 else ""
    lead = html.lead(f"{what}: {count(preview.rows, 'row')}.", f"{check.title}. {text.MENDING_HELP}")
    return lead + html.difference(changes) + more


def _numbers(rows: str) -> list[int]:
    """Numbers of rows that a person wrote. Raises UserError for what is none."""
    words = re.split(r"[\s,;]+", (rows or "").strip())
    if words == [""]:
        return []
    if odd := [word for word in words if not word.isdecimal()]:
        raise UserError(f"“{odd[0]}” is no number of a row. Write numbers with commas, or nothing for all rows.")
    return [int(word) for word in words]


def _told(found: Found, numbers: np.ndarray) -> html.Told:
    check = CHECKS[found.check]
    acts = [(act, f"{words} …") for act, words in (("mend", check.fix), ("leave", check.leave)) if words]
    examples = [(int(numbers[place]), where, evidence) for place, where, evidence in found.examples]
    return html.Told(check.name, check.title, check.level, found.rows, check.why, examples, acts)


def _asked(act: str) -> tuple[str, bool]:
    """“personal leave 1733000000” → (personal, is it left out); ("", False) for what no button asks."""
    words = (act or "").split()
    if len(words) < 2 or words[0] not in CHECKS or words[1] not in ("mend", "leave"):
        return "", False
    return words[0], words[1] == "leave"


def build(page: Page) -> Checks:
    with gr.Accordion("Checks", open=False, visible=False, elem_id="tw-checks") as folded:
        state = gr.HTML(elem_id="tw-checks-state")
        with gr.Row():
            start = gr.Button("Check the rows", size="sm", scale=0, min_width=160, elem_id="tw-check-button")
            cancel = gr.Button("Cancel", size="sm", scale=0, min_width=100, visible=False)
        listed = gr.HTML(visible=False)
        act = gr.Textbox(elem_id="tw-mend", label="Mend")
        with gr.Column(visible=False, elem_id="tw-mending") as shown:
            difference = gr.HTML()
            with gr.Row(elem_classes="tw-toolbar"):
                info = "Numbers of rows, with commas; empty: all of them."
                rows = gr.Textbox(label="Only these rows", info=info, min_width=220, scale=2)
                back = gr.Button("Back", scale=0, min_width=100)
                apply = gr.Button("Apply", variant="primary", scale=0, min_width=180, elem_id="tw-apply")
    run = gr.State({"run": 0})
    return Checks(page, folded, state, start, cancel, listed, act, shown, difference, rows, apply, back, run)


def bind(part: Checks, version: gr.Dropdown) -> None:
    """`version`: where the version that is shown is chosen."""
    page = part.page
    known = [page.visitor, version, part.run]
    part.start.click(guarded(part.checked), known, part.outputs, **QUIET)
    part.cancel.click(guarded(part.cancelled), part.run, [part.state, part.start, part.cancel], **QUIET)
    previewed = [part.state, part.start, part.cancel, *part.panel]
    part.act.change(guarded(part.previewed), [*known, part.act], previewed, **QUIET)
    part.rows.change(guarded(part.chosen), part.rows, part.apply, **QUIET)
    part.back.click(guarded(part.closed), None, [part.listed, part.shown], **QUIET)
    made = [part.state, part.start, part.cancel, part.listed, part.shown, page.changed]
    part.apply.click(guarded(part.applied), [*known, part.rows, page.changed], made, **QUIET)
