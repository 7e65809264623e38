"""The table of methods is the only one: what people choose, suggested rates and PEFT's configuration follow it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from core.training import memory
from core.training.method_table import METHODS, readers
from core.training.presets import suggested_rate
from core.training.settings import PROMPT_LIKE, TrainSettings

OPTIONS = TrainSettings.__dataclass_fields__["method"].metadata["options"]


def test_what_is_made_from_it_names_the_same_methods():
    assert {name: method.label for name, method in METHODS.items()} == OPTIONS
    assert list(memory.METHODS) == list(METHODS)
    assert PROMPT_LIKE == ("prompt", "prefix")


def test_each_setting_that_a_method_reads_is_one_and_is_hidden_from_the_others():
    read = {name for method in METHODS.values() for name in method.reads}
    only = {f.name: f.metadata["only"] for f in fields(TrainSettings) if set(f.metadata["only"]) & set(METHODS)}
    assert set(only) == read
    assert all(only[name] == readers(name) for name in read)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_begins_with_its_own_rate_or_the_presets(name):
    own = METHODS[name].rate
    assert suggested_rate(name, "supervised", 3e-4) == (own or 3e-4)


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_reads_changes_what_is_attached(name, tiny_model_folder):
    """Every setting of the table reaches PEFT, or the weights that are frozen."""
    from core.models import loading
    from core.training import methods

    def attached(**change) -> tuple:
        model = methods.attach(
            loading.load(str(tiny_model_folder), tiny_model_folder), TrainSettings(**chosen, **change)
        )
        config = getattr(model, "peft_config", {}).get("default")
        return methods.parameters(model), config and config.to_dict()

    chosen = {"method": name, "rank": 4, "block_size": 8, "virtual_tokens": 4}
    usual = attached()
    other = {"rank": 2, "alpha": 7, "dropout": 0.2, "block_size": 4, "virtual_tokens": 5, "frozen_layers": 1}
    for setting in METHODS[name].reads:
        chosen.pop(setting, None)
        assert attached(**{setting: other[setting]}) != usual, setting
        chosen = {"method": name, "rank": 4, "block_size": 8, "virtual_tokens": 4}
