"""The process that trains: `python -m core.training.worker <job folder> <models folder>`. The only file that trains.

It reads spec.json, writes events.jsonl, checkpoints/, adapter/, run.json and outcome.json, and talks to nobody. The
loop, the optimizer, checkpoints and resuming are transformers.Trainer's; ours are the rows, the packed batch and the
exact loss.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Problem, UserError
from core.jobs import noise
from core.jobs.events import EventLog, Log, Progress, Status
from core.jobs.kinds import ALLOCATOR
from core.jobs.outcome import Outcome
from core.jobs.process import end_with_parent, run_job
from core.models import libraries
from core.models.sides import adapter_hash
from core.records import parsed
from core.store.datasets import read_rows
from core.tokens.rows import TrainingRows, for_objective
from core.training import saving
from core.training.result import RunRecord
from core.training.settings import PREFERENCE, PROMPT_LIKE
from core.training.spec import RunSpec
from core.types import Example
from core.version import VERSION

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer


def train(folder: Path, models: Path, log: EventLog) -> Outcome:
    """Train as spec.json says. Returns the outcome; raises UserError for what a person can put right."""
    spec = RunSpec.from_dict(parsed(folder / "spec.json", "The run specification"))
    log.write(Status("Reading the rows …"))
    examples, notes = for_objective(read_rows(Path(spec.rows_file)), spec.settings.objective)
    log.write(Status("Loading the model …"))
    libraries.spare_bitsandbytes(spec.model, spec.revision, spec.settings.quantization, spec.settings.optimizer)
    libraries.spare_scipy()

    import torch
    from accelerate import PartialState
    from transformers import set_seed

    from core.engine import kernels
    from core.models import loading
    from core.training import methods

    methods.check(spec.settings)
    together = PartialState(cpu=not torch.cuda.is_available())
    set_seed(spec.settings.seed)
    tokenizer, base = _load(spec, models, log)
    notes += _remarks(spec, base)
    prepared = _prepare(spec, examples, tokenizer)
    base_files = (
        loading.weights_hash(spec.model, models, spec.revision),
        loading.settings_hashes(spec.model, models, spec.revision),
    )
    with together.main_process_first():
        model = methods.attach(base, spec.settings, start=folder / "start")
    kernels.install(model)
    trainer = _trainer(folder, spec, model, tokenizer, prepared, log)
    if together.is_main_process:
        saving.sweep(folder)
        needed = saving.expected_bytes(folder, model, spec.settings)
        saving.require_room(folder, needed, "one checkpoint of this run")
        _write_run(folder, spec, model, prepared, trainer.packed, base_files)
    for problem in notes + [p for part in prepared.values() for p in part.problems][:200]:
        log.write(Log(str(problem), problem.level))
    seconds = _loop(folder, trainer, len(prepared["train"].rows), log)
    stopped = trainer.state.global_step < trainer.state.max_steps
    whole = trainer.accelerator.get_state_dict(trainer.model_wrapped) if together.num_processes > 1 else None
    if not together.is_main_process:
        return Outcome("stopped" if stopped else "finished", "The first process says how.")
    methods.save(model, tokenizer, folder / "adapter", spec.settings, folder / "start", whole)
    return _outcome(trainer, stopped, seconds, adapter_hash(folder / "adapter"))


def _load(spec: RunSpec, models: Path, log: EventLog) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and base, fetched where they are not here, and known to fit each other and the rows' length."""
    from core.models import loading, vocabulary

    loading.locate(spec.model, models, lambda share, what: log.write(Progress(share=share, text=what)))
    tokenizer = loading.tokenizer(spec.model, models, spec.revision, spec.template, spec.rendering)
    # Where all weights are trained they stay in float32: in bf16 most updates are smaller than what it can tell apart.
    precision = "fp32" if spec.settings.method == "full" else spec.settings.precision
    base = loading.load(spec.model, models, spec.revision, spec.settings.quantization, precision)
    vocabulary.check_size(spec.model, tokenizer, len(base.get_input_embeddings().weight))
    virtual = spec.settings.virtual_tokens if spec.settings.method in PROMPT_LIKE else 0
    limit = getattr(base.config.get_text_config(decoder=True), "max_position_embeddings", None)
    if limit and spec.settings.max_length + virtual > limit:
        beside = f" and {virtual:,} virtual tokens before them" if virtual else ""
        raise UserError(
            f"The maximum length is {spec.settings.max_length:,} tokens{beside}, but the model takes {limit:,}. "
            "Lower it."
        )
    return tokenizer, base


def _remarks(spec: RunSpec, base: PreTrainedModel) -> list[Problem]:
    """What a reader of the log should know of this method on this model."""
    from core.training import targets

    notes = [Problem("note", sentence) for sentence in targets.of(base, spec.settings.method).left_out]
    if spec.settings.quantization != "none" and base.device.type == "cpu":
        bits = spec.settings.quantization.removesuffix("bit")
        what = f"Weights in {bits} bits are unpacked in every pass: without a GPU a step takes up to twice the time."
        notes.append(Problem("warning", what, "They save memory; leave the base weights as they are if those fit."))
    return notes


