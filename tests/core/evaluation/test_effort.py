"""What is told before an evaluation runs, of a folder: the questions that its files have, not the Hub's."""

from __future__ import annotations

import shutil

import pytest

from core.evaluation import effort
from core.evaluation.benchmarks.tasks import BENCHMARKS, load


@pytest.fixture
def folder(own_benchmarks, tmp_path):
    """A copy of the benchmark folder, which a test may change."""
    return shutil.copytree(own_benchmarks, tmp_path / "benchmarks")


def planned(name, folder, limit=None):
    return effort.plan([name], limit, folder=folder)[0]


@pytest.mark.parametrize("name", list(BENCHMARKS))
def test_the_questions_of_a_folder_are_those_that_are_asked(name, folder):
    there = sum(len(task.eval_docs) for task in load(name, folder).tasks.values())
    assert planned(name, folder).questions == there
    assert planned(name, folder, limit=3).questions == 3
    assert planned(name, folder, limit=1000).questions == there
    assert planned(name, folder).at_best == name.startswith("mmlu")


def test_a_folder_without_the_files_claims_nothing(folder):
    (folder / "mmlu" / "anatomy" / "dev.jsonl").unlink()
    assert planned("mmlu", folder).questions == 10  # it reads no examples
    assert (planned("mmlu_5_shots", folder, 100).questions, planned("mmlu_5_shots", folder, 100).smallest) == (
        None,
        None,
    )
    shutil.rmtree(folder / "mmlu")
    assert planned("mmlu", folder, 100).questions is None
    (folder / "hellaswag" / "validation.jsonl").write_bytes(b"\xff\xfe")
    assert planned("hellaswag", folder, 100).questions is None
    (folder / "arc_easy" / "test.jsonl").write_text("\n \n")
    assert planned("arc_easy", folder, 100).questions is None
    assert planned("piqa", folder, 100).questions == 100  # it always comes from the Hub


def test_a_file_that_changed_is_counted_again(folder):
    path = folder / "hellaswag" / "validation.jsonl"
    before = planned("hellaswag", folder).questions
    lines = path.read_text().splitlines()
    path.write_text("\n\n".join(lines[:-2]))  # empty lines are no questions
    assert planned("hellaswag", folder).questions == before - 2
