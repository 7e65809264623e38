"""The frame: project picker, checklist ("what to do next"), the tabs. Everything is rebuilt from disk on load."""

from __future__ import annotations

import secrets
from pathlib import Path

import gradio as gr

from core.data import actions as data_actions
from core.jobs.status import status_of
from core.models.sides import is_trained
from core.review import labels
from core.store.workspace import Workspace
from ui import data, html, review, sharing, text, tokens
from ui.evaluation import tab as evaluation
from ui.page import QUIET, Page, guarded
from ui.theme import theme
from ui.training import tab as training

ASSETS = Path(__file__).resolve().parents[1] / "assets"


def build(store: Workspace) -> gr.Blocks:
    """The whole page over a workspace. `launch_options` go to `launch`."""
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400)) as blocks:
        visitor = gr.BrowserState("", storage_key="tunewright-visitor", secret="tunewright")
        changed = gr.State(0)
        length = gr.State(None)
        opened_tab = gr.State(text.TABS[0])
        with gr.Row(elem_id="tw-header", equal_height=True):
            gr.HTML('<h1 class="tw-brand">Tunewright</h1>', scale=1, min_width=160)
            project = gr.Dropdown([], label="Project", show_label=False, container=False, scale=0, min_width=260)
            new_project = gr.Button("New project", scale=0, min_width=120, size="sm")
        with gr.Row(visible=False, elem_id="tw-new-project") as new_row:
            name = gr.Textbox(label="Name of the new project", max_length=80, scale=1)
            create = gr.Button("Create", variant="primary", scale=0, min_width=120)
        with gr.Row(elem_id="tw-body"):
            with gr.Column(scale=0, min_width=250, elem_id="tw-aside"):
                steps = gr.HTML()
            with gr.Column(scale=1, min_width=320), gr.Tabs(elem_id="tw-tabs"):
                page = Page(store, visitor, project, changed, length, opened_tab)
                for title, tab in zip(text.TABS, (data, tokens, training, evaluation, review, sharing), strict=True):
                    with gr.Tab(title, id=title) as opened:
                        tab.build(page, opened)

        def arrive(visitor_id: str, chosen: str | None):
            visitor_id = visitor_id or secrets.token_hex(16)
            workspace = page.workspace(visitor_id)
            data_actions.ensure_sample(workspace)
            return visitor_id, _projects(workspace, chosen), _checklist(workspace, _chosen(workspace, chosen))

        def look(visitor_id: str, project_id: str | None):
            workspace = page.workspace(visitor_id)
            return _checklist(workspace, _chosen(workspace, project_id))

        def make(visitor_id: str, wanted: str):
            made = page.workspace(visitor_id).create_project(wanted)
            return _projects(page.workspace(visitor_id), made.id), gr.update(visible=False), ""

        blocks.load(guarded(arrive), [visitor, project], [visitor, project, steps], **QUIET)
        gr.on([project.change, changed.change], guarded(look), [visitor, project], steps, **QUIET)
        # While a job runs, the checklist follows it; a page in the background asks rarely.
        gr.Timer(4).tick(guarded(look), [visitor, project], steps, **QUIET)
        new_project.click(lambda: gr.update(visible=True), None, new_row, **QUIET)
        gr.on([create.click, name.submit], guarded(make), [visitor, name], [project, new_row, name], **QUIET)
    return blocks


def launch_options() -> dict:
    """What `launch` needs to show the page as designed, and to keep it private."""
    script = (ASSETS / "shortcuts.js").read_text(encoding="utf-8")
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


def _projects(workspace: Workspace, chosen: str | None):
    found = workspace.projects()
    value = _chosen(workspace, chosen)
    return gr.update(choices=[(p.name, p.id) for p in found], value=value)


def _chosen(workspace: Workspace, wanted: str | None) -> str | None:
    """The wanted project if it exists, else the newest."""
    found = [p.id for p in workspace.projects()]
    return wanted if wanted in found else (found[-1] if found else None)


def _checklist(workspace: Workspace, project_id: str | None) -> str:
    """What is there in each room, and the one thing to do next."""
    if project_id is None:
        return html.checklist([], "Create a project.")
    versions = workspace.versions(project_id)
    runs, evaluations = workspace.jobs(project_id, "train"), workspace.jobs(project_id, "evaluate")
    run_states = [status_of(workspace, job).state for job in runs]
    trained = [job for job in runs if is_trained(workspace.folder(job) / "adapter")]
    evaluation_states = [status_of(workspace, job).state for job in evaluations]
    measured = [job for job in evaluations if (workspace.folder(job) / "report.json").is_file()]
    labelled = len(labels.current(workspace.engine, measured[0].id)) if measured else 0
    rows = sum(versions[-1].counts.values()) if versions else 0
    running, measuring = _active(run_states), _active(evaluation_states)
    done = [bool(versions), bool(versions), bool(trained), bool(measured), labelled > 0]
    what = [
        f"{rows:,} rows, version {versions[-1].number}" if versions else "no rows yet",
        "see what is trained" if versions else "needs rows",
        "running …" if running else f"{len(trained)} trained" if trained else "no run yet",
        "measuring …" if measuring else f"{len(measured)} done" if measured else "needs a trained run",
        f"{labelled} rows labelled" if measured else "needs an evaluation",
    ]
    active = [False, False, running, measuring, False]
    hints = (
        "Next: import your rows in the Data tab.",
        "",
        "A run is going on. You may close this page; it goes on."
        if running
        else "Next: look at a row in Tokens, then start a quick run in Training.",
        "An evaluation is going on. You may close this page."
        if measuring
        else "Next: measure base against tuned in Evaluation.",
        "Next: label what is wrong with the answers in Error review.",
    )
    following = next((i for i, ok in enumerate(done) if not ok), None)
    steps = [
        (tab, "now" if active[i] else "done" if done[i] else "later", what[i], i == following)
        for i, tab in enumerate(text.TABS[:5])
    ]
    finished = "The loop is closed once. Make training rows of your corrections in Error review, and train again."
    return html.checklist(steps, hints[following] if following is not None else finished)


def _active(states: list[str]) -> bool:
    return any(state in ("queued", "running", "stopping") for state in states)
