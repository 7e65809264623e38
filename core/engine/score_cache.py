"""What has been scored stays scored: an append-only file of log-probabilities by the ids that were asked.

An evaluation that was stopped or killed goes on from its file. The base's file is shared by all evaluations of the same
weights, so the base is asked each question once. Equal requests of one or several benchmarks are computed once.
Generated texts are kept alike, in a file beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.engine.packing import Row
from core.engine.scoring import Progress, RowScore, ShouldStop, score
from core.files import append_lines

if TYPE_CHECKING:
    import torch


class Scores:
    """Row → score, kept in a file where `path` names one. A last line that was torn by a crash is dropped.

    `texts` is what the same side has generated.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.texts = Texts(path and path.with_suffix(".texts.jsonl"))
        self._found: dict[str, RowScore] = {}
        for key, logprob, tokens, greedy in _lines(path):
            self._found[key] = RowScore(logprob, tokens, bool(greedy))

    def get(self, row: Row) -> RowScore | None:
        return self._found.get(_key(row))

    def add(self, rows: Sequence[Row], scores: Sequence[RowScore]) -> None:
        """Remember, and append to the file in one write."""
        lines = []
        for row, entry in zip(rows, scores, strict=True):
            key = _key(row)
            if key not in self._found:
                self._found[key] = entry
                lines.append([key, entry.logprob_sum, entry.tokens, int(entry.all_greedy)])
        _append(self.path, lines)


class Texts:
    """Request → generated text, by `text_key`; kept as `Scores` are."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._found: dict[str, str] = dict(_lines(path))

    def get(self, key: str) -> str | None:
        return self._found.get(key)

    def add(self, texts: dict[str, str]) -> None:
        """Remember, and append to the file in one write."""
        new = {key: text for key, text in texts.items() if key not in self._found}
        self._found |= new
        _append(self.path, [list(pair) for pair in new.items()])


def text_key(ids: Sequence[int], settings: dict[str, Any]) -> str:
    """SHA-256 of the ids that are fed and of how the text is generated, in hexadecimal, the first 32 digits."""
    asked = json.dumps([list(ids), settings], sort_keys=True, default=str)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def _lines(path: Path | None) -> list[list[Any]]:
    """The whole lines of a file, of which a torn last one is cut off; its folder is made."""
    if path is None:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    data = path.read_bytes() if path.is_file() else b""
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    return [json.loads(line) for line in data[:whole].splitlines()]


def _append(path: Path | None, lines: Sequence[list[Any]]) -> None:
    if path and lines:
        append_lines(path, map(json.dumps, lines))


def _key(row: Row) -> str:
    """SHA-256 of the ids and of which are predicted, in hexadecimal, the first 32 digits."""
    ids, trained = row
    digest = hashlib.sha256(np.asarray(ids, dtype=np.int64).tobytes())
    digest.update(np.packbits(np.asarray(trained, dtype=bool)).tobytes())
    return digest.hexdigest()[:32]


def score_once(
    model: torch.nn.Module,
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
        keep = lambda scored: scores.add([missing[i] for i in scored], list(scored.values()))  # noqa: E731
        score(model, missing, packed=packed, progress=tell, should_stop=should_stop, keep=keep)
    tell(1, 1)
    return [scores._found[key] for key in keys]
