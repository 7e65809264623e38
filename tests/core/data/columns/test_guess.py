"""Columns of public datasets are known; where a guess is in doubt, a person is asked before anything is imported."""

from __future__ import annotations

import json

import pytest

from core.data import actions as data_actions
from core.data import manifest
from core.data.columns.guess import doubt, guess
from core.data.columns.survey import MOST_VALUES, survey
from core.data.reading.table import Table
from core.errors import UserError

LONG = ("The hall is open until nine.", "Lamps stand on shelf four.", "Nobody answers the phone.", "Rain all day long.")


def seen(**columns):
    """A file of four rows with these columns: texts where a name stands, else the values that are given."""
    rows = [
        {name: f"{LONG[i]} ({name})" if values is str else values[i % len(values)] for name, values in columns.items()}
        for i in range(4)
    ]
    return survey([Table(rows, [1, 2, 3, 4])], "rows")


KNOWN = {
    "Alpaca": (dict(instruction=str, input=str, output=str, text=str), "instruction", "output", "input"),
    "Alpaca with a history": (dict(instruction=str, output=str, history=[[]]), "instruction", "output", None),
    "Dolly": (dict(instruction=str, context=str, response=str, category=["qa"]), "instruction", "response", "context"),
    "CNN/DailyMail": (dict(article=str, highlights=str, id=["a1"]), "article", "highlights", None),
    "XSum": (dict(document=str, summary=str, id=[1]), "document", "summary", None),
    "SAMSum": (dict(id=[1], dialogue=str, summary=str), "dialogue", "summary", None),
    "BillSum": (dict(text=str, summary=str, title=str), "text", "summary", None),
    "SQuAD": (
        dict(id=["5"], title=str, context=str, question=str, answers=[{"text": ["x"], "answer_start": [1]}]),
        *("question", "answers", "context"),
    ),
    "GSM8K": (dict(question=str, answer=str), "question", "answer", None),
    "MATH": (dict(problem=str, level=["1"], type=["a"], solution=str), "problem", "solution", None),
    "WikiSQL": (dict(question=str, query=str, db_id=["a"]), "question", "query", None),
    "WMT in files": (dict(source=str, target=str), "source", "target", None),
    "SNLI": (dict(premise=str, hypothesis=str, label=[0, 1, 2]), "premise", "label", "hypothesis"),
    "MRPC": (dict(sentence1=str, sentence2=str, label=[0, 1], idx=[1]), "sentence1", "label", "sentence2"),
    "QNLI": (dict(question=str, sentence=str, label=[0, 1]), "question", "label", "sentence"),
    "QQP": (dict(question1=str, question2=str, label=[0, 1]), "question1", "label", "question2"),
    "BoolQ": (dict(question=str, passage=str, answer=[True, False]), "question", "answer", "passage"),
    "SST-2": (dict(sentence=str, label=[0, 1], idx=[1]), "sentence", "label", None),
    "SetFit": (dict(text=str, label=[0, 1], label_text=["no", "yes"]), "text", "label_text", None),
    "Orca": (dict(id=["a"], system_prompt=str, question=str, response=str), "question", "response", None),
    "a German name for the prompt": (dict(id=[1], frage=str, answer=str), "frage", "answer", None),
    "input and output": (dict(input=str, output=str), "input", "output", None),
}


@pytest.mark.parametrize(("columns", "prompt", "answer", "context"), KNOWN.values(), ids=KNOWN)
def test_columns_of_public_datasets_are_known(columns, prompt, answer, context):
    file = seen(**columns)
    chosen = guess(file)
    assert (chosen.prompt, chosen.answer, chosen.context) == (prompt, answer, context)
    assert chosen.text is None and chosen.mark is None
    assert doubt(file, chosen) == ""


TEXTS = {
    "one column": dict(text=str),
    "with a number": dict(id=[1], text=str),
    "Wikipedia": dict(id=[1], url=["https://a.b/c"], title=str, text=str),
    "FineWeb": dict(text=str, id=["<urn:uuid:1>"], dump=["CC"], url=["https://a"], language=["en"], token_count=[4]),
}


@pytest.mark.parametrize("columns", TEXTS.values(), ids=TEXTS)
def test_plain_text_of_a_collection_is_known(columns):
    file = seen(**columns)
    assert guess(file).text == "text" and doubt(file, guess(file)) == ""


