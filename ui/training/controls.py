"""A run's settings as controls and back, made from the dataclass itself, and what they come down to in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import Field, asdict, fields
from typing import Any

import gradio as gr

from core.models import catalogue, hub
from core.models.catalogue import CATALOGUE, DAY, NEVER
from core.training import memory
from core.training.memory import METHODS, Estimate
from core.training.presets import PRESETS, preset, suggested_rate
from core.training.settings import GROUPS, TrainSettings
from ui import html
from ui.watching import duration

FIELDS = fields(TrainSettings)
NAMES = [f.name for f in FIELDS]
CHOOSERS = ("objective", "method")
"""What decides which other settings are read."""
FITS = {
    "fits": "It fits.",
    "tight": "That is tight: close what else takes memory, or lower the maximum length.",
    "does not fit": ("That does not fit: lower the maximum length or the micro-batch, or choose another model."),
}
METHOD_LABELS = TrainSettings.__dataclass_fields__["method"].metadata["options"]


def fields_of(group: str) -> list[Field[Any]]:
    """The settings under one heading. The method stands with those that only it reads."""
    return [f for f in FIELDS if ("method" if f.name == "method" else f.metadata["group"]) == group]


def controls(group: str, settings: TrainSettings) -> dict[str, gr.components.Component]:
    """The controls of one group, by name."""
    with gr.Row(elem_classes="tw-form"):
        return {f.name: _control(f, settings) for f in fields_of(group)}


def chooser(name: str, **how: Any) -> gr.Dropdown:
    """A setting with options, for a tab that shows what it does to rows."""
    about = TrainSettings.__dataclass_fields__[name]
    options = [(label, value) for value, label in about.metadata["options"].items()]
    return gr.Dropdown(options, value=about.default, label=about.metadata["label"], **how)


def title(group: str, settings: TrainSettings) -> str:
    """The heading of a folded group, which says what its settings are now: “Method: LoRA, adapter rank 16, …”."""
    read_here = [f for f in fields_of(group) if is_read(f, settings.method, settings.objective)]
    words = [_in_words(f, getattr(settings, f.name), n == 0) for n, f in enumerate(read_here)]
    return f"{GROUPS[group]}: {', '.join(word for word in words if word)}"


def _in_words(f: Field[Any], value: Any, first: bool) -> str:
    """One setting within a heading; empty where it is off. The first of a group says what the heading names."""
    label = word(f)
    if "options" not in f.metadata:
        return f"{label} {_number(value)}" if value else ""
    option = f.metadata["options"][value]
    if first or value in ("no", "none", "row", "keep", "stop"):
        return option if first else ""
    return label if value == "yes" else f"{option} {label}"


def word(f: Field[Any]) -> str:
    """The setting's name within a sentence: its label without what stands in brackets."""
    return f.metadata["label"].split(" (")[0].lower()


def _control(f: Field[Any], settings: TrainSettings) -> gr.components.Component:
    """One control, made from the field itself: its label, why to change it, its range, and why its default is that."""
    about, value = f.metadata, getattr(settings, f.name)
    how: dict[str, Any] = {
        "label": about["label"],
        "visible": is_read(f, settings.method, settings.objective),
        "elem_id": f"tw-set-{f.name}",
        "min_width": 170,
    }
    if "options" in about:
        choices = [(label, value) for value, label in about["options"].items()]
        info = f"{about['why']} Default “{about['options'][f.default]}”: {about['because']}."
        return gr.Dropdown(choices, value=value, info=info, filterable=False, **how)
    within = f"({_number(about['low'])} to {_number(about['high'])})"
    info = f"{about['why']} {within} Default {_number(f.default)}: {about['because']}."
    precision = 0 if f.type == "int" else None
    return gr.Number(value, info=info, precision=precision, step=about["step"] or about["low"] or 0.01, **how)


def _number(value: Any) -> str:
    """As people write it: 32,768 and 0.000001."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.10f}".rstrip("0")


def is_read(f: Field[Any], method: str, objective: str) -> bool:
    """Does a run of this method and objective look at the field?"""
    only = f.metadata["only"]
    return not only or method in only or objective in only


def in_sight(method: str, objective: str) -> dict[str, bool]:
    """For each control, whether a run of this method and objective looks at it."""
    return {f.name: is_read(f, method, objective) for f in FIELDS}


def followed(rate: Any, name: str, method: str, objective: str) -> Any:
    """The learning rate for another method or objective: one that was suggested follows, one that a person typed stays.

    Asked twice it says the same, since dropdowns tell of one choice more than once.
    """
    base = PRESETS[name][1].learning_rate
    methods, objectives = (TrainSettings.__dataclass_fields__[n].metadata["options"] for n in ("method", "objective"))
    known = [suggested_rate(m, o, base) for m in methods for o in objectives]
    own = not isinstance(rate, int | float) or not any(math.isclose(rate, k, rel_tol=1e-9) for k in known)
    return rate if own else suggested_rate(method, objective, base)


def read(values: Sequence[Any]) -> TrainSettings:
    """Settings from the controls' values. Raises UserError for the first that is out of range."""
    return TrainSettings.from_dict(dict(zip(NAMES, values, strict=True)))


