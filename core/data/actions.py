"""One act: a file becomes the project's next dataset version, or nothing happens and a sentence says why.

The file is read twice, in batches: once to see which columns it has, once to convert its rows. What must be known of
all rows at once, for copies, contradictions and the split, are a few numbers a row; the rows themselves wait in a file.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data import splitting
from core.data.checks import Checked, Checks
from core.data.columns.batches import Batch, convert
from core.data.columns.choice import Columns, check
from core.data.columns.guess import Survey, guess, labels_of, survey
from core.data.reading import files
from core.data.reading.table import Source
from core.data.similar import parts
from core.data.similar.groups import Reworded
from core.errors import Problem, UserError
from core.store.datasets import KINDS, SPLITS, Writer, Written, schema, to_examples
from core.store.workspace import Workspace, clean_name
from core.types import DatasetVersion, Example

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
SAMPLE_PROJECT = "Marrowby sample"
NEEDED = 5
"""An import takes this times the file's size on disk, while it goes on."""

Progress = Callable[[float, str], None]
"""Told the share that is done, and of what. Whatever it raises ends the import, and nothing is left of it."""


def _silent(share: float, what: str) -> None:
    pass


@dataclass(frozen=True)
class Draft:
    """A file that was read and checked, but not imported yet."""

    there: tuple[str, ...]
    """The columns of the file."""
    columns: Columns
    """How they are read."""
    rows_in_file: int
    rows: int = 0
    """Rows that would be imported."""
    first: Example | None = None
    problems: list[Problem] = field(default_factory=list)
    """The first of them; see `problem_count`."""
    problem_count: int = 0
    refused: str = ""
    """Why nothing can be imported while the columns are read like this; empty where it can."""


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of dicts that live for a moment: Python's collector of circles looks at them in vain, for a tenth of the
    time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_without_collector()
def inspect(
    path: Path, workspace: Workspace, chosen: Columns | None = None, name: str = "", progress: Progress = _silent
) -> Draft:
    """Read a file and say what importing it would give. Raises UserError for a file that cannot be read."""
    require_room(workspace, path, name)
    found = _survey(path, name, chosen, progress, 0.25)
    columns = chosen or guess(found)
    first: list[Example] = []
    checks = Checks()
    try:
        for batch in _batches(path, name, found, columns, progress, 0.25, 1):
            checks.add(batch)
            first = first or to_examples(batch.table.slice(0, 1))
        checked = checks.finish()
    except UserError as e:
        return Draft(found.columns, columns, found.rows, refused=str(e))
    rows = int(checked.kept.sum())
    return Draft(found.columns, columns, found.rows, rows, first[0], checked.problems, checked.total)


@_without_collector()
def import_file(
    workspace: Workspace,
    project_id: str,
    path: Path,
    chosen: Columns | None = None,
    name: str = "",
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    progress: Progress = _silent,
) -> tuple[DatasetVersion, list[Problem]]:
    """Import a file as the project's next dataset version, with a frozen split. The problems are the first 1,000."""
    file_name = name or path.name
    title = clean_name(Path(file_name).stem[:80], "dataset")
    require_room(workspace, path, file_name)
    problems: list[Problem] = []

    def write(rows: Path) -> tuple[Written, dict[str, Any]]:
        found = _survey(path, file_name, chosen, progress, 0.15)
        columns = chosen or guess(found)
        waiting = rows.with_name("waiting.arrow")
        checks, reworded = Checks(), Reworded()
        _keep(waiting, _batches(path, file_name, found, columns, progress, 0.15, 0.6), checks, reworded)
        with ThreadPoolExecutor(1) as beside:
            finding = beside.submit(reworded.groups, checks.column("asks"))
            checked = checks.finish()
            groups = finding.result().of(checked.kept)
        only_text = bool((checks.column("kind")[checked.kept] == KINDS.index("text")).all())
        shares = splitting.split(groups.numbers, validation, test, seed, not only_text)
        written = _freeze(waiting, rows, checked.kept, shares, groups.numbers, progress)
        waiting.unlink()
        similar = parts.across(groups, shares, checks.column("row")[checked.kept])
        problems.extend(checked.problems)
        split = {"validation": validation, "test": test, "seed": seed}
        return written, {**_manifest(file_name, found, columns, split, checked), "similar": similar}

    version = workspace.add_written(project_id, title, write, source=path)
    progress(1, "Imported")
    return version, problems


