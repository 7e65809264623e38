"""Files: written whole or not at all, read by finished lines, and named by what they hold."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import UserError

log = logging.getLogger("tunewright")


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
    """What the finished JSON lines from byte `offset` on hold, and the offset after them.

    A damaged line is left out, and a warning says so: it must not stop the reading of the others.
    """
    lines, end = whole_lines(path, offset)
    read = [(line, json_object(line)) for line in lines]
    damaged = sum(value is None for _, value in read)
    if damaged:
        log.warning("%s: %d damaged lines are left out.", path, damaged)
    return [value for _, value in read if value is not None], end


def json_object(line: bytes) -> dict[str, Any] | None:
    """A JSON object; None for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, or no UTF-8
        return None
    return value if isinstance(value, dict) else None


def whole_lines(path: Path, offset: int = 0) -> tuple[list[bytes], int]:
    """The finished lines from byte `offset` on that are not empty, and the offset after them."""
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read()
    except FileNotFoundError:
        return [], offset
    except OSError as e:  # a folder, or a file that this user may not read
        log.warning("%s cannot be read: %s.", path, e.strerror)
        return [], offset
    end = data.rfind(b"\n") + 1
    return [line for line in data[:end].split(b"\n") if line.strip()], offset + end


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no file. Raises UserError for a damaged one."""
    try:
        value = json_object(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as e:
        raise UserError(f"{path.name} cannot be read: {e.strerror}.") from e
    if value is None:
        raise UserError(f"{path.name} is damaged: it holds no JSON object.")
    return value


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
