"""The frame: project picker, checklist ("what to do next"), the tabs. Everything is rebuilt from disk on load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.data import actions as data_actions
from core.errors import UserError
from core.jobs import deletion
from core.store import visitors
from core.store.workspace import Workspace
from ui import checklist, html, sharing, text, tokens
from ui.data import tab as data
from ui.evaluation import tab as evaluation
from ui.page import QUIET, Page, guarded
from ui.review import tab as review
from ui.theme import theme
from ui.training import tab as training

ASSETS = Path(__file__).resolve().parents[1] / "assets"
TABS = (data, tokens, training, evaluation, review, sharing)
EVERY = 4.0
"""Seconds between two looks at the jobs that go on."""


@dataclass(frozen=True)
class Frame:
    """What stands around the tabs, and the handlers that fill it."""

    page: Page
    project: gr.Dropdown
    new_project: gr.Button
    new_row: gr.Row
    name: gr.Textbox
    create: gr.Button
    delete: gr.Button
    """On a Space, where room is short."""
    delete_row: gr.Row
    typed: gr.Textbox
    confirm: gr.Button
    steps: gr.HTML
    again: gr.Button
    """Unseen: pressed by shortcuts.js when the window is looked at again."""
    timer: gr.Timer
    """Runs while a job of the project goes on."""
    going: gr.State
    """Ids of those jobs."""

    @property
    def checklist(self) -> list[Any]:
        return [self.steps, self.timer, self.going]

    def arrive(self, visitor: str, chosen: str | None) -> dict[Any, Any]:
        if self.page.store.settings.shared:
            visitor = visitors.arrive(self.page.store, visitor)
        workspace = self.page.workspace(visitor)
        data_actions.ensure_sample(workspace)
        project = _kept(workspace, chosen)
        return {self.page.visitor: visitor, self.project: _projects(workspace, project), **self._show(visitor, project)}

    def look(self, visitor: str, project_id: str | None) -> dict[Any, Any]:
        return self._show(visitor, _kept(self.page.workspace(visitor), project_id))

    def follow(self, visitor: str, project_id: str | None, going: list[str], count: int) -> dict[Any, Any]:
        """Look again; where a job has begun or ended since, the open tab does so, too."""
        shown = self.look(visitor, project_id)
        return shown if shown[self.going] == going else {**shown, self.page.changed: count + 1}

    def make_project(self, visitor: str, name: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        project = workspace.create_project(name)
        return {self.project: _projects(workspace, project.id), self.new_row: gr.update(visible=False), self.name: ""}

    def delete_project(self, visitor: str, project_id: str | None, typed: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        project = workspace.project(project_id or "")
        if (typed or "").strip() != project.name:
            raise UserError(f"Type “{project.name}” to delete it. Nothing was deleted.")
        deletion.delete_project(workspace, project.id)
        left = _projects(workspace, _kept(workspace, None))
        return {self.project: left, self.delete_row: gr.update(visible=False), self.typed: ""}

    def _show(self, visitor: str, project_id: str | None) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        going = checklist.going_on(workspace, project_id)
        steps = checklist.show(workspace, project_id, going)
        return {self.steps: steps, self.timer: gr.Timer(active=bool(going)), self.going: going}


def build(store: Workspace) -> gr.Blocks:
    """The whole page over a workspace. `launch_options` go to `launch`."""
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as blocks:
        visitor = gr.BrowserState("", storage_key="tunewright-visitor", secret="tunewright")
        with gr.Row(elem_id="tw-header", equal_height=True):
            gr.HTML(html.BRAND, scale=1, min_width=160)
            project = gr.Dropdown([], label="Project", show_label=False, container=False, scale=0, min_width=220)
            new_project = gr.Button("New project", scale=0, min_width=120, size="sm")
            shared = store.settings.shared
            delete = gr.Button("Delete project", scale=0, min_width=130, size="sm", visible=shared)
        with gr.Row(visible=False, elem_id="tw-new-project") as new_row:
            name = gr.Textbox(label="Name of the new project", max_length=80, scale=1)
            create = gr.Button("Create", variant="primary", scale=0, min_width=120)
        with gr.Row(visible=False, elem_id="tw-delete-project") as delete_row:
            typed = gr.Textbox(label="Type the project's name", info=text.DELETE_HELP, max_length=80, scale=1)
            confirm = gr.Button("Delete", variant="stop", scale=0, min_width=120)
        page = Page(store, visitor, project, gr.State(0), gr.State(None), gr.State(text.TABS[0]))
        with gr.Row(elem_id="tw-body"):
            with gr.Column(scale=0, min_width=250, elem_id="tw-aside"):
                steps = gr.HTML()
                again = gr.Button("Look again", elem_id="tw-again")
            with gr.Column(scale=1, min_width=320, elem_id="tw-main"), gr.Tabs(elem_id="tw-tabs"):
                for title, tab in zip(text.TABS, TABS, strict=True):
                    with gr.Tab(title, id=title) as opened:
                        tab.build(page, opened)
        state = {"timer": gr.Timer(EVERY, active=False), "going": gr.State([])}
        deleting = (delete, delete_row, typed, confirm)
        _bind(Frame(page, project, new_project, new_row, name, create, *deleting, steps, again, **state), blocks)
    return blocks


def _bind(frame: Frame, blocks: gr.Blocks) -> None:
    """When the frame is filled, and what its buttons do."""
    page, known = frame.page, [frame.page.visitor, frame.project]
    blocks.load(guarded(frame.arrive), known, [page.visitor, frame.project, *frame.checklist], **QUIET)
    gr.on([frame.project.change, page.changed.change], guarded(frame.look), known, frame.checklist, **QUIET)
    followed = [*known, frame.going, page.changed]
    gr.on(
        [frame.timer.tick, frame.again.click],
        guarded(frame.follow),
        followed,
        [*frame.checklist, page.changed],
        **QUIET,
    )
    frame.new_project.click(lambda: gr.update(visible=True), None, frame.new_row, **QUIET)
    frame.delete.click(lambda: gr.update(visible=True), None, frame.delete_row, **QUIET)
    gr.on(
        [frame.confirm.click, frame.typed.submit],
        guarded(frame.delete_project),
        [*known, frame.typed],
        [frame.project, frame.delete_row, frame.typed],
        **QUIET,
    )
    created = [frame.project, frame.new_row, frame.name]
    gr.on(
        [frame.create.click, frame.name.submit],
        guarded(frame.make_project),
        [page.visitor, frame.name],
        created,
        **QUIET,
    )


def launch_options() -> dict[Any, Any]:
    """What `launch` needs to show the page as designed, and to keep it private."""
    scripts = ("shortcuts.js", "unsent.js", "review.js")
    script = "\n".join((ASSETS / name).read_text(encoding="utf-8") for name in scripts)
    return {
        "theme": theme(),
        "css_paths": [ASSETS / "style.css"],
        "head": f"<script>{script}</script>",
        "footer_links": [],
        "run_history": False,  # would keep people's rows in the browser's history
        "enable_monitoring": False,
        "allowed_paths": [],
        "ssr_mode": False,
        "pwa": False,
        "show_error": False,
        "favicon_path": ASSETS / "favicon.svg",
    }


def _projects(workspace: Workspace, value: str | None) -> Any:
    return gr.update(choices=[(project.name, project.id) for project in workspace.projects()], value=value)


def _kept(workspace: Workspace, wanted: str | None) -> str | None:
    """The wanted project if it exists, else the newest."""
    ids = [project.id for project in workspace.projects()]
    return wanted if wanted in ids else (ids[-1] if ids else None)