def values_of(settings: TrainSettings) -> list[Any]:
    return list(asdict(settings).values())


def name_of(settings: TrainSettings) -> str | None:
    """The preset that these numbers are; None where they are a person's own."""
    return next((n for n in PRESETS if preset(n, settings.method, settings.objective) == settings), None)


def why(settings: TrainSettings) -> str:
    """What the preset is for that these numbers are."""
    name = name_of(settings)
    return PRESETS[name][0] if name else "Your own numbers."


def methods_table(estimates: list[Estimate], chosen: str, available: int) -> str:
    """What each method trains and takes, and whether it fits into the `available` bytes."""
    lines = []
    for e in estimates:
        head = (METHOD_LABELS[e.method], METHODS[e.method])
        if e.problem:
            lines.append((*head, "–", "–", "", e.problem, e.method == chosen))
        else:
            share = f"{e.trainable / e.parameters:.2%} of the model"
            sizes = (_count(e.trainable), gigabytes(e.total), e.fits(available))
            lines.append((*head, *sizes, share, e.method == chosen))
    return html.methods(lines)


def models_table(chosen: str, available: int) -> str:
    """The models of the list, what is known of each and what it takes at least, and when the Hub was asked."""
    checks, day = hub.CHECKS.now()
    lines = []
    for e in CATALOGUE:
        gone = "no longer on the Hub" if checks.get(e.name) == "gone" else ""
        consent = "asks for consent" if e.gated or checks.get(e.name) == "gated" else ""
        size = memory.at_least(e.parameters)
        reasons = "" if e.thinking == NEVER else f"reasons first, {e.thinking}"
        kind = reasons if e.chat else "a base model: it only goes on writing"
        context = f"{e.context // 1024} k tokens"
        known = (e.title, e.good_for, kind, catalogue.size(e), context, e.licence)
        takes = gigabytes(size), memory.fits(size, available)
        lines.append((*known, gone or consent, *takes, e.name == chosen))
    asked = f"The Hub was asked about each on {day}." if day else "The Hub was not reached since the app started."
    about = (
        f"As their cards say, on {DAY}. {asked} Memory is that of the weights and the libraries for LoRA: rows come on "
        "top, and are counted when a model is chosen that is on this machine."
    )
    return html.models(lines) + html.detail(about)


def methods_title(estimate: Estimate) -> str:
    """The heading of the folded table: the chosen method and its figure."""
    figure = "does not go" if estimate.problem else _takes(estimate)
    return f"Methods compared: {METHOD_LABELS[estimate.method]}, {figure}"


def what_it_takes(estimate: Estimate, available: int, seconds: float | None) -> str:
    """Memory and time of the run in a sentence or two; `seconds` as earlier runs took, None where there are none."""
    if estimate.problem:
        return html.note("warning", estimate.problem)
    fits = estimate.fits(available)
    time = f" About {duration(seconds)}, as earlier runs took." if seconds is not None else ""
    sentence = (
        f"{METHOD_LABELS[estimate.method]} trains {_count(estimate.trainable)} of {_count(estimate.parameters)} "
        f"parameters and takes {_takes(estimate)}; {gigabytes(available)} are free here. {FITS[fits]}"
    )
    if estimate.at_most:
        sentence += " How long the rows are is known once the model is here: each is taken to fill the maximum length."
    return html.takes(sentence + time, fits) + (html.detail(estimate.left_out) if estimate.left_out else "")


def _takes(estimate: Estimate) -> str:
    return f"{'at most' if estimate.at_most else 'about'} {gigabytes(estimate.total)}"


def _count(n: int) -> str:
    """1,234 · 4.9 M · 1.7 B"""
    if n < 100_000:
        return f"{n:,}"
    return f"{n / 1e6:,.1f} M" if n < 1e9 else f"{n / 1e9:,.2f} B"


def gigabytes(n: int) -> str:
    return f"{n / 1e9:.1f} GB"
