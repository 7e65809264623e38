"""The checklist says what is there and what can be done now, never what a job has still to make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.jobs.status import write_outcome
from core.store.workspace import Workspace
from ui import checklist
from ui.checklist import Progress

ROWS = Progress(rows=40, version=1, trained=0, measured=0, labelled=0, training=False, measuring=False)


def shown(p: Progress) -> tuple[list[str], str]:
    """(what stands at Training, Evaluation and Error review; the hint)"""
    done = [p.version > 0, p.version > 0, p.trained > 0, p.measured > 0, p.labelled > 0]
    return checklist.words_of(p)[2:], checklist.hint(p, next((i for i, ok in enumerate(done) if not ok), None))


def test_a_trained_run_can_be_measured():
    assert shown(ROWS)[0] == ["no run yet", "needs a trained run", "needs answers"]
    words, hint = shown(replace(ROWS, trained=1))
    assert words == ["1 trained", "not measured yet", "needs answers"]
    assert hint == "Next: measure base against tuned in Evaluation."


def test_answers_that_are_still_being_written_are_not_to_be_labelled():
    words, hint = shown(replace(ROWS, trained=1, measuring=True))
    assert words == ["1 trained", "measuring …", "answers are being written …"]
    assert "label" not in hint and "going on" in hint


def test_a_run_that_goes_on_is_what_is_told():
    assert shown(replace(ROWS, training=True))[1].startswith("A run is going on.")
    assert shown(replace(ROWS, trained=1, measured=1))[1].startswith("Next: label")
    assert shown(replace(ROWS, trained=1, measured=1, labelled=2))[1].startswith("The loop is closed once.")


def folder(workspace: Workspace, job):
    path = workspace.folder(job)
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("over", [False, True])
def test_a_report_counts_when_its_evaluation_has_ended(workspace, over):
    """While it goes on, its report is written piece by piece."""
    project = workspace.create_project("Mine")
    job = workspace.add_job(project.id, "evaluate", "of run 1", {})
    (folder(workspace, job) / "report.json").write_text("{}", encoding="utf-8")
    if over:
        write_outcome(workspace.folder(job), "finished", "Finished.")
    going = checklist.going_on(workspace, project.id)
    assert going == ([] if over else [job.id])
    progress = checklist.progress(workspace, project.id, going)
    assert (progress.measured, progress.measuring) == ((1, False) if over else (0, True))
