"""Rows changed by hand: one row is opened and kept; what waits is told until a version is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import escape

from core.data import drafts, editing, exchanges, revising
from core.data.drafts import Draft
from core.data.row_texts import fixed, texts, with_texts
from core.errors import UserError
from core.store.workspace import Workspace
from core.types import Example
from core.wording import count
from ui import html, text
from ui.page import BUSY, QUIET, Page, guarded

SLOTS = 16
"""Texts of a row that can be changed here; of a longer conversation the others are shown in the table alone."""
HIDDEN, SHOWN = gr.update(visible=False), gr.update(visible=True)
PARTS = [("Train", "train"), ("Validation", "validation"), ("Test", "test")]
KIND = {"train": "training", "validation": "validation", "test": "test"}
ACTS = ("edit", "delete", "restore", "add", "undo", "close")


@dataclass(frozen=True)
class Editor:
    page: Page
    waiting: gr.Row
    """There while changes wait."""
    waits: gr.HTML
    reason: gr.Textbox
    make: gr.Button
    undo: gr.Button
    discard: gr.Button
    left: gr.Row
    """There while changes wait at an earlier version."""
    left_words: gr.HTML
    carry: gr.Button
    panel: gr.Column
    title: gr.HTML
    slots: list[gr.Textbox]
    turns: gr.Row
    """There where the row is a conversation."""
    exchange: gr.Dropdown
    """Number of an exchange of the row that is open."""
    more: gr.Button
    fewer: gr.Button
    part: gr.Dropdown
    """Of a new row."""
    remark: gr.HTML
    keep: gr.Button
    close: gr.Button
    act: gr.Textbox
    """Unseen: what shortcuts.js was asked to do with a row, as “edit 12 …”."""
    state: gr.State
    """{"version", "place", "seen", "names", "turns"} of the row that is open; place -1: a new one. `turns`: what was
    done with its exchanges since."""

    @property
    def outputs(self) -> list[Any]:
        return [*self.told, *self.opened]

    @property
    def told(self) -> list[Any]:
        """What tells of changes that wait."""
        return [self.waiting, self.waits, self.left, self.left_words]

    @property
    def opened(self) -> list[Any]:
        shown = [self.turns, self.exchange, self.fewer, self.part, self.remark, self.keep, self.state]
        return [self.panel, self.title, *self.slots, *shown]

    def tell(self, workspace: Workspace, version_id: str | None) -> dict[Any, Any]:
        """The changes that wait, of the version that is shown and of those before it."""
        if not version_id:
            return {self.waiting: HIDDEN, self.left: HIDDEN}
        version = workspace.version(version_id)
        waiting = drafts.pending(workspace, version.project_id)
        here = next((draft for draft in waiting if draft.version.id == version_id), None)
        newest = workspace.versions(version.project_id)[-1]
        earlier = [draft for draft in waiting if draft.version.id != newest.id]
        shown: dict[Any, Any] = {self.waiting: gr.update(visible=here is not None)}
        if here:
            shown[self.waits] = html.note(
                "note", f"{count(here.count, 'change')}, not yet a version: {revising.Summary.of(here)}."
            )
        shown[self.left] = gr.update(visible=bool(earlier))
        if earlier:
            named = ", ".join(f"version {d.version.number} ({count(d.count, 'change')})" for d in earlier)
            shown[self.left_words] = html.note(
                "warning", f"Changes wait that version {newest.number}, the newest, does not have: at {named}."
            )
        return shown

    def do(self, visitor: str, version_id: str | None, act: str) -> dict[Any, Any]:
        """What a key or a button in the table asks for: “edit 12”, “delete 12”, “add”, “undo” …"""
        what, place = _act(act)
        if not version_id or not what:
            return {}
        workspace = self.page.workspace(visitor)
        if what == "edit":
            return self._open(drafts.read(workspace, version_id), place)
        if what == "add":
            return self._open_new(workspace, version_id)
        if what == "close":
            return {self.panel: HIDDEN}
        if what == "delete":
            editing.delete(workspace, version_id, [place])
        elif what == "restore":
            editing.restore(workspace, version_id, [place])
        else:
            editing.undo(workspace, version_id)
        return self.tell(workspace, version_id)

    def _open(self, draft: Draft, place: int) -> dict[Any, Any]:
        row = draft.row(place)
        if row is None:
            raise UserError("This row is not there any more. Look again.")
        return {
            self.panel: SHOWN,
            self.part: HIDDEN,
            self.remark: "",
            **self._filled(row, {"version": draft.version.id, "place": place, "seen": row.id, "turns": []}),
        }

    def _filled(self, row: Example, state: dict[str, Any], at: int | None = None) -> dict[Any, Any]:
        """The texts of a row, as it is or as it would be. `at`: the exchange that is chosen; None: the last."""
        shown, talk = list(texts(row).items()), exchanges.of(row)
        cannot = [*fixed(row)]
        if len(shown) > SLOTS:
            cannot.append(f"its texts behind the first {SLOTS} (it has {len(shown)})")
        words = f" Not here: {', '.join(cannot)}; for these correct the file, or use `edit`." if cannot else ""
        names = [name for name, _ in shown[:SLOTS]]
        choices = [(f"{n} · {_short(row.messages[turns.start]['content'])}", n) for n, turns in enumerate(talk, 1)]
        return {
            self.title: html.lead(f"Row {row.row}, a {KIND[row.split]} row.", f"It stays in its part.{words}"),
            **self._slots([(_title(name, names), value) for name, value in shown[:SLOTS]]),
            self.turns: gr.update(visible=bool(talk)),
            self.exchange: gr.update(choices=choices, value=min(at or len(talk), len(talk)) or None),
            self.fewer: gr.update(interactive=len(talk) > 1),
            self.state: {**state, "names": names},
        }

    def turned(
        self, act: Any, visitor: str, state: dict[str, Any], exchange: int | None, *values: str
    ) -> dict[Any, Any]:
        """Another exchange behind the one that is chosen, or without it; what was written in the others stays."""
        if state.get("place", -1) < 0 or not exchange:
            return {}
        old = drafts.read(self.page.workspace(visitor), state["version"]).row(state["place"])
        if old is None or old.id != state["seen"]:
            raise UserError("This row was changed meanwhile. Keep what you wrote, or open it again.")
        written = dict(zip(state["names"], (value or "" for value in values), strict=False))
        row = with_texts(exchanges.changed(old, state["turns"]), written)
        row = exchanges.changed(row, [(act, exchange)])
        if act == "add" and len(texts(row)) > SLOTS:
            raise UserError(f"More than {SLOTS} texts of a row cannot be changed here. Use `edit` on the command line.")
        turns = [*state["turns"], (act, exchange)]
        return {**self._filled(row, {**state, "turns": turns}, exchange + (act == "add")), self.remark: ""}

    def _open_new(self, workspace: Workspace, version_id: str) -> dict[Any, Any]:
        draft = drafts.read(workspace, version_id)
        only_text = draft.size and draft.rows.kinds[0] == 3 and len(draft.rows[0].messages) == 0
        names = ["answer"] if only_text else ["system", "prompt", "answer"]
        titles = {"system": "System prompt (may be empty)", "prompt": "Prompt", "answer": "Answer"}
        first = draft.rows[0] if draft.size else None
        system = next((m["content"] for m in first.messages if m["role"] == "system"), "") if first else ""
        values = {"system": system}
        number = editing.next_number(draft)
        return {
            self.panel: SHOWN,
            self.title: html.lead(f"A new row, number {number:,}.", "It stands behind the last one."),
            **self._slots([("Text" if only_text else titles[name], values.get(name, "")) for name in names]),
            self.turns: HIDDEN,
            self.part: gr.update(visible=True, value="train"),
            self.remark: "",
            self.state: {"version": version_id, "place": -1, "seen": "", "names": names, "turns": []},
        }

    def _slots(self, shown: list[tuple[str, str]]) -> dict[Any, Any]:
        updates: dict[Any, Any] = {}
        for i, slot in enumerate(self.slots):
            updates[slot] = gr.update(visible=True, label=shown[i][0], value=shown[i][1]) if i < len(shown) else HIDDEN
        return updates

    def kept(
        self, visitor: str, version_id: str | None, state: dict[str, Any], part: Any, *values: str
    ) -> dict[Any, Any]:
        if not state.get("version"):
            return {}
        workspace = self.page.workspace(visitor)
        new = dict(zip(state["names"], (value or "" for value in values), strict=False))
        if state["place"] < 0:
            editing.add(
                *(workspace, state["version"], new.get("prompt", ""), new["answer"], part or "train"),
                new.get("system", ""),
            )
        else:
            try:
                draft = editing.change(
                    *(workspace, state["version"], state["place"], state["seen"], new, state["turns"])
                )
            except editing.Conflict as told:
                return self._told(state, told, new)
            if draft.version.id != version_id:
                gr.Info(f"Version {draft.version.number} came meanwhile: the change was kept there.")
        return {self.panel: HIDDEN, **self.tell(workspace, version_id)}

    def _told(self, state: dict[str, Any], told: editing.Conflict, new: dict[str, str]) -> dict[Any, Any]:
        """The row was changed elsewhere: what is written stays, what stands there is shown beside it."""
        shown = html.note("warning", str(told))
        if told.now is not None:
            now = texts(exchanges.changed(told.now, state["turns"]))
            differ = [(name, now.get(name, ""), mine) for name, mine in new.items() if now.get(name) != mine]
            which = [(f"{_title(name, list(new))}: there now, and yours", a, b, False) for name, a, b in differ]
            shown += html.difference(which)
            state = {**state, "version": told.version_id, "place": told.place, "seen": told.now.id}
        return {self.remark: shown, self.state: state}

    def made(self, visitor: str, version_id: str | None, reason: str, changes: int) -> dict[Any, Any]:
        if not version_id:
            return {}
        workspace = self.page.workspace(visitor)
        version = revising.make_version(workspace, version_id, reason or "")
        gr.Info(str(escape(f"Version {version.number}: {version.manifest['changes'][-1]['why']}.")))
        return {self.waiting: HIDDEN, self.panel: HIDDEN, self.reason: "", self.page.changed: changes + 1}

    def undone(self, visitor: str, version_id: str | None) -> dict[Any, Any]:
        return self.do(visitor, version_id, "undo")

    def discarded(self, visitor: str, version_id: str | None) -> dict[Any, Any]:
        if not version_id:
            return {}
        workspace = self.page.workspace(visitor)
        n = drafts.read(workspace, version_id).count
        editing.discard(workspace, version_id)
        gr.Info(f"{count(n, 'change')} discarded. “Undo” in the table (key U) brings them back.")
        return {self.panel: HIDDEN, **self.tell(workspace, version_id)}

    def carried(self, visitor: str, project_id: str | None, version_id: str | None) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        taken = left = 0
        newest = workspace.versions(project_id or "")[-1]
        for draft in drafts.pending(workspace, project_id or ""):
            if draft.version.id != newest.id:
                done = revising.carry(workspace, draft.version.id)
                taken, left = taken + done.taken, left + done.left
        rest = f" {left:,} still wait at their version: their rows are others now, or stand in the way." if left else ""
        gr.Info(f"{count(taken, 'change')} taken over to version {newest.number}.{rest}")
        return self.tell(workspace, version_id)


def state_of(draft: Draft, place: int, old: Example | None) -> tuple[Example | None, str]:
    """(a row as it would be, what was done with it in a word; empty: nothing). `old`: as the version has it."""
    if place >= draft.size or old is None:
        return draft.added.get(place), "added"
    row = draft.in_part(place, draft.changed.get(place, old))
    if draft.gone[place]:
        return row, "deleted"
    if place in draft.changed:
        return row, "changed"
    return row, "moved" if draft.moved[place] != drafts.UNMOVED else ""


def _title(name: str, names: list[str]) -> str:
    """What a text is called; in a row of one question and its answer that question is the prompt."""
    if name.startswith("user ") and sum(other.startswith("user ") for other in names) == 1:
        return "Prompt"
    return name[:1].upper() + name[1:]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return "(empty)" if not text else text if len(text) <= 40 else f"{text[:39]}…"


def _act(asked: str) -> tuple[str, int]:
    """“edit 12 1733000000” → (edit, 12); ("", 0) for anything else."""
    words = (asked or "").split()
    if not words or words[0] not in ACTS:
        return "", 0
    return words[0], int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0


def build(page: Page) -> Editor:
    with gr.Row(visible=False, elem_classes="tw-toolbar", elem_id="tw-left") as left:
        left_words = gr.HTML(min_width=260)
        carry = gr.Button("Take them over", scale=0, min_width=150, elem_id="tw-carry")
    with gr.Column(visible=False, elem_id="tw-waiting") as waiting:
        waits = gr.HTML(elem_id="tw-waits")
        with gr.Row(elem_classes="tw-toolbar"):
            reason = gr.Textbox(
                label="Why", placeholder="in a few words; kept with the version", max_lines=1, min_width=220, scale=2
            )
            undo = gr.Button("Undo the last", scale=0, min_width=130, elem_id="tw-undo-act")
            discard = gr.Button("Discard all", scale=0, min_width=120)
            make = gr.Button("Make a version", variant="primary", scale=0, min_width=160, elem_id="tw-make-version")
    with gr.Column(visible=False, elem_id="tw-editor") as panel:
        title = gr.HTML()
        slots = [
            gr.Textbox(label=f"Text {i + 1}", lines=2, max_lines=12, visible=False, elem_id=f"tw-text-{i + 1}")
            for i in range(SLOTS)
        ]
        with gr.Row(elem_classes="tw-toolbar", visible=False, elem_id="tw-exchanges") as turns:
            info = "A question with its answer."
            exchange = gr.Dropdown([], label="Exchange", info=info, min_width=220, scale=2)
            more = gr.Button("Add one behind it", scale=0, min_width=150, size="sm", elem_id="tw-more-turns")
            fewer = gr.Button("Remove it", scale=0, min_width=110, size="sm", elem_id="tw-fewer-turns")
        part = gr.Dropdown(PARTS, value="train", label="Part", visible=False, min_width=160)
        remark = gr.HTML(elem_id="tw-editor-remark")
        with gr.Row(elem_classes="tw-toolbar"):
            keep = gr.Button("Keep (Ctrl + Enter)", variant="primary", scale=0, min_width=180, elem_id="tw-keep")
            close = gr.Button("Close (Esc)", scale=0, min_width=120, elem_id="tw-close")
            gr.HTML(html.detail(text.KEEPING_HELP), min_width=240)
    act = gr.Textbox(elem_id="tw-act", label="Act")
    state = gr.State({})
    told = (waiting, waits, reason, make, undo, discard, left, left_words, carry)
    talk = (turns, exchange, more, fewer)
    return Editor(page, *told, panel, title, slots, *talk, part, remark, keep, close, act, state)


def bind(part: Editor, version: gr.Dropdown) -> list[Any]:
    """Returns the events after which the table looks again."""
    page = part.page
    known = [page.visitor, version]
    every = {**QUIET, "trigger_mode": "multiple"}
    events = [part.act.change(guarded(part.do), [*known, part.act], part.outputs, **every)]
    inputs = [*known, part.state, part.part, *part.slots]
    events.append(part.keep.click(guarded(part.kept), inputs, part.outputs, **QUIET))
    events.append(part.undo.click(guarded(part.undone), known, part.told, **QUIET))
    events.append(part.discard.click(guarded(part.discarded), known, part.outputs, **QUIET))
    carried = [page.visitor, page.project, version]
    events.append(part.carry.click(guarded(part.carried), carried, part.told, **BUSY))
    for button, what in ((part.more, "add"), (part.fewer, "remove")):
        asked = [page.visitor, part.state, part.exchange, *part.slots]
        button.click(guarded(partial(part.turned, what)), asked, part.opened, **QUIET)
    part.close.click(lambda: HIDDEN, None, part.panel, **QUIET)
    made = [part.waiting, part.panel, part.reason, page.changed]
    part.make.click(guarded(part.made), [*known, part.reason, page.changed], made, **BUSY)
    return events
