"""Answers of base and tuned against `transformers.generate`: `python -m tests.performance.generation [ROWS] [PAIRS]`

The starter model and a LoRA of rank 16 with random weights; the questions are those of the sample project, and answers
have up to 128 tokens. The peer answers with each side in turn, PEFT's own layers over transformers' own model, in the
batch size that is quickest for it, rows sorted by length. Ours and the peer take turns; a pair is one turn of both.
Printed are medians over the pairs, of the clock and of the processor's time, last as one JSON line with `ratio`.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

NEW = 128
SIZES = (8, 16, 32, 64)


def main(count: int, pairs: int) -> None:
    from core.data.actions import SAMPLES, examples_of
    from core.engine.kernels import threads
    from core.engine.rendering import prompt_ids
    from core.models import generation, loading, starter
    from core.models.sides import load_sides
    from core.settings import from_environment
    from core.types import SIDES, Decoding
    from tests.performance.sides import theirs

    threads.watch()  # as the worker does
    models = Path(os.environ.get("TUNEWRIGHT_TEST_MODELS") or from_environment().home / "models")
    tokenizer = loading.tokenizer(starter.STARTER, models)
    examples = examples_of(SAMPLES / "marrowby.jsonl")[:count]
    prompts = [list(prompt_ids(example, tokenizer)) for example in examples]
    with tempfile.TemporaryDirectory() as made:
        peers = theirs(loading.locate(starter.STARTER, models), Path(made))
        sides = load_sides(starter.STARTER, Path(made), models)
    stops = generation.stops_of(peers["base"], tokenizer)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    best = {side: quickest(peers[side], prompts, order, stops) for side in SIDES}
    taken: dict[str, list[tuple[float, float]]] = {"ours": [], "peer": []}
    for _ in range(pairs):
        with Clock(taken["ours"]):
            answers = generation.generate_both(sides, tokenizer, examples, Decoding(NEW))
        with Clock(taken["peer"]):
            theirs_ = {side: ask(peers[side], prompts, order, stops, best[side]) for side in SIDES}
    equal = {
        side: sum(
            tokenizer.decode(ids, skip_special_tokens=True) == pair[n].text
            for ids, pair in zip(theirs_[side], answers, strict=True)
        )
        for n, side in enumerate(SIDES)
    }
    for who, times in taken.items():
        print(who, "seconds", [round(clock, 1) for clock, _ in times], "of work", [round(work, 1) for _, work in times])
    tokens = {side: [pair[n].tokens for pair in answers] for n, side in enumerate(SIDES)}
    for side in SIDES:
        mean = statistics.mean(tokens[side])
        print(
            f"{side}: the peer in batches of {best[side]}, {mean:.0f} tokens an answer, "
            f"{equal[side]} of {len(examples)} answers equal"
        )
    clock, work = ([b[i] / a[i] for a, b in zip(taken["ours"], taken["peer"], strict=True)] for i in (0, 1))
    ratios = {"ratio": round(statistics.median(clock), 2), "ratio_of_work": round(statistics.median(work), 2)}
    seconds = {f"{who}_s": round(statistics.median(c for c, _ in times), 1) for who, times in taken.items()}
    print(json.dumps({"rows": len(examples), **ratios, **seconds, "equal": equal}))


class Clock:
    """Appends (seconds, seconds of all cores)."""

    def __init__(self, times: list[tuple[float, float]]) -> None:
        self._times = times

    def __enter__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self._times.append((time.perf_counter() - self._began[0], time.process_time() - self._began[1]))


def quickest(model: Any, prompts: list[list[int]], order: list[int], stops: list[int]) -> int:
    """The batch size at which the peer needs the least work for an answer, tried on a batch of each."""
    costs = {}
    for size in SIZES:
        if size <= max(len(order), SIZES[0]):
            began = time.process_time()
            ask(model, prompts, order[: 2 * size], stops, size, 24)
            costs[size] = (time.process_time() - began) / min(2 * size, len(order))
    return min(costs, key=costs.__getitem__)


def ask(
    model: Any, prompts: list[list[int]], order: list[int], stops: list[int], size: int, most: int = NEW
) -> list[list[int]]:
    """The new tokens of each prompt, by transformers' `generate`."""
    import torch

    answers: dict[int, list[int]] = {}
    for start in range(0, len(order), size):
        batch = order[start : start + size]
        width = max(len(prompts[i]) for i in batch)
        ids = torch.tensor([[stops[0]] * (width - len(prompts[i])) + prompts[i] for i in batch])
        mask = torch.tensor([[0] * (width - len(prompts[i])) + [1] * len(prompts[i]) for i in batch])
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=most,
                do_sample=False,
                eos_token_id=stops,
                pad_token_id=stops[0],
            )
        for i, new in zip(batch, out[:, width:].tolist(), strict=True):
            end = next((n for n, token in enumerate(new) if token in stops), len(new))
            answers[i] = new[:end]
    return [answers[i] for i in range(len(order))] if len(order) == len(prompts) else []


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
