"""Labels in the formats of other tools, read by those tools where they install lightly, and nobody else's."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from core.data.reading import files
from core.errors import UserError
from core.jobs.answers import Answers
from core.review import actions, exporting, own

EMOJI = "no no no 1 🌿"


@pytest.fixture
def labelled(workspace, review, say):
    """A review of which two people labelled one row, one of them with a place behind an emoji."""
    own.add(workspace, review.project_id, "Wrong unit")
    known = Answers(workspace, review)
    example = next(e for e in known.examples(known.ids()) if e.row == 2)
    end = len(known.of(example.id)["base"].text)
    marks = {"base": {"repetition": "present", "own_wrong_unit": "present"}, "tuned": {"repetition": "absent"}}
    marks["reference"] = {"reference_wrong": "present"}
    spans = {"base": {"repetition": [(0, 8), (end - 1, end)]}}
    say(review, example.id, "Ada", labels=marks, spans=spans, correction="=1+1", note="n", seconds=7.5, blind=True)
    say(review, example.id, "Bob", verdict="none", labels={"tuned": {"cut_off": "absent"}})
    return review, example


def written(workspace, review, tmp_path, form):
    path = tmp_path / f"labels{exporting.FORMATS[form][1]}"
    exporting.write_labels(workspace, review, path, form)
    return path


def test_the_flat_formats_say_the_same(workspace, labelled, tmp_path):
    review, example = labelled
    lines = [json.loads(line) for line in written(workspace, review, tmp_path, "jsonl").read_text().splitlines()]
    assert [line["annotator"] for line in lines] == ["Ada", "Bob"]
    ada = lines[0]
    assert (ada["base_repetition"], ada["base_own_wrong_unit"], ada["tuned_own_wrong_unit"]) == (
        "present",
        "present",
        None,
    )
    assert (ada["reference_wrong"], ada["seconds"], ada["blind"], ada["act"]) == ("present", 7.5, True, "label")
    assert ada["base_repetition_suggested"] is True and ada["base_repetition_agreed"] is True
    assert json.loads(ada["spans"]) == {"base": {"repetition": [[0, 8], [11, 12]]}}
    assert pq.read_table(written(workspace, review, tmp_path, "parquet")).to_pylist() == lines
    with open(written(workspace, review, tmp_path, "csv"), encoding="utf-8-sig", newline="") as file:
        cells = list(csv.DictReader(file))
    assert cells[0]["correction"] == "'=1+1"  # no formula
    rest = [name for name in ada if name != "correction"]
    assert [[c[n] for n in rest] for c in cells] == [
        ["" if li[n] is None else str(li[n]) for n in rest] for li in lines
    ]


def test_argilla_reads_its_records(workspace, labelled, tmp_path):
    argilla = pytest.importorskip("argilla")
    from argilla.records._io import JsonIO

    review, example = labelled
    path = written(workspace, review, tmp_path, "argilla")
    [record] = JsonIO._records_from_json(path)
    assert isinstance(record, argilla.Record)
    assert record.fields["base"] == "no no no 2 🌿" and record.metadata["annotators"] == ["Ada", "Bob"]
    assert [r.value for r in record.responses["base_errors"]] == [["repetition", "own_wrong_unit"]]
    assert [r.value for r in record.responses["tuned_errors"]] == [["no_error"], ["no_error"]]
    assert len({r.user_id for r in record.responses["tuned_errors"]}) == 2
    assert [r.value for r in record.responses["verdict"]] == ["tuned"]
    suggestion = record.suggestions["base_errors"]
    assert (suggestion.value, suggestion.score, suggestion.agent) == (["repetition"], [0.9], "repetition-1")
    # What Argilla would write of it is what we wrote.
    ours = json.loads(path.read_text())[0]
    theirs = record.to_dict()
    assert {name: theirs[name] for name in ("id", "fields", "responses", "suggestions")} == {
        name: ours[name] for name in ("id", "fields", "responses", "suggestions")
    }


def test_label_studio_tasks_fit_their_interface(workspace, labelled, tmp_path):
    """As its documentation has it: each region names a control and what it is of, both of the interface."""
    review, example = labelled
    [task] = json.loads(written(workspace, review, tmp_path, "label-studio").read_text())
    view = ElementTree.fromstring(exporting.label_studio_config(workspace, review))
    controls = {e.get("name"): e for e in view if e.get("toName")}
    objects = {e.get("name"): e.get("value").removeprefix("$") for e in view if e.tag == "Text"}
    assert set(objects.values()) <= set(task["data"])
    ada, bob = task["annotations"]
    for result in (*ada["result"], *bob["result"], *task["predictions"][0]["result"]):
        control = controls[result["from_name"]]
        assert control.get("toName") == result["to_name"] and control.tag.lower() == result["type"]
        offered = {e.get("value") for e in control}
        chosen = result["value"].get("choices") or result["value"].get("labels") or []
        assert set(chosen) <= offered
    places = [r["value"] for r in ada["result"] if r["type"] == "labels"]
    # It counts as JavaScript does: the emoji is two.
    units = task["data"]["base"].encode("utf-16-le")
    assert [units[2 * p["start"] : 2 * p["end"]].decode("utf-16-le") for p in places] == [p["text"] for p in places]
    assert [(p["start"], p["end"]) for p in places] == [(0, 8), (11, 13)]
    assert ada["meta"]["annotator"] == "Ada" and ada["lead_time"] == 7.5


@pytest.mark.parametrize("form", ["jsonl", "csv", "argilla", "label-studio"])
def test_what_is_exported_is_imported_again(workspace, labelled, tmp_path, form):
    """Our own import reads each of them as a labelled row."""
    review, example = labelled
    read = files.read(written(workspace, review, tmp_path, form)).rows
    assert read


@pytest.mark.parametrize("form", list(exporting.FORMATS))
def test_nothing_is_labelled_yet(workspace, review, tmp_path, form):
    path = written(workspace, review, tmp_path, form)
    if path.suffix == ".json":
        assert json.loads(path.read_text()) == []
    elif form == "parquet":
        assert pq.read_table(path).num_rows == 0
    else:
        assert len(path.read_text().splitlines()) == (form == "csv")


def test_labels_are_the_owners(workspace, labelled, tmp_path):
    review, _ = labelled
    for form in exporting.FORMATS:
        with pytest.raises(UserError):
            written(workspace.as_owner("somebody"), review, tmp_path, form)
    with pytest.raises(UserError):
        actions.export_labels(workspace.as_owner("somebody"), review)
    with pytest.raises(UserError, match="is no format of labels"):
        exporting.write_labels(workspace, review, tmp_path / "x", "xlsx")
    assert not list(tmp_path.glob("labels*"))
