"""The Evaluation tab: what to measure, told with what it can show and how long it takes; the jobs; the result."""

from __future__ import annotations

import re
from pathlib import Path

import gradio as gr

from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation import effort
from core.evaluation.benchmarks.tasks import BENCHMARKS
from core.evaluation.report import comparison
from core.evaluation.report.measures import ABOUT
from core.evaluation.report.sentences import overview
from core.evaluation.result import evaluations_with_report, report_of
from core.evaluation.spec import EvaluationChoice
from core.jobs import queue
from core.jobs.status import status_of
from core.models.sides import is_trained
from core.store.workspace import Job, Workspace
from core.wording import count
from ui import html, text, watching
from ui.evaluation import chat, judge, result
from ui.page import BUSY, QUIET, Page, guarded

HUB, FOLDER = "From the Hub", "From a folder on this machine"
STRENGTHS = (0.25, 0.5, 0.75)
SIZE_NAMES = (("Quick look", "quick"), ("Standard", "standard"), ("Full", "full"))


def build(page: Page, tab: gr.Tab) -> None:
    local = page.store.settings.mode == "local"
    known = page.store.settings.benchmarks
    lead = gr.HTML(html.lead("Loading …"))
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            run = gr.Dropdown([], label="Trained run", min_width=200)
            benchmarks = gr.CheckboxGroup(
                [(title(name), name) for name in BENCHMARKS],
                label="Benchmarks: what was forgotten elsewhere?",
                elem_id="tw-benchmarks",
            )
            size = gr.Radio(SIZE_NAMES, value="quick", label="Size", visible=False, elem_id="tw-size")
            told = gr.HTML(elem_id="tw-effort")
            start = gr.Button("Measure base against tuned", variant="primary", elem_id="tw-evaluate", interactive=False)
            with gr.Accordion("More", open=False, elem_id="tw-evaluate-more"):
                rows = gr.Number(0, label="Test rows", info="0: all of them.", precision=0, minimum=0)
                length = gr.Number(96, label="Longest answer (tokens)", precision=0, minimum=1, maximum=4096)
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
        with gr.Column(scale=3, min_width=340):
            with gr.Row(elem_classes="tw-toolbar"):
                chosen = gr.Dropdown([], label="Evaluation", min_width=200, scale=3, elem_id="tw-evaluation")
                cancel = gr.Button("Cancel", min_width=100, scale=0, visible=False, elem_id="tw-evaluate-cancel")
                resume = gr.Button("Go on", min_width=100, scale=0, visible=False, elem_id="tw-evaluate-resume")
            bar = gr.HTML(elem_id="tw-evaluate-bar")
            picture = result.picture()
    found = result.build(page, picture, chosen)
    with gr.Accordion("Compare several evaluations", open=False, elem_id="tw-compare"):
        several = gr.Dropdown([], label="Evaluations", multiselect=True, elem_id="tw-compare-which")
        comparison_table = gr.HTML(html.empty("Nothing to compare yet.", text.COMPARE_HELP))
    gr.Markdown(f"{text.EVALUATION_HELP} {text.BENCHMARK_HELP}", elem_classes="tw-help")
    judge.build(page, tab, chosen)
    chat.build(page, tab)
    watched = gr.State(watching.Watched())
    seen = gr.State(())  # which report, and which version of it, the page shows
    timer = gr.Timer(1.0, active=False)
    view = [lead, watched, seen, bar, cancel, resume, timer, *found.outputs]
    shown = [watched, seen, found.folder]
    asked = [benchmarks, size, other, rows, run]

    def refresh(visitor, project_id, run_id, job_id, watched, seen, folder):
        workspace = page.workspace(visitor)
        trained = _trained(workspace, project_id)
        jobs = workspace.jobs(project_id, "evaluate") if project_id else []
        job = next((j for j in jobs if j.id == job_id), jobs[0] if jobs else None)
        value = run_id if run_id in [j.id for j in trained] else (trained[0].id if trained else None)
        return (
            gr.update(choices=[(j.title, j.id) for j in trained], value=value),
            gr.update(choices=[(j.title, j.id) for j in jobs], value=job.id if job else None),
            gr.update(interactive=bool(trained)),
            *_look(workspace, job, watching.Watched(), seen, folder, bool(trained)),
        )

    def tick(visitor: str, job_id: str | None, watched, seen, folder, count: int):
        workspace = page.workspace(visitor)
        job = workspace.job(job_id) if job_id else None
        was_over = watched.state in ("finished", "stopped", "failed") or not watched.state
        looked = _look(workspace, job, watched, seen, folder, True)
        ended = job is not None and not was_over and status_of(workspace, job).over
        return (count + 1 if ended else gr.skip()), *looked

    def begin(visitor, project_id, folder, count, early, template, steps, parts, length, source, where, *asked):
        workspace = page.workspace(visitor)
        names, size, other, rows, run_id = asked
        if not run_id:
            raise UserError("There is no trained run yet. Finish one in the Training tab first.")
        names = _names(names, other)
        choice = EvaluationChoice(
            max_rows=int(rows) if rows else None,
            max_new_tokens=int(length or 96),
            benchmarks=tuple(names),
            size=size,
            benchmark_folder=_folder(page.store, source, where) if names else None,
            early_stop=bool(early),
            chat_template=bool(template),
            checkpoints=bool(steps),
            strengths=STRENGTHS if parts else (),
        )
        job = evaluation_actions.start_evaluation(workspace, workspace.job(run_id), choice)
        return _moved(workspace, project_id, job, count, folder)

    def ask_to_stop(visitor: str, job_id: str | None, watched, seen, folder):
        workspace = page.workspace(visitor)
        queue.stop(workspace, workspace.job(job_id))
        return _look(workspace, workspace.job(job_id), watched, seen, folder, True)

    def go_on(visitor: str, project_id: str | None, job_id: str | None, folder: str, count: int):
        workspace = page.workspace(visitor)
        job = workspace.job(job_id)
        queue.resume(workspace, job)
        return _moved(workspace, project_id, job, count, folder)

    def tell(visitor: str, project_id: str | None, source: str, where: str, *asked):
        names, size, other, rows, run_id = asked
        names = _names(names, other)
        try:
            folder = _folder(page.store, source, where) if names else None
            told = _told(page.workspace(visitor), run_id, names, size, rows, folder)
        except UserError as e:
            told = html.note("note", str(e))
        return gr.update(visible=bool(names)), told

    def offer(visitor: str, project_id: str | None, several: list[str] | None):
        """Which evaluations can be compared; those chosen before stay chosen, at first the two newest are."""
        workspace = page.workspace(visitor)
        ready = evaluations_with_report(workspace, project_id) if project_id else []
        kept = [i for i in several or [] if i in [j.id for j in ready]]
        value = kept or [j.id for j in ready[:2]]
        return gr.update(choices=[(j.title, j.id) for j in ready], value=value), _compared(workspace, value)

    known_inputs = [page.visitor, page.project]
    last = {**QUIET, "trigger_mode": "always_last"}
    page.whenever(tab, refresh, [run, chosen, *shown], [run, chosen, start, *view])
    page.whenever(tab, tell, [source, folder, *asked], [size, told])
    page.whenever(tab, offer, [several], [several, comparison_table])
    ticking = [page.visitor, chosen, *shown, page.changed]
    timer.tick(guarded(tick), ticking, [page.changed, *view], **QUIET)
    chosen.input(guarded(tick), ticking, [page.changed, *view], **last)
    source.input(lambda value: gr.update(visible=value == FOLDER), source, folder, **QUIET)
    telling = [source, folder, *asked]
    events = [*(c.input for c in (source, *asked)), folder.change]  # hidden at first, it gives no `input`
    gr.on(events, guarded(tell), [*known_inputs, *telling], [size, told], **last)
    advanced = [early, template, steps, parts, length, source, folder]
    started = [*known_inputs, found.folder, page.changed, *advanced, *asked]
    start.click(guarded(begin), started, [chosen, page.changed, *view], **BUSY)
    cancel.click(guarded(ask_to_stop), [page.visitor, chosen, *shown], view, **QUIET)
    resume.click(
        guarded(go_on), [*known_inputs, chosen, found.folder, page.changed], [chosen, page.changed, *view], **BUSY
    )
    several.input(
        guarded(lambda visitor, ids: _compared(page.workspace(visitor), ids)),
        [page.visitor, several],
        comparison_table,
        **last,
    )


