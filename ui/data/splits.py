"""Train, validation and test drawn anew: shown before anything is changed, and a version of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import escape

from core.data import known, resplitting
from core.data.resplitting import ANSWER, Split
from core.errors import UserError
from core.store import beside
from core.store.workspace import Workspace
from core.types import DatasetVersion
from ui import html, text
from ui.page import BUSY, QUIET, Page, guarded

NONE = "(none)"


@dataclass(frozen=True)
class Splits:
    page: Page
    folded: gr.Accordion
    now: gr.HTML
    validation: gr.Number
    test: gr.Number
    unit: gr.Dropdown
    seed: gr.Number
    stratify: gr.Dropdown
    group: gr.Dropdown
    look_button: gr.Button
    apply: gr.Button
    outcome: gr.HTML

    @property
    def asked(self) -> list[Any]:
        return [self.validation, self.test, self.unit, self.seed, self.stratify, self.group]

    @property
    def outputs(self) -> list[Any]:
        return [self.folded, self.now, self.stratify, self.group, self.apply, self.outcome]

    def tell(self, workspace: Workspace, version: DatasetVersion | None) -> dict[Any, Any]:
        if version is None:
            return {self.folded: gr.update(visible=False)}
        split = version.manifest.get("split", {})
        names = beside.names(workspace.rows_file(version.id))
        labels = [("the answer", ANSWER)] if resplitting.few_answers(workspace, version) else []
        chosen = ANSWER if labels else NONE
        return {
            self.folded: gr.update(visible=True),
            self.now: html.sentences(known.sentences(split)) if known.sentences(split) else "",
            self.stratify: gr.update(choices=[NONE, *labels, *names], value=chosen, interactive=bool(labels or names)),
            self.group: gr.update(choices=[NONE, *names], value=NONE, interactive=bool(names)),
            self.apply: gr.update(visible=False),
            self.outcome: "",
        }

    def look(self, visitor: str, version_id: str | None, *asked: Any) -> dict[Any, Any]:
        if not version_id:
            return {}
        drawn = resplitting.draw(self.page.workspace(visitor), version_id, _split(asked))
        title, *others = drawn.sentences
        shown = html.lead(f"It would come to {title}", "Nothing is changed yet.") + html.sentences(others)
        return {self.outcome: shown, self.apply: gr.update(visible=True)}

    def applied(self, visitor: str, version_id: str | None, changes: int, *asked: Any) -> dict[Any, Any]:
        if not version_id:
            return {}
        made = resplitting.apply(self.page.workspace(visitor), version_id, _split(asked))
        gr.Info(str(escape(f"Version {made.number}: {made.manifest['changes'][-1]['why']}.")))
        return {self.outcome: "", self.apply: gr.update(visible=False), self.page.changed: changes + 1}


def _split(asked: tuple[Any, ...]) -> Split:
    """From the fields: percent of the rows, or their number."""
    validation, test, unit, seed, stratify, group = asked
    if validation is None or test is None or seed is None:
        raise UserError("Validation, test and seed need a number each.")
    named = ["" if name in (None, NONE) else str(name) for name in (stratify, group)]
    if unit == "%":
        validation, test = float(validation) / 100, float(test) / 100
    elif min(validation, test) < 1:
        raise UserError("Validation and test need one row each at least.")
    return Split(validation, test, int(seed), *named)


def build(page: Page) -> Splits:
    with gr.Accordion("Split anew", open=False, visible=False, elem_id="tw-split") as folded:
        now = gr.HTML()
        gr.HTML(html.detail(text.SPLIT_HELP))
        with gr.Row(elem_classes="tw-even"):
            validation = gr.Number(10, label="Validation", info="Watched in training.", minimum=0.1, min_width=110)
            test = gr.Number(10, label="Test", info="What measures.", minimum=0.1, min_width=110)
            units = [("% of the rows", "%"), ("rows", "rows")]
            unit = gr.Dropdown(units, value="%", label="Counted in", info="A share, or a number.", min_width=130)
            seed = gr.Number(0, label="Seed", minimum=0, precision=0, min_width=110, info="Another draws other rows.")
            stratify = gr.Dropdown(
                [NONE],
                value=NONE,
                label="Equal shares of",
                info="Each part has its share of every value.",
                min_width=170,
            )
            group = gr.Dropdown(
                [NONE], value=NONE, label="Keep together by", info="Customer, document …", min_width=170
            )
        with gr.Row(elem_classes="tw-toolbar"):
            look = gr.Button("See what would come of it", scale=0, min_width=220, elem_id="tw-split-look")
            apply = gr.Button(
                "Split like this", variant="primary", visible=False, scale=0, min_width=150, elem_id="tw-split-apply"
            )
        outcome = gr.HTML(elem_id="tw-split-outcome")
    return Splits(page, folded, now, validation, test, unit, seed, stratify, group, look, apply, outcome)


def bind(part: Splits, version: gr.Dropdown) -> None:
    page = part.page
    known_values = [page.visitor, version]
    part.look_button.click(guarded(part.look), [*known_values, *part.asked], [part.outcome, part.apply], **BUSY)
    changed = [field.input for field in part.asked]
    gr.on(changed, lambda: (gr.update(visible=False), ""), None, [part.apply, part.outcome], **QUIET)
    made = [part.outcome, part.apply, page.changed]
    part.apply.click(guarded(part.applied), [*known_values, page.changed, *part.asked], made, **BUSY)
