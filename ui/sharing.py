"""The Sharing tab: take the result along."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr

from core.sharing import bundle
from core.sharing.card import model_card
from core.store.quota import size_of
from core.training.spec import RunSpec
from ui import choosers, html
from ui.page import BUSY, QUIET, Page, guarded
from ui.page import download as prepared


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row(elem_classes="tw-toolbar"):
        run = gr.Dropdown([], label="Run", min_width=220, scale=2)
        prepare = gr.Button("Prepare the download", variant="primary", scale=0, min_width=200, interactive=False)
        download = gr.DownloadButton("Download", scale=0, min_width=200, visible=False)
    card = gr.Textbox(label="Model card", interactive=False, lines=12, visible=False)

    def refresh(visitor: str, project_id: str | None, chosen: str | None) -> dict[Any, Any]:
        trained = choosers.trained_runs(page.workspace(visitor), project_id)
        job = choosers.kept(trained, chosen)
        hidden = gr.update(visible=False)
        # A file that was prepared stays: the page may look again at any time.
        kept = {} if job is not None and job.id == chosen else {download: hidden, card: hidden}
        return {
            lead: html.lead(*_words(len(trained))),
            run: choosers.of_jobs(trained, job),
            prepare: gr.update(interactive=bool(trained)),
            **kept,
        }

    def pack(visitor: str, run_id: str | None) -> dict[Any, Any]:
        workspace = page.workspace(visitor)
        job = workspace.job(run_id)
        what = "model" if RunSpec.from_dict(job.spec).settings.method == "full" else "adapter"
        name = re.sub(r"[^\w-]+", "-", f"{what}-run-{job.number}-{job.name}").strip("-")
        with prepared(workspace, f"{name}.zip", size_of(workspace.folder(job) / "adapter")) as target:
            bundle.write_zip(workspace, job, target)
        size = target.stat().st_size / 1e6
        return {
            download: gr.update(value=str(target), visible=True, label=f"Download {name}.zip ({size:.0f} MB)"),
            card: gr.update(value=model_card(workspace, job), visible=True),
        }

    page.whenever(tab, refresh, [run], [lead, run, prepare, download, card])
    # What was prepared is another run's.
    run.input(lambda: (gr.update(visible=False), gr.update(visible=False)), None, [download, card], **QUIET)
    prepare.click(guarded(pack), [page.visitor, run], [download, card], **BUSY)


def _words(runs: int) -> tuple[str, str]:
    if not runs:
        return "Nothing to share yet.", "Finish a run in the Training tab first."
    sentence = "One trained run" if runs == 1 else f"{runs} trained runs"
    about = "The zip file holds the weights, the tokenizer, and a card that says how it was trained; never your rows."
    return f"{sentence} can be taken along.", about