def title(name: str) -> str:
    return BENCHMARKS[name].title if name in BENCHMARKS else name


def _trained(workspace: Workspace, project_id: str | None) -> list[Job]:
    runs = workspace.jobs(project_id, "train") if project_id else []
    return [j for j in runs if is_trained(workspace.folder(j) / "adapter")]


def _moved(workspace: Workspace, project_id: str | None, job: Job, count: int, folder: str):
    jobs = workspace.jobs(project_id, "evaluate")
    choices = gr.update(choices=[(j.title, j.id) for j in jobs], value=job.id)
    return choices, count + 1, *_look(workspace, job, watching.Watched(), (), folder, True)


def _names(names: list[str] | None, other: str) -> list[str]:
    """The chosen benchmarks and the tasks typed, each once."""
    typed = [name for name in re.split(r"[\s,;]+", other or "") if name]
    return list(dict.fromkeys([*(names or []), *typed]))


def _folder(store: Workspace, source: str, folder: str) -> str | None:
    """The folder to read benchmark files from. On a Space only the one that its owner configured."""
    if source == HUB:
        return None
    if store.settings.mode != "local":
        return str(store.settings.benchmarks)
    if not (folder or "").strip():
        raise UserError("No folder is named. Give the folder that holds arc_easy/test.jsonl, or choose the Hub.")
    return str(Path(folder.strip()).expanduser().absolute())  # the process that reads it runs elsewhere


