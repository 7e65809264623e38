"""The process that trains: `python -m core.training.worker <job folder> <models folder>`. The only file that trains.

It reads spec.json, writes events.jsonl, checkpoints/, adapter/, run.json and outcome.json, and talks to nobody. The
loop, the optimizer, checkpoints and resuming are transformers.Trainer's; ours are the rows, the packed batch and the
exact loss.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from core.jobs.events import EventLog
from core.jobs.process import run_job
from core.training.spec import RunSpec
from core.types import UserError
from core.workspace import read_rows, write_atomically


def train(folder: Path, models: Path, log: EventLog) -> dict[str, Any]:
    """Train as spec.json says. Returns the outcome; raises UserError for what a person can put right."""
    spec = RunSpec.from_dict(json.loads((folder / "spec.json").read_text(encoding="utf-8")))
    log.write("status", {"text": "Reading the rows …"})
    examples = read_rows(Path(spec.rows_file))
    log.write("status", {"text": "Loading the model …"})

    import torch
    from transformers import set_seed

    from core.models import loading
    from core.training import methods, rows

    set_seed(spec.settings.seed)
    loading.locate(spec.model, models, lambda share, what: log.write("progress", {"share": share, "text": what}))
    tokenizer = loading.tokenizer(spec.model, models, spec.revision, spec.template)
    base = loading.load(spec.model, models, spec.revision)
    limit = getattr(base.config, "max_position_embeddings", None) or spec.settings.max_length
    if spec.settings.max_length > limit:
        raise UserError(
            f"The maximum length is {spec.settings.max_length:,} tokens, but the model takes {limit:,}. Lower it."
        )
    prepared = {
        split: rows.to_rows([e for e in examples if e.split == split], tokenizer, spec.settings.max_length)
        for split in ("train", "validation")
    }
    if not prepared["train"].rows:
        raise UserError("No row has a token to train within the maximum length. Raise the maximum length.")
    weights = loading.weights_hash(base)
    model = methods.attach(base, spec.settings)
    trainer = _trainer(folder, spec, model, prepared, log)
    _write_run(folder, spec, model, prepared, trainer.packed, weights)
    for problem in [p for part in prepared.values() for p in part.problems][:200]:
        log.write("log", {"text": str(problem), "level": problem.level})
    if trainer.args.eval_strategy == "steps" and not _newest_checkpoint(folder):
        trainer.evaluate()  # step 0: the curve begins at the base
    started = time.time()
    checkpoint = _newest_checkpoint(folder)
    if checkpoint:
        log.write("status", {"text": f"Resuming from step {checkpoint.name.removeprefix('checkpoint-')} …"})
    else:
        log.write("status", {"text": f"Training on {len(prepared['train'].rows):,} rows …"})
    with torch.enable_grad():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    stopped = trainer.state.global_step < trainer.state.max_steps
    model.save_pretrained(folder / "adapter", safe_serialization=True)
    tokenizer.save_pretrained(folder / "adapter")
    return _outcome(trainer, stopped, time.time() - started, loading.adapter_hash(folder / "adapter"))


def _outcome(trainer, stopped: bool, seconds: float, adapter: str) -> dict[str, Any]:
    state = trainer.state
    best = f" The checkpoint of step {state.best_global_step} had the lowest validation loss and was kept."
    text = f"Stopped at step {state.global_step} of {state.max_steps}." if stopped else "Finished."
    return {
        "state": "stopped" if stopped else "finished",
        "message": text + (best if state.best_global_step else ""),
        "step": state.global_step,
        "steps": state.max_steps,
        "best_step": state.best_global_step,
        "best_validation_loss": state.best_metric,
        "seconds": round(seconds, 1),
        "adapter_sha256": adapter,
        "resumable": stopped,
    }


def _trainer(folder: Path, spec: RunSpec, model, prepared, log: EventLog):
    import torch
    from transformers import PrinterCallback, Trainer, TrainingArguments

    from core.evaluation.scorer import score
    from core.packing import forward, takes_packs
    from core.training.reporting import Reporter

    settings = spec.settings
    rows = prepared["train"].rows
    every = settings.evaluate_every(len(rows))
    validate = bool(prepared["validation"].rows)

    class PackedTrainer(Trainer):
        """Trainer over shared-prefix batches: the loss is the mean over all trained tokens of a step, exactly."""

        packed = takes_packs(model)

        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            logits, target, _ = forward(model, inputs["rows"], self.packed)
            total = torch.nn.functional.cross_entropy(logits, target, reduction="sum")
            return total / (num_items_in_batch if num_items_in_batch is not None else len(target))

        def evaluate(self, *args, **kwargs):
            self.model.eval()
            scores = score(self.model, prepared["validation"].rows, packed=self.packed)
            self.model.train()
            loss = -sum(s.logprob_sum for s in scores) / sum(s.tokens for s in scores)
            metrics = {"eval_loss": loss}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

        def floating_point_ops(self, inputs) -> int:
            return 0  # counted from input_ids, which a pack does not have

    def collate(batch: list) -> dict[str, Any]:
        # `shift_labels` is what Trainer counts the trained tokens of a step by.
        targets = [token for ids, mask in batch for i, token in enumerate(ids) if mask[i] and i > 0]
        return {"rows": batch, "shift_labels": torch.tensor(targets)}

    micro = _rows_per_forward(settings.rows_per_step, max(len(ids) for ids, _ in rows))
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=settings.rows_per_step // micro,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup if settings.warmup > 0 else 0,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.gradient_clip,
        seed=settings.seed,
        bf16=model.dtype == torch.bfloat16,
        use_cpu=not torch.cuda.is_available(),
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="steps" if validate else "no",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=validate,
        metric_for_best_model="eval_loss" if validate else None,
        greater_is_better=False if validate else None,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )
    validation = prepared["validation"].rows or None
    trainer = PackedTrainer(
        model=model, args=arguments, train_dataset=rows, eval_dataset=validation, data_collator=collate
    )
    trainer.model_accepts_loss_kwargs = True
    trainer.remove_callback(PrinterCallback)
    tokens = [len(ids) for ids, _ in rows]
    trainer.add_callback(Reporter(log, folder / "stop", sum(tokens) / len(tokens) * settings.rows_per_step))
    return trainer


def _rows_per_forward(rows_per_step: int, longest: int) -> int:
    """The largest divisor of the step's rows with which one forward pass stays within 8,192 tokens."""
    fitting = [n for n in range(1, rows_per_step + 1) if rows_per_step % n == 0 and n * longest <= 8192]
    return max(fitting, default=1)