ASKED = {
    "a name that nobody knows": (dict(body=str, gist=str), "“gist” is no usual name"),
    "no answer": (dict(prompt=str, id=[1]), "No column is known as the answer"),
    "images": (dict(question=str, answer=str, image=["a.png"]), "“image” holds what is no text"),
    "only unknown names": (dict(alpha=str, beta=str), "No columns are known"),
    "three unknown names": (dict(frage=str, antwort=str, hinweis=str), "No columns are known"),
    "text beside a title": (dict(title=str, text=str), "“title” is no usual name"),
    "several long texts": (dict(content=str, abstract_de=str, comments=str), "it could be plain text"),
    "two answers": (dict(question=str, answer=str, response=str), "“answer”, “response” could each be the answer"),
    "two prompts": (dict(prompt=str, question=str, answer=str), "“prompt”, “question” could each be the prompt"),
    "a label beside two texts": (dict(text=str, reply_to=str, label=["a", "b"]), "“reply_to” holds text, too"),
    "a review with a title": (dict(content=str, title=str, label=[0, 1]), "“title” holds text, too"),
    "choices": (dict(question=str, choices=[["a", "b"]], answer=[0, 1]), "“choices” holds lists"),
    "labels or marks": (dict(question=str, answer=str, label=[0, 1]), "“label” holds 0 and 1"),
    "several labels a row": (dict(text=str, labels=[["a", "b"], ["c"]]), "“labels” holds lists"),
    "translations": (dict(translation=[{"en": "good day", "de": "guten Tag"}]), "from which language into which"),
    "languages": (dict(id=[1], en=str, de=str), "from which language into which"),
}


@pytest.mark.parametrize(("columns", "why"), ASKED.values(), ids=ASKED)
def test_where_the_guess_is_in_doubt_people_are_asked(columns, why):
    file = seen(**columns)
    assert why.lower() in doubt(file, guess(file)).lower()


def test_marks_of_true_and_false_are_no_labels():
    file = seen(prompt=str, completion=str, label=[True, False])
    assert guess(file).mark == "label" and doubt(file, guess(file)) == ""


def test_a_value_within_an_object_is_a_column(workspace, tmp_path):
    rows = [{"translation": {"en": f"word {i}", "de": f"Wort {i}", "fr": f"mot {i}"}} for i in range(9)]
    path = tmp_path / "wmt.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    draft = data_actions.inspect(path, workspace)
    assert draft.there == ("translation.en", "translation.de", "translation.fr")
    chosen = data_actions.Columns("translation.en", "translation.de")
    project = workspace.create_project("p")
    version, _ = data_actions.import_file(workspace, project.id, path, chosen)
    first = next(e for e in workspace.examples(version.id) if e.row == 1)
    assert (first.prompt, first.target, first.meta) == ("word 0", "Wort 0", {"translation.fr": "mot 0"})
    [unused] = manifest.unused_of(version.manifest)
    assert (unused.what, unused.rows) == ("translation.fr", 9)


def test_nothing_is_imported_while_columns_are_in_doubt(workspace, tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"body": f"a long text {i}", "gist": f"short text {i}"} for i in range(9)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    project = workspace.create_project("p")
    with pytest.raises(UserError) as refusal:
        data_actions.import_file(workspace, project.id, path)
    assert workspace.versions(project.id) == []
    for shown in ("body: “a long text 0”, “a long text 1”", "gist: “short text 0”", "--prompt body --answer gist"):
        assert shown in str(refusal.value)
    draft = data_actions.inspect(path, workspace)
    assert draft.doubt and draft.values["gist"] == ["short text 0", "short text 1"]
    assert data_actions.inspect(path, workspace, draft.columns).doubt == ""
    version, _ = data_actions.import_file(workspace, project.id, path, draft.columns)
    assert sum(version.counts.values()) == 9


def test_values_are_remembered_while_they_are_few_and_short():
    rows = [{"label": f" {i % 3} ", "id": i, "text": "x" * 300, "list": [1]} for i in range(MOST_VALUES + 1)]
    file = survey([Table(rows[:5], [1] * 5), Table(rows[5:], [1] * (len(rows) - 5))], "rows")
    assert file.values["label"] == {"0": 67, "1": 67, "2": 67}
    assert [file.values[name] for name in ("id", "text", "list")] == [None] * 3
