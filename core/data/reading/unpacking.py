"""A file's bytes: of a packed one (gzip, Zstandard, bzip2, xz) those that are in it, some at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from core.data.reading import table
from core.data.reading.table import Source
from core.errors import UserError

PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "Zstandard", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
"""First bytes → what packed the file."""
ENDINGS = (".gz", ".gzip", ".zst", ".zstd", ".bz2", ".xz")
MOST_TIMES, FREE = 100, 200_000_000
"""A packed file may hold so many times its own size, or so many bytes where that is more. Rows of text reach some 20
times; gzip itself 1,000 times, with which a small file could fill any disk.
"""


def ending(name: str) -> str:
    """Of a file's name, in small letters, without that of a packer."""
    endings = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    while endings and endings[-1] in ENDINGS:
        endings.pop()
    return endings[-1] if endings else ""


def packed_by(beginning: bytes) -> str:
    """What packed a file that begins like this; empty where nothing did."""
    return next((what for first, what in PACKED.items() if beginning.startswith(first)), "")


def beginning(source: Source, size: int = 4096) -> bytes:
    """The first bytes, unpacked."""
    data = b""
    for part in pieces(source.quietly(), size):
        data += part
        if len(data) >= size:
            break
    return data


def pieces(source: Source, size: int | None = None) -> Iterator[bytes]:
    """All bytes, PIECE at a time, unpacked. Raises UserError for packed ones that are broken or too many."""
    packed = source.path.stat().st_size
    with open(source.path, "rb", buffering=0) as raw:
        what = packed_by(raw.read(8))
        raw.seek(0)
        most = max(FREE, MOST_TIMES * packed)
        with _sentence(source.name, what):
            file = _unpacked(raw, what)
            done, size = 0, size or table.PIECE
            while data := file.read(size):
                done += len(data)
                source.reading.bytes = done
                if what and done > most:
                    raise UserError(
                        f"“{source.name}” has {packed / 1e6:,.1f} MB and unpacks to more than {most / 1e6:,.0f} MB, "
                        f"which rows hardly do. Unpack it, look at what is in it, and import that."
                    )
                yield data
                source.tick(min(1.0, (raw.tell() if what else done) / max(1, packed)))


@contextmanager
def _sentence(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error) as e:  # lzma.LZMAError is told by its name: it need not be loaded
        if not what:
            raise
        raise _broken(name, what, e) from e
    except Exception as e:
        if what != "xz" or type(e).__name__ != "LZMAError":
            raise
        raise _broken(name, what, e) from e


def _broken(name: str, what: str, error: Exception) -> UserError:
    return UserError(
        f"“{name}” is packed by {what}, but broken or cut off ({error}). Fetch or copy it again, or unpack it yourself."
    )


def _unpacked(raw: Any, what: str) -> Any:
    if what == "gzip":
        import gzip

        return gzip.GzipFile(fileobj=raw)
    if what == "bzip2":
        import bz2

        return bz2.BZ2File(raw)
    if what == "xz":
        import lzma

        return lzma.LZMAFile(raw)
    if what == "Zstandard":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    return raw
