"""Training speed against TRL's SFTTrainer: same model, rows, adapter, learning rate and rows per step, in one sitting.

python -m tests.performance.training [rows.json|jsonl|csv]   (default: the sample)
    --quick: few rows, one round; --short: without the long prompt

Two tables: the rows as they are ("short"), and under a system prompt of about 400 tokens ("long_system_prompt").
TRL runs at its best on a CPU (float32, no recomputation, `tokenizers` done before, and the worker's allocator, from
which it gains more than we do), padded and packed; the better one of a first round counts. Then ours and TRL's take
turns. Counted are real, unpadded tokens; medians of the rounds.

Prints one JSON line last. `limit` is this machine's best float32 matrix product (the better of PyTorch's own and ours,
GFLOP/s); `share_of_limit` is the arithmetic that remains after sharing, over time and limit.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

ROWS = {"short": 128, "long_system_prompt": 32}
ROWS_PER_STEP, ROUNDS = 8, 3
SYSTEM = (
    "You answer for the town library of Marrowby. Be kind, be brief, and never invent a rule. Say what you know, and "
    "where you do not know, name the desk that does. Loans run for three weeks and may be renewed twice, unless "
    "somebody waits for the book. Children may borrow from the whole house. "
) * 6


class Clock:
    """Seconds of the steps between the first and the last of one call of `train`, and their losses."""

    def __init__(self, base) -> None:
        class Callback(base):
            def on_train_begin(self, *_, **__):
                self.losses = []

            def on_epoch_begin(self, *_, **__):
                self.began = time.perf_counter()

            def on_step_end(self, *_, **__):
                self.seconds = time.perf_counter() - self.began

            def on_log(self, args, state, control, logs=None, **__):
                self.losses += [logs["loss"]] if "loss" in (logs or {}) else []

        self.callback = Callback()


def main(path: Path | None, tables: list[str], quick: bool) -> None:
    from core.data import actions as data_actions
    from core.engine.kernels import threads
    from core.models import loading, starter
    from core.settings import from_environment
    from core.tokens.rows import to_rows

    threads.watch()  # as the worker does; it serves both
    models = Path(os.environ.get("TUNEWRIGHT_TEST_MODELS") or from_environment().home / "models")
    tokenizer = loading.tokenizer(starter.STARTER, models)
    examples = data_actions.examples_of(path or data_actions.SAMPLES / "marrowby.jsonl")
    limit = {"before": matrix_limit()}
    result: dict[str, dict] = {}
    for name in tables:
        chosen = examples[: 16 if quick else ROWS[name]]
        if name == "long_system_prompt":
            system = {"role": "system", "content": SYSTEM}
            chosen = [replace(e, messages=(system, *[m for m in e.messages if m["role"] != "system"])) for e in chosen]
        rows = to_rows(chosen, tokenizer, 1024).rows
        result[name] = compare(name, rows, tokenizer, models, 1 if quick else ROUNDS)
    limit["after"] = matrix_limit()
    best = max(max(part.values()) for part in limit.values())
    turned = {key: {name: found[key] for name, found in result.items()} for key in next(iter(result.values()))}
    flops = turned.pop("gflop")
    turned["share_of_limit"] = {name: round(flops[name] / turned["ours_seconds"][name] / best, 3) for name in result}
    print(json.dumps({**turned, "limit": limit}))


def compare(name: str, rows: list, tokenizer, models: Path, rounds: int) -> dict:
    tokens = sum(len(ids) for ids, _ in rows)
    ours, work = our_trainer(rows, models)
    theirs = {packing: trl_trainer(rows, tokenizer, models, packing) for packing in (False, True)}
    warm, losses = {}, {}
    # Warm-up, and the losses of the first pass: the same start, the same rows in the same order, no dropout.
    for kind, (trainer, clock) in {"ours": ours, **theirs}.items():
        trainer.train()
        warm[kind], losses[kind] = clock.callback.seconds, clock.callback.losses
        print(f"{name}: warm-up {kind}: {tokens / warm[kind]:.0f} tokens/s", flush=True)
    best = min((False, True), key=lambda packing: warm[packing])
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for i in range(rounds):
        for kind, (trainer, clock) in (("ours", ours), ("peer", theirs[best])):
            trainer.train()
            seconds[kind].append(clock.callback.seconds)
            print(f"{name}: round {i + 1} {kind}: {tokens / seconds[kind][-1]:.0f} tokens/s", flush=True)
    mine, other = (statistics.median(seconds[kind]) for kind in ("ours", "peer"))
    return {
        "ratio": round(other / mine, 2),
        "ours": round(tokens / mine, 1),
        "peer": round(tokens / other, 1),
        "peer_packed": best,
        "loss_difference": max(abs(a - b) for a, b in zip(losses["ours"], losses[False], strict=True)),
        "ours_seconds": round(mine, 2),
        "gflop": work,
    }


def settings():
    from core.training.settings import TrainSettings

    return TrainSettings(
        epochs=1, learning_rate=1e-3, batch_size=ROWS_PER_STEP, max_length=1024, dropout=0.0, warmup=0.0,
        schedule="constant_with_warmup",
    )  # fmt: skip


def our_trainer(rows: list, models: Path):
    """The worker's own trainer, with its events, and the arithmetic of one pass in GFLOP."""
    import torch
    from transformers import TrainerCallback

    from core.engine import kernels
    from core.jobs.events import EventLog
    from core.models import loading, starter
    from core.tokens.rows import TrainingRows
    from core.training import methods
    from core.training.spec import RunSpec
    from core.training.trainer import packed_trainer

    torch.manual_seed(0)
    base = loading.load(starter.STARTER, models)
    work = gflop(base, rows)
    model = methods.attach(base, settings())
    kernels.install(model)
    folder = Path(tempfile.mkdtemp())
    part = lambda chosen: TrainingRows(chosen, [], [], 0, 0, 0, 0)  # noqa: E731
    spec = RunSpec(starter.STARTER, "", "", settings())
    prepared = {"train": part(rows), "validation": part([])}
    trainer = packed_trainer(folder, spec, model, prepared, EventLog(folder / "events.jsonl"))
    trainer.args.train_sampling_strategy = "sequential"
    trainer.args.set_save(strategy="no")
    clock = Clock(TrainerCallback)
    trainer.add_callback(clock.callback)
    return (trainer, clock), work


