"""The checklist beside the tabs: what is there in each room, and the one thing to do next."""

from __future__ import annotations

from dataclasses import dataclass

from core.jobs.status import status_of
from core.models.sides import is_trained
from core.review import labels
from core.store.workspace import Job, Workspace
from ui import html, text

FOLLOWED = ("train", "evaluate")


@dataclass(frozen=True)
class Progress:
    """How far a project is."""

    rows: int
    version: int
    """Number of the newest; 0: none."""
    trained: int
    measured: int
    labelled: int
    training: bool
    """Does a run go on?"""
    measuring: bool
    """Does an evaluation go on?"""


def going_on(workspace: Workspace, project_id: str | None) -> list[str]:
    """Ids of the project's jobs that wait or run: while there are any, the page asks again."""
    jobs = [job for kind in FOLLOWED for job in workspace.jobs(project_id, kind)] if project_id else []
    return [job.id for job in jobs if not status_of(workspace, job).over]


def progress(workspace: Workspace, project_id: str, going: list[str]) -> Progress:
    versions = workspace.versions(project_id)
    runs, evaluations = (workspace.jobs(project_id, kind) for kind in FOLLOWED)
    measured = [job for job in evaluations if job.id not in going and _has(workspace, job, "report.json")]
    return Progress(
        rows=sum(versions[-1].counts.values()) if versions else 0,
        version=versions[-1].number if versions else 0,
        trained=sum(is_trained(workspace.folder(job) / "adapter") for job in runs),
        measured=len(measured),
        labelled=len(labels.current(workspace.engine, measured[0].id)) if measured else 0,
        training=any(job.id in going for job in runs),
        measuring=any(job.id in going for job in evaluations),
    )


def _has(workspace: Workspace, job: Job, name: str) -> bool:
    return (workspace.folder(job) / name).is_file()


def show(workspace: Workspace, project_id: str | None, going: list[str]) -> str:
    if project_id is None:
        return html.checklist([], "Create a project.")
    p = progress(workspace, project_id, going)
    done = [p.version > 0, p.version > 0, p.trained > 0, p.measured > 0, p.labelled > 0]
    active = [False, False, p.training, p.measuring, False]
    following = next((i for i, ok in enumerate(done) if not ok), None)
    at = active.index(True) if any(active) else following
    steps = [
        (tab, "now" if active[i] else "done" if done[i] else "later", what, i == at)
        for i, (tab, what) in enumerate(zip(text.TABS[:5], words_of(p), strict=True))
    ]
    return html.checklist(steps, hint(p, following))


def words_of(p: Progress) -> list[str]:
    """What is there in each room."""
    first_run = "no run yet" if p.version else "needs rows"
    first_measurement = "not measured yet" if p.trained else "needs a trained run"
    first_label = "needs answers" if not p.measuring else "answers are being written …"
    return [
        f"{p.rows:,} rows, version {p.version}" if p.version else "no rows yet",
        "see what is trained" if p.version else "needs rows",
        "running …" if p.training else f"{p.trained} trained" if p.trained else first_run,
        "measuring …" if p.measuring else f"{p.measured} done" if p.measured else first_measurement,
        f"{p.labelled} rows labelled" if p.measured else first_label,
    ]


def hint(p: Progress, following: int | None) -> str:
    """The next step. While a job goes on, that: what comes after it cannot be begun yet."""
    if p.measuring:
        return "An evaluation is going on. You may close this page."
    if p.training:
        return "A run is going on. You may close this page; it goes on."
    if following is None:
        return "The loop is closed once. Make training rows of your corrections in Error review, and train again."
    return (
        "Next: import your rows in the Data tab.",
        "",
        "Next: look at a row in Tokens, then start a quick run in Training.",
        "Next: measure base against tuned in Evaluation.",
        "Next: label what is wrong with the answers in Error review.",
    )[following]
