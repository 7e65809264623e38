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
from core.records import parsed
from core.store.datasets import read_rows
from core.tokens.rows import TrainingRows, for_objective
from core.training.result import RunRecord
from core.training.settings import PREFERENCE, PROMPT_LIKE
from core.training.spec import RunSpec
from core.version import VERSION

if TYPE_CHECKING:
    from transformers import PreTrainedModel, Trainer


def train(folder: Path, models: Path, log: EventLog) -> Outcome:
    """Train as spec.json says. Returns the outcome; raises UserError for what a person can put right."""
    spec = RunSpec.from_dict(parsed(folder / "spec.json", "The run specification"))
    log.write(Status("Reading the rows …"))
    objective = spec.settings.objective
    examples, notes = for_objective(read_rows(Path(spec.rows_file)), objective)
    log.write(Status("Loading the model …"))
    libraries.spare_bitsandbytes(spec.model, spec.revision, spec.settings.quantization, spec.settings.optimizer)

    import torch
    from accelerate import PartialState
    from transformers import set_seed

    from core.engine import kernels
    from core.models import loading, vocabulary
    from core.models.sides import adapter_hash
    from core.tokens import rows
    from core.training import methods, targets
    from core.training.callbacks import keep_patience
    from core.training.trainer import packed_trainer

    methods.check(spec.settings)
    together = PartialState(cpu=not torch.cuda.is_available())
    set_seed(spec.settings.seed)
    loading.locate(spec.model, models, lambda share, what: log.write(Progress(share=share, text=what)))
    tokenizer = loading.tokenizer(spec.model, models, spec.revision, spec.template, spec.rendering)
    # Where all weights are trained they stay in float32: in bf16 most updates are smaller than what it can tell apart.
    precision = "fp32" if spec.settings.method == "full" else spec.settings.precision
    base = loading.load(spec.model, models, spec.revision, spec.settings.quantization, precision)
    vocabulary.check_size(spec.model, tokenizer, len(base.get_input_embeddings().weight))
    notes += [Problem("note", sentence) for sentence in targets.of(base, spec.settings.method).left_out]
    if spec.settings.quantization != "none" and base.device.type == "cpu":
        bits = spec.settings.quantization.removesuffix("bit")
        what = f"Weights in {bits} bits are unpacked in every pass: without a GPU a step takes up to twice the time."
        notes.append(Problem("warning", what, "They save memory; leave the base weights as they are if those fit."))
    virtual = spec.settings.virtual_tokens if spec.settings.method in PROMPT_LIKE else 0
    limit = getattr(base.config.get_text_config(decoder=True), "max_position_embeddings", None)
    if limit and spec.settings.max_length + virtual > limit:
        beside = f" and {virtual:,} virtual tokens before them" if virtual else ""
        raise UserError(
            f"The maximum length is {spec.settings.max_length:,} tokens{beside}, but the model takes {limit:,}. "
            "Lower it."
        )
    prepared = {
        split: rows.to_rows([e for e in examples if e.split == split], tokenizer, spec.settings.max_length, objective)
        for split in ("train", "validation")
    }
    if not prepared["train"].rows:
        if prepared["train"].truncated:
            raise UserError("No row has a token to train within the maximum length. Raise the maximum length.")
        raise UserError("No row has a token to train, though none is cut. Look at a row in Tokens, and import others.")
    base_files = (
        loading.weights_hash(spec.model, models, spec.revision),
        loading.settings_hashes(spec.model, models, spec.revision),
    )
    with together.main_process_first():
        model = methods.attach(base, spec.settings, start=folder / "start")
    kernels.install(model)
    if objective in PREFERENCE:
        from core.training.preference import preference_trainer

        trainer = preference_trainer(folder, spec, model, tokenizer, prepared, log)
    else:
        trainer = packed_trainer(folder, spec, model, prepared, log)
    if together.is_main_process:
        _write_run(folder, spec, model, prepared, trainer.packed, base_files)
    for problem in notes + [p for part in prepared.values() for p in part.problems][:200]:
        log.write(Log(str(problem), problem.level))
    if trainer.args.eval_strategy == "steps" and not _newest_checkpoint(folder):
        trainer.evaluate()  # step 0: the curve begins at the base
    started = time.time()
    checkpoint = _newest_checkpoint(folder)
    if checkpoint:
        keep_patience(trainer, checkpoint)
        log.write(Status(f"Resuming from step {checkpoint.name.removeprefix('checkpoint-')} …"))
    else:
        log.write(Status(f"Training on {len(prepared['train'].rows):,} rows …"))
    with torch.enable_grad():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    stopped = trainer.state.global_step < trainer.state.max_steps
    whole = trainer.accelerator.get_state_dict(trainer.model_wrapped) if together.num_processes > 1 else None
    if not together.is_main_process:
        return Outcome("stopped" if stopped else "finished", "The first process says how.")
    methods.save(model, tokenizer, folder / "adapter", spec.settings, folder / "start", whole)
    return _outcome(trainer, stopped, time.time() - started, adapter_hash(folder / "adapter"))


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


def _newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint: trainer_state.json is what Trainer writes last."""
    complete = [path.parent for path in folder.glob("checkpoints/checkpoint-*/trainer_state.json")]
    return max(complete, key=lambda path: int(path.name.removeprefix("checkpoint-")), default=None)


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
