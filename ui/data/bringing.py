"""Three ways to bring rows: files, text that is pasted, a data set of the Hub. Each ends as one path to be read."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.data import bringing, worker
from core.errors import UserError
from core.store import temporary
from ui import html, text
from ui.page import BUSY, QUIET, Page, guarded

HIDDEN, SHOWN = gr.update(visible=False), gr.update(visible=True)
FIRST_ROWS = 10_000
WHICH = [("The first", "first"), ("Drawn at random", "random")]


@dataclass(frozen=True)
class Bringing:
    page: Page
    files: gr.File
    pasted: gr.Textbox
    read: gr.Button
    hub: gr.Textbox
    look: gr.Button
    of_hub: gr.Column
    """What is asked where the Hub knows the data set."""
    config: gr.Dropdown
    split: gr.Dropdown
    rows: gr.Number
    which: gr.Dropdown
    seed: gr.Number
    fetch: gr.Button
    stop: gr.Button
    told: gr.HTML
    path: gr.State
    """The file or folder that was brought; empty while there is none."""

    def brought(self, visitor: str, files: str | list[str] | None, reading: dict[str, Any]) -> dict[Any, Any]:
        """Files that were uploaded; several are read together."""
        paths = [Path(file) for file in ([files] if isinstance(files, str) else files or [])]
        reading["origin"] = None
        if not paths:
            return {self.path: "", self.told: ""}
        workspace = self.page.workspace(visitor)
        folder = temporary.folder_for_download(workspace) if len(paths) > 1 else paths[0].parent
        return {self.path: str(bringing.of_files(paths, folder)), self.told: ""}

    def pasted_rows(self, visitor: str, pasted: str, reading: dict[str, Any]) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        try:
            path = bringing.of_text(pasted or "", temporary.folder_for_download(workspace, len(pasted or "")))
        except UserError as e:
            return {self.told: html.note("error", str(e))}
        reading["origin"] = None
        return {self.path: str(path), self.told: ""}

    def looked(self, visitor: str, name: str, config: str | None, reading: dict[str, Any]) -> Iterator[dict[Any, Any]]:
        """What the Hub says of a data set: its configurations, and the splits of one of them."""
        try:
            for step in self._steps(visitor, {"name": name or "", "config": config or ""}, reading):
                if step.splits is None:
                    yield {self.told: html.progress(None, step.what), self.stop: SHOWN}
                    continue
                configs = list(step.splits)
                chosen = config if config in configs else "default" if "default" in configs else configs[0]
                splits = step.splits[chosen] or next(iter(step.splits.values()))
                split = "train" if "train" in splits else splits[0]
                yield {
                    self.config: gr.update(choices=configs, value=chosen, visible=len(configs) > 1),
                    self.split: gr.update(choices=splits, value=split),
                    self.of_hub: SHOWN,
                    self.told: "",
                    self.stop: HIDDEN,
                }
        except UserError as e:
            yield {self.told: html.note("error", str(e)), self.of_hub: HIDDEN, self.stop: HIDDEN}

    def fetched(
        self,
        visitor: str,
        name: str,
        config: str | None,
        split: str | None,
        rows: float | None,
        which: str,
        seed: float | None,
        reading: dict[str, Any],
    ) -> Iterator[dict[Any, Any]]:
        wanted: dict[str, Any] = {"name": name or "", "config": config or "", "split": split or ""}
        wanted |= {"rows": int(rows or 0), "seed": int(seed or 0) if which == "random" else None}
        try:
            for step in self._steps(visitor, wanted, reading):
                if not step.path:
                    yield {self.told: html.progress(step.share, step.what), self.stop: SHOWN, self.fetch: HIDDEN}
                    continue
                reading["origin"] = step.origin
                title = (step.origin or {}).get("title", "")
                done = {self.told: html.note("note", f"Fetched: {title}."), self.path: step.path}
                yield {**done, self.stop: HIDDEN, self.fetch: SHOWN}
        except UserError as e:
            yield {self.told: html.note("error", str(e)), self.stop: HIDDEN, self.fetch: SHOWN}

    def _steps(self, visitor: str, wanted: dict[str, Any], reading: dict[str, Any]) -> Iterator[worker.Step]:
        """The steps of the newest reading, which ends without a word where it is not the newest any more."""
        reading["run"] += 1
        mine = reading["run"]
        with suppress(worker.Cancelled):
            yield from worker.fetch(self.page.workspace(visitor), {"hub": wanted}, lambda: reading["run"] != mine)

    def stopped(self, reading: dict[str, Any]) -> dict[Any, Any]:
        reading["run"] += 1
        return {self.told: html.note("note", "Cancelled: nothing was fetched."), self.stop: HIDDEN, self.fetch: SHOWN}

    def emptied(self, path: str) -> dict[Any, Any]:
        """Nothing is brought any more, since it was imported. What was made here to be read goes, uploads stay."""
        folder = Path(path).parent if path else None
        if folder is not None and folder.name.startswith("given-"):
            shutil.rmtree(folder, ignore_errors=True)
        return {self.files: gr.update(value=None), self.pasted: "", self.path: "", self.told: ""}


def build(page: Page) -> Bringing:
    with gr.Tabs(elem_id="tw-bring"):
        with gr.Tab("Files"):
            gr.Markdown(text.IMPORT_HELP, elem_classes="tw-help")
            files = gr.File(label="Your files", file_count="multiple", type="filepath", elem_id="tw-file", height=130)
        with gr.Tab("Paste"):
            gr.Markdown(text.PASTE_HELP, elem_classes="tw-help")
            pasted = gr.Textbox(
                label="Rows", lines=6, max_lines=14, placeholder=text.PASTE_EXAMPLE, elem_id="tw-paste", autofocus=False
            )
            read = gr.Button("Read them", elem_id="tw-paste-read")
        with gr.Tab("From the Hub"):
            gr.Markdown(text.HUB_HELP, elem_classes="tw-help")
            with gr.Row(elem_classes="tw-toolbar"):
                hub = gr.Textbox(label="Data set id", placeholder="owner/name", scale=4, elem_id="tw-hub")
                look = gr.Button("Look", scale=0, min_width=110, elem_id="tw-hub-look")
            with gr.Column(visible=False) as of_hub:
                with gr.Row():
                    config = gr.Dropdown([], label="Configuration", visible=False, min_width=150)
                    split = gr.Dropdown([], label="Split", min_width=130)
                    rows = gr.Number(FIRST_ROWS, label="Rows (0: all)", precision=0, minimum=0, min_width=110)
                    which = gr.Dropdown(WHICH, value="first", label="Which", min_width=150)
                    seed = gr.Number(0, label="Seed", precision=0, minimum=0, visible=False, min_width=100)
                fetch = gr.Button("Fetch", elem_id="tw-hub-fetch")
            stop = gr.Button("Cancel", visible=False, elem_id="tw-hub-stop")
    told = gr.HTML(elem_id="tw-brought")
    of_the_hub = (hub, look, of_hub, config, split, rows, which, seed, fetch, stop)
    return Bringing(page, files, pasted, read, *of_the_hub, told, gr.State(""))


def bind(part: Bringing, reading: gr.State) -> None:
    visitor = part.page.visitor
    part.files.change(guarded(part.brought), [visitor, part.files, reading], [part.path, part.told], **QUIET)
    part.read.click(guarded(part.pasted_rows), [visitor, part.pasted, reading], [part.path, part.told], **BUSY)
    seen = [part.config, part.split, part.of_hub, part.told, part.stop]
    looking = [visitor, part.hub, part.config, reading]
    gr.on([part.look.click, part.hub.submit, part.config.input], guarded(part.looked), looking, seen, **BUSY)
    part.which.change(lambda which: gr.update(visible=which == "random"), part.which, part.seed, **QUIET)
    asked = [visitor, part.hub, part.config, part.split, part.rows, part.which, part.seed, reading]
    part.fetch.click(guarded(part.fetched), asked, [part.told, part.path, part.stop, part.fetch], **BUSY)
    part.stop.click(guarded(part.stopped), reading, [part.told, part.stop, part.fetch], **QUIET)
