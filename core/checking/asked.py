"""The questions of the benchmark files on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.data.similar.overlap import Questions
from core.types import content_hash

FIELDS = ("question", "ctx", "query", "goal", "problem", "prompt", "sentence", "text", "input")
"""Which field of a benchmark's row holds the question: the first that is there."""
SHOWN_BEFORE = ("train", "dev", "training")
"""Files whose questions are examples, and are not measured."""
MOST = 500_000
"""Questions that are compared with."""


@dataclass(frozen=True)
class Asked:
    """The questions of all benchmark files."""

    questions: Questions
    texts: list[str]
    files: list[str]
    """Of each question the file that it stands in, without its ending."""


def mark_of(folder: Path | None) -> str:
    """Changes when a benchmark file does; empty where there is none."""
    files = _files(folder)
    return (
        content_hash([[str(path), (stat := path.stat()).st_size, stat.st_mtime_ns] for path in files]) if files else ""
    )


def _files(folder: Path | None) -> list[Path]:
    found = sorted(folder.rglob("*.jsonl")) if folder is not None and folder.is_dir() else []
    return [path for path in found if path.stem not in SHOWN_BEFORE]


@lru_cache(maxsize=1)
def asked_in(folder: Path, mark: str) -> Asked:
    """All questions below a folder; lines that are no question are passed over. `mark`: see `mark_of`."""
    texts: list[str] = []
    files: list[str] = []
    for path in _files(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if len(texts) < MOST and (question := _question(line)):
                    texts.append(question)
                    files.append(name)
    return Asked(Questions(texts), texts, files)


def _question(line: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return ""
    given = (row.get(name) for name in FIELDS) if isinstance(row, dict) else ()
    return next((text for text in given if isinstance(text, str) and text.strip()), "")
