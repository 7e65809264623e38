"""Token statistics of many rows against the bare `tokenizers` batch call on the same rows, in one sitting.

python -m tests.performance.lengths [rows.jsonl|json|csv] [how many rows]   (default: the sample, 1,000,000)

The rows of the file are repeated up to the number asked for. Ours starts from the rows and applies the chat template;
the bare calls are given the finished texts. Prints one JSON line last: rows per second of ours, of `encode_batch` and
of `encode_batch_fast`, and ours as a ratio of the faster of the two; medians of interleaved rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from itertools import cycle, islice
from pathlib import Path

ROUNDS = 3


def main(path: Path | None, rows: int) -> None:
    from core.data import actions as data_actions
    from core.engine.rendering import render
    from core.models import loading, starter
    from core.settings import from_environment
    from core.tokens.lengths import lengths

    models = Path(os.environ.get("TUNEWRIGHT_TEST_MODELS") or from_environment().home / "models")
    tokenizer = loading.tokenizer(starter.STARTER, models)
    raw = tokenizer.backend_tokenizer
    few = data_actions.examples_of(path or data_actions.SAMPLES / "marrowby.jsonl")
    examples = list(islice(cycle(few), rows))
    texts = list(islice(cycle([render(e, tokenizer).text for e in few]), rows))
    # The bare calls get the texts in the same portions, so that memory does not decide.
    portions = [texts[i : i + 20_000] for i in range(0, rows, 20_000)]
    calls = {
        "ours": lambda: lengths(examples, tokenizer),
        "encode_batch": lambda: [len(raw.encode_batch(p, add_special_tokens=False)) for p in portions],
        "encode_batch_fast": lambda: [len(raw.encode_batch_fast(p, add_special_tokens=False)) for p in portions],
    }
    speeds: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            speeds[name].append(rows / (time.perf_counter() - began))
            print(f"round {i + 1}: {name} {speeds[name][-1]:,.0f} rows/s", flush=True)
    result = {name: statistics.median(values) for name, values in speeds.items()}
    result["ratio"] = result["ours"] / max(result["encode_batch"], result["encode_batch_fast"])
    print(json.dumps({"rows": rows, **{k: round(v, 3) for k, v in result.items()}}))


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if not a.isdigit()]
    numbers = [int(a) for a in sys.argv[1:] if a.isdigit()]
    main(Path(arguments[0]) if arguments else None, numbers[0] if numbers else 1_000_000)
