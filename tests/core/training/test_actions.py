"""What is said of a template and its rows before there is a run, and what a run keeps of how its rows are written."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from core.engine.templates import RenderSettings
from core.errors import UserError
from core.tokens import views
from core.training import actions
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.types import Example
from tests.conftest import CHATML, make_tokenizer

NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}" + CHATML


def rows() -> list[Example]:
    user = {"role": "user", "content": "the cat"}
    plain = [Example((user,), f"sat on {i}", i) for i in range(1, 9)]
    return [*plain, Example(({"role": "system", "content": "be short"}, user), "on the mat", 9)]


@pytest.fixture
def spec(workspace, tiny_model_folder, tmp_path) -> RunSpec:
    """Nine rows, the last of which the model's template refuses."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model_folder, folder)
    make_tokenizer(NO_SYSTEM).save_pretrained(folder)
    project = workspace.create_project("p")
    version = workspace.add_version(project.id, "rows", rows(), {})
    return RunSpec(str(folder), version.id, str(workspace.rows_file(version.id)), TrainSettings(epochs=1))


def test_a_refused_row_is_named_before_there_is_a_run(workspace, spec):
    project = workspace.projects()[-1]
    with pytest.raises(UserError, match=r"No system role \(row 9\)\. .*first user turn"):
        actions.start_training(workspace, project.id, spec)
    assert workspace.jobs(project.id, "train") == []


def test_rows_that_are_all_left_out_are_said_before_there_is_a_run(workspace, spec):
    """Calls of tools, and a model whose template has no place for them."""
    tool = {"type": "function", "function": {"name": "weather"}}
    call = {"type": "function", "function": {"name": "weather", "arguments": {"town": 1}}}
    asked = [Example(({"role": "user", "content": f"rain {i}?"},), "", i, tools=(tool,)) for i in range(1, 4)]
    called = [replace(e, answer={"tool_calls": [call]}) for e in asked]
    project = workspace.projects()[-1]
    version = workspace.add_version(project.id, "calls", called, {})
    chosen = replace(spec, dataset_version=version.id, rows_file=str(workspace.rows_file(version.id)))
    with pytest.raises(
        UserError, match=r"Every row would be left out.* no place for the tools .*3 rows: 1, 2, 3.*choose a"
    ):
        actions.start_training(workspace, project.id, chosen)
    assert workspace.jobs(project.id, "train") == []


@pytest.mark.parametrize("remedy", [{"system": "fold"}, {"refused": "leave-out"}])
def test_with_a_remedy_there_is_nothing_against_a_run(workspace, spec, remedy):
    chosen = replace(spec, settings=replace(spec.settings, **remedy))
    remarks = actions.remarks_of(workspace, chosen)
    assert actions.refusal(chosen, remarks) == ""
    assert [r.rows for r in remarks] == ([1] if "refused" in remedy else [])


def test_the_token_report_counts_refused_rows(workspace, spec):
    written = views.of(workspace, spec.model)
    report, _ = views.dataset(written, spec.rows_file, spec.settings)
    assert (report.rows, report.kept, report.refused) == (9, 8, 1)
    assert report.remarks == ("The chat template refuses rows: No system role (row 9).",)
    shown = views.row(written, rows()[-1], 64)
    assert (shown.kept, shown.problems[0].level, shown.problems[0].row) == (0, "error", 9)
    folded = replace(written, rendering=RenderSettings(system="fold"))
    assert "be short\n\nthe cat" in views.row(folded, rows()[-1], 64).text


def test_how_rows_are_written_goes_from_the_run_to_who_measures_it(spec):
    chosen = replace(spec, settings=replace(spec.settings, thinking="never", system="fold"), date="2026-01-02")
    assert RenderSettings.of(chosen.rendering.to_dict()) == RenderSettings("all", "never", "fold", "stop", "2026-01-02")
    assert RenderSettings.of({}).answers == "last"  # jobs of before
