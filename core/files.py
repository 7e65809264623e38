"""Files: written whole or not at all, read by finished lines, and named by what they hold."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core import disk
from core.errors import UserError

log = logging.getLogger("tunewright")


def write_atomically(path: Path, text: str) -> None:
    """Write beside `path` and rename: a reader sees the old text or the new one, never half of it."""
    with written_atomically(path) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def written_atomically(path: Path) -> Iterator[Any]:
    """A text file that appears under its name when the block ends well; else nothing is left."""
    partial = partial_of(path)
    try:
        with open(partial, "w", encoding="utf-8") as file:
            yield file
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def append_lines(path: Path, lines: Iterable[str]) -> None:
    """Append whole lines, all of them or none: what a full disk took of them is cut off again.

    Half a line that a killed process left before them stays a line of its own.
    """
    data = "".join(f"{line}\n" for line in lines).encode()
    if not data:
        return
    with open(path, "ab", buffering=0) as file:
        before = file.tell()
        if before and not ends_a_line(path):
            data = b"\n" + data
        write_whole(file, data)


def write_whole(file: Any, data: bytes) -> None:
    """Write to the end of an unbuffered file, or leave it as it was."""
    before = file.tell()
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        if os.fstat(file.fileno()).st_size == before + len(data) - len(rest):  # nobody else has appended since
            file.truncate(before)
        raise


def ends_a_line(path: Path) -> bool:
    """Is the last byte of a file that is not empty the end of a line?"""
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


@contextmanager
def whole_folder(path: Path, within: Path | None = None) -> Iterator[Path]:
    """A folder that appears under its name, with all that is in it, when the block ends well; else nothing is left.

    Until then it stands in `within`, on the same disk (default: beside its place). Where somebody else was first,
    theirs stays.
    """
    partial = partial_of(path, within)
    partial.mkdir()
    try:
        yield partial
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def partial_of(path: Path, within: Path | None = None) -> Path:
    """What a file or folder is called while this process writes it: `sweep` knows by the name whose it is."""
    return (within or path.parent) / f".{path.name}.{os.getpid()}.partial"


def check_new(path: Path, endings: Sequence[str], what: str) -> None:
    """Raises UserError where `what` cannot be written as the new file `path`: before the work, not after it.

    A folder, a file that is there, a folder that is not, an ending that means another format, no permission.
    """
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder. Name a file in it, as {path / f'{what.split()[-1]}{endings[0]}'}.")
        if path.suffix.lower() not in endings:
            listed = ", ".join(endings)
            choose = "Choose one of these endings." if len(endings) > 1 else "Choose this ending."
            raise UserError(f"{what[0].upper()}{what[1:]} is written as {listed}, not as “{path.name}”. {choose}")
        if path.exists() or path.is_symlink():
            raise UserError(_is_there(path))
        if not path.parent.is_dir():
            raise UserError(f"There is no folder {path.parent} to write {path.name} into. Make it first.")
        path.with_name(f".{path.name}.0000000.partial").exists()  # raises for a name that is too long
    except OSError as e:
        raise UserError(f"{path.name[:60]} cannot be written there: {e.strerror}. Choose another name.") from e
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UserError(f"This user may not write into {path.parent}. Choose another folder.")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Where to write what shall be the new file `path`: it appears when the block ends well, else nothing is left.

    Raises UserError where somebody else was first, whose file stays, and where the disk refuses it.
    """
    partial = partial_of(path)
    try:
        yield partial
        try:
            os.link(partial, path)  # unlike renaming, it never takes another file's place
        except FileExistsError:
            raise UserError(_is_there(path)) from None
        except OSError:  # a disk without such links
            if path.exists():
                raise UserError(_is_there(path)) from None
            partial.rename(path)
    except OSError as e:
        sentence = disk.trouble(e, path.parent, "Free some, or choose a folder on another disk.")
        raise UserError(f"{path} was not written. {sentence or f'{e.strerror}.'}") from e
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _is_there(path: Path) -> str:
    return f"{path} exists already; nothing was overwritten. Choose another name."


PARTIAL = re.compile(r"\.(.+)\.(\d+)\.partial")
SWEPT = ("", "models", "projects/*/datasets", "projects/*/datasets/*", "projects/*/jobs", "projects/*/jobs/*")
"""Folders of a home in which something is written under another name first."""


def sweep(home: Path) -> list[Path]:
    """Remove what processes that are gone had half written; what a living one writes stays. Returns what was removed.

    Only names that `partial_of` gives are looked at.
    """
    found = [path for folder in SWEPT for path in home.glob(f"{folder}/.*.partial" if folder else ".*.partial")]
    gone = [path for path in found if _is_left(path)]
    for path in gone:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
    removed = [path for path in gone if not path.exists()]
    if removed:
        log.info("What was half written when a process ended is removed: %d files or folders.", len(removed))
    return removed


def _is_left(path: Path) -> bool:
    """Is the process that a half-written file or folder is named after gone, or another one of the same number?"""
    import psutil

    named = PARTIAL.fullmatch(path.name)
    if named is None:
        return False
    try:
        began = psutil.Process(int(named[2])).create_time()
        # A minute's grace: clocks of disks differ from the machine's.
        return path.lstat().st_mtime < began - 60
    except (psutil.NoSuchProcess, OverflowError):
        return True
    except (psutil.Error, OSError):
        return False


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


def whole_lines(path: Path, offset: int = 0, most: int = -1) -> tuple[list[bytes], int]:
    """The finished lines from byte `offset` on that are not empty, and the offset after them.

    At most `most` bytes are read: who asks again with the offset gets the others. What is no line within so many bytes
    is taken for one, cut short.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            data = file.read(most)
    except FileNotFoundError:
        return [], offset
    except OSError as e:  # a folder, or a file that this user may not read
        log.warning("%s cannot be read: %s.", path, e.strerror)
        return [], offset
    end = data.rfind(b"\n") + 1
    if not end and len(data) == most:
        return [data[:1000]], offset + most
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


@contextmanager
def or_gone(folder: Path) -> Iterator[None]:
    """What stands in a new folder goes again where the block fails: no folder without its line in the database."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
