"""A disk that takes no more: what happened, how much is free where, and what could go, in a sentence.

Every library says it in its own way; `trouble` knows them. Nothing here deletes anything.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.errors import UserError
from core.settings import from_environment
from core.wording import size

MOST_NAMED = 3
"""Large things that a sentence names."""
SOME = 0.05
"""Share of a disk that is free: with less it is called full."""
PLENTY = 5_000_000_000
"""Free bytes with which it is not the room that lacks, most likely."""
WORTH_NAMING = 100_000
"""Bytes."""

KINDS = {
    errno.ENOSPC: "The disk is full",
    errno.EDQUOT: "Your share of the disk (its quota) is used up",
    errno.EFBIG: "The disk, or a limit of this process (ulimit -f), takes no file as large",
    errno.EROFS: "The disk can only be read, not written",
    errno.EACCES: "This user has no permission for it",
    errno.EPERM: "This user has no permission for it",
    errno.EIO: "The disk answers with an error: it may be failing, or was unplugged",
}
FREEING = (errno.ENOSPC, errno.EDQUOT)
"""What less on the disk would mend."""
WORDS = {
    r"no space left on device|\bos error 28\b|database or disk is full": errno.ENOSPC,
    r"disk quota exceeded|\bos error 122\b": errno.EDQUOT,
    r"file too large|\bos error 27\b": errno.EFBIG,
    r"read-only file system|\bos error 30\b|readonly database": errno.EROFS,
    # torch's writer of archives says no more than that it could not write.
    r"inline_container\.cc.*(write failed|unexpected pos)": errno.ENOSPC,
    r"disk i/o error|unable to open database file": errno.EIO,
}
"""How libraries that raise no OSError say it (safetensors, SQLite, DuckDB, torch) → errno."""


def trouble(error: BaseException, where: Path, remedy: str = "") -> str | None:
    """What the disk refused and what to do, where that is what `error` comes from; None for any other error.

    `where` is a folder of the home that was written to, unless the error names a file. `remedy`: what to do where a
    full disk is not that of the home.
    """
    for cause in _causes(error):
        if isinstance(cause, UserError):
            return None
        if isinstance(cause, FileNotFoundError) and "usable temporary directory" in str(cause):
            return f"No temporary folder takes a file: {cause.strerror}. Free some of that disk, or set TMPDIR."
        number = _number(cause)
        if number is not None:
            named = getattr(cause, "filename", None)
            at = Path(os.fsdecode(named)) if isinstance(named, str | bytes) else where
            return _sentence(number, at, remedy or what_could_go(where))
    return None


def full(error: BaseException) -> bool:
    """Would room on the disk mend what `error` comes from?"""
    return any(_number(cause) in FREEING for cause in _causes(error))


@contextmanager
def told(where: Path, what_became: str = "") -> Iterator[None]:
    """What a disk refuses within the block is a UserError that says so, and what became of the work."""
    try:
        yield
    except Exception as e:
        if sentence := trouble(e, where):
            raise UserError(f"{sentence} {what_became}".rstrip()) from e
        raise


def require_room(where: Path, needed: float, what: str, then: str = "") -> None:
    """Raises UserError where less than `needed` bytes are free: `what` takes them; `then` says what to do after."""
    free = free_bytes(where)
    if needed > free:
        raise UserError(
            f"The disk is nearly full: {what} takes {size(needed)}, and {size(free)} are free in {_home(where)}. "
            f"{what_could_go(where)} {then}".rstrip()
        )


def free_bytes(where: Path) -> int:
    """What this user can still write at a place, which need not be there yet."""
    return shutil.disk_usage(_there(where)).free


def what_could_go(where: Path) -> str:
    """What to free: the largest things of the home that can be made or fetched again, but for the job's in `where`."""
    if from_environment().mode == "space":
        return "Only the owner of this Space can free some: tell them."
    home = _home(where)
    # A run's own checkpoint is what it goes on from.
    others = [(path, what) for path, what in _candidates(home) if where == home or where not in path.parents]
    found = [(_bytes_below(path), path, what) for path, what in others]
    largest = sorted((f for f in found if f[0] >= WORTH_NAMING), key=lambda f: -f[0])[:MOST_NAMED]
    named = "; ".join(f"{what}, {size(n)}: {path}" for n, path, what in largest)
    elsewhere = "set TUNEWRIGHT_HOME to a folder on a larger disk"
    return f"Free some: {named}. Or {elsewhere}." if named else f"Free some, or {elsewhere}."


def _sentence(number: int, at: Path, freeing: str) -> str:
    place = _there(at)
    home = _home(place)
    if number == errno.EIO and free_bytes(place) < 1_000_000:
        number = errno.ENOSPC  # SQLite says so where it cannot grow the file that it shares memory by
    if number not in FREEING:
        remedy = {
            errno.EFBIG: "Raise the limit, or use a disk that takes larger files.",
            errno.EIO: "Look at the disk, then try again.",
        }
        otherwise = "Change its permissions, or choose another folder (TUNEWRIGHT_HOME is where everything is kept)."
        return f"{KINDS[number]}: {at}. {remedy.get(number, otherwise)}"
    usage = os.statvfs(place) if hasattr(os, "statvfs") else None
    if usage and usage.f_files and not usage.f_favail:
        return f"The disk takes no more files, however small, in {place}: its inodes are used up. {freeing}"
    free, total = free_bytes(place), shutil.disk_usage(place).total
    if number == errno.ENOSPC and free > PLENTY:
        why = "a limit of this process (ulimit -f) or a quota may be in the way"
        return f"The disk did not take what was written, though {size(free)} are free in {home}: {why}. {freeing}"
    if number == errno.ENOSPC and free > SOME * total:  # what did not fit was removed again
        return f"It does not fit on the disk: more is needed than the {size(free)} that are free in {home}. {freeing}"
    return f"{KINDS[number]}: {size(free)} of {size(total)} are free in {home}. {freeing}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [getattr(cause, "orig", None), cause.__cause__, cause.__context__]


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        # Permission is denied for much else than files: ports, processes.
        if error.errno in (errno.EACCES, errno.EPERM) and not error.filename:
            return None
        return error.errno if error.errno in KINDS else None
    text = str(error).lower()
    return next((number for words, number in WORDS.items() if re.search(words, text, re.DOTALL)), None)


def _home(where: Path) -> Path:
    """The home that a folder is in: it holds the folder of all projects, and its lock."""
    holds = (above.parent for above in where.parents if above.name == "projects")
    return next((home for home in holds if (home / "migration.lock").is_file()), where)


def _candidates(home: Path) -> Iterator[tuple[Path, str]]:
    for path in home.glob("projects/*/jobs/*/checkpoints"):
        yield path, "a run's checkpoints, needed only to resume it or to compare them"
    for path in home.glob("models/*"):
        yield path, "a model, fetched again when it is needed"
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"
    with suppress(OSError):
        for path in Path(hub).expanduser().glob("models--*"):
            if path.stat().st_dev == _there(home).stat().st_dev:
                yield path, "a model of the Hub, fetched again when it is needed"


def _bytes_below(path: Path) -> int:
    """Bytes on disk; a file that goes away meanwhile counts nothing."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def _there(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next((p for p in (path, *path.parents) if p.is_dir()), Path.cwd())
