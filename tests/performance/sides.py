"""Both sides of an evaluation against lm-evaluation-harness's HF backend, on one benchmark: base, and with an adapter.

python -m tests.performance.sides FOLDER [benchmark] [items] [pairs]   (hellaswag, 40 items, 5 pairs)

The adapter is a LoRA of rank 16 on all linear layers with random weights; the peer has PEFT's own layers over
transformers' own model. Ours and the peer take turns, for each side; a pair is one turn of both, and its ratio is of
the processor's time as well as of the clock's, because a machine that does other things moves the clock's. Printed are
the medians over the pairs, last as one JSON line, with the largest difference of a log-likelihood.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

RANK = 16


def main(folder: Path, name: str, count: int, pairs: int) -> None:
    from core.engine.kernels import threads
    from core.evaluation.benchmarks.tasks import load
    from core.models import loading, starter
    from core.models.sides import load_sides
    from core.settings import from_environment
    from core.types import SIDES
    from tests.performance.scoring import ask_ours, ask_peer, batch_size, difference, draw

    threads.watch()  # as the worker does
    models = Path(os.environ.get("TUNEWRIGHT_TEST_MODELS") or from_environment().home / "models")
    tokenizer = loading.tokenizer(starter.STARTER, models)
    tasks = load(name, folder).tasks
    items = draw(tasks, count)
    tasks = {task: tasks[task] for task in items}
    with tempfile.TemporaryDirectory() as made:
        peers = theirs(loading.locate(starter.STARTER, models), Path(made))
        sides = load_sides(starter.STARTER, Path(made), models)
    best = {side: batch_size(peers[side], tokenizer, tasks, items) for side in SIDES}
    taken: dict[str, list[tuple[float, float]]] = {f"{side} {who}": [] for side in SIDES for who in ("ours", "peer")}
    found = {}
    for _ in range(pairs):
        for side in SIDES:
            worked = time.process_time()
            with sides.use(side) as model:
                mine, spent = ask_ours(model, tokenizer, tasks, items)
            taken[f"{side} ours"].append((spent, time.process_time() - worked))
            worked = time.process_time()
            other, spent = ask_peer(peers[side], tokenizer, tasks, items, best[side])
            taken[f"{side} peer"].append((spent, time.process_time() - worked))
            found[side] = difference(mine, other)
    result = {side: told(taken[f"{side} ours"], taken[f"{side} peer"], *found[side]) for side in SIDES}
    for side, figures in result.items():
        print(side, figures, "batches of", best[side])
    print(json.dumps({"benchmark": name, "items": sum(map(len, items.values())), **result}))


def theirs(where: str, folder: Path) -> dict:
    """The peer's model of each side, without our kernels; the adapter is saved into `folder`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    load = lambda: AutoModelForCausalLM.from_pretrained(where, dtype="float32", use_safetensors=True).eval()  # noqa: E731
    torch.manual_seed(0)
    tuned = get_peft_model(load(), LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear"))
    for parameter_name, parameter in tuned.named_parameters():
        if "lora_B" in parameter_name:  # an untrained one is zero, and changes nothing
            torch.nn.init.normal_(parameter, std=2e-3)
    tuned.save_pretrained(folder)
    return {"base": load(), "tuned": tuned.eval()}


def told(ours: list[tuple[float, float]], peer: list[tuple[float, float]], largest: float, unequal: int) -> dict:
    clock, work = ([round(b[i] / a[i], 2) for a, b in zip(ours, peer, strict=True)] for i in (0, 1))
    return {
        "ratio": statistics.median(clock), "ratios": clock,
        "ratio_of_work": statistics.median(work), "ratios_of_work": work,
        "ours_s": round(statistics.median(a for a, _ in ours), 2),
        "peer_s": round(statistics.median(b for b, _ in peer), 2),
        "max_difference": largest, "unequal_metrics": unequal,
    }  # fmt: skip


if __name__ == "__main__":
    from tests.performance.training import with_workers_allocator

    with_workers_allocator("tests.performance.sides")
    folders = [Path(a) for a in sys.argv[1:] if Path(a).is_dir()]
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    names = [a for a in sys.argv[1:] if not a.isdigit() and not Path(a).is_dir()]
    if not folders:
        sys.exit(__doc__)
    main(folders[0], *(names or ["hellaswag"])[:1], *[*numbers, *(40, 5)[len(numbers) :]][:2])
