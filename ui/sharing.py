"""The Sharing tab: take the result along."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import gradio as gr

from core.models.sides import is_trained
from core.sharing import bundle, card
from core.training.spec import RunSpec
from ui import html
from ui.page import BUSY, Page, guarded


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row(elem_classes="tw-toolbar"):
        run = gr.Dropdown([], label="Run", min_width=220, scale=2)
        prepare = gr.Button("Prepare the download", variant="primary", scale=0, min_width=200, interactive=False)
        download = gr.DownloadButton("Download", scale=0, min_width=200, visible=False)
    shown_card = gr.Textbox(label="Model card", interactive=False, lines=12, visible=False)

    def refresh(visitor: str, project_id: str | None, chosen: str | None):
        workspace = page.workspace(visitor)
        runs = workspace.jobs(project_id, "train") if project_id else []
        trained = [j for j in runs if is_trained(workspace.folder(j) / "adapter")]
        value = chosen if chosen in [j.id for j in trained] else (trained[0].id if trained else None)
        sentence = (
            f"{len(trained)} trained runs can be taken along."
            if len(trained) != 1
            else "One trained run can be taken along."
        )
        detail = (
            "The zip file holds the weights, the tokenizer, and a card that says how it was trained; never your rows."
        )
        if not trained:
            sentence, detail = "Nothing to share yet.", "Finish a run in the Training tab first."
        choices = [(j.title, j.id) for j in trained]
        return (
            html.lead(sentence, detail),
            gr.update(choices=choices, value=value),
            gr.update(interactive=bool(trained)),
            gr.update(visible=False),
            gr.update(visible=False),
        )

    def make(visitor: str, run_id: str | None):
        workspace = page.workspace(visitor)
        job = workspace.job(run_id)
        what = "model" if RunSpec.from_dict(job.spec).settings.method == "full" else "adapter"
        name = re.sub(r"[^\w-]+", "-", f"{what}-run-{job.number}-{job.name}").strip("-")
        # Gradio serves files of the temporary folder; an unguessable folder keeps visitors apart.
        target = Path(tempfile.mkdtemp(prefix="tunewright-")) / f"{name}.zip"
        bundle.write_zip(workspace, job, target)
        size = target.stat().st_size / 1e6
        return (
            gr.update(value=str(target), visible=True, label=f"Download {name}.zip ({size:.0f} MB)"),
            gr.update(value=card.model_card(workspace, job), visible=True),
        )

    page.whenever(tab, refresh, [run], [lead, run, prepare, download, shown_card])
    prepare.click(guarded(make), [page.visitor, run], [download, shown_card], **BUSY)