def examples_of(path: Path) -> list[Example]:
    """The examples of a small file as they would be imported, but unchecked and all in one part."""
    found = _survey(path, path.name, None, _silent, 1)
    batches = _batches(path, path.name, found, guess(found), _silent, 0, 1)
    return [example for batch in batches for example in to_examples(batch.table)]


def require_room(workspace: Workspace, path: Path, name: str = "") -> None:
    """Raises UserError for a file that is larger than the disk, or what a Space takes, allows."""
    size, name = path.stat().st_size, name or path.name
    limit = workspace.settings.max_upload_mb
    if workspace.settings.mode == "space" and size > limit * 1_000_000:
        raise UserError(
            f"“{name}” has {size / 1e6:,.0f} MB; the limit of this Space is {limit} MB. Split it into parts, or import "
            "it into Tunewright on a machine of your own."
        )
    free = shutil.disk_usage(workspace.settings.home).free
    if size * NEEDED > free:
        raise UserError(
            f"“{name}” has {size / 1e6:,.0f} MB, and importing it takes {size * NEEDED / 1e6:,.0f} MB of disk; "
            f"{free / 1e6:,.0f} MB are free in {workspace.settings.home}. Free some, or set TUNEWRIGHT_HOME to a "
            "folder on a larger disk."
        )


def _source(path: Path, name: str, progress: Progress, start: float, end: float) -> Source:
    what = "Reading the file …" if start == 0 else "Converting and checking its rows …"
    return Source(path, name or path.name, lambda share: progress(start + share * (end - start), what))


def _survey(path: Path, name: str, chosen: Columns | None, progress: Progress, end: float) -> Survey:
    label = chosen.answer if chosen and chosen.label_task else None
    return survey(files.batches(_source(path, name, progress, 0, end)), name or path.name, label)


def _batches(
    path: Path, name: str, found: Survey, columns: Columns, progress: Progress, start: float, end: float
) -> Iterator[Batch]:
    check(found.columns, columns)
    labels = labels_of(found, columns)
    for table in files.batches(_source(path, name, progress, start, end)):
        yield convert(table, columns, labels)


def _keep(waiting: Path, batches: Iterator[Batch], checks: Checks, reworded: Reworded) -> None:
    """Write the rows, with their search text, to a file of Arrow's own, which is written and read at memory's speed."""
    import pyarrow as pa

    with pa.OSFile(str(waiting), "wb") as file, pa.ipc.new_stream(file, _waiting_schema()) as stream, reworded:
        for batch in batches:
            checks.add(batch)
            reworded.add(batch.asked)
            stream.write_table(batch.table.append_column("texts", pa.array(batch.texts, pa.string())))


def _freeze(
    waiting: Path, rows: Path, kept: np.ndarray, parts: np.ndarray, groups: np.ndarray, progress: Progress
) -> Written:
    """The rows that are kept, each with its part and the number of its group, as the store keeps them."""
    import pyarrow as pa

    at = part = 0
    with Writer(rows) as writer, pa.OSFile(str(waiting)) as file, pa.ipc.open_stream(file) as stream:
        for batch in stream:
            table = pa.table(batch)
            here = kept[at : at + len(table)]
            at += len(table)
            if not here.all():
                table = table.filter(pa.array(here))
            split = pa.array(SPLITS).take(pa.array(parts[part : part + len(table)]))
            group = pa.array(groups[part : part + len(table)])
            part += len(table)
            for name, column in (("split", split), ("group", group)):
                table = table.set_column(table.schema.get_field_index(name), name, column)
            writer.write(table.drop_columns("texts"), table["texts"].combine_chunks())
            progress(0.6 + 0.39 * at / len(kept), "Writing the version …")
    return writer.written


def _waiting_schema() -> pa.Schema:
    import pyarrow as pa

    return schema().append(pa.field("texts", pa.string()))


def _manifest(name: str, found: Survey, columns: Columns, split: dict[str, Any], checked: Checked) -> dict[str, Any]:
    return {
        "schema": 1,
        "file": name,
        "rows_in_file": found.rows,
        "columns": columns.to_dict(),
        "split": split,
        "left_out": checked.left_out,
        "problems": [asdict(p) for p in checked.problems],
        "problem_counts": checked.counts,
    }


def ensure_sample(workspace: Workspace) -> None:
    """An owner without any project finds the sample project, filled."""
    if workspace.projects():
        return
    project = workspace.create_project(SAMPLE_PROJECT)
    import_file(workspace, project.id, SAMPLES / "marrowby.jsonl")
