"""The loop: transformers.Trainer over shared-prefix batches. Ours are the packed batch and the exact loss.

Imported only by the worker: transformers and torch load with it.
"""

from __future__ import annotations

import importlib.util
import math
import os
from pathlib import Path
from typing import Any

import torch
from accelerate import DistributedType
from transformers import (
    EarlyStoppingCallback,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerControl,
    TrainingArguments,
)

from core.engine.kernels.loss import summed_cross_entropy
from core.engine.packing import Row, forward, takes_packs
from core.engine.scoring import score
from core.errors import UserError
from core.jobs.events import EventLog
from core.models.loading import gpu_has_bf16
from core.tokens.rows import TrainingRows
from core.training.callbacks import Reporter
from core.training.settings import TrainSettings
from core.training.spec import RunSpec


class PackedTrainer(Trainer):
    """Trainer over shared-prefix batches: the loss is the mean over all trained tokens of a step, exactly."""

    packed: bool
    smoothing: float
    validation: list[Row]
    control: TrainerControl

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        logits, target, _ = forward(model, inputs["rows"], self.packed)
        total = summed_cross_entropy(logits, target, self.smoothing)
        # Gradients of several processes are averaged, but the tokens were counted over all of them.
        return total * self.args.world_size / (num_items_in_batch if num_items_in_batch is not None else len(target))

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        self.model.eval()
        scores = score(self.model, self.validation, packed=self.packed)
        self.model.train()
        loss = -sum(s.logprob_sum for s in scores) / sum(s.tokens for s in scores)
        metrics = {"eval_loss": loss}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _clip_grad_norm(self, model: PreTrainedModel) -> torch.Tensor:
        if self.accelerator.distributed_type != DistributedType.NO or self.accelerator.scaler is not None:
            return super()._clip_grad_norm(model)
        # accelerate asks each of the model's modules for its parameters first: as long as a layer of a small model.
        trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        return torch.nn.utils.clip_grad_norm_(trained, self.args.max_grad_norm, foreach=True)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        return 0  # counted from input_ids, which a pack does not have


_OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw_8bit": "adamw_8bit", "adafactor": "adafactor", "sgd": "sgd"}
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_hardware(settings: TrainSettings) -> None:
    """Raise UserError for what this machine has not: a precision, a kernel, a package."""
    gpu = torch.cuda.is_available()
    if settings.precision == "bf16" and not (gpu_has_bf16() if gpu else _cpu_has_bf16()):
        raise UserError("Precision bf16: this machine computes it in software, many times slower. Choose Automatic.")
    if settings.precision == "fp16" and not gpu:
        raise UserError("Precision fp16 needs a GPU, and this machine has none. Choose Automatic.")
    if settings.kernels == "liger" and not (gpu and importlib.util.find_spec("liger_kernel")):
        missing = "the package liger-kernel" if gpu else "a GPU"
        raise UserError(f"Liger's kernels need {missing}, which is not here. Choose the kernels PyTorch.")
    if settings.optimizer == "adamw_8bit" and not importlib.util.find_spec("bitsandbytes"):
        raise UserError("AdamW with 8-bit states needs the package bitsandbytes, which is not here. Choose AdamW.")


def _cpu_has_bf16() -> bool:
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe() for probe in probes if probe)


def arguments(
    folder: Path, settings: TrainSettings, rows: int, longest: int, validate: bool, dtype: torch.dtype
) -> dict[str, Any]:
    """What TrainingArguments is made from; TRL's configurations take the same names.

    `rows` and `longest` (tokens) describe the training rows; `dtype` is the model's.
    """
    micro = settings.micro_batch(longest, world_size())
    every = settings.evaluate_every(rows)
    check_hardware(settings)
    automatic = torch.bfloat16 if gpu_has_bf16() else dtype
    half = automatic if settings.precision == "auto" else _HALF.get(settings.precision)
    return {
        "output_dir": str(folder / "checkpoints"),
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": settings.batch_size // (micro * world_size()),
        "optim": _OPTIMIZERS[settings.optimizer],
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup if settings.warmup > 0 else 0,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.gradient_clip,
        "seed": settings.seed,
        "bf16": half == torch.bfloat16,
        "fp16": half == torch.float16,
        "activation_checkpointing": settings.activation_checkpointing == "yes",
        "use_liger_kernel": settings.kernels == "liger",
        "use_cpu": not torch.cuda.is_available(),
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "steps" if validate else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        # transformers counts the best checkpoint too, which without validation there is not.
        "save_total_limit": settings.checkpoints_kept + validate,
        "load_best_model_at_end": validate,
        "metric_for_best_model": "eval_loss" if validate else None,
        "greater_is_better": False if validate else None,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "report_to": "none",
        "disable_tqdm": True,
    }