def _prepare(spec: RunSpec, examples: list[Example], tokenizer: PreTrainedTokenizerBase) -> dict[str, TrainingRows]:
    """The rows of both splits as the trainer is fed them. Raises UserError where none has anything to train."""
    from core.tokens import rows

    prepared = {
        split: rows.to_rows(
            [e for e in examples if e.split == split], tokenizer, spec.settings.max_length, spec.settings.objective
        )
        for split in ("train", "validation")
    }
    if not prepared["train"].rows:
        if prepared["train"].truncated:
            raise UserError("No row has a token to train within the maximum length. Raise the maximum length.")
        raise UserError("No row has a token to train, though none is cut. Look at a row in Tokens, and import others.")
    return prepared


def _trainer(
    folder: Path,
    spec: RunSpec,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prepared: dict[str, TrainingRows],
    log: EventLog,
) -> Trainer:
    if spec.settings.objective in PREFERENCE:
        from core.training.preference import preference_trainer

        return preference_trainer(folder, spec, model, tokenizer, prepared, log)
    from core.training.trainer import packed_trainer

    return packed_trainer(folder, spec, model, prepared, log)


def _loop(folder: Path, trainer: Trainer, rows: int, log: EventLog) -> float:
    """Train to the end or until asked to stop, from the newest checkpoint where there is one; returns the seconds."""
    import torch

    from core.training.callbacks import keep_patience

    checkpoint = saving.newest_checkpoint(folder)
    if trainer.args.eval_strategy == "steps" and not checkpoint:
        trainer.evaluate()  # step 0: the curve begins at the base
    started = time.time()
    if checkpoint:
        keep_patience(trainer, checkpoint)
        log.write(Status(f"Resuming from step {checkpoint.name.removeprefix('checkpoint-')} …"))
    else:
        log.write(Status(f"Training on {rows:,} rows …"))
    try:
        with torch.enable_grad():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except Exception:
        if trainer.is_world_process_zero():
            saving.sweep(folder)  # a checkpoint that could not be written to its end
        raise
    return time.time() - started


def _outcome(trainer: Trainer, stopped: bool, seconds: float, adapter: str) -> Outcome:
    state = trainer.state
    best = f" The checkpoint of step {state.best_global_step} had the lowest validation loss and was kept."
    text = f"Stopped at step {state.global_step} of {state.max_steps}." if stopped else "Finished."
    return Outcome(
        "stopped" if stopped else "finished",
        text + (best if state.best_global_step else ""),
        resumable=stopped,
        seconds=round(seconds, 1),
        step=state.global_step,
        steps=state.max_steps,
        best_step=state.best_global_step,
        best_validation_loss=state.best_metric,
        adapter_sha256=adapter,
    )


def _write_run(
    folder: Path,
    spec: RunSpec,
    model: PreTrainedModel,
    prepared: dict[str, TrainingRows],
    packed: bool,
    base_files: tuple[str, dict[str, str]],
) -> None:
    """run.json: what was resolved when the run began, so that it can be repeated and judged.

    `base_files`: the hash of the base's weights, and those of the files beside them.
    """
    import platform

    import accelerate
    import datasets
    import peft
    import torch
    import transformers

    from core.training import methods
    from core.training.trainer import world_size

    train = prepared["train"]
    versions = {m.__name__: m.__version__ for m in (torch, transformers, peft, accelerate, datasets)}
    if spec.settings.objective in PREFERENCE:
        import trl

        versions["trl"] = trl.__version__
    trainable, total = methods.parameters(model)
    RunRecord(
        version=VERSION,
        spec=spec,
        python=platform.python_version(),
        versions=versions,
        device=str(model.device),
        dtype=str(model.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        threads_wait=os.environ.get("OMP_WAIT_POLICY") or "spinning while the cores are free",
        allocator={key: os.environ[key] for key in ALLOCATOR if key in os.environ},
        processes=world_size(),
        base_weights_sha256=base_files[0],
        base_settings=base_files[1],
        packed=packed,
        trainable_parameters=trainable,
        all_parameters=total,
        rows={split: len(part.rows) for split, part in prepared.items()},
        dropped=train.dropped,
        refused=train.refused,
        reasons=train.reasons,
        truncated=train.truncated,
        tokens_per_epoch=train.tokens,
        trained_tokens_per_epoch=train.trained_tokens,
        steps=spec.settings.steps(len(train.rows)),
    ).write(folder)


def main(job: Path, models: Path) -> int:
    """Train in this process, alone or as one of several: the first of them speaks and writes for all."""
    from core.engine.kernels import threads

    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    threads.watch()
    if "LOCAL_RANK" in os.environ:
        end_with_parent()
    if os.environ.get("RANK", "0") == "0":
        return run_job(job, lambda log: train(job, models, log), "Training")
    signal.signal(signal.SIGTERM, lambda *_: None)  # the first process is told too, and stops all at one step
    noise.keep_out()
    try:
        train(job, models, EventLog(Path(os.devnull)))
    except UserError:
        return 1  # the first process has said it
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
