"""Several files at once: a ZIP archive, or a folder. Each is read as it would be alone, one after the other.

A column says from which file a row is. What is no file of rows is told. No name of an archive becomes a path here.
"""

from __future__ import annotations

import errno
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.data.columns.named_parts import COLUMNS, are_parts
from core.data.reading import unpacking
from core.data.reading.decoding import decoded_pieces
from core.data.reading.table import NotRead, Source, Table
from core.errors import UserError

MOST_MEMBERS = 10_000
MOST_NAMED = 10
"""Files that a sentence names."""
FILE, ITS_FILE, PART = "file", "from file", "split"
"""What the columns are called that say from which file a row is (the second where rows have one of that name)."""
KNOWN = (
    *(".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".text", ".md", ".markdown", ".parquet", ".arrow"),
    *(".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".pdf", ".docx"),
)
"""Endings of files that are meant to be read: one that cannot be is told, and nothing is imported."""
BESIDE = ("readme", "license", "licence", "changelog", "citation", "notice")
"""How files begin that are written about rows, and hold none."""


@dataclass(frozen=True)
class Member:
    """A file of an archive or a folder."""

    name: str
    """Its path in there."""
    size: int
    """Bytes, unpacked."""


@dataclass(frozen=True)
class _Files:
    """What is known of the files that were read."""

    spans: list[str]
    """Which rows are from which file, in words."""
    columns: dict[frozenset[str], list[str]]
    """Columns → the files that have them."""
    left: list[str]
    """Files that were not read, each with the reason."""


def is_archive(path: Path) -> bool:
    """Is it a ZIP archive, whatever is in it?"""
    with open(path, "rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files that are read of a folder."""
    return sum(m.size for m in members(path, path.name)) if path.is_dir() else path.stat().st_size


def members(path: Path, name: str) -> list[Member]:
    """The files that are in an archive or a folder, by name. Raises UserError for an archive that is not safe."""
    found = _of_folder(path) if path.is_dir() else _of_archive(path, name)
    if len(found) > MOST_MEMBERS:
        most = f"the limit is {MOST_MEMBERS:,}. Put the rows into fewer files."
        raise UserError(f"“{name}” holds {len(found):,} files; {most}")
    return sorted(found, key=lambda member: member.name)


def _of_folder(path: Path) -> list[Member]:
    files = ((p, p.relative_to(path)) for p in path.rglob("*") if p.is_file())
    return [Member(inner.as_posix(), p.stat().st_size) for p, inner in files if not _is_hidden(inner.as_posix())]


def _is_hidden(name: str) -> bool:
    return name.startswith(("__MACOSX/", ".")) or "/." in name


def _of_archive(path: Path, name: str) -> list[Member]:
    require_honest(path, name)
    with zipfile.ZipFile(path) as archive:
        found = [info for info in archive.infolist() if not info.is_dir()]
    for info in found:
        parts = PurePosixPath(info.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
            raise UserError(
                f"“{name}” holds “{info.filename[:100]}”, a path that leads out of the archive. Nothing of it was "
                "read: unpack it where that does no harm, and pack the files that are meant anew."
            )
    return [Member(info.filename, info.file_size) for info in found if not _is_hidden(info.filename)]


def require_honest(path: Path, name: str, most: int = 0) -> None:
    """Raises UserError for an archive that is broken or encrypted, or unpacks to more than files of rows do.

    `most`: bytes that it may unpack to; 0: as many as any packed file.
    """
    packed = path.stat().st_size
    most = most or max(unpacking.FREE, unpacking.MOST_TIMES * packed)
    with sentence(name), zipfile.ZipFile(path) as archive:
        found = archive.infolist()
        if any(info.flag_bits & 1 for info in found):
            raise UserError(f"“{name}” is protected by a password. Unpack it, and import what is in it.")
        stated = sum(info.file_size for info in found)
        if stated > most:
            raise UserError(
                f"“{name}” has {packed / 1e6:,.1f} MB and unpacks to {stated / 1e6:,.0f} MB, more than the "
                f"{most / 1e6:,.0f} MB that rows of this size hold. Look at what is in it, and import that."
            )


@contextmanager
def sentence(name: str) -> Iterator[None]:
    # What a broken archive makes of the module: besides its own errors those of places, numbers and compressions.
    broken = (zipfile.BadZipFile, struct.error, zlib.error, NotImplementedError, EOFError, ValueError, OverflowError)
    try:
        yield
    except UserError:
        raise
    except (*broken, OSError) as e:
        if isinstance(e, OSError) and e.errno != errno.EINVAL:  # which is told of a place before the file's beginning
            raise
        why = " ".join(str(e).split())[:200]
        raise UserError(f"“{name}” is a ZIP archive, but broken or cut off ({why}). Fetch or pack it again.") from e


def batches(source: Source, read: Callable[[Source], Iterator[Table]]) -> Iterator[Table]:
    """The rows of all files, numbered on. `read` gives those of one. Raises UserError where one is broken."""
    found = members(source.path, source.name)
    meant = [m for m in found if m.size and not PurePosixPath(m.name).name.lower().startswith((*BESIDE, "~$"))]
    left = [f"“{m.name}” ({'about the rows' if m.size else 'empty'})" for m in found if m not in meant]
    files = _Files([], {}, left)
    known = [m.name for m in meant if unpacking.ending(m.name) in KNOWN]
    parted = len(known) > 1 and are_parts(PurePosixPath(name).name.split(".")[0] for name in known)
    total, done, rows = sum(m.size for m in meant) or 1, 0, 0
    with tempfile.TemporaryDirectory(prefix="tunewright-") as folder:
        for member in meant:
            tick = lambda share, done=done, size=member.size: source.tick((done + share * size) / total)  # noqa: E731
            path = source.path / member.name if source.path.is_dir() else _unpacked(source, member, Path(folder))
            one = replace(
                source, path=path, name=f"{source.name}/{member.name}", tick=tick, encoding=_encoding(source, path)
            )
            start, unpacked, source.reading.bytes = rows, source.reading.bytes, 0
            for table in _read(one, read, files, member):
                numbered = Table(table.rows, list(range(rows + 1, rows + len(table.rows) + 1)))
                _say_where(numbered, member, len(meant) > 1, parted)
                yield numbered
                rows += len(table.rows)
            if rows > start:
                files.spans.append(f"“{member.name}” {start + 1:,}–{rows:,}")
            done += member.size
            source.reading.bytes = unpacked + max(member.size, source.reading.bytes)
            if not source.path.is_dir():
                path.unlink()
    _tell(source, files, meant)


def _encoding(source: Source, path: Path) -> str:
    """What a person chose holds for the files that do not show theirs."""
    if not source.encoding:
        return ""
    try:
        for _ in decoded_pieces(Source(path, path.name)):
            pass
    except UserError:
        return source.encoding
    return ""


def _read(source: Source, read: Callable[[Source], Iterator[Table]], files: _Files, member: Member) -> Iterator[Table]:
    columns: set[str] = set()
    try:
        for table in read(source):
            for row in table.rows:
                columns.update(row)
            yield table
    except UserError as e:
        # A picture is no text in an odd encoding; but a file whose ending says that it has rows is broken.
        if columns or not (isinstance(e, NotRead) or unpacking.ending(member.name) not in KNOWN):
            raise
        files.left.append(f"“{member.name}”: {str(e).removeprefix(f'“{source.name}” ').split('. ')[0].rstrip('.')}")
    else:
        files.columns.setdefault(frozenset(columns), []).append(member.name)


def _say_where(table: Table, member: Member, several: bool, parted: bool) -> None:
    """Add the columns that say from which file the rows are, and which part it holds."""
    if not several:
        return
    part = PurePosixPath(member.name).name.split(".")[0]
    for row in table.rows:
        own = set(row)
        row[ITS_FILE if FILE in own else FILE] = member.name
        if parted and own.isdisjoint(COLUMNS):
            row[PART] = part


def _tell(source: Source, files: _Files, meant: list[Member]) -> None:
    reading = source.reading
    if not files.spans:
        why = f" The first: {files.left[0]}" if files.left else ""
        raise UserError(f"“{source.name}” holds no file with rows ({len(meant)} were looked at).{why}")
    if len(files.spans) > 1:
        which = _few(files.spans)
        reading.tell("note", f"{len(files.spans):,} files were read, their rows numbered on: {which}.")
    if len(files.columns) > 1:
        of_each = ((_few([f"“{name}”" for name in names]), sorted(c)) for c, names in files.columns.items())
        each = _few([f"{names}: {', '.join(c[:MOST_NAMED])}" for names, c in of_each])
        reading.tell(
            "warning",
            f"The files do not have the same columns. {each}.",
            "A row that lacks the columns that are trained is left out. Import files of one kind to keep them apart.",
        )
    if files.left:
        reading.tell("warning", f"Not read: {_few(files.left)}.", "Only files with rows or texts are.")


def _few(names: list[str]) -> str:
    more = f" … and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _unpacked(source: Source, member: Member, folder: Path) -> Path:
    """A file of the archive under a name of ours, which keeps its ending."""
    path = folder / f"file{''.join(PurePosixPath(member.name).suffixes[-2:])[-20:]}"
    where = f"{source.name}/{member.name}"
    with sentence(where), zipfile.ZipFile(source.path) as archive, open(path, "wb") as file:
        packed = archive.open(member.name)
        shutil.copyfileobj(packed, file, 1 << 20)  # no more than the size it states: then its checksum is wrong
    return path


def packed_copy(folder: Path, target: Path) -> None:
    """Put the files of a folder into one archive, as they were brought."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in members(folder, folder.name):
            archive.write(folder / member.name, member.name)