def _told(workspace: Workspace, run_id, names: list[str], size: str, rows, folder: str | None) -> str:
    """Before it runs: what each benchmark measures, what difference so many questions show, how long it will take."""
    run = workspace.job(run_id) if run_id else None
    earlier = effort.earlier_reports(workspace, run) if run is not None else []
    planned = effort.plan(names, effort.SIZES[size or "quick"], earlier, Path(folder) if folder else None)
    lines = []
    for e in planned:
        about = ABOUT.get(e.name, "A task of lm-evaluation-harness.")
        unknown = "An unknown number of" if folder and e.name in BENCHMARKS else "All"
        questions = f"{e.questions:,}" if e.questions else unknown
        smallest = f"{'at best ' if e.at_best else ''}{100 * e.smallest:.1f} points" if e.smallest else "–"
        seconds = f"at most {watching.duration(e.seconds)}" if e.seconds is not None else "not known"
        lines.append((title(e.name), about, questions, smallest, seconds))
    return html.effort(lines, _how_long(run, planned, earlier, rows, workspace))


def _how_long(run: Job | None, planned: list[effort.Effort], earlier: list[dict], rows, workspace: Workspace) -> str:
    if run is None:
        return ""
    available = workspace.version(run.spec["dataset_version"]).counts["test"]
    n = min(int(rows), available) if rows else available
    ours = effort.seconds_for_rows(earlier, n)
    words = f"{count(n, 'test row')}. "
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


def _lead(workspace: Workspace, job: Job | None, trained: bool) -> str:
    if job is not None and (workspace.folder(job) / "report.json").is_file():
        parts = overview(report_of(workspace, job))
        if parts:
            # The first two are what was gained on their rows and, where there is one, a loss.
            first, rest = (parts[:2], parts[2:]) if "worse" in "".join(parts[1:2]) else (parts[:1], parts[1:])
            detail = f"{'; '.join(rest)}. " if rest else ""
            about = f"{job.title}, measured on rows that were never trained."
            return html.lead(f"{'; '.join(first)}.", f"{detail}{about}")
    if trained:
        return html.lead("Did it get better on your rows?", "Measure base against tuned on the frozen test rows.")
    return html.lead("There is nothing to measure yet.", "Finish a run in the Training tab first.")


def _look(workspace: Workspace, job: Job | None, watched: watching.Watched, seen: tuple, folder: str, trained: bool):
    """Everything that shows one evaluation. What has not changed is not sent again."""
    hidden = gr.update(visible=False)
    if job is None:
        nothing = html.empty("No evaluation yet.", "What was gained and lost will stand here, with intervals.")
        empty = result.show(workspace, None, folder, True)
        lead = _lead(workspace, None, trained)
        return lead, watched, (), nothing, hidden, hidden, gr.update(active=False), *empty
    watched, status, changed, _ = watching.look(workspace, job, watched)
    if not changed:
        return [gr.skip()] * (7 + result.OUTPUTS)
    # A judgement comes after the report, and is shown and downloaded with it.
    files = [workspace.folder(job) / name for name in ("report.json", "judge.json")]
    version = (job.id, *(path.stat().st_mtime if path.is_file() else 0.0 for path in files), status.over)
    # The parts that are measured show while the others are still going on.
    new = tuple(version) != tuple(seen or ())
    found = result.show(workspace, job, folder, status.over) if new else [gr.skip()] * result.OUTPUTS
    return (
        _lead(workspace, job, True) if new else gr.skip(),
        watched,
        version,
        watching.bar(job, status, watched),
        gr.update(visible=not status.over, interactive=status.state != "stopping"),
        gr.update(visible=status.state in ("stopped", "failed")),
        gr.update(active=not status.over),
        *found,
    )


def _compared(workspace: Workspace, ids: list[str] | None) -> str:
    jobs = [workspace.job(i) for i in ids or []]
    if not jobs:
        return html.empty("Nothing to compare yet.", text.COMPARE_HELP)
    head, lines, remarks = comparison.compare([(j.title, report_of(workspace, j)) for j in jobs])
    return html.table(head, lines, "tw-compare") + html.sentences(remarks)
