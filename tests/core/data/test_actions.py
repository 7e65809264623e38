"""Importing is one act: a version with a frozen split, or nothing at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import actions as data_actions
from core.data import checks, splitting
from core.errors import UserError
from core.types import Example

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "instruct" / "instruction-data.json"


def examples(n: int, same_prompt: int = 1) -> list[Example]:
    return [Example(({"role": "user", "content": f"q{i // same_prompt}"},), f"a{i}", i + 1) for i in range(n)]


@given(n=st.integers(6, 80), validation=st.floats(0.02, 0.4), test=st.floats(0.02, 0.4), same=st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_splits_are_disjoint_filled_and_repeatable(n, validation, test, same):
    rows = examples(max(n, 3 * same), same)
    made = splitting.split(rows, validation, test, seed=3)
    assert made == splitting.split(rows, validation, test, seed=3)
    assert [e.id for e in made] == [e.id for e in rows]
    parts = {name: {e.prompt for e in made if e.split == name} for name in ("train", "validation", "test")}
    assert all(parts.values())
    assert not parts["train"] & parts["test"] and not parts["train"] & parts["validation"]
    assert not parts["test"] & parts["validation"]


@pytest.mark.parametrize(
    ("rows", "shares"), [(examples(2), (0.1, 0.1)), (examples(9), (0.5, 0.5)), (examples(9), (0, 0.1))]
)
def test_splits_that_cannot_be(rows, shares):
    with pytest.raises(UserError):
        splitting.split(rows, *shares)


def test_import_keeps_the_file_and_counts(workspace, rows_file):
    project = workspace.create_project("p")
    version, problems = data_actions.import_file(workspace, project.id, rows_file)
    assert (version.counts, version.number, problems) == ({"train": 32, "validation": 4, "test": 4}, 1, [])
    again, _ = data_actions.import_file(workspace, project.id, rows_file)
    assert again.number == 2
    assert again.content_hash == version.content_hash
    kept = list(workspace.settings.home.rglob("source.jsonl"))
    assert [k.read_bytes() for k in kept] == [rows_file.read_bytes()] * 2


def test_nothing_is_half_imported(workspace, tmp_path):
    project = workspace.create_project("p")
    path = tmp_path / "bad.jsonl"
    path.write_text('{"prompt": "a", "answer": "b"}\n{"prompt": ', encoding="utf-8")
    before = sorted(workspace.settings.home.rglob("*"))
    with pytest.raises(UserError, match="line 2"):
        data_actions.import_file(workspace, project.id, path)
    assert workspace.versions(project.id) == []
    assert sorted(p for p in workspace.settings.home.rglob("*") if "tunewright.db" not in p.name) == sorted(
        p for p in before if "tunewright.db" not in p.name
    )


def test_copies_contradictions_and_markers_are_named():
    rows = [*examples(2), examples(1)[0], Example(({"role": "user", "content": "q1"},), "other <|im_end|>", 9)]
    kept, copies = checks.without_repeats(rows)
    assert [p.what for p in copies] == ["The row is an exact copy of row 1."]
    found = checks.look(kept)
    assert any("same prompt and another answer" in p.what and p.row == 9 for p in found)
    assert any("<|im_end|>" in p.what for p in found)


def test_rows_that_are_meant_to_share_a_prompt_are_no_contradiction():
    asked = ({"role": "user", "content": "q"},)
    pairs = [Example(asked, "a", 1, rejected="b"), Example(asked, "c", 2, rejected="b")]
    marked = [Example(asked, "a", 3, good=True), Example(asked, "b", 4, good=False)]
    texts = [Example((), "a", 5), Example((), "b" * (checks.LONG_CHARACTERS + 1), 6)]
    assert checks.look([*pairs, *marked, *texts]) == []
    [both] = checks.look([*marked, Example(asked, "a", 9, good=False)])
    assert (both.row, both.what) == (9, "Row 3 marks the same answer good.")


def test_texts_are_split_and_too_few_say_what_to_do():
    texts = [Example((), f"text {i}", i + 1) for i in range(6)]
    assert sorted({e.split for e in splitting.split(texts)}) == ["test", "train", "validation"]
    with pytest.raises(UserError, match="2 distinct texts"):
        splitting.split(texts[:2])


def test_no_usable_row_is_a_sentence(workspace, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("prompt,answer\na,\nb,\n", encoding="utf-8")
    project = workspace.create_project("p")
    with pytest.raises(UserError, match="No row can be used"):
        data_actions.import_file(workspace, project.id, path)


def test_the_sample_project_is_there_once(workspace):
    data_actions.ensure_sample(workspace)
    data_actions.ensure_sample(workspace)
    [project] = workspace.projects()
    [version] = workspace.versions(project.id)
    assert sum(version.counts.values()) > 350
    assert version.manifest["problems"] == []


def test_the_samples_are_as_their_readme_says():
    for name in ("marrowby.jsonl", "marrowby_tickets.jsonl"):
        lines = (data_actions.SAMPLES / name).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        assert str(len(rows)) in (data_actions.SAMPLES / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data, which is not part of the repository")
def test_real_rows(workspace):
    project = workspace.create_project("p")
    version, problems = data_actions.import_file(workspace, project.id, SHARED)
    assert sum(version.counts.values()) == 1100
    assert version.manifest["columns"]["context"] == "input"
    assert all(p.row for p in problems)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data, which is not part of the repository")
def test_real_preferences(workspace):
    project = workspace.create_project("p")
    file = SHARED.with_name("preferences.json")
    version, problems = data_actions.import_file(workspace, project.id, file)
    rows = workspace.examples(version.id)
    raw = json.loads(file.read_text(encoding="utf-8"))
    assert len(rows) > 0.95 * len(raw)
    assert all(p.row for p in problems)
    first = next(e for e in rows if e.row == 1)
    assert (first.target, first.rejected) == (raw[0]["chosen"], raw[0]["rejected"])
    assert first.prompt == f"{raw[0]['instruction']}\n\n{raw[0]['input']}"
