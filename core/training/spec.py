"""Everything that decides a training run. The form in the Training tab and the flags of `train` are made from this."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from core.types import UserError


def setting(
    default: Any, label: str, why: str, low: float, high: float, group: str = "basic", step: float | None = None
):
    """A field with what its control needs: label, one line 'why change it', and its range (inclusive)."""
    about = {"label": label, "why": why, "low": low, "high": high, "group": group, "step": step}
    return field(default=default, metadata=about)


def choice(default: str, label: str, why: str, options: dict[str, str], group: str = "advanced"):
    """A field that takes one of `options` (value → what people read)."""
    return field(default=default, metadata={"label": label, "why": why, "options": options, "group": group})


@dataclass(frozen=True)
class TrainSettings:
    epochs: int = setting(
        3, "Passes over the rows", "More for few rows; fewer when the validation loss starts to rise.", 1, 50, step=1
    )
    learning_rate: float = setting(
        1e-3, "Learning rate", "Lower if the loss jumps about; higher if it hardly falls.", 1e-6, 1e-1
    )
    rows_per_step: int = setting(
        8, "Rows per step", "More is steadier, fewer makes more steps of the same rows.", 1, 512, step=1
    )
    max_length: int = setting(
        512,
        "Maximum length (tokens)",
        "What exceeds it is cut at the end. The Tokens tab shows what is lost.",
        16,
        32768,
        step=1,
    )
    method: str = choice(
        "lora",
        "Method",
        "LoRA suits nearly everything. rsLoRA for ranks above 64, DoRA for a little more quality in more time.",
        {"lora": "LoRA", "rslora": "rsLoRA", "dora": "DoRA"},
    )
    rank: int = setting(16, "Adapter rank", "Higher holds more new facts and takes more memory.", 1, 512, "advanced", 1)
    alpha: int = setting(
        32,
        "Adapter alpha",
        "Scales the adapter: its effect grows with alpha / rank. Usually twice the rank.",
        1,
        2048,
        "advanced",
        1,
    )
    dropout: float = setting(
        0.05,
        "Adapter dropout",
        "Higher against learning rows by heart; 0 to fit them as closely as possible.",
        0,
        0.9,
        "advanced",
    )
    schedule: str = choice(
        "cosine",
        "Learning-rate schedule",
        "Cosine and linear fall to zero at the end; constant keeps what you set.",
        {"cosine": "Cosine", "linear": "Linear", "constant_with_warmup": "Constant"},
    )
    warmup: float = setting(
        0.05,
        "Warm-up (share of steps)",
        "The learning rate rises over this share: raise it if the start is rough.",
        0,
        0.5,
        "advanced",
    )
    weight_decay: float = setting(
        0.0, "Weight decay", "Pulls weights to zero; rarely matters for adapters.", 0, 1, "advanced"
    )
    gradient_clip: float = setting(
        1.0, "Gradient clipping", "Limits the size of one step; lower if the loss spikes.", 0.01, 100, "advanced"
    )
    evaluations_per_epoch: int = setting(
        2, "Validations per pass", "Each measures the validation loss and saves a checkpoint.", 1, 20, "advanced", 1
    )
    seed: int = setting(
        0,
        "Seed",
        "Another seed gives another order of rows: repeat a run to see how much is luck.",
        0,
        2**31,
        "advanced",
        1,
    )

    def __post_init__(self) -> None:
        for f in fields(self):
            value, about = getattr(self, f.name), f.metadata
            if "options" in about:
                if value not in about["options"]:
                    raise UserError(f"{about['label']}: “{value}” is not one of {', '.join(about['options'])}.")
            elif not _is_number(value, f.type == "int") or not about["low"] <= value <= about["high"]:
                kind = "a whole number" if f.type == "int" else "a number"
                raise UserError(
                    f"{about['label']}: {value!r} is not {kind} from {about['low']:g} to {about['high']:g}."
                )

    def steps_per_epoch(self, rows: int) -> int:
        return math.ceil(rows / self.rows_per_step)

    def steps(self, rows: int) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.steps_per_epoch(rows)

    def evaluate_every(self, rows: int) -> int:
        """Steps between two validations."""
        return max(1, self.steps_per_epoch(rows) // self.evaluations_per_epoch)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> TrainSettings:
        """Settings from JSON or a form, whose numbers may be floats or text. Raises UserError for an unknown name."""
        known = {f.name: f for f in fields(cls)}
        unknown = sorted(set(raw) - set(known))
        if unknown:
            raise UserError(f"There is no setting “{unknown[0]}”. Known are: {', '.join(known)}.")
        return cls(**{name: _as_type(value, known[name].type) for name, value in raw.items()})


def _is_number(value: Any, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return isinstance(value, int) or not whole


def _as_type(value: Any, kind: str) -> Any:
    """'8' and 8.0 are 8 for a whole number; what is no number stays as it is and is refused with its value."""
    if kind == "str":
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return int(number) if kind == "int" and number.is_integer() else number


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
        TrainSettings(epochs=8, learning_rate=3e-4, rank=32, alpha=64),
    ),
}


@dataclass(frozen=True)
class RunSpec:
    """Everything needed to repeat a run, with what `run.json` adds: library versions and weights hash."""

    model: str
    """`starter`, an id of the Hub, or a folder."""
    dataset_version: str
    rows_file: str
    """Where the worker reads the rows."""
    settings: TrainSettings = field(default_factory=TrainSettings)
    revision: str | None = None
    template: str = ""
    """A name of `core.rendering.TEMPLATES`; empty: the model's own, or `instruction` where it has none."""
    preset: str = "quick"
    schema: int = 1

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> RunSpec:
        return replace(cls(**{**raw, "settings": TrainSettings()}), settings=TrainSettings.from_dict(raw["settings"]))
