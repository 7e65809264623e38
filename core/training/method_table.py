"""The methods of training, in one table: names, what they train, which settings they read, the rate they begin with.

The form's choices, the suggested rates, the table of memory and the checks of settings are made from it; what PEFT is
given for each family stands in core/training/methods.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["lora", "ia3", "oft", "prompt", "full"]


@dataclass(frozen=True)
class Method:
    label: str
    trains: str
    """What it trains, in a few words."""
    family: Family
    """Methods of one family save the same kind of weights."""
    reads: tuple[str, ...] = ()
    """Settings that it reads and not every method does."""
    rate: float | None = None
    """Learning rate to begin with; None: LoRA's, as the preset has it."""
    not_quantized: str = ""
    """Why it cannot stand on quantized base weights; empty: it can."""


_LORA = ("rank", "alpha", "dropout")
METHODS = {
    "lora": Method("LoRA", "small matrices beside the weights", "lora", _LORA),
    "rslora": Method("rsLoRA", "as LoRA, scaled for high ranks", "lora", _LORA),
    "dora": Method("DoRA", "as LoRA, and each weight's length", "lora", _LORA),
    "pissa": Method(
        "PiSSA",
        "as LoRA, from the weights' main part",
        "lora",
        _LORA,
        not_quantized="PiSSA takes its part out of the base weights, and quantized weights cannot give it.",
    ),
    "ia3": Method("IA³", "one factor for each channel", "ia3", rate=5e-3),
    "oft": Method("OFT", "rotations of the weights", "oft", ("dropout", "block_size"), 5e-4),
    "prompt": Method("Prompt tuning", "a learnt prompt before each row", "prompt", ("virtual_tokens",), 3e-2),
    "prefix": Method("Prefix tuning", "a learnt prefix in every layer", "prompt", ("virtual_tokens",), 1e-2),
    "full": Method(
        "Full fine-tuning",
        "the weights themselves",
        "full",
        ("frozen_layers",),
        5e-5,
        not_quantized="Full fine-tuning changes every weight, and quantized weights cannot be changed.",
    ),
}


def readers(setting: str) -> tuple[str, ...]:
    """The methods that read a setting which not every method reads."""
    return tuple(name for name, method in METHODS.items() if setting in method.reads)


def of_family(family: Family) -> tuple[str, ...]:
    return tuple(name for name, method in METHODS.items() if method.family == family)
