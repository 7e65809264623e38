"""The event log: whole lines only, numbered without gaps, also after its writer was killed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.jobs import events
from core.jobs.events import EventLog, Log, Metric, read


def test_readers_go_on_where_they_stopped(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.write(Log("a\u2028b\n"))
    first, offset = read(log.path)
    log.write(Metric(loss=float("nan")), 3)
    second, end = read(log.path, offset)
    assert [e.n for e in first + second] == [1, 2]
    assert first[0].payload == Log("a\u2028b\n")
    assert math.isnan(second[0].payload.loss)
    assert json.loads(log.path.read_text().split("\n")[1])["payload"] == {"loss": "nan"}
    assert second[0].step == 3
    assert read(log.path, end) == ([], end)
    assert read(tmp_path / "none.jsonl") == ([], 0)


@given(cut=st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_half_a_line_is_no_event_and_is_taken_away(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("e") / "events.jsonl"
    log = EventLog(path)
    log.write(Log("first"))
    log.write(Log("second, killed while it was written"))
    log.close()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - cut])
    assert [e.n for e in read(path)[0]] == [1]
    again = EventLog(path)
    again.write(Log("after"))
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2]


OLD = """\
{"n": 1, "time": 1795594566.8, "kind": "status", "step": null, "payload": {"text": "Reading the rows …"}}
{"n": 2, "time": 1795594567.3, "kind": "log", "step": null, "payload": {"text": "row 3: cut.", "level": "warning"}}
{"n": 3, "time": 1795594586.3, "kind": "metric", "step": 0, "payload": {"validation_loss": 4.28}}
{"n": 4, "time": 1795594592.5, "kind": "progress", "step": 1, "payload": {"step": 1, "steps": 123, "share": 0.008, \
"epoch": 0.02, "seconds_left": 683.0, "tokens_per_second": 106.8}}
{"n": 5, "time": 1795594592.6, "kind": "metric", "step": 1, "payload": {"loss": "nan", "grad_norm": 1.4}}
{"n": 6, "time": 1795594593.0, "kind": "checkpoint", "step": 1, "payload": {"text": "Checkpoint of step 1 saved."}}
{"n": 7, "time": 1795594594.0, "kind": "progress", "step": null, "payload": {"phase": "heldout", "done": 3, \
"total": 40, "share": 0.1}}
{"n": 8, "time": 1795594595.0, "kind": "sample", "step": null, "payload": {"turn": "t", "side": "base", "piece": "Hi"}}
{"n": 9, "time": 1795594596.0, "kind": "sample", "step": null, "payload": {"turn": "t", "side": "base", \
"answer": {"text": "Hi", "tokens": 1, "finish": "stop", "seconds": 0.2}}}
{"n": 10, "time": 1795594597.0, "kind": "error", "step": null, "payload": {"text": "It failed."}}
"""


def test_a_log_of_the_release_before_is_read(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(OLD, encoding="utf-8")
    log, end = read(path)
    assert end == path.stat().st_size
    assert [e.kind for e in log] == [json.loads(line)["kind"] for line in OLD.splitlines()]
    payloads = [e.payload for e in log]
    assert payloads[0] == events.Status("Reading the rows …")
    assert payloads[1] == Log("row 3: cut.", "warning")
    assert payloads[2] == Metric(validation_loss=4.28)
    assert (payloads[3].step, payloads[3].steps, payloads[3].tokens_per_second) == (1, 123, 106.8)
    assert math.isnan(payloads[4].loss) and payloads[4].grad_norm == 1.4 and payloads[4].validation_loss is None
    assert payloads[6] == events.Progress(phase="heldout", done=3, total=40, share=0.1)
    assert payloads[7].piece == "Hi"
    assert payloads[8].answer == events.Answer("Hi", 1, "stop", 0.2)
    # What is written today holds what a line held before, and its schema.
    for event, line in zip(log, OLD.splitlines(), strict=True):
        assert event.to_dict() == json.loads(line) | {"schema": events.SCHEMA}


def test_a_log_of_a_newer_release_is_refused(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"n": 1, "time": 1.0, "kind": "status", "step": null, "payload": {"text": "x"}, "schema": 9}\n')
    with pytest.raises(UserError, match="The event log has the schema 9"):
        read(path)
