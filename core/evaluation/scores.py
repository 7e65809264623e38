"""What has been scored stays scored: an append-only file of log-probabilities by the ids that were asked.

An evaluation that was stopped or killed goes on from its file. The base's file is shared by all evaluations of the same
weights, so the base is asked each question once. Equal requests of one or several benchmarks are computed once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.evaluation.scorer import Progress, RowScore, ShouldStop, score
from core.packing import Row


class Scores:
    """Row → score, kept in a file where `path` names one. A last line that was torn by a crash is dropped."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._found: dict[str, RowScore] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes() if path.is_file() else b""
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(path, whole)
        for line in data[:whole].splitlines():
            key, logprob, tokens, greedy = json.loads(line)
            self._found[key] = RowScore(logprob, tokens, bool(greedy))

    def get(self, row: Row) -> RowScore | None:
        return self._found.get(_key(row))

    def add(self, rows: Sequence[Row], scores: Sequence[RowScore]) -> None:
        """Remember, and append to the file in one write."""
        lines = []
        for row, found in zip(rows, scores, strict=True):
            key = _key(row)
            if key not in self._found:
                self._found[key] = found
                lines.append(json.dumps([key, found.logprob_sum, found.tokens, int(found.all_greedy)]) + "\n")
        if self.path and lines:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("".join(lines))


def _key(row: Row) -> str:
    """SHA-256 of the ids and of which are predicted, in hexadecimal, the first 32 digits."""
    ids, trained = row
    digest = hashlib.sha256(np.asarray(ids, dtype=np.int64).tobytes())
    digest.update(np.packbits(np.asarray(trained, dtype=bool)).tobytes())
    return digest.hexdigest()[:32]


def score_once(
    model,
    rows: Sequence[Row],
    scores: Scores,
    packed: bool | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> list[RowScore]:
    """One score per row, in order; computes only what `scores` does not hold yet, and adds it pass by pass.

    `progress` counts rows. Raises as `scorer.score`; what was scored before is kept.
    """
    keys = [_key(row) for row in rows]
    todo = {key: row for key, row in zip(keys, rows, strict=True) if key not in scores._found}
    missing = list(todo.values())
    waiting = len(rows) - sum(key in todo for key in keys)

    def tell(done: int, total: int) -> None:
        if progress:
            progress(waiting + round((len(rows) - waiting) * done / max(1, total)), len(rows))

    if missing:
        keep = lambda found: scores.add([missing[i] for i in found], list(found.values()))  # noqa: E731
        score(model, missing, packed=packed, progress=tell, should_stop=should_stop, keep=keep)
    tell(1, 1)
    return [scores._found[key] for key in keys]
