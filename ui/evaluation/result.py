"""What an evaluation found: the picture of gain against loss, then everything behind it, folded.

`build` makes the components and binds what they do among themselves; `show` fills them from a finished job.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import UserError
from core.evaluation import actions as evaluation_actions
from core.evaluation.report import document as files
from core.evaluation.report import tables
from core.evaluation.report.measures import ABOUT, measures, warning
from core.evaluation.result import report_of, sentences
from core.judge import verdicts
from core.store.workspace import Job, Workspace
from core.training import actions as training_actions
from ui import charts, html, text
from ui.page import BUSY, QUIET, Page, guarded

PER_PAGE = 10
OUTPUTS = 21
"""How many components `show` fills."""
JUDGE = "judge"
KINDS = {"lost": "Lost", "gained": "Gained"}
WINNERS = {"tuned": "Tuned preferred", "base": "Base preferred", "tie": "Equal"}


@dataclass(frozen=True)
class Result:
    folder: gr.State
    """Where this page's report files are written to be downloaded."""
    picture: gr.Plot
    findings: gr.HTML
    downloads: dict[str, gr.DownloadButton]
    one_by_one: gr.Accordion
    of: gr.Dropdown
    kind: gr.Radio
    items: gr.HTML
    at: gr.State
    place: gr.HTML
    details: gr.HTML
    steps: gr.Accordion
    steps_chart: gr.Plot
    steps_table: gr.HTML
    strength: gr.Accordion
    strength_chart: gr.Plot
    strength_table: gr.HTML
    part: gr.Radio
    save: gr.Button

    @property
    def outputs(self) -> list:
        listed = (self.of, self.kind, self.items, self.at, self.place)
        steps = (self.steps, self.steps_chart, self.steps_table)
        strength = (self.strength, self.strength_chart, self.strength_table, self.part, self.save)
        files = self.downloads.values()
        return [
            self.folder,
            self.picture,
            self.findings,
            *files,
            self.one_by_one,
            *listed,
            self.details,
            *steps,
            *strength,
        ]


def picture() -> gr.Plot:
    return gr.Plot(show_label=False, visible=False, elem_id="tw-gains")