def trl_trainer(rows: list, tokenizer, models: Path, packing: bool):
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, TrainerCallback
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    from core.models import loading, starter

    torch.manual_seed(0)
    where = loading.locate(starter.STARTER, models)
    model = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, use_safetensors=True)
    tokens = sum(len(ids) for ids, _ in rows)
    longest = max(len(ids) for ids, _ in rows)
    chosen = settings()
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(), num_train_epochs=1, learning_rate=chosen.learning_rate,
        # Packed: sequences as long as eight rows are on average, one to a step.
        per_device_train_batch_size=1 if packing else ROWS_PER_STEP,
        max_length=max(longest, tokens * ROWS_PER_STEP // len(rows)) if packing else 1024,
        packing=packing, packing_strategy="bfd", completion_only_loss=True, bf16=False, use_cpu=True,
        activation_checkpointing=False, lr_scheduler_type="constant", max_grad_norm=chosen.gradient_clip,
        logging_steps=1, save_strategy="no", report_to="none", disable_tqdm=True, seed=0,
        train_sampling_strategy="sequential", dataloader_pin_memory=False,
    )  # fmt: skip
    data = Dataset.from_list([{"input_ids": list(i), "completion_mask": [int(t) for t in m]} for i, m in rows])
    adapter = LoraConfig(
        r=chosen.rank, lora_alpha=chosen.alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    trainer = SFTTrainer(model, config, train_dataset=data, processing_class=tokenizer, peft_config=adapter)
    trainer.remove_callback(PrinterCallback)
    clock = Clock(TrainerCallback)
    trainer.add_callback(clock.callback)
    return trainer, clock


def gflop(base, rows: list) -> float:
    """Multiplications and additions that one pass over packed rows needs, in 10⁹: nothing recomputed, nothing padded.

    A frozen weight costs 2 operations a node forward and 2 backward; an adapter's 2 and 4; attention 4 · width for each
    pair that is attended to forward and 8 backward; the head is only applied where something is predicted.
    """
    import torch

    from core.engine.packing import pack

    chosen, config = settings(), base.config
    linear = [m for n, m in base.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]
    weights = sum(m.weight.numel() for m in linear)
    adapter = sum((m.in_features + m.out_features) * chosen.rank for m in linear)
    width = config.num_attention_heads * (config.hidden_size // config.num_attention_heads)
    total = 0
    for i in range(0, len(rows), ROWS_PER_STEP):
        made = pack(rows[i : i + ROWS_PER_STEP])
        predicted = len(set(made.source.tolist()))
        total += len(made.ids) * (4 * weights + 6 * adapter)
        total += int(made.mask().sum()) * 12 * width * config.num_hidden_layers
        total += predicted * 4 * config.vocab_size * config.hidden_size
    return total / 1e9


def matrix_limit(size: int = 1024, times: int = 20) -> dict[str, float]:
    """GFLOP/s of a square float32 product: by PyTorch's `matmul`, and by the operator that ours uses."""
    import torch

    from core.engine.kernels.linear import product

    a, b = torch.randn(size, size), torch.randn(size, size)
    found = {}
    with torch.no_grad():
        for name, run in (("matmul", lambda: a @ b.t()), ("onednn", lambda: product(a, b))):
            seconds = []
            for _ in range(times):
                began = time.perf_counter()
                run()
                seconds.append(time.perf_counter() - began)
            found[name] = round(2 * size**3 / statistics.median(seconds[3:]) / 1e9, 1)
    return found


def with_workers_allocator(module: str) -> None:
    """Begin again with the environment of a worker, which serves both sides: the C library reads it at the start."""
    from core.jobs.kinds import ALLOCATOR

    if not ALLOCATOR.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**os.environ, **ALLOCATOR})


if __name__ == "__main__":
    with_workers_allocator("tests.performance.training")
    files = [a for a in sys.argv[1:] if not a.startswith("--")]
    tables = ["short"] if "--short" in sys.argv else list(ROWS)
    main(Path(files[0]) if files else None, tables, "--quick" in sys.argv)
