"""The base is what the run was made on in all that decides a logit, or it is refused and never mixed with another."""

from __future__ import annotations

import json
import shutil

import pytest

from core.errors import UserError
from core.models.loading import settings_hashes
from core.models.sides import load_sides


@pytest.fixture
def base(tiny_model_folder, tmp_path):
    """A copy of the tiny model that may be changed."""
    return shutil.copytree(tiny_model_folder, tmp_path / "base")


def edit(path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_a_base_whose_configuration_changed_is_refused(base, tiny_adapter, tmp_path):
    """The weights are the same: a hash of them alone would call it the base."""
    then = settings_hashes(str(base), tmp_path)
    assert {"config.json", "tokenizer.json", "tokenizer_config.json"} <= set(then)
    load = lambda: load_sides(str(base), tiny_adapter, tmp_path, trained_with=then)  # noqa: E731
    assert load().proof["base_settings"] == then

    config = base / "config.json"
    old = config.read_text(encoding="utf-8")
    config.write_text(json.dumps(json.loads(old), indent=7), encoding="utf-8")
    edit(config, transformers_version="9.9.9")
    assert load().proof["base_settings"] == then  # written otherwise, and saying the same
    parameters = {**json.loads(old)["rope_parameters"], "rope_theta": 99.0}
    edit(config, rope_parameters=parameters)
    with pytest.raises(UserError, match=r"its config\.json has changed since"):
        load()
    config.write_text(old, encoding="utf-8")
    edit(base / "tokenizer_config.json", chat_template="{{ messages[0]['content'] }}")
    with pytest.raises(UserError, match=r"its tokenizer_config\.json has changed since"):
        load()


def test_runs_of_before_have_no_such_record_and_go_on(base, tiny_adapter, tmp_path):
    edit(base / "config.json", rope_parameters={"rope_type": "default", "rope_theta": 99.0})
    assert load_sides(str(base), tiny_adapter, tmp_path).proof["base_settings"]