def _write_run(folder: Path, spec: RunSpec, model, prepared, packed: bool, weights: str) -> None:
    """run.json: what was resolved when the run began, so that it can be repeated and judged."""
    import platform

    import accelerate
    import datasets
    import peft
    import torch
    import transformers

    train = prepared["train"]
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft, accelerate, datasets)}
    trainable, total = model.get_nb_trainable_parameters()
    resolved = {
        "schema": 1,
        "spec": spec.to_dict(),
        "python": platform.python_version(),
        "versions": versions,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
        "launcher": " ".join(sys.argv[:1]),
        "base_weights_sha256": weights,
        "packed": packed,
        "trainable_parameters": trainable,
        "all_parameters": total,
        "rows": {split: len(part.rows) for split, part in prepared.items()},
        "dropped": train.dropped,
        "truncated": train.truncated,
        "tokens_per_epoch": train.tokens,
        "trained_tokens_per_epoch": train.trained_tokens,
        "steps": spec.settings.steps(len(train.rows)),
    }
    write_atomically(folder / "run.json", json.dumps(resolved, ensure_ascii=False, indent=2))


def _newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint: trainer_state.json is what Trainer writes last."""
    found = [path.parent for path in folder.glob("checkpoints/checkpoint-*/trainer_state.json")]
    return max(found, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    job, models_folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.exit(run_job(job, lambda log: train(job, models_folder, log), "Training"))
