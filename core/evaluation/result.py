"""What an evaluation leaves behind: its report."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.jobs.answers import file_of
from core.jobs.status import status_of
from core.store.workspace import Job, Workspace


def report_of(workspace: Workspace, evaluation: Job) -> dict[str, Any]:
    """The evaluation's report.json, and what a judge said since. Raises UserError while there is none."""
    from core.judge import actions as judge_actions

    found = json.loads(file_of(workspace, evaluation, "report.json").read_text(encoding="utf-8"))
    judged = judge_actions.result(workspace, evaluation)
    return found | ({"judge": judged} if judged else {})


def sentences(report: dict[str, Any]) -> list[str]:
    from core.evaluation.report.sentences import summarise

    return summarise(report)


def evaluations_with_report(workspace: Workspace, project_id: str, run: Job | None = None) -> list[Job]:
    """Evaluations of a project (of a run, where one is named) that are over and measured something, newest first."""
    found = []
    for job in workspace.jobs(project_id, "evaluate"):
        path = workspace.folder(job) / "report.json"
        wanted = (run is None or job.run_id == run.id) and path.is_file() and status_of(workspace, job).over
        if wanted and _has_measures(path, path.stat().st_mtime):
            found.append(job)
    return found


@lru_cache(maxsize=1024)
def _has_measures(path: Path, modified: float) -> bool:
    from core.evaluation.report.measures import measures

    return bool(measures(json.loads(path.read_text(encoding="utf-8"))))
