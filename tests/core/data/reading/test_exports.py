"""What labelling tools and Tunewright itself export becomes rows; what people rejected is counted and not used."""

from __future__ import annotations

import json

import pytest

from core.data.columns.guess import guess
from core.data.columns.rows import to_examples
from core.data.columns.survey import survey
from core.data.reading.files import batches, read
from core.data.reading.table import Reading, Source
from core.store.datasets import read_rows
from core.types import Example


def rows_of(tmp_path, records: list[dict], name: str = "export.jsonl"):
    path = tmp_path / name
    lines = "\n".join(map(json.dumps, records))
    path.write_text(json.dumps(records) if name.endswith(".json") else lines, encoding="utf-8")
    reading = Reading()
    tables = list(batches(Source(path, name, reading=reading)))
    return [row for table in tables for row in table.rows], " ".join(str(notice) for notice in reading.notices)


def argilla(**more) -> dict:
    return {"id": "1", "fields": {"text": "t"}, "metadata": {"from": "web"}, "suggestions": {}, "responses": {}, **more}


def test_argilla_records_have_what_most_people_answered(tmp_path):
    says = lambda value, **more: {"value": value, "user_id": "u", **more}  # noqa: E731
    rows, told = rows_of(
        tmp_path,
        [
            argilla(responses={"label": [says("no"), says("yes"), says("yes")]}, suggestions={"label": says("no")}),
            argilla(suggestions={"label": {"value": "maybe", "score": 0.3}}),
            argilla(),
            argilla(status="discarded"),
            argilla(responses={"topics": [says(["a", "b"])]}),
        ],
    )
    assert [row.get("label", row.get("topics")) for row in rows] == ["yes", "maybe", "a, b"]
    assert rows[0] == {"text": "t", "label": "yes", "id": "1", "from": "web"}
    assert "1 record is not used: without a response in Argilla. The first is record 3." in told
    assert "1 record is not used: discarded" in told and "nobody has confirmed it" in told


def test_argilla_of_the_first_version_and_from_the_hub(tmp_path):
    values = {"label": {"value": "yes"}}
    old = [{"status": "submitted", "values": values}, {"status": "discarded", "values": {"label": {"value": "no"}}}]
    record = {"fields": {"text": "t"}, "responses": old, "suggestions": [], "id": 7}
    rows, _ = rows_of(tmp_path, [record, record])
    assert rows == 2 * [{"text": "t", "label": "yes", "id": 7}]
    flat = {"id": "1", "status": "completed", "text": "t", "label.suggestion": "no", "label.suggestion.score": 0.5}
    answers = {"label.responses": ["yes", "no"], "label.responses.status": ["submitted", "discarded"]}
    rows, _ = rows_of(tmp_path, 2 * [{**flat, **answers, "label.responses.users": ["a", "b"]}])
    assert rows == 2 * [{"text": "t", "label": "yes", "id": "1"}]


def studio(n: int, annotations: list[dict]) -> dict:
    return {"id": n, "data": {"text": f"t{n}"}, "annotations": annotations, "predictions": []}


