"""Files: written whole or not at all, read by finished lines, and named by what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


def write_atomically(path: Path, text: str) -> None:
    """Write beside `path` and rename: a reader sees the old text or the new one, never half of it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def written_atomically(path: Path) -> Iterator[Any]:
    """A text file that appears under its name when the block ends well."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with open(partial, "w", encoding="utf-8") as file:
        yield file
    partial.replace(path)


@contextmanager
def whole_folder(path: Path, within: Path | None = None) -> Iterator[Path]:
    """A folder that appears under its name, with all that is in it, when the block ends well; else nothing is left.

    Until then it stands in `within`, on the same disk (default: beside its place). Where somebody else was first,
    theirs stays. What a process that was killed left behind goes when the next one comes.
    """
    within = within or path.parent
    for left in within.glob(".*.partial"):
        if left.is_dir() and not _is_alive(left.name.split(".")[-2]):
            shutil.rmtree(left, ignore_errors=True)
    partial = within / f".{path.name}.{os.getpid()}.partial"
    partial.mkdir()
    try:
        yield partial
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_alive(pid: str) -> bool:
    import psutil

    return not pid.isdigit() or psutil.pid_exists(int(pid))


def finished_lines(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """What the finished JSON lines from byte `offset` on hold, and the offset after them."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    end = data.rfind(b"\n") + 1
    return [json.loads(line) for line in data[:end].split(b"\n") if line.strip()], offset + end


def read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
