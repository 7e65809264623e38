"""What to measure, and what that can show and will take: the form of the Evaluation tab."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from core.errors import UserError
from core.evaluation import effort, headline
from core.evaluation.actions import followed_by, headline_of
from core.evaluation.benchmarks.table import BENCHMARKS, about, title
from core.evaluation.references import MOST, References, sentence
from core.evaluation.result import Report
from core.evaluation.spec import EvaluationChoice
from core.store.workspace import Job, Workspace
from core.training.result import what_answers
from core.wording import count
from ui import html, text, watching
from ui.page import QUIET, Page, guarded

HUB, FOLDER = "From the Hub", "From a folder on this machine"
STRENGTHS = (0.25, 0.5, 0.75)
SIZE_NAMES = (("Quick look", "quick"), ("Standard", "standard"), ("Full", "full"))


class Values(NamedTuple):
    """What stands in the form, by the names of `Form.inputs`."""

    run: str | None
    """Id of the run that is measured."""
    benchmarks: list[str] | None
    size: str | None
    rows: float | None
    answers: str | None
    length: float | None
    """Tokens; 0 where the longest answer follows the references."""
    reasoning: float | None
    other: str | None
    source: str
    folder: str | None
    early: bool
    template: bool
    steps: bool
    parts: bool

    @property
    def names(self) -> list[str]:
        """The chosen benchmarks and the tasks typed, each once."""
        typed = [name for name in re.split(r"[\s,;]+", self.other or "") if name]
        return list(dict.fromkeys([*(self.benchmarks or []), *typed]))

    def benchmark_folder(self, store: Workspace) -> str | None:
        """To read benchmark files from; None: the Hub. On a Space only the one that its owner configured."""
        if self.source == HUB or not self.names:
            return None
        if store.settings.mode != "local":
            return str(store.settings.benchmarks)
        folder = (self.folder or "").strip()
        if not folder:
            raise UserError("No folder is named. Give the folder that holds arc_easy/test.jsonl, or choose the Hub.")
        return str(Path(folder).expanduser().absolute())  # the process that reads it runs elsewhere

    def choice(self, store: Workspace) -> EvaluationChoice:
        """What is asked for. Raises UserError where a folder is to be read and none is named."""
        return EvaluationChoice(
            max_rows=int(self.rows) if self.rows else None,
            answers=self.answers or "last",
            max_new_tokens=int(self.length) if self.length else None,
            reasoning_tokens=int(self.reasoning or 0),
            benchmarks=tuple(self.names),
            size=self.size or "",
            benchmark_folder=self.benchmark_folder(store),
            early_stop=bool(self.early),
            chat_template=bool(self.template),
            checkpoints=bool(self.steps),
            strengths=STRENGTHS if self.parts else (),
        )


@dataclass(frozen=True)
class Form:
    page: Page
    run: gr.Dropdown
    benchmarks: gr.CheckboxGroup
    size: gr.Radio
    rows: gr.Number
    answers: gr.Radio
    length: gr.Number
    reasoning: gr.Number
    other: gr.Textbox
    source: gr.Radio
    folder: gr.Textbox
    early: gr.Checkbox
    template: gr.Checkbox
    steps: gr.Checkbox
    parts: gr.Checkbox
    effort: gr.HTML
    """What it can show and will take."""
    start: gr.Button

    @property
    def inputs(self) -> list[Any]:
        return [getattr(self, name) for name in Values._fields]

    def tell(self, visitor: str, project_id: str | None, *values: Any) -> dict[Any, Any]:
        """Before it runs: what each benchmark measures, what difference it shows, how long it will take."""
        form, workspace = Values(*values), self.page.workspace(visitor)
        followed, longest = None, text.LONGEST
        order: tuple[str, ...] = ()
        try:
            run = workspace.job(form.run) if form.run else None
            if run is not None:
                rows, answers = int(form.rows) if form.rows else None, form.answers or "last"
                answering = what_answers(workspace, run)
                followed = followed_by(workspace, answering, rows, answers)
                order = headline_of(workspace, answering, answers)
                longest = f"0: {sentence(followed)}."
            shown = effort_of(workspace, form, form.benchmark_folder(self.page.store), followed, order)
        except UserError as e:
            shown = html.note("note", str(e))
        return {
            self.size: gr.update(visible=bool(form.names)),
            self.length: gr.update(info=longest),
            self.effort: shown,
        }

    def bind(self, tab: gr.Tab) -> None:
        page, shown = self.page, [self.size, self.length, self.effort]
        last = {**QUIET, "trigger_mode": "always_last"}
        page.whenever(tab, self.tell, self.inputs, shown)
        self.source.input(lambda source: gr.update(visible=source == FOLDER), self.source, self.folder, **QUIET)
        asked = (self.source, self.benchmarks, self.size, self.other, self.rows, self.answers, self.length)
        # The folder, hidden at first, gives no `input`; the run is chosen by the page when the tab is opened.
        events = [*(c.input for c in asked), self.folder.change, self.run.change]
        gr.on(events, guarded(self.tell), [page.visitor, page.project, *self.inputs], shown, **last)


def build(page: Page) -> Form:
    local = page.store.settings.mode == "local"
    known = page.store.settings.benchmarks
    run = gr.Dropdown([], label="Trained run", min_width=200)
    benchmarks = gr.CheckboxGroup(
        [(title(name), name) for name in BENCHMARKS],
        label="Benchmarks: what was forgotten elsewhere?",
        elem_id="tw-benchmarks",
    )
    size = gr.Radio(SIZE_NAMES, value="quick", label="Size", visible=False, elem_id="tw-size")
    planned = gr.HTML(elem_id="tw-effort")
    start = gr.Button("Measure base against tuned", variant="primary", elem_id="tw-evaluate", interactive=False)
    with gr.Accordion("More", open=False, elem_id="tw-evaluate-more"):
        rows = gr.Number(0, label="Test rows", info="0: all of them.", precision=0, minimum=0)
        answers = gr.Radio(
            [("The last answer", "last"), ("Each trained answer", "all")],
            value="last",
            label="Of a conversation ask for",
            info=text.ANSWERS,
            elem_id="tw-answers",
        )
        length = gr.Number(
            0, label="Longest answer (tokens)", info=text.LONGEST,
            precision=0, minimum=0, maximum=MOST, elem_id="tw-longest",
        )  # fmt: skip
        reasoning = gr.Number(
            1024, label="Room for reasoning (tokens)", info=text.REASONING, precision=0, minimum=0, maximum=32768
        )
        other = gr.Textbox(label="Other tasks of lm-eval, by name", info=text.OTHER_TASKS, elem_id="tw-other")
        sources = [HUB, FOLDER] if local or known else [HUB]
        source = gr.Radio(sources, value=FOLDER if known else HUB, label="Questions come")
        folder = gr.Textbox(
            str(known or ""),
            label="Folder of benchmark files",
            info="For example with arc_easy/test.jsonl in it.",
            visible=bool(known),
            interactive=local,
            elem_id="tw-benchmark-folder",
        )
        early = gr.Checkbox(False, label="Stop a benchmark early", info=text.EARLY_STOP)
        template = gr.Checkbox(False, label="Ask in the model's chat template", info=text.CHAT_TEMPLATE)
        steps = gr.Checkbox(False, label="Also the run's checkpoints", info="The loss of each, side by side.")
        parts = gr.Checkbox(False, label="Also parts of the adapter's strength", info=text.PARTS)
    return Form(
        *(page, run, benchmarks, size, rows, answers, length, reasoning, other, source, folder),
        *(early, template, steps, parts, planned, start),
    )


def effort_of(
    workspace: Workspace, form: Values, folder: str | None, followed: References | None, order: tuple[str, ...] = ()
) -> str:
    """What each benchmark measures, what difference so many questions show, how long it will take.

    `order` is the headline's, see headline.py.
    """
    run = workspace.job(form.run) if form.run else None
    earlier = effort.earlier_reports(workspace, run) if run is not None else []
    limit = effort.SIZES[form.size or "quick"]
    planned = effort.plan(form.names, limit, earlier, Path(folder) if folder else None)
    lines = []
    for e in planned:
        unknown = "An unknown number of" if folder and e.name in BENCHMARKS else "All"
        questions = f"{e.questions:,}" if e.questions else unknown
        smallest = f"{'at best ' if e.at_best else ''}{100 * e.smallest:.1f} points" if e.smallest else "–"
        seconds = f"at most {watching.duration(e.seconds)}" if e.seconds is not None else "not known"
        measures = about(e.name) or "A task of lm-evaluation-harness."
        lines.append((title(e.name), measures, questions, smallest, seconds))
    return html.effort(lines, _how_long(workspace, run, planned, earlier, form, followed, order))


def _how_long(
    workspace: Workspace,
    run: Job | None,
    planned: list[effort.Effort],
    earlier: list[Report],
    form: Values,
    followed: References | None,
    order: tuple[str, ...],
) -> str:
    if run is None or followed is None:
        return ""
    available = workspace.version(run.spec["dataset_version"]).counts["test"]
    n = min(int(form.rows), available) if form.rows else available
    longest = int(form.length or followed.limit)
    ours = effort.seconds_for_rows(earlier, followed.asked, longest)
    words = f"{count(n, 'test row')}, {count(followed.asked, 'answer')} of at most {longest:,} tokens. "
    words += f"{headline.sentence(order)} " if order else ""
    if ours is None or any(e.seconds is None for e in planned):
        words += "How long it takes is known after a first evaluation with this model. "
    if ours is not None:
        seconds = ours + sum(e.seconds or 0 for e in planned)
        whole = "In all" if all(e.seconds is not None for e in planned) else "Without what is not known yet"
        most = "at most" if planned else "about"
        words += f"{whole} {most} {watching.duration(seconds)}, as long as earlier evaluations took"
        words += "; the base is not asked again what it has answered. " if planned else ". "
    at_best = f" {text.AT_BEST}" if any(e.at_best for e in planned) else ""
    return words + (text.SHOWS_FROM + at_best if planned else text.NO_BENCHMARK)
