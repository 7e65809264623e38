"""The Evaluation tab: base against tuned on the frozen test rows, and one benchmark; with intervals."""

from __future__ import annotations

import gradio as gr

from core import loop
from core.jobs import supervisor
from core.models.loading import is_trained
from core.types import UserError
from core.workspace import Job, Workspace
from ui import charts, chat, judge, markup, text, watching
from ui.page import BUSY, QUIET, Page, guarded

HUB, FOLDER = "From the Hub", "From a folder on this machine"


def build(page: Page, tab: gr.Tab) -> None:
    local = page.store.settings.mode == "local"
    known = page.store.settings.benchmarks
    lead = gr.HTML(markup.lead("Loading …"))
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            run = gr.Dropdown([], label="Trained run", min_width=200)
            rows = gr.Number(0, label="Test rows", info="0: all of them.", precision=0, minimum=0)
            length = gr.Number(96, label="Longest answer (tokens)", precision=0, minimum=1, maximum=4096)
            arc = gr.Checkbox(False, label="Also ARC-Easy, a benchmark of general knowledge", elem_id="tw-arc")
            with gr.Group(visible=False) as benchmark:
                items = gr.Slider(20, 2376, 100, step=1, label="Questions, drawn at random")
                sources = [HUB, FOLDER] if local or known else [HUB]
                source = gr.Radio(sources, value=FOLDER if known else HUB, label="Questions come")
                folder = gr.Textbox(
                    str(known or ""),
                    label="Folder with arc_easy/test.jsonl",
                    visible=bool(known),
                    interactive=local,
                    elem_id="tw-benchmark-folder",
                )
            start = gr.Button("Measure base against tuned", variant="primary", elem_id="tw-evaluate", interactive=False)
        with gr.Column(scale=3, min_width=340):
            with gr.Row(elem_classes="tw-toolbar"):
                chosen = gr.Dropdown([], label="Evaluation", min_width=200, scale=3)
                cancel = gr.Button("Cancel", min_width=100, scale=0, visible=False)
            bar = gr.HTML(elem_id="tw-evaluate-bar")
            result = gr.HTML(elem_id="tw-result")
            chart = gr.Plot(show_label=False, visible=False)
    gr.Markdown(f"{text.EVALUATION_HELP} {text.BENCHMARK_HELP}", elem_classes="tw-help")
    judge.build(page, tab, chosen)
    chat.build(page, tab)
    watched = gr.State(watching.Watched())
    timer = gr.Timer(1.0, active=False)
    view = [watched, bar, result, chart, cancel, timer]

    def refresh(visitor: str, project_id: str | None, run_id: str | None, job_id: str | None, watched):
        workspace = page.workspace(visitor)
        runs = workspace.jobs(project_id, "train") if project_id else []
        trained = [j for j in runs if is_trained(workspace.folder(j) / "adapter")]
        jobs = workspace.jobs(project_id, "evaluate") if project_id else []
        job = next((j for j in jobs if j.id == job_id), jobs[0] if jobs else None)
        value = run_id if run_id in [j.id for j in trained] else (trained[0].id if trained else None)
        return (
            _lead(workspace, job, bool(trained)),
            gr.update(choices=[(j.title, j.id) for j in trained], value=value),
            gr.update(choices=[(j.title, j.id) for j in jobs], value=job.id if job else None),
            gr.update(interactive=bool(trained)),
            *_look(workspace, job, watching.Watched()),
        )

    def tick(visitor: str, job_id: str | None, watched: watching.Watched, count: int):
        workspace = page.workspace(visitor)
        job = workspace.job(job_id) if job_id else None
        was_over = watched.state in ("finished", "stopped", "failed")
        looked = _look(workspace, job, watched)
        ended = job is not None and not was_over and supervisor.status(workspace, job).over
        return (_lead(workspace, job, True) if ended else gr.skip()), count + 1 if ended else gr.skip(), *looked

    def begin(visitor, project_id, run_id, rows, length, arc, items, source, folder, count: int):
        workspace = page.workspace(visitor)
        if not run_id:
            raise UserError("There is no trained run yet. Finish one in the Training tab first.")
        choice = loop.EvaluationChoice(
            max_rows=int(rows) if rows else None,
            max_new_tokens=int(length or 96),
            benchmarks=("arc_easy",) if arc else (),
            benchmark_items=int(items),
            benchmark_folder=_folder(page.store, source, folder),
        )
        job = loop.start_evaluation(workspace, workspace.job(run_id), choice)
        jobs = workspace.jobs(project_id, "evaluate")
        choices = gr.update(choices=[(j.title, j.id) for j in jobs], value=job.id)
        return choices, count + 1, *_look(workspace, job, watching.Watched())

    def ask_to_stop(visitor: str, job_id: str | None, watched):
        workspace = page.workspace(visitor)
        supervisor.stop(workspace, workspace.job(job_id))
        return _look(workspace, workspace.job(job_id), watched)

    everything = [lead, run, chosen, start, *view]
    page.whenever(tab, refresh, [run, chosen, watched], everything)
    timer.tick(guarded(tick), [page.visitor, chosen, watched, page.changed], [lead, page.changed, *view], **QUIET)
    chosen.input(guarded(tick), [page.visitor, chosen, watched, page.changed], [lead, page.changed, *view], **QUIET)
    arc.input(lambda on: gr.update(visible=on), arc, benchmark, **QUIET)
    source.input(lambda value: gr.update(visible=value == FOLDER), source, folder, **QUIET)
    start.click(
        guarded(begin),
        [page.visitor, page.project, run, rows, length, arc, items, source, folder, page.changed],
        [chosen, page.changed, *view],
        **BUSY,
    )
    cancel.click(guarded(ask_to_stop), [page.visitor, chosen, watched], view, **QUIET)


