"""Everything that decides a training run. The form in the Training tab and the flags of `train` are made from this."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from core.engine.templates import ANSWERS, REFUSED, SYSTEM, THINKING
from core.errors import UserError
from core.tokens.rows import OBJECTIVES
from core.training.fields import check, choice, setting, typed
from core.training.method_table import METHODS, of_family, readers

GROUPS = {
    "basic": "The basics",
    "rows": "Rows",
    "method": "Method",
    "optimizer": "Optimizer",
    "validation": "Validation and checkpoints",
    "machine": "Machine",
}
"""Groups of settings, in the order of the form. All but the first are for those who want more."""


PROMPT_LIKE = of_family("prompt")
"""Methods that put virtual tokens before each row."""


PREFERENCE = ("dpo", "kto")
"""Objectives that learn from what people liked."""


@dataclass(frozen=True)
class TrainSettings:
    objective: str = choice(
        "supervised",
        "What is learnt",
        "Answers suits rows with a prompt and an answer. The others need their own kind of rows: see Data.",
        "most kinds of rows can be learnt so",
        OBJECTIVES,
        "basic",
    )
    method: str = choice(
        "lora",
        "Method",
        "LoRA suits nearly everything. The others trade memory, time and quality: see the table below.",
        "close to training all weights (Hu et al. 2021), in a fraction of the memory",
        {name: method.label for name, method in METHODS.items()},
        "basic",
    )
    epochs: int = setting(
        3,
        "Epochs (passes over the rows)",
        "More for few rows; fewer when the validation loss starts to rise.",
        "as in transformers",
        (1, 50),
        step=1,
    )
    learning_rate: float = setting(
        1e-3,
        "Learning rate",
        "Lower if the loss jumps about; higher if it hardly falls.",
        "as in PEFT's quicktour; methods and presets bring their own",
        (1e-6, 1e-1),
    )
    batch_size: int = setting(
        8,
        "Batch size (rows per step)",
        "More is steadier, fewer makes more steps of the same rows.",
        "as in transformers",
        (1, 512),
        step=1,
    )
    max_length: int = setting(
        512,
        "Maximum length (tokens)",
        "What exceeds it is cut at the end. The Tokens tab shows what is lost.",
        "as for Alpaca (Taori et al. 2023)",
        (16, 32768),
        step=1,
    )
    answers: str = choice(
        "all",
        "Answers trained",
        "Only the last if the earlier ones of a conversation are context. Rows that say so themselves keep their word.",
        "as in the trainers people come from; every answer of the assistant teaches",
        ANSWERS,
        "rows",
        only=("supervised",),
    )
    thinking: str = choice(
        "row",
        "Thinking",
        "Never tells the template so, and leaves reasoning out of rows; the same counts when the model answers later.",
        "rows with reasoning teach it, others do not",
        THINKING,
        "rows",
    )
    system: str = choice(
        "keep",
        "System prompt",
        "Into the first user turn for models whose template refuses one, as Gemma's does.",
        "the model's own template knows best",
        SYSTEM,
        "rows",
    )
    refused: str = choice(
        "stop",
        "Rows the template refuses",
        "Leave them out to train on the others; they are counted and named.",
        "nothing you brought is dropped unasked",
        REFUSED,
        "rows",
    )
    quantization: str = choice(
        "none",
        "Base weights",
        "Quantize when the base does not fit into memory: it then takes a half or a quarter, and some quality.",
        "nothing is lost where the base fits",
        {"none": "As they are", "8bit": "8 bits", "4bit": "4 bits (NF4)"},
        "method",
    )
    rank: int = setting(
        16,
        "Adapter rank",
        "Higher holds more new facts and takes more memory.",
        "as in TRL",
        (1, 512),
        "method",
        1,
        readers("rank"),
    )
    alpha: int = setting(
        32,
        "Adapter alpha",
        "Scales the adapter: its effect grows with alpha / rank. Usually twice the rank.",
        "as in TRL, twice its rank",
        (1, 2048),
        "method",
        1,
        readers("alpha"),
    )
    dropout: float = setting(
        0.05,
        "Adapter dropout",
        "Higher against learning rows by heart; 0 to fit them as closely as possible, and faster.",
        "as in TRL",
        (0, 0.9),
        "method",
        only=readers("dropout"),
    )
    block_size: int = setting(
        32,
        "Rotation block",
        "Larger rotates more weights together: stronger and slower.",
        "as in PEFT",
        (2, 512),
        "method",
        1,
        readers("block_size"),
    )
    virtual_tokens: int = setting(
        20,
        "Virtual tokens",
        "More can hold a longer instruction; each takes one place of the model's context.",
        "more gain little (Lester et al. 2021)",
        (1, 512),
        "method",
        1,
        readers("virtual_tokens"),
    )
    frozen_layers: int = setting(
        0,
        "Frozen layers",
        "The embeddings and this many first layers stay as they are: less memory, less forgetting. 0 trains all.",
        "all weights learn, as the method says",
        (0, 512),
        "method",
        1,
        readers("frozen_layers"),
    )
    preference_beta: float = setting(
        0.1,
        "Preference beta",
        "Higher keeps the model closer to the base; lower follows the preferences further.",
        "as in TRL, and in Rafailov et al. 2023",
        (0.001, 10),
        "method",
        only=PREFERENCE,
    )
    optimizer: str = choice(
        "adamw",
        "Optimizer",
        "AdamW suits nearly everything; the others save memory when all weights are trained.",
        "as in transformers",
        {"adamw": "AdamW", "adamw_8bit": "AdamW, 8-bit states", "adafactor": "Adafactor", "sgd": "SGD"},
        "optimizer",
    )
    schedule: str = choice(
        "cosine",
        "Learning-rate schedule",
        "Cosine and linear fall to zero at the end; constant keeps what you set.",
        "our choice; it stays high for long and ends gently",
        {
            "cosine": "Cosine",
            "linear": "Linear",
            "inverse_sqrt": "Inverse square root",
            "constant_with_warmup": "Constant",
        },
        "optimizer",
    )
    warmup: float = setting(
        0.05,
        "Warm-up (share of steps)",
        "The learning rate rises over this share: raise it if the start is rough.",
        "our choice; AdamW's first steps are the least sure (Liu et al. 2020)",
        (0, 0.5),
        "optimizer",
    )
    weight_decay: float = setting(
        0.0,
        "Weight decay",
        "Pulls weights to zero; rarely matters for adapters.",
        "as in transformers",
        (0, 1),
        "optimizer",
    )
    gradient_clip: float = setting(
        1.0,
        "Gradient clipping",
        "Limits the size of one step; lower if the loss spikes.",
        "as in transformers",
        (0.01, 100),
        "optimizer",
    )
    neftune: float = setting(
        0.0,
        "Noise on the embeddings (NEFTune)",
        "About 5 can make answers to open questions richer; 0 for facts and labels.",
        "neutral, nothing is added",
        (0, 100),
        "optimizer",
    )
    label_smoothing: float = setting(
        0.0,
        "Label smoothing",
        "About 0.1 keeps the model from being too sure where answers contradict each other.",
        "neutral, answers count as certain",
        (0, 0.5),
        "optimizer",
    )
    seed: int = setting(
        0,
        "Seed",
        "Another seed gives another order of rows: repeat a run to see how much is luck.",
        "any other is as good",
        (0, 2**31),
        "optimizer",
        1,
    )
    evaluations_per_epoch: int = setting(
        2,
        "Validations per epoch",
        "Each measures the validation loss and saves a checkpoint.",
        "our choice; a curve even for few passes, at little cost",
        (1, 20),
        "validation",
        1,
    )
    patience: int = setting(
        0,
        "Stop early after",
        "Validations in a row without a lower loss after which the run ends; 0 never stops early.",
        "the learning rate falls to zero only at the end of the whole run",
        (0, 100),
        "validation",
        1,
    )
    checkpoints_kept: int = setting(
        2,
        "Checkpoints kept",
        "Newest checkpoints on disk, besides the best one; more to compare them later.",
        "our choice; one more than resuming needs",
        (1, 100),
        "validation",
        1,
    )
    micro_batch_size: int = setting(
        0,
        "Micro-batch (rows per forward pass)",
        "Fewer need less memory: gradients are accumulated up to the batch size. 0 chooses by the rows' length.",
        "our choice; short rows go together, long ones alone",
        (0, 512),
        "machine",
        1,
    )
    packing: str = choice(
        "shared",
        "Batching",
        "Shared computes what rows have in common once: the same loss in less time. Padded is what others do.",
        "equal losses in less time, as we measured",
        {"shared": "Shared prefixes", "padded": "Padded"},
        "machine",
    )
    precision: str = choice(
        "auto",
        "Precision",
        "Automatic takes bf16 on a GPU that has it, and fp32 on other GPUs and on every CPU.",
        "it runs on every machine",
        {"auto": "Automatic", "fp32": "fp32", "bf16": "bf16", "fp16": "fp16"},
        "machine",
    )
    activation_checkpointing: str = choice(
        "no",
        "Recompute activations",
        "Yes when memory runs out: activations are computed again instead of kept, at about a third more time.",
        "faster, as long as the memory suffices",
        {"no": "No", "yes": "Yes"},
        "machine",
    )
    processes: int = setting(
        1,
        "Processes",
        "As many as there are GPUs; they share each step's rows. On a CPU one is best: its threads share the cores.",
        "it suits every machine",
        (1, 64),
        "machine",
        1,
    )
    kernels: str = choice(
        "torch",
        "Kernels",
        "Liger's fused kernels save time and memory on a GPU.",
        "they run on every machine",
        {"torch": "PyTorch", "liger": "Liger (GPU)"},
        "machine",
    )

    def __post_init__(self) -> None:
        for f in fields(self):
            check(f, getattr(self, f.name))

    def steps_per_epoch(self, rows: int) -> int:
        return math.ceil(rows / self.batch_size)

    def steps(self, rows: int) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.steps_per_epoch(rows)

    def evaluate_every(self, rows: int) -> int:
        """Steps between two validations."""
        return max(1, self.steps_per_epoch(rows) // self.evaluations_per_epoch)

    def micro_batch(self, longest: int, processes: int = 1) -> int:
        """Rows of a forward pass: the largest divisor of a process's share of the batch that is no more than what is
        set, or than 8,192 tokens of rows of `longest` tokens each.
        """
        rows = self.batch_size // processes
        most = self.micro_batch_size or max(1, 8192 // longest)
        return max(n for n in range(1, rows + 1) if rows % n == 0 and n <= most)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> TrainSettings:
        """Settings from JSON or a form, whose numbers may be floats or text. Raises UserError for an unknown name."""
        known = {f.name: f for f in fields(cls)}
        unknown = sorted(set(raw) - set(known))
        if unknown:
            raise UserError(f"There is no setting “{unknown[0]}”. Known are: {', '.join(known)}.")
        return cls(**{name: typed(value, str(known[name].type)) for name, value in raw.items()})