def packed_trainer(
    folder: Path, spec: RunSpec, model: PreTrainedModel, prepared: dict[str, TrainingRows], log: EventLog
) -> Trainer:
    """A trainer of `model` on the rows of the train split, validated on the validation split."""
    rows, validation = _evened(prepared["train"].rows, spec.settings), prepared["validation"].rows
    longest = max(len(ids) for ids, _ in rows)
    trainer = PackedTrainer(
        model=model,
        args=TrainingArguments(**arguments(folder, spec.settings, len(rows), longest, bool(validation), model.dtype)),
        train_dataset=rows,
        eval_dataset=validation or None,
        data_collator=_collate,
    )
    trainer.packed = spec.settings.packing == "shared" and takes_packs(model)
    trainer.smoothing = spec.settings.label_smoothing
    trainer.validation = validation
    trainer.model_accepts_loss_kwargs = True
    trainer.remove_callback(PrinterCallback)
    mean = sum(len(ids) for ids, _ in prepared["train"].rows) / len(prepared["train"].rows)
    trainer.add_callback(Reporter(log, folder, mean * spec.settings.batch_size, spec.settings))
    if spec.settings.patience and validation:
        trainer.add_callback(EarlyStoppingCallback(spec.settings.patience))
    if spec.settings.neftune:
        _add_noise(model, spec.settings.neftune, mean)
    _spare_walks(model)
    return trainer


def _spare_walks(model: PreTrainedModel) -> None:
    """Walk over the modules only where that changes something.

    Trainer sets the mode and drops the gradients of every module in every step; an adapted model has thousands of
    them, which takes as long as two layers of a small model.
    """
    set_mode, last = model.train, None
    trained = [p for p in model.parameters() if p.requires_grad]

    def train(mode: bool = True) -> PreTrainedModel:
        nonlocal last
        if mode != last:
            set_mode(mode)
            last = mode
        return model

    def zero_grad(set_to_none: bool = True) -> None:
        for p in trained:
            p.grad = None

    model.train, model.zero_grad = train, zero_grad


def _add_noise(model: PreTrainedModel, alpha: float, mean_length: float) -> None:
    """NEFTune (Jain et al., 2023, arXiv 2310.05914): uniform noise on the embeddings, in training only.

    transformers' own hook divides by the length of the batch, which for a pack is that of all its rows; here it is the
    rows' mean length (tokens), packed or not.
    """

    def noise(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return output
        size = alpha / math.sqrt(mean_length * output.shape[-1])
        return output + torch.empty_like(output).uniform_(-size, size)

    model.get_input_embeddings().register_forward_hook(noise)


def _collate(batch: list[Row]) -> dict[str, Any]:
    # Trainer counts the trained tokens of a whole step, over all its passes and processes: by `shift_labels`, but only
    # where there are `labels`.
    targets = torch.tensor([token for ids, mask in batch for i, token in enumerate(ids) if mask[i] and i > 0])
    return {"rows": batch, "labels": targets, "shift_labels": targets}


def world_size() -> int:
    """Processes that train together, as their launcher says."""
    return int(os.environ.get("WORLD_SIZE", 1))


def _evened(rows: list[Row], settings: TrainSettings) -> list[Row]:
    """Where several processes share a step, rows that train nothing fill up the last one.

    accelerate would fill it with rows from the beginning, which then count twice.
    """
    missing = -len(rows) % settings.batch_size if world_size() > 1 else 0
    ids, trained = rows[0]
    return rows + [(ids, [False] * len(trained))] * missing
