"""How long a run will take, as an earlier run of the same model and method took."""

from __future__ import annotations

from core.jobs import events
from core.store.workspace import Job, Workspace
from core.training.settings import TrainSettings
from core.training.spec import RunSpec

RUNS = 5
"""So many runs, the newest first, are looked at for one that can tell."""


def seconds(
    workspace: Workspace, project_id: str | None, model: str, settings: TrainSettings, rows: int
) -> float | None:
    """Seconds that `rows` training rows take with these settings; None where no earlier run of the project can tell.

    Steps of another batch size count by their rows. Loading and validating are left out.
    """
    for run in workspace.jobs(project_id, "train")[:RUNS]:
        earlier = RunSpec.from_dict(run.spec)
        if (earlier.model, earlier.settings.method) != (model, settings.method):
            continue
        step = _seconds_of_a_step(workspace, run)
        if step is not None:
            return step * earlier.settings.steps_per_epoch(rows) * settings.epochs
    return None


def _seconds_of_a_step(workspace: Workspace, run: Job) -> float | None:
    log, _ = events.read(workspace.folder(run) / "events.jsonl")
    steps = [(e.step, e.time) for e in log if e.kind == "progress" and e.step is not None]
    if len(steps) < 2 or steps[-1][0] <= steps[0][0]:
        return None
    (first, begun), (last, ended) = steps[0], steps[-1]
    return (ended - begun) / (last - first)
