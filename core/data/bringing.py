"""What people bring: files, text that was pasted or piped in → one file or folder to read."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from core.errors import UserError
from core.files import new_file

MOST_PASTED = 5_000_000
"""Letters of a text that is pasted; more is a file."""


def of_files(files: Sequence[Path], folder: Path) -> Path:
    """One file or folder as it is; several in a new folder within `folder`, as links where the disk has them."""
    if len(files) == 1:
        return files[0]
    together = folder / f"{len(files)} files"
    together.mkdir(parents=True)
    for file in files:
        if file.is_dir():
            raise UserError(f"{file} is a folder. Import one folder by itself, or name the files that are meant.")
        name = file.name
        for n in range(2, len(files) + 2):
            if not (together / name).exists():
                break
            name = f"{file.stem} ({n}){file.suffix}"
        target = together / name
        try:
            target.symlink_to(file.resolve())
        except OSError:  # Windows lets few people make links
            shutil.copyfile(file, target)
    return together


def of_text(text: str, folder: Path) -> Path:
    """A text that was pasted: CSV, JSON lines, or cells of a spreadsheet, parted by tabs. Raises UserError."""
    if not text.strip():
        raise UserError("Nothing is pasted yet. Paste rows with a line of names above them, or JSON lines.")
    if len(text) > MOST_PASTED:
        raise UserError(
            f"{len(text):,} letters are pasted; the limit is {MOST_PASTED:,}. Save them as a file, and import that."
        )
    folder.mkdir(parents=True, exist_ok=True)
    first = text.lstrip().partition("\n")[0]
    # By its content the text would be taken for JSON or a table anyway; what is neither is text.
    ending = ".jsonl" if first[:1] in ("{", "[") else ".tsv" if "\t" in first else ".txt"
    path = folder / f"pasted{ending}"
    path.write_text(text, encoding="utf-8", errors="replace")
    return path


def of_stream(stream: BinaryIO, folder: Path) -> Path:
    """What is piped into a command, whatever kind of file it is."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "piped in"
    with new_file(target) as path, open(path, "wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
    return target
