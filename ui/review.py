"""The Error review tab: a reading page. Base, tuned and reference side by side, labelled with mouse or keys."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from core.jobs import answers
from core.jobs.answers import generations, reviewed_examples, suggestions
from core.review import actions as review_actions
from core.review import labels, lessons
from core.review import queue as review_queue
from core.store.workspace import Job, Workspace
from core.types import ERROR_LABELS, SIDES, Example, Generation, LabelEvent, Suggestion
from ui import html, text
from ui.page import BUSY, QUIET, Page, guarded

KEYS = {"base": "⇧", "tuned": ""}


@dataclass(frozen=True)
class Item:
    """What one page of the review shows."""

    example: Example
    generations: dict[str, Generation]
    suggestions: dict[str, list[Suggestion]]
    """side → what the detectors say."""
    stored: LabelEvent | None
    """What this annotator last stored for it."""


def build(page: Page, tab: gr.Tab) -> None:
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row(elem_classes="tw-toolbar"):
        evaluation = gr.Dropdown([], label="Evaluation", min_width=200, scale=2)
        hints = gr.Checkbox(True, label="Show what detectors found", scale=0, min_width=260, elem_id="tw-hints")
    with gr.Column(visible=False, elem_id="tw-review") as reading:
        prompt = gr.HTML()
        with gr.Row(elem_id="tw-sides"):
            shown, marks = {}, {}
            for side in SIDES:
                with gr.Column(min_width=280):
                    shown[side] = gr.HTML()
                    choices = [
                        (f"{text.ERROR_LABELS[name]} ({KEYS[side]}{i})", name)
                        for i, name in enumerate(ERROR_LABELS, start=1)
                    ]
                    marks[side] = gr.CheckboxGroup(
                        choices, label=f"Wrong with the {side} answer", elem_id=f"tw-marks-{side}"
                    )
            with gr.Column(min_width=280):
                reference = gr.HTML()
        verdict = gr.Radio(
            [(label, name) for name, label in text.VERDICTS.items()], label="Which is better?", elem_id="tw-verdict"
        )
        with gr.Row():
            correction = gr.Textbox(
                label="The answer as it should have been", lines=3, max_lines=8, scale=3, elem_id="tw-correction"
            )
            note = gr.Textbox(label="Note", lines=3, max_lines=8, scale=2, elem_id="tw-note")
        with gr.Row(elem_classes="tw-toolbar"):
            back = gr.Button("← Before (P)", min_width=130, scale=0, elem_id="tw-review-back")
            forth = gr.Button("Next (N) →", min_width=130, scale=0, elem_id="tw-review-next")
            accept = gr.Button("Store and next (Enter)", variant="primary", min_width=210, scale=0, elem_id="tw-accept")
            place = gr.HTML(min_width=80)
            saved = gr.HTML(elem_id="tw-saved", min_width=160)
    with gr.Row(elem_classes="tw-toolbar"):
        prepare = gr.Button("Export the labels", scale=0, min_width=160, visible=False)
        download = gr.DownloadButton(
            "Download labels.jsonl", scale=0, min_width=200, visible=False, elem_id="tw-download-labels"
        )
    with gr.Row(elem_classes="tw-toolbar", visible=False, elem_id="tw-learn") as lessons_row:
        learn = gr.Button("Make training rows of the corrections", scale=0, min_width=300, elem_id="tw-learn-button")
        lessons_text = gr.HTML(min_width=240)
    counts = gr.HTML()
    gr.Markdown(text.REVIEW_HELP, elem_classes="tw-help")
    order = gr.State([])
    at = gr.State(0)

    item = [prompt, shown["base"], shown["tuned"], reference, marks["base"], marks["tuned"], verdict, correction, note]
    moved = [at, place, saved, *item]

    def refresh(visitor: str, project_id: str | None, chosen: str | None, hints: bool):
        workspace = page.workspace(visitor)
        jobs = [j for kind in ("evaluate", "chat") for j in workspace.jobs(project_id, kind)] if project_id else []
        ready = [j for j in jobs if (workspace.folder(j) / "suggestions.jsonl").is_file()]
        job = next((j for j in ready if j.id == chosen), ready[0] if ready else None)
        choices = gr.update(choices=[(j.title, j.id) for j in ready], value=job.id if job else None)
        if job is None:
            first = html.lead(
                "There are no answers to review yet.", "Finish an evaluation in the Evaluation tab first."
            )
            hidden = gr.update(visible=False)
            return first, choices, hidden, hidden, hidden, hidden, "", "", [], 0, "", "", *[gr.update()] * len(item)
        ids = _order(workspace, job, visitor)
        shown_item = _show(_item(workspace, job, visitor, ids[0]), hints) if ids else [gr.update()] * len(item)
        visible = gr.update(visible=True)
        # A file that was prepared stays: the page may look again at any time.
        kept = gr.skip() if job.id == chosen else gr.update(visible=False)
        return (
            _lead(workspace, job, ids),
            choices,
            gr.update(visible=bool(ids)),
            visible,
            kept,
            *_lessons(workspace, job),
            _counts(workspace, job),
            ids,
            0,
            _place(0, ids),
            "",
            *shown_item,
        )

    def go(visitor: str, job_id: str, ids: list[str], at: int, hints: bool, step: int):
        if not ids:
            return at, "", "", *[gr.update()] * len(item)
        workspace = page.workspace(visitor)
        at = min(max(at + step, 0), len(ids) - 1)
        found = _item(workspace, workspace.job(job_id), visitor, ids[at])
        return at, _place(at, ids), _saved(found.stored), *_show(found, hints)

    def store(visitor: str, job_id: str, ids: list[str], at: int, hints: bool, base, tuned, verdict, correction, note):
        """Store what the page shows as one event. Called at every change, so nothing waits for a button."""
        workspace = page.workspace(visitor)
        job = workspace.job(job_id)
        found = _item(workspace, job, visitor, ids[at])
        given = {"base": base or [], "tuned": tuned or []}
        event = LabelEvent(
            evaluation_id=job.id,
            example_id=ids[at],
            annotator=workspace.owner,
            verdict=verdict or "none",
            labels={s: {name: "present" if name in given[s] else "absent" for name in ERROR_LABELS} for s in SIDES},
            correction=(correction or "").strip(),
            note=(note or "").strip(),
            generation_ids={s: found.generations[s].id for s in SIDES},
            shown_order=SIDES,
            suggestions_visible=bool(hints),
        )
        event = review_actions.add_label(workspace, job, event)
        return _saved(event), _lead(workspace, job, ids), _counts(workspace, job), *_lessons(workspace, job)

    def store_if_changed(visitor, job_id, ids, at, hints, base, tuned, verdict, correction, note):
        """Leaving a text box stores only what was written: clicking through a page is not a label."""
        workspace = page.workspace(visitor)
        before = _item(workspace, workspace.job(job_id), visitor, ids[at]).stored
        old = (before.correction, before.note) if before else ("", "")
        if ((correction or "").strip(), (note or "").strip()) == old:
            return [gr.skip()] * len(stored)
        return store(visitor, job_id, ids, at, hints, base, tuned, verdict, correction, note)

    def store_and_next(visitor, job_id, ids, at, hints, count, *values):
        _, *changed = store(visitor, job_id, ids, at, hints, *values)
        return *changed, count + 1, *go(visitor, job_id, ids, at, hints, +1)

    def train_corrections(visitor: str, job_id: str, count: int):
        workspace = page.workspace(visitor)
        job = workspace.job(job_id)
        version, _ = lessons.learn(workspace, job)
        gr.Info(f"Version {version.number} has the corrected answers among its training rows. Train it next.")
        return count + 1, *_lessons(workspace, job)

    def export(visitor: str, job_id: str):
        workspace = page.workspace(visitor)
        job = workspace.job(job_id)
        target = Path(tempfile.mkdtemp(prefix="tunewright-")) / f"labels-evaluation-{job.number}.jsonl"
        target.write_text(review_actions.export_labels(workspace, job), encoding="utf-8")
        return gr.update(value=str(target), visible=True, label=f"Download {target.name}")

    position = [page.visitor, evaluation, order, at, hints]
    given = [marks["base"], marks["tuned"], verdict, correction, note]
    opened = [lead, evaluation, reading, prepare, download, lessons_row, lessons_text, counts, order, *moved]
    stored = [saved, lead, counts, lessons_row, lessons_text]
    # `changed` counts up at each stored row; this tab itself must not jump back to its first row then.
    page.whenever(tab, refresh, [evaluation, hints], opened, on_changes=False)
    evaluation.input(guarded(refresh), [page.visitor, page.project, evaluation, hints], opened, **QUIET)
    hints.input(guarded(lambda *a: go(*a, 0)), position, moved, **QUIET)
    back.click(guarded(lambda *a: go(*a, -1)), position, moved, **QUIET)
    forth.click(guarded(lambda *a: go(*a, +1)), position, moved, **QUIET)
    clicks = [marks["base"].input, marks["tuned"].input, verdict.input]
    gr.on(clicks, guarded(store), [*position, *given], stored, trigger_mode="multiple", **QUIET)
    gr.on([correction.blur, note.blur], guarded(store_if_changed), [*position, *given], stored, **QUIET)
    accept.click(
        guarded(store_and_next), [*position, page.changed, *given], [*stored[1:], page.changed, *moved], **QUIET
    )
    learn.click(
        guarded(train_corrections),
        [page.visitor, evaluation, page.changed],
        [page.changed, lessons_row, lessons_text],
        **BUSY,
    )
    prepare.click(guarded(export), [page.visitor, evaluation], download, **BUSY)


def _lessons(workspace: Workspace, job: Job):
    """What the corrections would make of the dataset; hidden while there is none that is not trained yet."""
    made = lessons.look(workspace, job)
    if made is None:
        return gr.update(visible=False), ""
    return gr.update(visible=True), html.place(made.sentence)


def _order(workspace: Workspace, job: Job, annotator: str) -> list[str]:
    done = set(labels.current(workspace.engine, job.id, workspace.owner))
    made = [g for sides in generations(workspace, job).values() for g in sides.values()]
    found = [s for of_one in suggestions(workspace, job).values() for s in of_one]
    return review_queue.order(reviewed_examples(workspace, job), made, found, done, seed=job.spec["seed"]).ids


def _item(workspace: Workspace, job: Job, annotator: str, example_id: str) -> Item:
    example = next(e for e in reviewed_examples(workspace, job) if e.id == example_id)
    made = generations(workspace, job)[example_id]
    found = suggestions(workspace, job)
    stored = labels.current(workspace.engine, job.id, workspace.owner).get(example_id)
    return Item(example, made, {side: found.get(made[side].id, []) for side in SIDES}, stored)


def _show(item: Item, hints: bool) -> list:
    stored = item.stored
    values = [html.quote(f"Row {item.example.row} asks", item.example.prompt, "prompt")]
    for side in SIDES:
        made = item.generations[side]
        body = html.answer(made.text, item.suggestions[side] if hints else [], made.finish == "length")
        values.append(html.side(side.capitalize(), side, body, f"{made.tokens} tokens"))
    values.append(html.quote("Reference", item.example.target, "reference"))
    for side in SIDES:
        if stored:
            marked = [name for name, mark in stored.labels.get(side, {}).items() if mark == "present"]
        else:
            marked = [s.label for s in item.suggestions[side] if s.flagged] if hints else []
        values.append(marked)
    verdict = stored.verdict if stored and stored.verdict != "none" else None
    return [*values, verdict, stored.correction if stored else "", stored.note if stored else ""]


def _lead(workspace: Workspace, job: Job, ids: list[str]) -> str:
    done = len(labels.current(workspace.engine, job.id, workspace.owner))
    sentence = f"{done} of {len(ids)} rows are labelled."
    return html.lead(sentence, "What is most likely wrong comes first; every fifth row is drawn at random.")


def _counts(workspace: Workspace, job: Job) -> str:
    """How often each error was found, by people and by detectors."""
    events = labels.current(workspace.engine, job.id, workspace.owner).values()
    flagged = answers.flag_counts(workspace, job)
    lines = []
    for name in ERROR_LABELS:
        people = [str(sum(e.labels.get(side, {}).get(name) == "present" for e in events)) for side in SIDES]
        machine = [str(flagged[side].get(name, "–")) for side in SIDES]
        lines.append([text.ERROR_LABELS[name], *people, *machine])
    return html.table(["Error", "Base, labelled", "Tuned, labelled", "Base, flagged", "Tuned, flagged"], lines)


def _place(at: int, ids: list[str]) -> str:
    return f'<p class="tw-place">{at + 1} of {len(ids)}</p>' if ids else ""


def _saved(event: LabelEvent | None) -> str:
    return f'<span class="tw-detail">Stored at {event.created[11:19]} UTC.</span>' if event else ""
