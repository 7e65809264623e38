"""Following a run: the event log becomes curves, lines and a bar; a log that a release before wrote does, too."""

from __future__ import annotations

import json

from core.jobs import events
from core.jobs.status import status_of, this_process
from core.training.spec import RunSpec
from ui import watching

OLD = """\
{"n": 1, "time": 1795594566.8, "kind": "status", "step": null, "payload": {"text": "Training on 323 rows …"}}
{"n": 2, "time": 1795594586.3, "kind": "metric", "step": 0, "payload": {"validation_loss": 4.28}}
{"n": 3, "time": 1795594592.5, "kind": "progress", "step": 1, "payload": {"step": 1, "steps": 123, "share": 0.008, \
"epoch": 0.02, "seconds_left": 683.0, "tokens_per_second": 106.8}}
{"n": 4, "time": 1795594592.6, "kind": "metric", "step": 1, "payload": {"loss": 4.3, "learning_rate": 0.0001}}
{"n": 5, "time": 1795594593.6, "kind": "metric", "step": 2, "payload": {"loss": "nan", "learning_rate": 0.0001}}
"""


def test_a_log_becomes_curves_lines_and_a_bar(workspace):
    project = workspace.create_project("Mine")
    job = workspace.add_job(project.id, "train", "quick", RunSpec("starter", "v", "r").to_dict(), state="started")
    folder = workspace.folder(job)
    (folder / "process.json").write_text(json.dumps(this_process()))
    (folder / "events.jsonl").write_text(OLD, encoding="utf-8")
    watched, status, changed, drawn = watching.look(workspace, job, watching.Watched())
    assert (status.state, changed, drawn) == ("running", True, True)
    assert (watched.validation, watched.train) == ([(0, 4.28)], [(1, 4.3)])  # nan is no point
    assert [line.split("  ")[1] for line in watched.lines] == [
        "Training on 323 rows …",
        "step 0: validation loss 4.280",
        "step 1: loss 4.300, learning rate 0.0001",
    ]
    bar = watching.bar(job, status, watched)
    assert "Step 1 of 123" in bar and "107 tokens/s · about 11 min left" in bar
    assert not watching.look(workspace, job, watched)[2]

    log = events.EventLog(folder / "events.jsonl")
    log.write(events.Metric(loss=4.1), 1)  # a resumed run repeats a step
    log.write(events.Status("Saving …"))
    watched = watching.look(workspace, job, watched)[0]
    assert watched.train == [(1, 4.1)]
    assert "Saving …" in watching.bar(job, status_of(workspace, job), watched)
