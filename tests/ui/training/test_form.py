"""The form is the dataclass: every field has its control, its why and its range, and is seen where it is read."""

from __future__ import annotations

import re

import gradio as gr
import pytest

from core.errors import UserError
from core.training.memory import LIBRARIES, METHODS, Estimate
from core.training.presets import PRESETS, preset
from core.training.settings import GROUPS, TrainSettings
from ui.training import form


@pytest.fixture
def controls():
    with gr.Blocks():
        made = form.basic(TrainSettings()) | form.advanced(TrainSettings())
    return made


def test_every_field_has_a_control_with_its_why_its_range_and_the_reason_for_its_default(controls):
    assert set(controls) == set(form.NAMES)
    for f in form.FIELDS:
        control, about = controls[f.name], f.metadata
        assert control.label == about["label"]
        assert about["why"] in control.info
        assert control.value == getattr(TrainSettings(), f.name)
        assert about["group"] in GROUPS
        if "options" in about:
            assert [value for _, value in control.choices] == list(about["options"])
            assert control.info.endswith(f" Default “{about['options'][f.default]}”: {about['because']}.")
        else:
            because = re.escape(about["because"])
            found = re.search(rf"\(([\d.,]+) to ([\d.,]+)\) Default ([\d.,]+): {because}\.$", control.info)
            shown = [float(number.replace(",", "")) for number in found.groups()]
            assert shown == pytest.approx([about["low"], about["high"], f.default])


def seen(method: str, objective: str = "supervised") -> set[str]:
    shown = zip(form.NAMES, form.shown(method, objective), strict=True)
    return {name for name, update in shown if update["visible"]}


def test_only_what_is_read_is_in_sight(controls):
    always = {f.name for f in form.FIELDS if not f.metadata["only"]}
    assert seen("ia3") == always
    assert seen("lora") - always == {"rank", "alpha", "dropout"}
    assert seen("oft") - always == {"dropout", "block_size"}
    assert seen("prefix") - always == {"virtual_tokens"}
    assert seen("full", "dpo") - always == {"frozen_layers", "preference_beta"}
    assert {name for name, control in controls.items() if control.visible} == seen("lora")


def test_a_suggested_rate_follows_and_a_typed_one_stays():
    assert form.followed(1e-3, "quick", "ia3", "supervised") == 5e-3
    assert form.followed(1e-3, "quick", "ia3", "supervised") == 5e-3  # a dropdown may tell of one choice twice
    assert form.followed(5e-3, "quick", "lora", "dpo") == pytest.approx(5e-5)
    assert form.followed(5e-4, "balanced", "full", "supervised") == 5e-5
    assert form.followed(0.02, "quick", "full", "supervised") == 0.02
    assert form.followed(None, "quick", "full", "supervised") is None  # an emptied field


def test_values_go_through_the_form_and_back():
    for name in PRESETS:
        settings = preset(name, "full", "kto")
        assert form.read(form.values_of(settings)) == settings
        assert form.name_of(settings) == name
    with pytest.raises(UserError, match=r"Epochs \(passes over the rows\): 0"):
        form.read([0 if n == "epochs" else v for n, v in zip(form.NAMES, form.values_of(TrainSettings()), strict=True)])


def test_presets_are_shown_as_the_numbers_in_which_they_differ():
    unlike = [f.name for f in form.FIELDS if len({getattr(made, f.name) for _, made in PRESETS.values()}) > 1]
    assert {"dropout", "alpha", "evaluations_per_epoch", "epochs"} <= set(unlike)
    for name, (why, settings) in PRESETS.items():
        shown = form.numbers(preset(name))
        assert why in shown
        off = 0 if settings.patience else 1  # it is named only where it stops a run
        assert len(re.findall("<b>", shown)) == len(unlike) - off
        for field in unlike:
            assert f"<b>{getattr(settings, field):g}</b>" in shown or (field == "patience" and off)
    assert "Your own numbers." in form.numbers(TrainSettings(epochs=11))
    assert "rank" not in form.numbers(preset("quick", "full"))


def test_the_table_of_methods():
    estimates = [Estimate(m, 5_000_000, 135_000_000, weights=10**9 - LIBRARIES) for m in METHODS]
    estimates[1] = Estimate("rslora", problem="<b>not so</b>")
    shown = form.memory(estimates, "dora", int(1.1e9))
    assert shown.count("<tr") == 1 + len(METHODS)
    assert shown.count("tw-chosen") == 1
    assert "DoRA trains 5.0 M of 135.0 M parameters and takes about 1.0 GB; 1.1 GB are free here." in shown
    assert "That is tight" in shown
    assert "&lt;b&gt;not so" in shown and "<b>not so" not in shown
    assert "&lt;b&gt;not so" in form.memory(estimates, "rslora", 1).split("<table")[0]