def _folder(store: Workspace, source: str, folder: str) -> str | None:
    """The folder to read benchmark files from. On a Space only the one that its owner configured."""
    if source == HUB:
        return None
    if store.settings.mode != "local":
        return str(store.settings.benchmarks)
    if not (folder or "").strip():
        raise UserError("No folder is named. Give the folder that holds arc_easy/test.jsonl, or choose the Hub.")
    return folder.strip()


def _lead(workspace: Workspace, job: Job | None, trained: bool) -> str:
    if job is not None and (workspace.folder(job) / "report.json").is_file():
        found = loop.sentences(loop.report(workspace, job))
        if found:
            return markup.lead(found[0], f"{job.title}, measured on rows that were never trained.")
    if trained:
        return markup.lead("Did it get better on your rows?", "Measure base against tuned on the frozen test rows.")
    return markup.lead("There is nothing to measure yet.", "Finish a run in the Training tab first.")


def _look(workspace: Workspace, job: Job | None, watched: watching.Watched):
    hidden = gr.update(visible=False)
    if job is None:
        nothing = markup.empty("No evaluation yet.", "What was gained and lost will stand here, with intervals.")
        return watched, nothing, "", hidden, hidden, gr.update(active=False)
    watched, status, changed, _ = watching.look(workspace, job, watched)
    if not changed:
        return gr.skip(), *[gr.skip()] * 5
    has_report = status.over and (workspace.folder(job) / "report.json").is_file()
    report = loop.report(workspace, job) if has_report else None
    return (
        watched,
        watching.bar(job, status, watched),
        _result(report) if report else "",
        gr.update(value=charts.differences(_differences(report)), visible=True)
        if report and _differences(report)
        else hidden,
        gr.update(visible=not status.over, interactive=status.state != "stopping"),
        gr.update(active=not status.over),
    )


MEASURES = (("token_f1", "Token F1"), ("rouge_l", "ROUGE-L"), ("exact_match", "Exact match"))


def _measures(report: dict) -> list[tuple[str, float, float, dict, bool]]:
    """(name, base, tuned, difference, is more better) of everything that was measured with an interval."""
    heldout = report.get("heldout") or {}
    found = []
    if "difference" in heldout:
        found.append(("Loss", heldout["base"]["loss"], heldout["tuned"]["loss"], heldout["difference"], False))
    named = [(name, heldout[key]) for key, name in MEASURES if key in heldout]
    for task, values in (report.get("benchmarks") or {}).items():
        named += [(f"{values.get('title', task)}, {metric}", m) for metric, m in values["metrics"].items()]
    return found + [(name, m["base"]["mean"], m["tuned"]["mean"], m["difference"], True) for name, m in named]


def _differences(report: dict) -> list[tuple[str, float, float, float]]:
    """Differences with their intervals, turned so that more is better. A single row has no interval and is left out."""
    found = []
    for name, _, _, d, more_is_better in _measures(report):
        if d["low"] is None:
            continue
        if more_is_better:
            found.append((name, d["difference"], d["low"], d["high"]))
        else:
            found.append((f"{name} (turned round)", -d["difference"], -d["high"], -d["low"]))
    return found


def _result(report: dict) -> str:
    lines = [_line(*measure) for measure in _measures(report)]
    head = ["Measure", "Base", "Tuned", "Difference", "95 % interval"]
    proof = report.get("proof") or {}
    shown = ""
    if proof:
        why, what = "with the adapter off its logits differ from the plain model's by", "adapter"
        why = f"{why} {proof['largest_logit_difference_base_to_plain']:g}"
        if proof.get("copies") == 2:
            why, what = "base and tuned are two models, and it has the weights that the run began with", "tuned"
        shown = (
            f'<p class="tw-detail">The side called base is the base: {why}; weights SHA-256 '
            f"{markup.esc(proof['base_weights_sha256'][:12])}…, {what} "
            f"{markup.esc(proof['adapter_sha256'][:12])}….</p>"
        )
    return markup.table(head, lines) + markup.sentences(loop.sentences(report)[1:]) + shown


def _line(name: str, base: float, tuned: float, d: dict, more_is_better: bool) -> list[str]:
    interval = "one row has none" if d["low"] is None else f"{d['low']:+.3f} to {d['high']:+.3f}"
    numbers = [f"{base:.3f}", f"{tuned:.3f}", f"{d['difference']:+.3f}", interval]
    return [name if more_is_better else f"{name} (lower is better)", *(n.replace("-", "−") for n in numbers)]
