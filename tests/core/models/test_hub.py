"""Models from the Hub, by the real client over HTTP; the Hub itself is ours (tests/hub.py)."""

from __future__ import annotations

import json
import shutil

import pytest

from core.models.starter import HUB_FILES, HUB_ID
from tests.hub import ask, running

STARTER = """
import sys
from pathlib import Path
from core.models import loading
from core.errors import UserError
try:
    loading.load("starter", Path(sys.argv[1]))
except UserError as e:
    sys.exit(f"UserError: {e}")
print(Path(loading.locate("starter", Path(sys.argv[1])), "source.json").read_text())
"""
REVISION = """
import json, sys
from pathlib import Path
from core.models import loading
revision = loading.newest_revision("somebody/tiny")
loaded = loading.load("somebody/tiny", Path("."), (sys.argv[1:] or [revision])[0])
print(json.dumps([revision, float(loaded.get_input_embeddings().weight.sum())]))
"""


@pytest.fixture
def hub():
    with running() as made:
        yield made


def test_the_starter_model_comes_from_the_hub_where_it_answers(hub, tiny_model_folder, tmp_path):
    published = tmp_path / "published"
    published.mkdir()
    for name in HUB_FILES:
        shutil.copy(tiny_model_folder / name, published / name)
    sha = hub.commit("models", HUB_ID, published)
    done = ask(hub, tmp_path / "home", STARTER, str(tmp_path / "models"))
    assert done.returncode == 0, done.stderr
    source = json.loads(done.stdout)
    assert (source["from"], source["id"], source["revision"]) == ("hub", HUB_ID, sha)


def test_weights_that_are_not_what_the_hub_states_are_refused(hub, tiny_model_folder, tmp_path):
    hub.commit("models", HUB_ID, tiny_model_folder)
    hub.stated["model.safetensors"] = "0" * 64
    done = ask(hub, tmp_path / "home", STARTER, str(tmp_path / "models"))
    assert "UserError: The starter model from the Hub is damaged" in done.stderr
    assert not [p for p in (tmp_path / "models").iterdir() if p.is_dir()]


def test_a_commit_stays_what_it_was(tiny_model_folder, tmp_path):
    """The Hub moves on, and then does not answer: each commit still loads its own weights."""
    import torch
    from transformers import AutoModelForCausalLM

    other = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
    with torch.no_grad():
        other.get_input_embeddings().weight.add_(1.0)
    shutil.copytree(tiny_model_folder, tmp_path / "other")
    other.save_pretrained(tmp_path / "other")

    def loaded(*given: str) -> list:
        done = ask(hub, tmp_path / "home", REVISION, *given)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with running() as hub:
        old = hub.commit("models", "somebody/tiny", tiny_model_folder)
        first = loaded()
        new = hub.commit("models", "somebody/tiny", tmp_path / "other")
        second = loaded()
        assert (first[0], second[0]) == (old, new)
        assert second[1] > first[1] + 1
        assert loaded(old) == [new, first[1]]
    assert loaded() == second
    assert loaded(old) == [new, first[1]]
