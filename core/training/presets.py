"""Numbers to begin with, each set with its purpose."""

from __future__ import annotations

from dataclasses import replace

from core.training.method_table import METHODS
from core.training.settings import PREFERENCE, TrainSettings

PRESETS: dict[str, tuple[str, TrainSettings]] = {
    "quick": (
        "A first look: is the data learnt at all?",
        TrainSettings(epochs=3, dropout=0.0, evaluations_per_epoch=1),
    ),
    "balanced": (
        "Longer and at a lower rate; a good default once the quick run looks right.",
        TrainSettings(epochs=5, learning_rate=5e-4),
    ),
    "thorough": (
        "The final run: more passes, a larger adapter, the best checkpoint kept.",
        TrainSettings(epochs=8, learning_rate=3e-4, rank=32, alpha=64, patience=4),
    ),
    "labels": (
        "For rows whose answer is one of a few labels: short rows, many to a step, an early stop.",
        TrainSettings(epochs=6, learning_rate=5e-4, batch_size=16, max_length=256, rank=8, alpha=16, patience=3),
    ),
}


def suggested_rate(method: str, objective: str, rate: float = 1e-3) -> float:
    """A learning rate to begin with: `rate` for LoRA and its kin, their own for methods that need another.

    Preference training takes a twentieth: what TRL's default for DPO (1e-6) is of its default for answers (2e-5).
    """
    wanted = (METHODS[method].rate or rate) / (20 if objective in PREFERENCE else 1)
    return float(f"{wanted:.6g}")  # 0.000015, not 0.000014999999999999999


def preset(name: str, method: str = "lora", objective: str = "supervised") -> TrainSettings:
    """A preset's numbers, with the learning rate that method and objective need."""
    numbers = PRESETS[name][1]
    rate = suggested_rate(method, objective, numbers.learning_rate)
    return replace(numbers, method=method, objective=objective, learning_rate=rate)
