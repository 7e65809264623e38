"""The form is the dataclass: every field has its control, its why and its range, and is seen where it is read."""

from __future__ import annotations

import re
from dataclasses import replace

import gradio as gr
import pytest

from core.errors import UserError
from core.training.memory import LIBRARIES, METHODS, Estimate
from core.training.presets import PRESETS, preset
from core.training.settings import GROUPS, TrainSettings
from ui.training import controls


@pytest.fixture
def made():
    """Setting → its control."""
    with gr.Blocks():
        groups = [controls.controls(group, TrainSettings()) for group in GROUPS]
    return {name: control for group in groups for name, control in group.items()}


def test_every_field_has_a_control_with_its_why_its_range_and_the_reason_for_its_default(made):
    assert set(made) == set(controls.NAMES)
    for f in controls.FIELDS:
        control, about = made[f.name], f.metadata
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
    return {name for name, visible in controls.in_sight(method, objective).items() if visible}


def test_only_what_is_read_is_in_sight(made):
    always = {f.name for f in controls.FIELDS if not f.metadata["only"]}
    assert seen("ia3") - always == {"answers"}  # a preference is of the last answer
    assert seen("lora") - always == {"answers", "rank", "alpha", "dropout"}
    assert seen("oft") - always == {"answers", "dropout", "block_size"}
    assert seen("prefix") - always == {"answers", "virtual_tokens"}
    assert seen("full", "dpo") - always == {"frozen_layers", "preference_beta"}
    assert {name for name, control in made.items() if control.visible} == seen("lora")


def test_a_suggested_rate_follows_and_a_typed_one_stays():
    assert controls.followed(1e-3, "quick", "ia3", "supervised") == 5e-3
    assert controls.followed(1e-3, "quick", "ia3", "supervised") == 5e-3  # a dropdown may tell of one choice twice
    assert controls.followed(5e-3, "quick", "lora", "dpo") == pytest.approx(5e-5)
    assert controls.followed(5e-4, "balanced", "full", "supervised") == 5e-5
    assert controls.followed(0.02, "quick", "full", "supervised") == 0.02
    assert controls.followed(None, "quick", "full", "supervised") is None  # an emptied field


def test_values_go_through_the_form_and_back():
    for name in PRESETS:
        settings = preset(name, "full", "kto")
        assert controls.read(controls.values_of(settings)) == settings
        assert controls.name_of(settings) == name
    with pytest.raises(UserError, match="0 is not a whole number from 1"):
        controls.read(
            [
                0 if n == "epochs" else v
                for n, v in zip(controls.NAMES, controls.values_of(TrainSettings()), strict=True)
            ]
        )


def test_folded_settings_say_what_they_are():
    """Every number in which presets differ stands in a heading, in the words of its label; what is off does not."""
    unlike = [f for f in controls.FIELDS if len({getattr(made, f.name) for _, made in PRESETS.values()}) > 1]
    assert {"dropout", "alpha", "evaluations_per_epoch", "epochs"} <= {f.name for f in unlike}
    for name, (why, settings) in PRESETS.items():
        headings = [controls.title(group, preset(name)) for group in GROUPS]
        assert controls.why(preset(name)) == why
        for f in unlike:
            value = getattr(settings, f.name)
            shown = f"{controls.word(f)} {value:g}"
            assert sum(bool(re.search(rf"{re.escape(shown)}(,|$)", h)) for h in headings) == bool(value), (name, shown)
    assert controls.why(TrainSettings(epochs=11)) == "Your own numbers."
    assert "rank" not in controls.title("method", preset("quick", "full"))
    assert controls.title("method", preset("thorough")).startswith("Method: LoRA, adapter rank 32, adapter alpha 64")
    assert controls.title("method", TrainSettings(quantization="4bit")).startswith("Method: LoRA, 4 bits (NF4) base")
    assert controls.title("optimizer", TrainSettings()).startswith("Optimizer: AdamW, Cosine learning-rate schedule")


def test_each_setting_stands_in_one_group():
    names = [f.name for group in GROUPS for f in controls.fields_of(group)]
    assert sorted(names) == sorted(controls.NAMES)
    assert controls.fields_of("method")[0].name == "method"


def estimates(total: int = 10**9) -> list[Estimate]:
    each = [Estimate(m, 5_000_000, 135_000_000, weights=total - LIBRARIES) for m in METHODS]
    each[1] = Estimate("rslora", problem="<b>not so</b>")
    return each


def test_the_table_of_methods():
    shown = controls.methods_table(estimates(), "dora", int(1.1e9))
    assert shown.count("<tr") == 1 + len(METHODS)
    assert shown.count("tw-chosen") == 1
    assert "&lt;b&gt;not so" in shown and "<b>not so" not in shown
    assert controls.methods_title(estimates()[2]) == "Methods compared: DoRA, about 1.0 GB"


def test_what_a_run_takes_is_a_sentence():
    shown = controls.what_it_takes(estimates()[2], int(1.1e9), 600)
    assert "DoRA trains 5.0 M of 135.0 M parameters and takes about 1.0 GB; 1.1 GB are free here." in shown
    assert "That is tight" in shown and "About 10 min, as earlier runs took." in shown
    shown = controls.what_it_takes(estimates()[2], int(0.9e9), None)
    assert "That does not fit" in shown and "earlier runs" not in shown
    assert "&lt;b&gt;not so" in controls.what_it_takes(estimates()[1], 1, 600)
    unknown = replace(estimates()[2], at_most=True)
    assert "takes at most 1.0 GB" in controls.what_it_takes(unknown, int(1.1e9), None)
    assert controls.methods_title(unknown) == "Methods compared: DoRA, at most 1.0 GB"


def test_models_are_compared_with_what_they_take_here():
    from core.models.catalogue import CATALOGUE, DAY

    table = controls.models_table("Qwen/Qwen3-0.6B", 4_000_000_000)
    assert all(e.title in table and e.licence in table for e in CATALOGUE)
    assert table.count("tw-chosen") == 1
    assert "3.0 GB" in table  # 600 million float32 values and the libraries
    assert table.count("does not fit") >= 5
    assert table.count("asks for consent") == sum(e.gated for e in CATALOGUE)
    assert DAY in table


def test_what_a_method_leaves_out_is_said_beside_what_it_takes():
    estimate = Estimate("lora", 100, 1000, left_out="Its experts stay as they are.")
    assert "Its experts stay as they are." in controls.what_it_takes(estimate, 10**10, None)
