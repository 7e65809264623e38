"""Labels that are written in several ways are named, and count as one where a person says so."""

from __future__ import annotations

from core.data import actions as data_actions
from core.data import manifest
from core.data.columns.choice import Columns
from core.data.columns.labels import labels_of, variants
from core.data.columns.survey import survey
from core.data.reading.table import Table


def seen(*labels: str):
    rows = [{"text": f"message {i}", "label": label} for i, label in enumerate(labels)]
    return survey([Table(rows, list(range(len(rows))))], "rows")


TASK = Columns("text", "label", label_task=True)
ONE = Columns("text", "label", label_task=True, one_label=True)


def test_the_most_frequent_writing_is_the_label():
    file = seen(*("Spam", "spam ", "SPAM", "Spam", "ham", "ham", "Ham", "ham") * 3)
    assert variants(file, TASK) == {"ham": ["Ham"], "Spam": ["spam", "SPAM"]}
    assert set(labels_of(file, TASK).values()) == {"Spam", "spam", "SPAM", "ham", "Ham"}
    assert set(labels_of(file, ONE).values()) == {"Spam", "ham"}


def test_what_differs_in_more_than_writing_stays_apart():
    assert variants(seen(*("A", "A-", "A+", "C", "C++", "C#", "3", "-3") * 3), TASK) == {}
    several = variants(seen(*("not spam", "not_spam", "Not-Spam", "not  spam", "nötig", "no\u0308tig") * 3), TASK)
    assert several == {"not spam": ["not_spam", "Not-Spam", "not  spam"], "nötig": ["no\u0308tig"]}


def test_answers_that_are_no_labels_have_no_variants():
    assert variants(seen("Yes, it is.", "yes, it is.", "No."), TASK) == {}


def test_an_import_names_them_and_counts_them_as_one(workspace, tmp_path):
    path = tmp_path / "rows.csv"
    labels = ("Spam", "spam ", "SPAM", "ham", "Ham", "ham")
    lines = [f"message {i},{labels[i % 6]}" for i in range(30)]
    path.write_text("text,label\n" + "\n".join(lines), encoding="utf-8")
    project = workspace.create_project("p")
    version, [problem] = data_actions.import_file(workspace, project.id, path)
    assert "“Spam” (5), “spam” (5), “SPAM” (5)" in problem.what and "--one-label" in problem.fix
    assert len({e.target for e in workspace.examples(version.id)}) == 5
    [unused] = manifest.unused_of(version.manifest)
    assert (unused.kind, unused.rows, unused.value) == ("space", 5, "spam␣")
    assert unused.first_rows == (2, 8, 14, 20, 26)
    assert version.manifest["one_label"] == {}
    version, [problem] = data_actions.import_file(workspace, project.id, path, one_label=True)
    assert problem.level == "note" and "count as one" in problem.what
    rows = workspace.examples(version.id)
    assert {e.target for e in rows} == {e.meta["label"] for e in rows} == {"Spam", "ham"}
    assert all(e.prompt.endswith("Label, one of Spam, ham:") for e in rows)
    assert version.manifest["one_label"] == {"ham": ["Ham"], "Spam": ["spam", "SPAM"]}
    assert version.manifest["columns"]["one_label"] is True