def test_label_studio_records_have_their_labels_in_columns(tmp_path):
    choice = {"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["Good"]}}
    both = {**choice, "value": {"choices": ["Good", "Calm"]}}
    why = {"from_name": "why", "type": "textarea", "value": {"text": ["because"]}}
    span = {"from_name": "who", "type": "labels", "value": {"start": 0, "end": 2, "text": "t1", "labels": ["Person"]}}
    records = [
        studio(1, [{"result": [choice, why, span]}]),
        studio(2, [{"result": [choice], "was_cancelled": True}]),
        studio(3, []),
        studio(4, [{"result": [choice]}, {"result": [both], "ground_truth": True}]),
    ]
    rows, told = rows_of(tmp_path, records, "studio.json")
    assert rows[0] == {"text": "t1", "mood": "Good", "why": "because", "who": span["value"], "id": 1}
    assert rows[1] == {"text": "t4", "mood": "Good, Calm", "id": 4}
    assert "skipped in Label Studio. The first is record 2" in told and "without an annotation" in told
    flat = {"text": "t", "id": 1, "mood": {"choices": ["Good", "Calm"]}, "annotation_id": 4, "lead_time": 2.5}
    rows, _ = rows_of(tmp_path, [flat], "min.json")
    assert rows[0]["mood"] == "Good, Calm"


def test_prodigy_records_are_used_where_they_were_accepted(tmp_path):
    task = {"text": "t", "_input_hash": 1, "_task_hash": 2}
    options = {"options": [{"id": 1, "text": "One"}, {"id": 2, "text": "Two"}]}
    records = [
        {**task, **options, "accept": [2], "answer": "accept"},
        {**task, **options, "accept": [1, 2], "answer": "accept"},
        {**task, **options, "accept": [], "answer": "accept"},
        {**task, "label": "X", "answer": "reject"},
        {**task, "label": "X", "answer": "ignore"},
        {**task, "label": "X", "answer": "accept"},
    ]
    rows, told = rows_of(tmp_path, records)
    assert [row["label"] for row in rows] == ["Two", "One, Two", "X"]
    assert "rejected in Prodigy. The first is record 4" in told and "ignored in Prodigy" in told
    # Without a hash of Prodigy's “accept” is a word as any other.
    rows, _ = rows_of(tmp_path, [{"text": "t", "answer": "accept"}])
    assert rows == [{"text": "t", "answer": "accept"}]


def test_openai_files_of_chats_and_preferences_are_understood(tmp_path):
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    asked = {"messages": [{"role": "user", "content": "q"}], "tools": [tool], "parallel_tool_calls": True}
    says = lambda text: [{"role": "assistant", "content": text}]  # noqa: E731
    path = tmp_path / "preferences.jsonl"
    row = {"input": asked, "preferred_output": says("good"), "non_preferred_output": says("bad")}
    path.write_text(f"{json.dumps(row)}\n{json.dumps(row)}\n", encoding="utf-8")
    table = read(path)
    [example, _], _ = to_examples(table, guess(survey([table], path.name)))
    assert (example.prompt, example.target, example.rejected, example.tools) == ("q", "good", "bad", (tool,))


@pytest.mark.parametrize("parquet", [False, True])
def test_rows_of_a_version_come_back_as_they_were(tmp_path, workspace, parquet):
    asks = lambda text: ({"role": "system", "content": "Be brief."}, {"role": "user", "content": text})  # noqa: E731
    examples = [
        Example(asks(f"Ask {i}?"), f"Say {i}.", i + 1, "test" if i > 3 else "train", {"k": "v"}) for i in range(6)
    ]
    if parquet:
        project = workspace.create_project("p")
        path = workspace.rows_file(workspace.add_version(project.id, "rows", examples, {}).id)
        assert read_rows(path) == examples
    else:
        path = tmp_path / "rows.jsonl"
        path.write_text("\n".join(json.dumps(e.to_dict()) for e in examples), encoding="utf-8")
    table = read(path)
    again, problems = to_examples(table, guess(survey([table], path.name)))
    assert [(e.id, e.split, e.meta) for e in again] == [(e.id, e.split, e.meta) for e in examples] and not problems


def test_labels_of_an_evaluation_become_corrected_rows(tmp_path):
    label = {"evaluation_id": "e", "example_id": "x", "split": "test", "row": 3, "prompt": "p", "reference": "r"}
    label |= {"base": "b", "tuned": "t", "verdict": "tuned", "note": ""}
    rows, told = rows_of(tmp_path, [{**label, "correction": "c"}, {**label, "correction": ""}])
    assert [(row["prompt"], row["answer"]) for row in rows] == [("p", "c"), ("p", "r")]
    assert "The labels are of test rows." in told
