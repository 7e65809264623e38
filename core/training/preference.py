"""Learning from preferences: TRL's DPO and KTO trainers over rows of our own rendering.

DPO (Rafailov et al., 2023, arXiv 2305.18290) learns that one answer is better than another; KTO (Ethayarajh et al.,
2024, arXiv 2402.01306) that an answer is good or bad. Loss, reference pass and metrics are TRL's. Ours are the token
ids: TRL would tokenize with the chat template by itself, `_prepare_dataset` keeps it from doing so.

Imported only by the worker: transformers, trl and torch load with it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import EarlyStoppingCallback, PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback, Trainer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

from core.engine.packing import Row
from core.errors import Problem, UserError
from core.jobs.events import EventLog, Log
from core.tokens.rows import TrainingRows
from core.training.callbacks import Reporter
from core.training.settings import TrainSettings
from core.training.spec import RunSpec
from core.training.trainer import arguments


class _OurRows(Trainer):
    """What TRL's trainers are kept from: tokenizing, writing model cards, sending telemetry."""

    packed = False

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def create_model_card(self, *_: Any, **__: Any) -> None:
        pass

    def _send_telemetry(self) -> None:
        pass

    def train(self, *args: Any, **kwargs: Any) -> Any:
        result = super().train(*args, **kwargs)
        _drop_reference_adapter(self.model)  # where it was needed until here, it is no part of what is saved
        return result


class PairTrainer(_OurRows, DPOTrainer):
    """DPO: chosen over rejected answers."""


class MarkTrainer(_OurRows, KTOTrainer):
    """KTO: answers marked good or bad."""


def preference_trainer(
    folder: Path,
    spec: RunSpec,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prepared: dict[str, TrainingRows],
    log: EventLog,
) -> PairTrainer | MarkTrainer:
    """A trainer of `model` (with its adapter, or whole) on the train split, validated on the validation split.

    The reference is the model before training: the adapter switched off, or a frozen copy where all weights are
    trained. Raises UserError where the settings leave KTO a single row in a forward pass.
    """
    settings, dpo = spec.settings, spec.settings.objective == "dpo"
    train, validation = prepared["train"], prepared["validation"]
    # One forward pass of DPO holds both answers to each prompt.
    lengths = [len(ids) for ids, _ in train.rows]
    if dpo:
        lengths = [n + len(ids) for n, (ids, _) in zip(lengths, train.rejected, strict=True)]
    given = arguments(folder, settings, len(lengths), max(lengths), bool(validation.rows), model.dtype)
    given |= _preference_arguments(settings)
    given |= _dpo_arguments(settings, given, validation) if dpo else _kto_arguments(settings, given, train)
    for problem in _notes(settings, given):
        log.write(Log(str(problem), problem.level))

    size, size_of_validation = given["per_device_train_batch_size"], given["per_device_eval_batch_size"]
    if dpo:
        datasets = [_pairs(part) for part in (train, validation)]
    else:
        order = random.Random(settings.seed).sample(range(len(train.rows)), len(train.rows))
        longest = settings.max_length
        datasets = [_marked(train, order, size, longest)]
        datasets += [_marked(validation, range(len(validation.rows)), size_of_validation, longest)]
    tokenizer = copy.deepcopy(tokenizer)  # TRL may set its padding token; the shared one stays as it is
    pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    whole = not hasattr(model, "peft_config")
    dtypes = {name: p.dtype for name, p in model.named_parameters() if p.requires_grad}
    trainer = (PairTrainer if dpo else MarkTrainer)(
        model=model,
        ref_model=copy.deepcopy(model).requires_grad_(False).eval() if whole else None,
        args=(DPOConfig if dpo else KTOConfig)(**given),
        train_dataset=Dataset.from_list(datasets[0]),
        eval_dataset=Dataset.from_list(datasets[1]) if datasets[1] else None,
        data_collator=lambda batch: (_collate_pairs if dpo else _collate_marked)(batch, pad),
        processing_class=tokenizer,
    )
    # TRL copies a given adapter as the reference, which a new one does not need: switched off, it gives the same.
    # PiSSA is the exception: it takes its part out of the base weights, so the base alone is not what it began as.
    if settings.method != "pissa":
        _drop_reference_adapter(model)
    # On quantized bases TRL casts adapters to bf16 whatever the precision of the run.
    for name, parameter in model.named_parameters():
        if name in dtypes:
            parameter.data = parameter.data.to(dtypes[name])
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Reporter(log, folder, sum(lengths) / len(lengths) * settings.batch_size, settings))
    if settings.patience and validation.rows:
        trainer.add_callback(EarlyStoppingCallback(settings.patience))
    return trainer


def _preference_arguments(settings: TrainSettings) -> dict[str, Any]:
    return {
        "beta": settings.preference_beta,
        "activation_checkpointing": settings.activation_checkpointing == "yes",  # TRL's own default is yes
        "max_length": None,  # the rows are cut already
        # The reference pass runs in the same mode: dropout or noise in it would be taken for a preference.
        "disable_dropout": True,
        "neftune_noise_alpha": None,
        "label_smoothing_factor": 0.0,
    }


def _dpo_arguments(settings: TrainSettings, given: dict[str, Any], validation: TrainingRows) -> dict[str, Any]:
    """TRL's plain loss has no label smoothing; `robust` (Chowdhury et al., 2024, arXiv 2403.00409) has."""
    if settings.label_smoothing >= 0.5:
        raise UserError(
            f"Label smoothing {settings.label_smoothing:g} says that half of the preferences are wrong, which leaves "
            "nothing to learn. Set it below 0.5."
        )
    smooth = {"loss_type": ["robust"], "label_smoothing": settings.label_smoothing} if settings.label_smoothing else {}
    # TRL averages accuracies over batches: batches of equal size make that the average over rows.
    most, rows = given["per_device_train_batch_size"], max(1, len(validation.rows))
    return smooth | {"per_device_eval_batch_size": max(n for n in range(1, most + 1) if rows % n == 0)}


