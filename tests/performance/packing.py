"""Tokens per second of training steps, shared-prefix packs against padded batches, in one sitting.

python -m tests.performance.packing [rows.jsonl|json|csv]   (default: the sample)

Prints one JSON line last: {"ratio": packed / padded, "packed": …, "padded": …, "loss_difference": …}, in real, unpadded
tokens per second; medians of interleaved rounds of 32 rows, 8 rows a step, after a warm-up of each.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from pathlib import Path

ROUNDS, ROWS_PER_STEP, ROWS = 5, 8, 32


def main(path: Path) -> None:
    import torch

    from core.data import actions as data_actions
    from core.engine.packing import forward
    from core.models import loading, starter
    from core.settings import from_environment
    from core.tokens.rows import to_rows
    from core.training import methods
    from core.training.settings import TrainSettings

    models = Path(os.environ.get("TUNEWRIGHT_TEST_MODELS") or from_environment().home / "models")
    tokenizer = loading.tokenizer(starter.STARTER, models)
    examples = data_actions.examples_of(path or data_actions.SAMPLES / "marrowby.jsonl")
    rows = to_rows(examples[:ROWS], tokenizer, 512).rows
    torch.manual_seed(0)
    model = methods.attach(loading.load(starter.STARTER, models), TrainSettings(dropout=0.0))
    tokens = sum(len(ids) for ids, _ in rows)

    def one_round(packed: bool) -> tuple[float, list[float]]:
        losses, began = [], time.perf_counter()
        for i in range(0, len(rows), ROWS_PER_STEP):
            logits, target, _ = forward(model, rows[i : i + ROWS_PER_STEP], packed)
            loss = torch.nn.functional.cross_entropy(logits, target)
            loss.backward()
            model.zero_grad()
            losses.append(loss.item())
        return tokens / (time.perf_counter() - began), losses

    speeds: dict[bool, list[float]] = {True: [], False: []}
    difference = 0.0
    for i in range(ROUNDS + 1):
        seen = {}
        for packed in (True, False):
            speed, seen[packed] = one_round(packed)
            if i:
                speeds[packed].append(speed)
        difference = max([difference, *(abs(a - b) for a, b in zip(seen[True], seen[False], strict=True))])
        print(f"round {i}{' (warm-up)' if not i else ''}: loss differs by at most {difference:.2g}", flush=True)
    packed, padded = statistics.median(speeds[True]), statistics.median(speeds[False])
    result = {"ratio": packed / padded, "packed": packed, "padded": padded, "loss_difference": difference}
    print(json.dumps({k: round(v, 6) for k, v in result.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
