"""Benchmark scoring against lm-evaluation-harness's HF backend: same model, same items, in one sitting.

python -m tests.performance.scoring FOLDER [items]   (FOLDER: benchmark files in the Hub's rows; default 40 items each)

lm-eval runs at its best batch size of 8, 16 and 32, tried on the first quarter of the items; its model is transformers'
own, without our kernels. Ours and the peer take turns, twice; the faster round of each counts. TruthfulQA is mc1 and
mc2 together, as both are asked; MMLU is five subjects, with their shots.

Prints one JSON line last. `max_difference` is the largest of any log-likelihood, absolute; `unequal_metrics` counts
the items' metrics that differ. `share_of_limit` is the arithmetic of the tokens that remain after sharing, over our
time and this machine's best float32 matrix product.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

SETS = {
    "hellaswag": ["hellaswag"],
    "arc_easy": ["arc_easy"],
    "arc_challenge": ["arc_challenge"],
    "mmlu_5_shots": ["mmlu_5_shots"],
    "truthfulqa": ["truthfulqa_mc1", "truthfulqa_mc2"],
}
SUBJECTS, ROUNDS = 5, 2


def main(folder: Path, count: int) -> None:
    import transformers

    from core.engine.kernels import threads
    from core.evaluation.benchmarks.tasks import load
    from core.models import loading, starter
    from core.settings import from_environment
    from tests.performance.training import matrix_limit

    threads.watch()  # as the worker does
    models = Path(os.environ.get("TUNEWRIGHT_TEST_MODELS") or from_environment().home / "models")
    tokenizer = loading.tokenizer(starter.STARTER, models)
    ours = loading.load(starter.STARTER, models)
    where = loading.locate(starter.STARTER, models)
    plain = transformers.AutoModelForCausalLM.from_pretrained(where, dtype="float32", use_safetensors=True).eval()
    limit = [max(matrix_limit().values())]
    result, work, seconds = {}, 0.0, 0.0
    for name, benchmarks in SETS.items():
        tasks = {task: made for each in benchmarks for task, made in load(each, folder).tasks.items()}
        items = draw(tasks, count)
        tasks = {task: tasks[task] for task in items}
        best = batch_size(plain, tokenizer, tasks, items)
        taken: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(ROUNDS):
            mine, spent = ask_ours(ours, tokenizer, tasks, items)
            taken["ours"].append(spent)
            theirs, spent = ask_peer(plain, tokenizer, tasks, items, best)
            taken["peer"].append(spent)
        a, b = min(taken["ours"]), min(taken["peer"])
        largest, unequal = difference(mine, theirs)
        result[name] = {
            "ours_s": round(a, 2), "peer_s": round(b, 2), "ratio": round(b / a, 2),
            "max_difference": largest, "unequal_metrics": unequal, "batch_size": best,
            "items": sum(map(len, items.values())),
        }  # fmt: skip
        print(name, result[name], flush=True)
        work += gflop(ours, tokenizer, tasks, items)
        seconds += a
    limit.append(max(matrix_limit().values()))
    share = round(work / seconds / max(limit), 3)
    print(json.dumps({"tasks": result, "share_of_limit": share, "limit_gflops": limit}))


def draw(tasks: dict, count: int) -> dict[str, list[int]]:
    """Task → items, at random; of a group of subjects the first few."""
    names = list(tasks)[:SUBJECTS]
    each = count if len(names) < 3 else max(1, count // len(names))
    # TruthfulQA's two tasks have the same questions: the same are drawn of both.
    return {n: sorted(random.Random(0).sample(range(len(tasks[n].eval_docs)), each)) for n in names}


def batch_size(model, tokenizer, tasks: dict, items: dict) -> int:
    few = {name: chosen[: max(2, len(chosen) // 4)] for name, chosen in items.items()}
    spent = {size: ask_peer(model, tokenizer, tasks, few, size)[1] for size in (8, 16, 32)}
    return min(spent, key=spent.__getitem__)


def ask_ours(model, tokenizer, tasks: dict, items: dict) -> tuple[dict, float]:
    from core.evaluation.benchmarks.asking import answers

    began = time.perf_counter()
    found, _ = answers(model, tokenizer, tasks, items, packed=True)  # an evaluation tries once whether it may
    return found, time.perf_counter() - began


def ask_peer(model, tokenizer, tasks: dict, items: dict, size: int) -> tuple[dict, float]:
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size)
    began = time.perf_counter()
    found = evaluate(lm, {"tasks": tasks, "groups": {}}, samples=items, bootstrap_iters=0)["samples"]
    return found, time.perf_counter() - began


def difference(mine: dict, theirs: dict) -> tuple[float, int]:
    """(largest difference of a log-likelihood, items' metrics that are not the same)."""
    largest, unequal = 0.0, 0
    for task, samples in mine.items():
        for one, two in zip(samples, sorted(theirs[task], key=lambda s: s["doc_id"]), strict=True):
            pairs = zip(one["resps"], two["resps"], strict=True)
            largest = max([largest, *(abs(x[0][0] - y[0][0]) for x, y in pairs)])
            unequal += sum(abs(float(one[m]) - float(two[m])) > 1e-4 for m in one["metrics"])
    return round(largest, 6), unequal


def gflop(model, tokenizer, tasks: dict, items: dict) -> float:
    """Operations that remain after sharing, in 10⁹: 2 for each weight and node, attention, the head where predicted."""
    import torch
    from lm_eval.evaluator import evaluate

    from core.engine.packing import pack, parts
    from core.engine.scoring import BUDGET
    from core.evaluation.benchmarks.packed_lm import packed_lm

    rows = {}

    def listen(asked, **_):
        rows.update({tuple(c + d): (c, d) for _, c, d in asked})
        return [(0.0, False)] * len(asked)

    lm = packed_lm(model, tokenizer)
    lm._loglikelihood_tokens = listen
    evaluate(lm, {"tasks": tasks, "groups": {}}, samples=items, bootstrap_iters=0)
    packed = [(c + d, [False] * len(c) + [True] * len(d)) for c, d in rows.values()]
    config = model.config
    linear = [m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]
    weights = sum(m.weight.numel() for m in linear)
    width = config.hidden_size
    total, known = 0, ()
    for group, before in parts(packed, BUDGET):
        made = pack([(packed[i][0][before:], packed[i][1][before:]) for i in group])
        nodes, pairs = len(made.ids), int(made.mask(before).sum())
        if before and known != (known := tuple(packed[group[0]][0][:before])):
            nodes, pairs = nodes + before, pairs + before * (before + 1) // 2
        total += 2 * weights * nodes + 4 * width * config.num_hidden_layers * pairs
        total += 2 * config.vocab_size * width * len(set(made.source.tolist()))
    return total / 1e9


if __name__ == "__main__":
    from tests.performance.training import with_workers_allocator

    with_workers_allocator("tests.performance.scoring")
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    folders = [Path(a) for a in sys.argv[1:] if not a.isdigit()]
    if not folders:
        sys.exit(__doc__)
    main(folders[0], numbers[0] if numbers else 40)
