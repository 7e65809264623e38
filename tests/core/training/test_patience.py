"""Early stopping counts validations without a lower loss; a run that was stopped meanwhile goes on counting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.jobs import queue
from core.jobs.events import EventLog, Progress
from core.training import worker
from core.training.settings import TrainSettings
from tests.core.training.test_preference import prepare  # noqa: F401 (a fixture)
from tests.core.training.test_training import train_here

SETTINGS = TrainSettings(epochs=50, learning_rate=0.05, max_length=128, rank=4, alpha=8, dropout=0.0, patience=3)
ANSWERS = [{"instruction": f"Say the number {i}.", "output": f"The number is {i}."} for i in range(40)]
# What is preferred changes from row to row: nothing that holds for others can be learnt from it.
PAIRS = [
    {"prompt": f"say {i}", "chosen": f"{'the cat' if i % 3 else 'and dog'} {i}", "rejected": f"{i} to the user {i % 7}"}
    for i in range(40)
]


class StopAt(EventLog):
    """Asks the run to stop when it has done `step`."""

    step = 0

    def write(self, payload, step=None):
        super().write(payload, step)
        if isinstance(payload, Progress) and step == self.step:
            (self.path.parent / "stop").touch()


@pytest.mark.parametrize(("objective", "lines"), [("supervised", ANSWERS), ("dpo", PAIRS), ("kto", PAIRS)])
def test_a_run_stopped_on_its_way_ends_where_it_would_have(workspace, prepare, objective, lines):  # noqa: F811
    project_id, spec = prepare(lines, replace(SETTINGS, objective=objective))
    _, _, outcome = train_here(workspace, project_id, spec)
    last = outcome.step
    assert last < outcome.steps
    job = workspace.add_job(project_id, "train", "t", spec.to_dict())
    queue.stop(workspace, job)  # taken from the queue: no process is to start it
    folder = workspace.folder(job)
    log = StopAt(folder / "events.jsonl")
    log.step = last - 1  # two validations without a lower loss are counted
    assert worker.train(folder, workspace.models, log).step == last - 1
    (folder / "stop").unlink()
    resumed = worker.train(folder, workspace.models, log)
    log.close()
    assert (resumed.step, resumed.best_step) == (last, outcome.best_step)


def test_a_run_that_ended_early_and_is_resumed_has_its_patience_again(workspace, prepare):  # noqa: F811
    project_id, spec = prepare(ANSWERS, SETTINGS)
    _, folder, outcome = train_here(workspace, project_id, spec)
    log = EventLog(folder / "events.jsonl")
    resumed = worker.train(folder, workspace.models, log)
    log.close()
    every = SETTINGS.evaluate_every(len(workspace.examples(spec.dataset_version, "train")))
    assert resumed.step >= outcome.step + SETTINGS.patience * every
