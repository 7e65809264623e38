"""The command line on a run that is there already: answers, what an evaluation is told to take, cancelling, saving."""

from __future__ import annotations

import shutil

import pytest

from core.__main__ import main
from core.settings import Settings
from core.workspace import open_workspace
from tests.core.evaluation.conftest import tiny_adapter  # noqa: F401 (a fixture)
from tests.core.evaluation.test_chat import make_run


@pytest.fixture
def model(tiny_model_folder, tmp_path):
    """A copy of the tiny model, which a test may change."""
    return shutil.copytree(tiny_model_folder, tmp_path / "model")


@pytest.fixture
def trained(tmp_path, monkeypatch, rows_file, model, tiny_adapter):  # noqa: F811
    """The workspace of the command line, with a trained run of the tiny model."""
    monkeypatch.setenv("TUNEWRIGHT_HOME", str(tmp_path / "home"))
    workspace = open_workspace(Settings(home=tmp_path / "home"))
    make_run(workspace, rows_file, model, tiny_adapter)
    return workspace


@pytest.fixture
def call(capsys):
    def called(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        out = capsys.readouterr()
        return code, out.out, out.err

    return called


def test_a_base_that_changed_since_the_run_answers_nothing(trained, call, model):
    from safetensors.torch import load_file, save_file

    assert call("generate", "Say the number 3.", "--max-new-tokens", "2")[0] == 0
    weights = load_file(model / "model.safetensors")
    save_file({name: 2 * value for name, value in weights.items()}, model / "model.safetensors", {"format": "pt"})
    code, out, err = call("generate", "Say the number 3.", "--max-new-tokens", "2")
    assert (code, out) == (1, "")
    assert "The base model has changed since the run" in err
