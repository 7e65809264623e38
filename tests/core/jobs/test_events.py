"""The event log: whole lines only, numbered without gaps, also after its writer was killed."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from core.jobs.events import EventLog, read


def test_readers_go_on_where_they_stopped(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.write("log", {"text": "a\u2028b\n"})
    first, offset = read(log.path)
    log.write("metric", {"loss": float("nan")}, 3)
    second, end = read(log.path, offset)
    assert [e.n for e in first + second] == [1, 2]
    assert first[0].payload == {"text": "a\u2028b\n"}
    assert second[0].payload == {"loss": "nan"}
    assert second[0].step == 3
    assert read(log.path, end) == ([], end)
    assert read(tmp_path / "none.jsonl") == ([], 0)


@given(cut=st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_half_a_line_is_no_event_and_is_taken_away(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("e") / "events.jsonl"
    log = EventLog(path)
    log.write("log", {"text": "first"})
    log.write("log", {"text": "second, killed while it was written"})
    log.close()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - cut])
    assert [e.n for e in read(path)[0]] == [1]
    again = EventLog(path)
    again.write("log", {"text": "after"})
    assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [1, 2]