def _kto_arguments(settings: TrainSettings, given: dict[str, Any], train: TrainingRows) -> dict[str, Any]:
    """Sizes of at least two rows, since KTO estimates the drift of a batch from answers to other prompts in it."""
    if 1 in (settings.batch_size, settings.micro_batch_size):
        label = "Batch size" if settings.batch_size == 1 else "Micro-batch"
        raise UserError(f"{label} is 1, but KTO compares each row with others of its pass. Set it to 2 or more.")
    size = given["per_device_train_batch_size"]
    if size < 2:
        steps = given["gradient_accumulation_steps"]
        size = next(n for n in range(2, steps + 1) if steps % n == 0)
        given["gradient_accumulation_steps"] = steps // size
    good = sum(bool(e.good) for e in train.examples)
    bad = len(train.examples) - good
    # Both kinds weigh the same in sum, as equation 8 of the paper asks.
    return {
        "per_device_train_batch_size": size,
        "per_device_eval_batch_size": size,
        "train_sampling_strategy": "sequential",  # the rows are shuffled once, with their partners
        "desirable_weight": max(1.0, bad / max(1, good)),
        "undesirable_weight": max(1.0, good / max(1, bad)),
    }


def _notes(settings: TrainSettings, given: dict[str, Any]) -> list[Problem]:
    """What of the settings preference training does not take, and what it set by itself."""
    notes = []
    unused = {"Adapter dropout": settings.dropout, "Noise on the embeddings": settings.neftune}
    if settings.objective == "kto":
        unused["Label smoothing"] = settings.label_smoothing
    for label in [label for label, value in unused.items() if value]:
        what = f"{label} is not used in preference training."
        notes.append(Problem("note", what, "It would disturb the comparison with the base."))
    weights = given.get("desirable_weight", 1.0), given.get("undesirable_weight", 1.0)
    if max(weights) > 1:
        what = f"Good rows weigh {weights[0]:.2f}, bad rows {weights[1]:.2f}."
        notes.append(Problem("note", what, "So both kinds count alike, though there are more of one."))
    return notes


def _drop_reference_adapter(model: PreTrainedModel) -> None:
    if "ref" in getattr(model, "peft_config", {}):
        model.delete_adapter("ref")


def _pairs(part: TrainingRows) -> list[dict[str, Any]]:
    names = ("chosen_ids", "chosen_mask", "rejected_ids", "rejected_mask")
    return [
        dict(zip(names, map(list, (*chosen, *rejected)), strict=True))
        for chosen, rejected in zip(part.rows, part.rejected, strict=True)
    ]


def _marked(part: TrainingRows, order: Sequence[int], size: int, max_length: int) -> list[dict[str, Any]]:
    """Rows with their mark, in `order`, each with the answer to another prompt of its batch (of `size` rows) as `KL`.

    As in TRL the answers of a batch move on by one; a batch of one row takes the answer of the row before it.
    """
    rows, marked = [part.rows[i] for i in order], []
    for place, i in enumerate(order):
        first = place - place % size
        last = min(first + size, len(rows)) - 1
        partner = rows[place - 1 if place > first or first == last else last]
        (ids, mask), (kl_ids, kl_mask) = rows[place], _answered(rows[place], partner, max_length)
        row = {"ids": list(ids), "mask": list(mask), "kl_ids": kl_ids, "kl_mask": kl_mask}
        marked.append({**row, "label": bool(part.examples[i].good)})
    return marked


def _answered(row: Row, other: Row, max_length: int) -> tuple[list[int], list[bool]]:
    """The prompt of `row` with the answer of `other`."""
    prompt, answer = row[1].index(True), other[1].index(True)
    ids = [*row[0][:prompt], *other[0][answer:]][:max_length]
    return ids, [i >= prompt for i in range(len(ids))]


def _collate_pairs(batch: list[dict[str, Any]], pad: int) -> dict[str, torch.Tensor]:
    """[2 B, L]: all chosen answers, then all rejected ones."""
    return _padded([(b[f"{side}_ids"], b[f"{side}_mask"]) for side in ("chosen", "rejected") for b in batch], pad)


def _collate_marked(batch: list[dict[str, Any]], pad: int) -> dict[str, torch.Tensor]:
    kl = _padded([(b["kl_ids"], b["kl_mask"]) for b in batch], pad)
    marks = {"label": torch.tensor([b["label"] for b in batch])}
    return _padded([(b["ids"], b["mask"]) for b in batch], pad) | {f"KL_{k}": v for k, v in kl.items()} | marks


def _padded(rows: list[Row], pad: int) -> dict[str, torch.Tensor]:
    """int64 [B, L] of ids, what is attended to, and what is counted. Padding stands on the right."""
    length = max(len(ids) for ids, _ in rows)
    filled = lambda values, blank: torch.tensor([[*v, *[blank] * (length - len(v))] for v in values])  # noqa: E731
    return {
        "input_ids": filled([ids for ids, _ in rows], pad),
        "attention_mask": filled([[1] * len(ids) for ids, _ in rows], 0),
        "completion_mask": filled([[int(t) for t in mask] for _, mask in rows], 0),
    }
