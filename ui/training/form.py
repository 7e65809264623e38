"""The form of a run's settings, made from the dataclass itself: what is basic in sight, the rest folded away."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from typing import Any

import gradio as gr

from core.training.memory import METHODS, Estimate
from core.training.presets import PRESETS, preset, suggested_rate
from core.training.settings import GROUPS, TrainSettings
from ui import html

FIELDS = fields(TrainSettings)
NAMES = [f.name for f in FIELDS]
CHOOSERS = ("objective", "method")
"""What decides which other settings are read."""
DIFFERENT = [f for f in FIELDS if len({getattr(made, f.name) for _, made in PRESETS.values()}) > 1]
"""The fields in which presets differ."""


def basic(settings: TrainSettings) -> dict[str, gr.components.Component]:
    """Controls of the first group, by name."""
    with gr.Row(elem_classes="tw-form"):
        return {f.name: _control(f, settings) for f in FIELDS if f.metadata["group"] == "basic"}


def advanced(settings: TrainSettings) -> dict[str, gr.components.Component]:
    """Controls of all other groups, each under its heading, by name."""
    made = {}
    for group, title in list(GROUPS.items())[1:]:
        gr.HTML(html.heading(title))
        with gr.Row(elem_classes="tw-form"):
            made |= {f.name: _control(f, settings) for f in FIELDS if f.metadata["group"] == group}
    return made


def _control(f, settings: TrainSettings) -> gr.components.Component:
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


def _number(value: float) -> str:
    """As people write it: 32,768 and 0.000001."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.10f}".rstrip("0")


def is_read(f, method: str, objective: str) -> bool:
    """Does a run of this method and objective look at the field?"""
    only = f.metadata["only"]
    return not only or method in only or objective in only


def shown(method: str, objective: str) -> list[dict[str, Any]]:
    """For each control, whether it is in sight."""
    return [gr.update(visible=is_read(f, method, objective)) for f in FIELDS]


def followed(rate: Any, name: str, method: str, objective: str) -> Any:
    """The learning rate for another method or objective: one that was suggested follows, one that a person typed stays.

    Asked twice it says the same, since dropdowns tell of one choice more than once.
    """
    base = PRESETS[name][1].learning_rate
    methods, objectives = (TrainSettings.__dataclass_fields__[n].metadata["options"] for n in ("method", "objective"))
    known = [suggested_rate(m, o, base) for m in methods for o in objectives]
    own = not isinstance(rate, int | float) or not any(math.isclose(rate, k, rel_tol=1e-9) for k in known)
    return rate if own else suggested_rate(method, objective, base)


def read(values) -> TrainSettings:
    """Settings from the controls' values. Raises UserError for the first that is out of range."""
    return TrainSettings.from_dict(dict(zip(NAMES, values, strict=True)))


def values_of(settings: TrainSettings) -> list[Any]:
    return list(asdict(settings).values())


def name_of(settings: TrainSettings) -> str | None:
    """The preset that these numbers are; None where they are a person's own."""
    return next((n for n in PRESETS if preset(n, settings.method, settings.objective) == settings), None)


def numbers(settings: TrainSettings) -> str:
    """The settings as the few numbers that presets differ in."""
    name = name_of(settings)
    why = PRESETS[name][0] if name else "Your own numbers."
    words = {
        "epochs": "pass" if settings.epochs == 1 else "passes",
        "learning_rate": "rate",
        "batch_size": "row a step" if settings.batch_size == 1 else "rows a step",
        "max_length": "tokens",
        "rank": "rank",
        "alpha": "alpha",
        "dropout": "dropout",
        "evaluations_per_epoch": "validation a pass" if settings.evaluations_per_epoch == 1 else "validations a pass",
        "patience": "stop after",
    }
    pairs = [
        (words.get(f.name, f.metadata["label"].lower()), f"{getattr(settings, f.name):g}")
        for f in DIFFERENT
        if is_read(f, settings.method, settings.objective)
    ]
    return html.numbers(why, [(word, value) for word, value in pairs if (word, value) != ("stop after", "0")])


def memory(estimates: list[Estimate], chosen: str, available: int) -> str:
    """What each method trains and takes, and whether it fits into the `available` bytes."""
    labels = TrainSettings.__dataclass_fields__["method"].metadata["options"]
    lines = []
    for e in estimates:
        head = (labels[e.method], METHODS[e.method])
        if e.problem:
            lines.append((*head, "–", "–", "", e.problem, e.method == chosen))
        else:
            share = f"{e.trainable / e.parameters:.2%} of the model"
            sizes = (_count(e.trainable), _gigabytes(e.total), e.fits(available))
            lines.append((*head, *sizes, share, e.method == chosen))
    own = next((e for e in estimates if e.method == chosen), None)
    sentence = "" if own is None else own.problem or _sentence(own, labels[chosen], available)
    return html.methods(sentence, lines)


def _sentence(e: Estimate, label: str, available: int) -> str:
    ends = {
        "fits": "It fits.",
        "tight": "That is tight: close what else takes memory, or lower the maximum length.",
        "does not fit": "That does not fit: lower the maximum length or the micro-batch, or choose another model.",
    }
    return (
        f"{label} trains {_count(e.trainable)} of {_count(e.parameters)} parameters and takes about "
        f"{_gigabytes(e.total)}; {_gigabytes(available)} are free here. {ends[e.fits(available)]}"
    )


def _count(n: int) -> str:
    """1,234 · 4.9 M · 1.7 B"""
    if n < 100_000:
        return f"{n:,}"
    return f"{n / 1e6:,.1f} M" if n < 1e9 else f"{n / 1e9:,.2f} B"


def _gigabytes(n: int) -> str:
    return f"{n / 1e9:.1f} GB"