def build(page: Page, picture: gr.Plot, chosen: gr.Dropdown) -> Result:
    """The parts below the picture. `chosen` holds the id of the evaluation that is shown."""
    findings = gr.HTML(elem_id="tw-findings")
    with gr.Accordion(
        "Questions won and lost, one by one", open=False, visible=False, elem_id="tw-items"
    ) as one_by_one:
        with gr.Row(elem_classes="tw-toolbar"):
            of = gr.Dropdown([], label="Of", min_width=200, scale=1, elem_id="tw-items-of")
            kind = gr.Radio([], label="Which", min_width=240, scale=2, elem_id="tw-items-kind")
        items = gr.HTML(elem_id="tw-items-list")
        with gr.Row(elem_classes="tw-toolbar tw-pager"):
            back = gr.Button("← Before", min_width=110, scale=0, size="sm", elem_id="tw-items-back")
            place = gr.HTML(min_width=120)
            forth = gr.Button("Next →", min_width=110, scale=0, size="sm", elem_id="tw-items-next")
    with gr.Accordion("Adapter strength", open=False, visible=False, elem_id="tw-strength") as strength:
        gr.Markdown(text.STRENGTH_HELP, elem_classes="tw-help")
        strength_chart = gr.Plot(show_label=False)
        strength_table = gr.HTML()
        with gr.Row(elem_classes="tw-toolbar"):
            part = gr.Radio([], label="Strength", min_width=240, scale=2)
            save = gr.Button("Save an adapter of this strength", scale=0, min_width=280, elem_id="tw-strength-save")
    with gr.Accordion("Checkpoints side by side", open=False, visible=False, elem_id="tw-steps") as steps:
        steps_chart = gr.Plot(show_label=False)
        steps_table = gr.HTML()
    details = gr.HTML(elem_id="tw-result")
    with gr.Row(elem_classes="tw-toolbar"):
        downloads = {
            ending: gr.DownloadButton(
                f"Report as {name}", size="sm", min_width=150, scale=0, visible=False, elem_id=f"tw-report-{ending[1:]}"
            )
            for ending, name in ((".html", "HTML"), (".md", "Markdown"), (".json", "JSON"))
        }
    at = gr.State(0)
    made = Result(
        *(gr.State(""), picture, findings, downloads, one_by_one, of, kind, items, at, place, details),
        *(steps, steps_chart, steps_table, strength, strength_chart, strength_table, part, save),
    )

    def turn(visitor: str, job_id: str | None, of: str, kind: str, at: int, step: int):
        workspace = page.workspace(visitor)
        found = _listed(report_of(workspace, workspace.job(job_id)), of, kind) if job_id and of else []
        last = max(0, (len(found) - 1) // PER_PAGE)
        at = min(max(at + step, 0), last)
        return _page(of, found, at), at, _place(found, at)

    def of_chosen(visitor: str, job_id: str | None, of: str):
        workspace = page.workspace(visitor)
        report = report_of(workspace, workspace.job(job_id))
        choices = _kinds(report, of)
        return gr.update(choices=choices, value=choices[0][1]), *turn(visitor, job_id, of, choices[0][1], 0, 0)

    def save_part(visitor: str, job_id: str | None, part: float | None, count: int):
        workspace = page.workspace(visitor)
        if part is None:
            raise UserError("No strength is chosen. Choose one of those that were measured.")
        evaluation = workspace.job(job_id)
        saved = training_actions.save_strength(workspace, workspace.job(evaluation.run_id), part)
        gr.Info("You find it among the runs: measure it, or share it, like any other.", title=f"Saved as {saved.title}")
        return count + 1

    last = {**QUIET, "trigger_mode": "always_last"}
    asked, listed = [page.visitor, chosen, of, kind, at], [items, at, place]
    of.input(guarded(of_chosen), [page.visitor, chosen, of], [kind, *listed], **last)
    kind.input(guarded(lambda v, job, of, kind: turn(v, job, of, kind, 0, 0)), asked[:4], listed, **last)
    back.click(guarded(lambda *values: turn(*values, -1)), asked, listed, **QUIET)
    forth.click(guarded(lambda *values: turn(*values, +1)), asked, listed, **QUIET)
    save.click(guarded(save_part), [page.visitor, chosen, part, page.changed], page.changed, **BUSY)
    return made


def show(workspace: Workspace, job: Job | None, folder: str, over: bool) -> list[Any]:
    """Values for `Result.outputs`. `over`: has the job ended? Files are written only then."""
    hidden = gr.update(visible=False)
    if job is None or not (workspace.folder(job) / "report.json").is_file():
        return [
            folder,
            hidden,
            "",
            *[hidden] * 4,
            *[gr.skip()] * 5,
            "",
            hidden,
            gr.skip(),
            "",
            hidden,
            *[gr.skip()] * 4,
        ]
    report = report_of(workspace, job)
    figure = charts.gains(measures(report))
    folder, downloads = _downloads(workspace, job, folder) if over and measures(report) else (folder, [hidden] * 3)
    return [
        folder,
        gr.update(value=figure, visible=True) if figure else hidden,
        _findings(report, over),
        *downloads,
        *_one_by_one(report),
        _details(report, evaluation_actions.document(workspace, job)),
        *_steps(report),
        *_strength(report),
    ]


def _findings(report: dict, over: bool) -> str:
    """The warning where it applies, and what went wrong; everything else in words is behind a click."""
    level, told = warning(measures(report))
    waiting = not over and (report.get("spec") or {}).get("benchmarks") and not report.get("benchmarks")
    note = html.note(level, told) if level and not waiting else ""
    wrong = "".join(html.note(p["level"], f"{p['what']} {p['fix']}".strip()) for p in report.get("problems") or [])
    lines = sentences(report)[1:]
    words = html.fold("Every finding in words", html.sentences(lines)) if lines else ""
    return note + wrong + words


def _downloads(workspace: Workspace, job: Job, folder: str):
    # Gradio serves files of the temporary folder; an unguessable folder keeps visitors apart.
    folder = folder or tempfile.mkdtemp(prefix="tunewright-")
    Path(folder).mkdir(exist_ok=True)
    document, updates = evaluation_actions.document(workspace, job), []
    for ending in (".html", ".md", ".json"):
        path = Path(folder) / f"evaluation-{job.number}{ending}"
        path.write_text(files.to_text(document, ending), encoding="utf-8")
        updates.append(gr.update(value=str(path), visible=True))
    return folder, updates


# Questions and pairs, one by one


def _one_by_one(report: dict) -> list[Any]:
    """Updates of the accordion and of what it holds: the first benchmark of which anything changed."""
    names = [
        (task.get("title", name), name)
        for name, task in (report.get("benchmarks") or {}).items()
        if task.get("lost") or task.get("gained")
    ]
    names += [("Judge", JUDGE)] if (report.get("judge") or {}).get("verdicts") else []
    if not names:
        return [gr.update(visible=False), *[gr.skip()] * 5]
    of = names[0][1]
    kinds = _kinds(report, of)
    found = _listed(report, of, kinds[0][1])
    return [
        gr.update(visible=True),
        gr.update(choices=names, value=of),
        gr.update(choices=kinds, value=kinds[0][1]),
        _page(of, found, 0),
        0,
        _place(found, 0),
    ]


def _kinds(report: dict, of: str) -> list[tuple[str, str]]:
    """(label with the number, value) of the lists that there are."""
    words = WINNERS if of == JUDGE else KINDS
    found = [(f"{word} ({len(_listed(report, of, kind)):,})", kind) for kind, word in words.items()]
    return [choice for choice in found if _listed(report, of, choice[1])] or found


def _listed(report: dict, of: str, kind: str) -> list[dict]:
    if of == JUDGE:
        return [v for v in (report.get("judge") or {}).get("verdicts") or [] if v.get("winner") == kind]
    return ((report.get("benchmarks") or {}).get(of) or {}).get(kind) or []


def _page(of: str, found: list[dict], at: int) -> str:
    shown = found[at * PER_PAGE : (at + 1) * PER_PAGE]
    if of != JUDGE:
        about = html.detail(ABOUT[of]) if of in ABOUT else ""
        return about + html.questions(shown)
    # A judge gives no reasons: below the answers stands what it compared them with.
    return html.verdicts([{**v, "reason": f"Reference: {v['reference']}"} for v in shown])


def _place(found: list[dict], at: int) -> str:
    first = at * PER_PAGE + 1
    return html.place(f"{first:,} to {min(first + PER_PAGE - 1, len(found)):,} of {len(found):,}" if found else "None")


# Tables that open at a click


def _details(report: dict, document: dict) -> str:
    if not measures(report):
        return ""
    rows = tables.table_rows(report)
    parts = [html.fold("Every number", html.table(tables.HEAD, rows))]
    labels = (report.get("heldout") or {}).get("labels")
    if labels:
        sides = [(side.capitalize(), labels["confusion"][side]) for side in ("base", "tuned")]
        parts.append(html.fold("Labels: true against given", html.confusion(labels["names"], sides)))
    kept = [t for t in tables.tables(report) if t[0].endswith("by subject") or t[0].startswith("Your rows by")]
    for title, head, lines in kept:
        detail = text.SLICES_HELP if title.startswith("Your rows") else text.SUBJECTS_HELP
        parts.append(html.fold(title, html.table(head, lines), detail))
    if report.get("judge"):
        parts.append(html.fold("What the judge said", html.sentences(verdicts.sentences(report["judge"]))))
    note = tables.questions(document)
    command = html.code(document["about"]["command"]) + (html.sentences([note]) if note else "")
    parts.append(html.fold("How it was measured", html.definitions(tables.method(document)) + command, _proof(report)))
    return "".join(parts)


def _proof(report: dict) -> str:
    proof = report.get("proof") or {}
    if not proof:
        return ""
    why, what = "with the adapter off its logits differ from the plain model's by", "adapter"
    why = f"{why} {proof['largest_logit_difference_base_to_plain']:g}"
    if proof.get("copies") == 2:
        why, what = "base and tuned are two models, and it has the weights that the run began with", "tuned"
    hashes = f"weights SHA-256 {proof['base_weights_sha256'][:12]}…, {what} {proof['adapter_sha256'][:12]}…"
    return f"The side called base is the base: {why}; {hashes}."


# Curves


def _steps(report: dict) -> list[Any]:
    points = report.get("checkpoints") or []
    if not points:
        return [gr.update(visible=False), gr.skip(), ""]
    base = ((report.get("heldout") or {}).get("base") or {}).get("loss")
    table = next(t for t in tables.tables(report) if t[0] == "Checkpoints")
    return [gr.update(visible=True), charts.checkpoints(points, base), html.table(*table[1:])]


def _strength(report: dict) -> list[Any]:
    points = (report.get("strength") or {}).get("points") or []
    if not points:
        return [gr.update(visible=False), gr.skip(), "", gr.skip(), gr.skip()]
    benchmarks = report.get("benchmarks") or {}
    names = dict.fromkeys(name for p in points for name in p.get("benchmarks") or {})
    titles = {name: (benchmarks.get(name) or {}).get("title", name) for name in names}
    table = next(t for t in tables.tables(report) if t[0] == "Adapter strength")
    choices = [(f"{100 * p['strength']:.0f} %", p["strength"]) for p in points if 0 < p["strength"] < 1]
    able = bool(choices)
    return [
        gr.update(visible=True),
        charts.strengths(points, titles),
        html.table(*table[1:]),
        gr.update(choices=choices, value=None, visible=able),
        gr.update(visible=able),
    ]
