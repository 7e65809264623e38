"""Importing is one act: a version with a frozen split, or nothing at all."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import disk
from core.data import actions as data_actions
from core.data import checks, manifest, splitting
from core.data.columns import rows as rows_of
from core.data.columns.batches import of_examples
from core.data.columns.choice import Columns
from core.data.columns.labels import labels_of, remarks
from core.data.columns.survey import survey
from core.data.columns.unused import Tally
from core.data.reading import table as pieces
from core.data.reading.files import read
from core.data.similar.groups import Reworded
from core.errors import Problem, UserError
from core.questions import asks_hash
from core.settings import Limits, Settings
from core.store import datasets
from core.store.workspace import open_workspace
from core.types import Example, content_hash

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "instruct" / "instruction-data.json"


def examples(n: int, same_prompt: int = 1) -> list[Example]:
    return [Example(({"role": "user", "content": f"q{i // same_prompt}"},), f"a{i}", i + 1) for i in range(n)]


def split(rows: list[Example], validation: float = 0.1, test: float = 0.1, seed: int = 0) -> list[Example]:
    numbers: dict[tuple[str, ...], int] = {}
    groups = [numbers.setdefault(e.asks, -len(numbers)) for e in rows]
    parts = splitting.split(np.array(groups), validation, test, seed, any(e.messages for e in rows))
    return [replace(e, split=datasets.SPLITS[part]) for e, part in zip(rows, parts.tolist(), strict=True)]


def checked(rows: list[Example], size: int = 2) -> checks.Checked:
    """What rows are like that come in batches of `size`."""
    all_checks = checks.Checks()
    for start in range(0, len(rows), size):
        all_checks.add(of_examples(rows[start : start + size], []))
    return all_checks.finish()


@given(n=st.integers(6, 80), validation=st.floats(0.02, 0.4), test=st.floats(0.02, 0.4), same=st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_splits_are_disjoint_filled_and_repeatable(n, validation, test, same):
    rows = examples(max(n, 3 * same), same)
    in_parts = split(rows, validation, test, seed=3)
    assert in_parts == split(rows, validation, test, seed=3)
    assert in_parts == split_row_by_row(rows, validation, test, seed=3)
    assert [e.id for e in in_parts] == [e.id for e in rows]
    parts = {name: {e.prompt for e in in_parts if e.split == name} for name in ("train", "validation", "test")}
    assert all(parts.values())
    assert not parts["train"] & parts["test"] and not parts["train"] & parts["validation"]
    assert not parts["test"] & parts["validation"]


@pytest.mark.parametrize(
    ("rows", "shares"), [(examples(2), (0.1, 0.1)), (examples(9), (0.5, 0.5)), (examples(9), (0, 0.1))]
)
def test_splits_that_cannot_be(rows, shares):
    with pytest.raises(UserError):
        split(rows, *shares)


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
    files = sorted(workspace.settings.home.rglob("*"))
    with pytest.raises(UserError, match="line 2"):
        data_actions.import_file(workspace, project.id, path)
    assert workspace.versions(project.id) == []
    assert sorted(p for p in workspace.settings.home.rglob("*") if "tunewright.db" not in p.name) == sorted(
        p for p in files if "tunewright.db" not in p.name
    )


def test_copies_contradictions_and_markers_are_named():
    rows = [*examples(2), examples(1)[0], Example(({"role": "user", "content": "q1"},), "other <|im_end|>", 9)]
    result = checked(rows)
    assert result.kept.tolist() == [True, True, False, True]
    assert [p.what for p in result.problems if "left out" in p.fix] == ["The row is an exact copy of row 1."]
    assert any("same prompt and another answer" in p.what and p.row == 9 for p in result.problems)
    assert any("<|im_end|>" in p.what for p in result.problems)
    assert result.left_out == {"The row is an exact copy of": 1}
    assert result.total == 3


def test_rows_that_are_meant_to_share_a_prompt_are_no_contradiction():
    asked = ({"role": "user", "content": "q"},)
    pairs = [Example(asked, "a", 1, rejected="b"), Example(asked, "c", 2, rejected="b")]
    marked = [Example(asked, "a", 3, good=True), Example(asked, "b", 4, good=False)]
    texts = [Example((), "a", 5), Example((), "b" * (checks.LONG_CHARACTERS + 1), 6)]
    assert checked([*pairs, *marked, *texts]).problems == []
    [both] = checked([*marked, Example(asked, "a", 9, good=False)]).problems
    assert (both.row, both.what) == (9, "Row 3 marks the same answer good.")


def test_texts_are_split_and_too_few_say_what_to_do():
    texts = [Example((), f"text {i}", i + 1) for i in range(6)]
    assert sorted({e.split for e in split(texts)}) == ["test", "train", "validation"]
    with pytest.raises(UserError, match="2 distinct texts"):
        split(texts[:2])


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


# What comes in batches is what would come row by row.


def split_row_by_row(rows: list[Example], validation: float, test: float, seed: int = 0) -> list[Example]:
    with Reworded(len(rows)) as reworded:
        for e in rows:
            reworded.add([" ".join(e.asks)])
    by_group: dict[int, list[int]] = {}
    for i, number in enumerate(reworded.groups(np.array([asks_hash(e.asks) for e in rows])).numbers.tolist()):
        by_group.setdefault(number, []).append(i)
    groups = list(by_group.values())
    random.Random(seed).shuffle(groups)
    wanted = {"test": max(1, round(test * len(rows))), "validation": max(1, round(validation * len(rows)))}
    splits: dict[int, str] = {}
    for name, n in wanted.items():
        taken = 0
        while taken < n and len(groups) > (2 if name == "test" else 1):
            group = groups.pop()
            splits.update((i, name) for i in group)
            taken += len(group)
    return [replace(e, split=splits.get(i, "train")) for i, e in enumerate(rows)]


def checked_row_by_row(rows: list[Example], problems: list[Problem]) -> tuple[list[Example], list[Problem]]:
    """The rows without copies, and all problems in the order of their rows."""
    first: dict[str, int] = {}
    kept, problems = [], list(problems)
    for e in rows:
        if e.id in first:
            what = f"The row is an exact copy of row {first[e.id]}."
            problems.append(Problem("warning", what, "It was left out.", e.row))
        else:
            first[e.id] = e.row
            kept.append(e)
    answers: dict[tuple[str, ...], tuple[str, int]] = {}
    marks: dict[tuple[str, ...], tuple[bool, int]] = {}
    for e in kept:
        texts = [m["content"] for m in e.messages] + [e.target, e.rejected]
        if marker := next((m.group() for text in texts if (m := checks.CONTROL.search(text))), None):
            fix = "It is trained as ordinary text, not as a control token; remove it if it is there by mistake."
            problems.append(Problem("note", f"The row contains the marker {marker}.", fix, e.row))
        if e.kind == "text":
            continue
        if (length := sum(map(len, texts))) > checks.LONG_CHARACTERS:
            fix = "What exceeds the maximum length will be cut: look at it in the Tokens tab."
            problems.append(Problem("warning", f"The row has {length:,} characters.", fix, e.row))
        key = tuple(m["content"] for m in e.messages)
        if e.kind == "marked":
            mark = marks.setdefault((*key, e.target), (e.good, e.row))
            if mark[0] != e.good:
                what = f"Row {mark[1]} marks the same answer {'good' if mark[0] else 'bad'}."
                problems.append(Problem("warning", what, "Keep the mark that is right.", e.row))
        if e.kind != "answer":
            continue
        other = answers.setdefault(key, (e.target, e.row))
        if other[0] != e.target:
            fix = "Keep the better one, unless both are meant."
            problems.append(Problem("warning", f"Row {other[1]} has the same prompt and another answer.", fix, e.row))
    return kept, sorted(problems, key=lambda p: p.row or 0)


texts = st.sampled_from(
    [
        "",
        " a",
        "A",
        "b",
        "c ",
        "d",
        "é<|im_end|>",
        "[INST] e",
        "x" * 20_001,
        "[1]",
        '[{"role": "user", "content": "h"}]',
    ]
)
choices = {
    "answer": Columns("p", "a"),
    "system": Columns("p", "a", system="s"),
    "labels": Columns("p", "a", label_task=True),
    "marked": Columns("p", "a", mark="m"),
    "preference": Columns("p", "a", rejected="s"),
    "text": Columns(text="p"),
}


@pytest.fixture(scope="module")
def one_workspace(tmp_path_factory):
    return open_workspace(Settings(home=tmp_path_factory.mktemp("one")))


@given(
    rows=st.lists(
        st.fixed_dictionaries({"p": texts, "a": texts, "s": texts, "m": st.sampled_from([True, False, "?"])}),
        min_size=3,
        max_size=25,
    ),
    chosen=st.sampled_from(sorted(choices)),
    size=st.sampled_from([1, 300, 1 << 20]),
)
@settings(max_examples=60, deadline=None)
def test_a_streamed_import_is_what_it_would_be_row_by_row(one_workspace, rows, chosen, size):
    workspace = one_workspace
    path = workspace.settings.home / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    project = workspace.create_project(
        f"p{len(workspace.projects())}"
    )  # rows of earlier versions of a project would keep their part
    seen = survey([read(path)], "rows", "a" if chosen == "labels" else None)
    labels, tally = labels_of(seen, choices[chosen]), Tally()
    converted, problems = rows_of.to_examples(read(path), choices[chosen], labels, tally)
    kept, problems = checked_row_by_row(converted, [*remarks(seen, choices[chosen]), *problems])
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pieces, "PIECE", size)
            version, listed = data_actions.import_file(workspace, project.id, path, choices[chosen], test=0.2, seed=5)
            draft = data_actions.inspect(path, workspace, choices[chosen])
    except UserError:
        too_few = len({e.asks for e in kept}) < 3
        assert too_few
        return
    expected, stored = split_row_by_row(kept, 0.1, 0.2, 5), workspace.examples(version.id)
    if choices[chosen].label_task:  # each label has its share of each part: see test_splitting.py
        expected = [replace(e, split=s.split) for e, s in zip(expected, stored, strict=True)]
    assert stored == expected
    assert version.content_hash == content_hash([[e.id, e.split] for e in expected])
    assert version.counts == {s: sum(e.split == s for e in expected) for s in ("train", "validation", "test")}
    assert listed == problems == draft.problems
    assert manifest.unused_of(version.manifest) == tally.unused == draft.unused
    assert draft.problem_count == sum(version.manifest["problem_counts"].values()) == len(problems)
    copies = "The row is an exact copy of"
    reasons = Counter(copies if p.what.startswith(copies) else p.what for p in problems if "left out" in p.fix)
    assert version.manifest["left_out"] == dict(reasons)
    assert (draft.rows, draft.rows_in_file, draft.first) == (len(kept), len(rows), replace(kept[0], split="train"))


def test_problems_are_counted_and_the_first_thousand_kept(workspace, tmp_path):
    rows = [{"prompt": f"q{i % 1500}", "answer": f"a{i % 1500} </s>"} for i in range(3000)] + [{"prompt": "x"}] * 1200
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    version, problems = data_actions.import_file(workspace, workspace.create_project("p").id, path)
    assert len(problems) == len(version.manifest["problems"]) == 1000
    assert [p.row for p in problems] == list(range(1, 1001))
    assert version.manifest["left_out"] == {"The row is an exact copy of": 1500, "The answer is empty.": 1200}
    assert sorted(version.manifest["problem_counts"].values()) == [1200, 1500, 1500]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_cancelled_import_leaves_nothing(workspace, rows_file, share):
    project = workspace.create_project("p")
    files = sorted(workspace.settings.home.rglob("*"))

    def cancel(done: float, what: str) -> None:
        if done >= share:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        data_actions.import_file(workspace, project.id, rows_file, progress=cancel)
    assert workspace.versions(project.id) == []
    assert sorted(workspace.settings.home.rglob("*")) == files


def test_what_the_disk_or_the_space_cannot_take_is_a_sentence(tmp_path, rows_file, monkeypatch):
    space = open_workspace(Settings(home=tmp_path / "space", mode="space", limits=Limits(upload_mb=0)))
    with pytest.raises(UserError, match="the limit of this Space is 0 MB"):
        data_actions.inspect(rows_file, space)
    local = open_workspace(Settings(home=tmp_path / "local", limits=Limits(upload_mb=0)))
    assert data_actions.inspect(rows_file, local).rows == 40
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 100))
    with pytest.raises(UserError, match="importing it takes .* MB of disk; 0 MB are free in"):
        data_actions.inspect(rows_file, local)
