"""The Error review tab: a reading page. Base, tuned and reference side by side, labelled with mouse or keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from core.jobs import answers
from core.review import actions as review_actions
from core.review import labels, lessons
from core.store.workspace import Job, Workspace
from core.types import ERROR_LABELS, SIDES, Example, Generation, LabelEvent, Side, Suggestion
from core.wording import count
from ui import choosers, html, text
from ui.page import BUSY, QUIET, Page, download, guarded

KEYS = {"base": "⇧", "tuned": ""}
NOTHING = html.lead("There are no answers to review yet.", "Finish an evaluation in the Evaluation tab first.")


@dataclass(frozen=True)
class Item:
    """What one page of the review shows."""

    example: Example
    generations: dict[str, Generation]
    suggestions: Mapping[Side, list[Suggestion]]
    """side → what the detectors say."""
    stored: LabelEvent | None
    """What this annotator last stored for it."""


@dataclass(frozen=True)
class Review:
    """The components, and the handlers that fill them."""

    page: Page
    lead: gr.HTML
    evaluation: gr.Dropdown
    hints: gr.Checkbox
    reading: gr.Column
    """All of an item; hidden where there is none."""
    prompt: gr.HTML
    answers: dict[str, gr.HTML]
    marks: dict[str, gr.CheckboxGroup]
    reference: gr.HTML
    verdict: gr.Radio
    correction: gr.Textbox
    note: gr.Textbox
    back: gr.Button
    forth: gr.Button
    accept: gr.Button
    place: gr.HTML
    saved: gr.HTML
    prepare: gr.Button
    download: gr.DownloadButton
    lessons_row: gr.Row
    learn: gr.Button
    lessons: gr.HTML
    counts: gr.HTML
    order: gr.State
    """Ids of the rows, in the order in which they are reviewed."""
    at: gr.State

    @property
    def labels(self) -> list[Any]:
        """What a person gives to one item, in the order that `store` takes."""
        return [*self.marks.values(), self.verdict, self.correction, self.note]

    @property
    def item(self) -> list[Any]:
        """What shows one item."""
        shown = [self.prompt, *self.answers.values(), self.reference, *self.labels]
        return [self.at, self.place, self.saved, *shown]

    @property
    def totals(self) -> list[Any]:
        """What tells how far the whole review is."""
        return [self.lead, self.counts, self.lessons_row, self.lessons]

    @property
    def opened(self) -> list[Any]:
        files = [self.prepare, self.download]
        return [self.evaluation, self.reading, *files, self.order, *self.totals, *self.item]

    def refresh(
        self, visitor: str, project_id: str | None, chosen: str | None, hints: bool, order: Sequence[str] = ()
    ) -> dict[Any, Any]:
        """`order`: the rows that the page shows already. It stays at its row, and what is being written there stays."""
        workspace = self.page.workspace(visitor)
        jobs = [j for kind in ("evaluate", "chat") for j in workspace.jobs(project_id, kind)] if project_id else []
        ready = [job for job in jobs if (workspace.folder(job) / "suggestions.jsonl").is_file()]
        job = choosers.kept(ready, chosen)
        parts = {self.evaluation: choosers.of_jobs(ready, job)}
        if job is None:
            hidden = gr.update(visible=False)
            hide = dict.fromkeys((self.reading, self.prepare, self.download, self.lessons_row), hidden)
            return {**parts, **hide, self.lead: NOTHING, self.lessons: "", self.counts: "", self.order: [], self.at: 0}
        ids = review_actions.reading_order(workspace, job)
        # A file that was prepared stays: the page may look again at any time.
        kept = {} if job.id == chosen else {self.download: gr.update(visible=False)}
        shown = {
            **parts,
            **kept,
            self.reading: gr.update(visible=bool(ids)),
            self.prepare: gr.update(visible=True),
            **self._totals(workspace, job, ids),
        }
        if job.id == chosen and order and set(order) <= set(ids):
            return {**shown, self.order: [*order, *(i for i in ids if i not in set(order))]}
        return {**shown, self.order: ids, **self._show(workspace, job, ids, 0, hints)}

    def go(self, visitor: str, job_id: str, ids: list[str], at: int, hints: bool, step: int) -> dict[Any, Any]:
        if not ids:
            return {}
        workspace = self.page.workspace(visitor)
        return self._show(workspace, workspace.job(job_id), ids, min(max(at + step, 0), len(ids) - 1), hints)

    def store(
        self,
        visitor: str,
        job_id: str,
        ids: list[str],
        at: int,
        hints: bool,
        base: list[str] | None,
        tuned: list[str] | None,
        verdict: Any,
        correction: str | None,
        note: str | None,
    ) -> dict[Any, Any]:
        """Store what the page shows as one event. Called at every change, so nothing waits for a button."""
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        marked = {"base": base or [], "tuned": tuned or []}
        generated = answers.Answers(workspace, job).of(ids[at])
        event = LabelEvent(
            evaluation_id=job.id,
            example_id=ids[at],
            annotator=workspace.owner,
            verdict=verdict or "none",
            labels={s: {name: "present" if name in marked[s] else "absent" for name in ERROR_LABELS} for s in SIDES},
            correction=(correction or "").strip(),
            note=(note or "").strip(),
            generation_ids={s: generated[s].id for s in SIDES},
            shown_order=SIDES,
            suggestions_visible=bool(hints),
        )
        event = review_actions.add_label(workspace, job, event)
        return {self.saved: _saved(event), **self._totals(workspace, job, ids)}

    def store_if_changed(
        self,
        visitor: str,
        job_id: str,
        ids: list[str],
        at: int,
        hints: bool,
        base: list[str] | None,
        tuned: list[str] | None,
        verdict: Any,
        correction: str | None,
        note: str | None,
    ) -> dict[Any, Any]:
        """Leaving a text box stores only what was written: clicking through a page is not a label."""
        workspace = self.page.workspace(visitor)
        stored = _stored(workspace, workspace.job(job_id)).get(ids[at])
        old = (stored.correction, stored.note) if stored else ("", "")
        if ((correction or "").strip(), (note or "").strip()) == old:
            return {}
        return self.store(visitor, job_id, ids, at, hints, base, tuned, verdict, correction, note)

    def store_and_next(
        self, visitor: str, job_id: str, ids: list[str], at: int, hints: bool, count: int, *values: Any
    ) -> dict[Any, Any]:
        totals = self.store(visitor, job_id, ids, at, hints, *values)
        return {**totals, self.page.changed: count + 1, **self.go(visitor, job_id, ids, at, hints, +1)}

    def train_corrections(self, visitor: str, job_id: str, count: int) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        version, _ = lessons.learn(workspace, job)
        gr.Info(f"Version {version.number} has the corrected answers among its training rows. Train it next.")
        return {self.page.changed: count + 1, **self._lessons(workspace, job)}

    def export(self, visitor: str, job_id: str) -> dict[Any, Any]:
        workspace = self.page.workspace(visitor)
        job = workspace.job(job_id)
        with download(workspace, f"labels-evaluation-{job.number}.jsonl") as target:
            target.write_text(review_actions.export_labels(workspace, job), encoding="utf-8")
        return {self.download: gr.update(value=str(target), visible=True, label=f"Download {target.name}")}

    def _show(self, workspace: Workspace, job: Job, ids: list[str], at: int, hints: bool) -> dict[Any, Any]:
        """One item: the answers as the detectors see them, the marks as they were stored, else as suggested."""
        if not ids:
            return {self.at: 0, self.place: "", self.saved: ""}
        item = _item(workspace, job, ids[at])
        stored = item.stored
        shown: dict[Any, Any] = {
            self.at: at,
            self.place: html.place(f"{at + 1} of {len(ids)}"),
            self.saved: _saved(stored),
            self.prompt: html.quote(_asks(item.example), item.example.prompt, "prompt"),
            self.reference: html.quote("Reference", item.example.target, "reference"),
            self.verdict: stored.verdict if stored and stored.verdict != "none" else None,
            self.correction: stored.correction if stored else "",
            self.note: stored.note if stored else "",
        }
        for side in SIDES:
            shown[self.answers[side]] = _answer(item, side, hints)
            shown[self.marks[side]] = _marked(item, side, hints)
        return shown

    def _totals(self, workspace: Workspace, job: Job, ids: list[str]) -> dict[Any, Any]:
        events = _stored(workspace, job)
        sentence = f"{len(events)} of {len(ids)} rows are labelled."
        lead = html.lead(sentence, "What is most likely wrong comes first; every fifth row is drawn at random.")
        if damaged := answers.Answers(workspace, job).damaged:
            lead += html.note("warning", f"{count(damaged, 'line')} of its files cannot be read and are left out.")
        return {self.lead: lead, self.counts: _counts(workspace, job, events), **self._lessons(workspace, job)}

    def _lessons(self, workspace: Workspace, job: Job) -> dict[Any, Any]:
        """What the corrections would make of the dataset; hidden while there is none that is not trained yet."""
        lesson = lessons.look(workspace, job)
        shown = html.place(lesson.sentence) if lesson else ""
        return {self.lessons_row: gr.update(visible=lesson is not None), self.lessons: shown}


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row(elem_classes="tw-toolbar"):
        evaluation = gr.Dropdown([], label="Evaluation", min_width=200, scale=2)
        hints = gr.Checkbox(True, label="Show what detectors found", scale=0, min_width=260, elem_id="tw-hints")
    with gr.Column(visible=False, elem_id="tw-review") as reading:
        item = _build_item()
        controls = _build_controls()
    with gr.Row(elem_classes="tw-toolbar"):
        prepare = gr.Button("Export the labels", scale=0, min_width=160, visible=False)
        download = gr.DownloadButton(
            "Download labels.jsonl", scale=0, min_width=200, visible=False, elem_id="tw-download-labels"
        )
    with gr.Row(elem_classes="tw-toolbar", visible=False, elem_id="tw-learn") as lessons_row:
        learn = gr.Button("Make training rows of the corrections", scale=0, min_width=300, elem_id="tw-learn-button")
        lesson = gr.HTML(min_width=240)
    counts = gr.HTML()
    gr.Markdown(text.REVIEW_HELP, elem_classes="tw-help")
    files = {"prepare": prepare, "download": download}
    learning = {"lessons_row": lessons_row, "learn": learn, "lessons": lesson, "counts": counts}
    state = {"order": gr.State([]), "at": gr.State(0)}
    _bind(Review(page, lead, evaluation, hints, reading, **item, **controls, **files, **learning, **state), tab)


def _build_item() -> dict[str, Any]:
    """What is read, and the marks: the prompt, the two answers and the reference side by side."""
    prompt, shown, marks = gr.HTML(), {}, {}
    with gr.Row(elem_id="tw-sides"):
        for side in SIDES:
            keys = {name: f"{KEYS[side]}{i}" for i, name in enumerate(ERROR_LABELS, start=1)}
            choices = [(f"{text.ERROR_LABELS[name]} ({key})", name) for name, key in keys.items()]
            with gr.Column(min_width=280):
                shown[side] = gr.HTML()
                label = f"Wrong with the {side} answer"
                marks[side] = gr.CheckboxGroup(choices, label=label, elem_id=f"tw-marks-{side}")
        with gr.Column(min_width=280):
            reference = gr.HTML()
    return {"prompt": prompt, "answers": shown, "marks": marks, "reference": reference}


def _build_controls() -> dict[str, Any]:
    """What is said of the item as a whole, and the way to the next."""
    verdicts = [(label, name) for name, label in text.VERDICTS.items()]
    verdict = gr.Radio(verdicts, label="Which is better?", elem_id="tw-verdict")
    lines = {"lines": 3, "max_lines": 8}
    with gr.Row():
        correction = gr.Textbox(label="The answer as it should have been", scale=3, elem_id="tw-correction", **lines)
        note = gr.Textbox(label="Note", scale=2, elem_id="tw-note", **lines)
    with gr.Row(elem_classes="tw-toolbar"):
        back = gr.Button("← Before (P)", min_width=130, scale=0, elem_id="tw-review-back")
        forth = gr.Button("Next (N) →", min_width=130, scale=0, elem_id="tw-review-next")
        accept = gr.Button("Store and next (Enter)", variant="primary", min_width=210, scale=0, elem_id="tw-accept")
        place = gr.HTML(min_width=80)
        saved = gr.HTML(elem_id="tw-saved", min_width=160)
    written = {"verdict": verdict, "correction": correction, "note": note}
    return {**written, "back": back, "forth": forth, "accept": accept, "place": place, "saved": saved}


def _bind(review: Review, tab: gr.Tab) -> None:
    page, evaluation = review.page, review.evaluation
    position = [page.visitor, evaluation, review.order, review.at, review.hints]
    stored = [review.saved, *review.totals]
    # `changed` counts up at each stored row; this tab itself must not jump back to its first row then.
    page.whenever(tab, review.refresh, [evaluation, review.hints, review.order], review.opened, on_changes=False)
    looking = [page.visitor, page.project, evaluation, review.hints]
    evaluation.input(guarded(review.refresh), looking, review.opened, **QUIET)
    for event, step in ((review.hints.input, 0), (review.back.click, -1), (review.forth.click, +1)):
        event(guarded(partial(review.go, step=step)), position, review.item, **QUIET)
    clicks = [*(marks.input for marks in review.marks.values()), review.verdict.input]
    labelled = [*position, *review.labels]
    gr.on(clicks, guarded(review.store), labelled, stored, trigger_mode="multiple", **QUIET)
    left = [review.correction.blur, review.note.blur]
    gr.on(left, guarded(review.store_if_changed), labelled, stored, **QUIET)
    accepted = [*position, page.changed, *review.labels]
    review.accept.click(guarded(review.store_and_next), accepted, [page.changed, *review.totals, *review.item], **QUIET)
    lessons_shown = [page.changed, review.lessons_row, review.lessons]
    asked = [page.visitor, evaluation, page.changed]
    review.learn.click(guarded(review.train_corrections), asked, lessons_shown, **BUSY)
    review.prepare.click(guarded(review.export), [page.visitor, evaluation], review.download, **BUSY)


def _stored(workspace: Workspace, job: Job) -> dict[str, LabelEvent]:
    """What this annotator last stored, by row."""
    return labels.current(workspace.engine, job.id, workspace.owner)


def _item(workspace: Workspace, job: Job, example_id: str) -> Item:
    known = answers.Answers(workspace, job)
    [example] = known.examples([example_id])
    generated = known.of(example_id)
    stored = labels.history(workspace.engine, job.id, example_id)
    mine = [event for event in stored if event.annotator == workspace.owner]
    by_side = {side: known.suggestions(generated[side]) for side in SIDES}
    return Item(example, generated, by_side, mine[-1] if mine else None)


def _asks(example: Example) -> str:
    turn = example.turn
    return f"Row {example.row} asks" + (f", answer {turn.number} of {turn.of} in its conversation" if turn else "")


def _answer(item: Item, side: Side, hints: bool) -> str:
    generation = item.generations[side]
    body = html.answer(generation.text, item.suggestions[side] if hints else [], generation.finish == "length")
    return html.side(side.capitalize(), side, body, f"{generation.tokens} tokens")


def _marked(item: Item, side: Side, hints: bool) -> list[str]:
    """The errors that were stored as present; of an item that was not labelled yet, those that were found."""
    if item.stored:
        return [name for name, mark in item.stored.labels.get(side, {}).items() if mark == "present"]
    return [s.label for s in item.suggestions[side] if s.flagged] if hints else []


def _counts(workspace: Workspace, job: Job, events: dict[str, LabelEvent]) -> str:
    """How often each error was found, by people and by detectors."""
    flagged = answers.flag_counts(workspace, job)
    lines = []
    for name in ERROR_LABELS:
        people = [str(sum(e.labels.get(side, {}).get(name) == "present" for e in events.values())) for side in SIDES]
        machine = [str(flagged[side].get(name, "–")) for side in SIDES]
        lines.append([text.ERROR_LABELS[name], *people, *machine])
    return html.table(["Error", "Base, labelled", "Tuned, labelled", "Base, flagged", "Tuned, flagged"], lines)


def _saved(event: LabelEvent | None) -> str:
    return html.stored_at(event.created[11:19]) if event else ""
