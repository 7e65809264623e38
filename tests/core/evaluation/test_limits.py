"""What an evaluation on a Space may ask for."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.evaluation import limits
from core.evaluation.spec import EvaluationChoice
from core.settings import Limits, Settings
from core.store.workspace import open_workspace


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"benchmarks": tuple(f"task{n}" for n in range(13))}, "13 tasks are asked for; .* at most 12"),
        ({"max_new_tokens": 10**9}, "1,000,000,000 tokens of the longest answer are asked for; .* at most 4,096"),
        ({"reasoning_tokens": 5000}, "5,000 tokens of room for reasoning"),
        ({"strengths": tuple(n / 100 for n in range(1, 20))}, "19 strengths are asked for; .* at most 8"),
        ({"benchmark_folder": "/etc"}, "questions come from the Hub, or from the folder that its owner has set"),
    ],
)
def test_each_part_has_its_limit(tmp_path, asked, sentence):
    for mode, bounded in (("space", True), ("local", False)):
        workspace = open_workspace(Settings(home=tmp_path / mode, mode=mode), "visitor-ann")
        if bounded:
            with pytest.raises(UserError, match=sentence):
                limits.check(workspace, EvaluationChoice(**asked))
        else:
            limits.check(workspace, EvaluationChoice(**asked))


def test_the_owners_folder_may_be_asked(tmp_path):
    settings = Settings(home=tmp_path / "space", mode="space", benchmarks=tmp_path, limits=Limits(models_mb=0))
    workspace = open_workspace(settings, "visitor-ann")
    limits.check(workspace, EvaluationChoice(benchmarks=("arc_easy",), benchmark_folder=str(tmp_path)))


def test_one_place_in_the_queue(tmp_path):
    workspace = open_workspace(Settings(home=tmp_path / "space", mode="space"), "visitor-ann")
    workspace.add_job(workspace.create_project("Garden").id, "train", "quick", {})
    with pytest.raises(UserError, match="Run 1 · quick waits already"):
        limits.check(workspace, EvaluationChoice())
