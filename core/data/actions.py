"""One act: a file becomes the project's next dataset version, or nothing happens and a sentence says why.

The file is read in batches (core/data/converting.py). What must be known of all rows at once, for copies,
contradictions and the split, are a few numbers a row; the rows themselves wait in a file.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core import disk
from core.data import converting, manifest, parting, telling, waiting
from core.data import known as known_rows
from core.data.checks import Checks
from core.data.columns.batches import Batch, convert
from core.data.columns.choice import Columns, check
from core.data.columns.guess import doubt, guess, with_part
from core.data.columns.labels import labels_of, remarks, variants
from core.data.columns.survey import Survey, survey
from core.data.columns.unused import Unused
from core.data.reading import archives, files
from core.data.reading.decoding import UnknownEncoding
from core.data.reading.spreadsheets import WhichSheet
from core.data.reading.table import How, Reading, Source, Table
from core.errors import Problem, UserError
from core.store import prompts
from core.store.datasets import Written, to_examples
from core.store.workspace import SAMPLE_OWNER, Workspace, clean_name
from core.types import DatasetVersion, Example

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
SAMPLE_PROJECT = "Marrowby sample"
MOST_SHOWN = 40
"""Columns that a refusal shows."""
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
    others: list[Example] = field(default_factory=list)
    """The second and third row, which show what a template makes of them."""
    sample: list[dict[str, str]] = field(default_factory=list)
    """What is in the first three rows, shortened: a template is shown with them while it is written."""
    problems: list[Problem] = field(default_factory=list)
    """The first of them; see `problem_count`."""
    problem_count: int = 0
    refused: str = ""
    """Why nothing can be imported while the columns are read like this; empty where it can."""
    doubt: str = ""
    """Why a person should say which columns are meant, before anything is imported; empty where they are known."""
    values: dict[str, list[str]] = field(default_factory=dict)
    """Of each column the first two values, shortened."""
    unused: list[Unused] = field(default_factory=list)
    """What of the rows would not be trained."""
    variants: dict[str, list[str]] = field(default_factory=dict)
    """Labels that are written in several ways: the most frequent → the others."""
    encodings: dict[str, str] = field(default_factory=dict)
    """Where a person has to choose the text's encoding: those that it may be → words as they would be read."""
    sheets: dict[str, str] = field(default_factory=dict)
    """Where a person has to choose a sheet of a workbook: those with rows → what is in them."""


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
    path: Path,
    workspace: Workspace,
    chosen: Columns | None = None,
    name: str = "",
    progress: Progress = _silent,
    encoding: str = "",
    sheet: str = "",
    system_prompt: str = "",
) -> Draft:
    """Read a file and say what importing it would give. Raises UserError for a file that cannot be read.

    `system_prompt`: of the project that it would be imported into.
    """
    require_room(workspace, path, name)
    reading = Reading()
    how = How(encoding, sheet)
    try:
        seen = _survey(path, name, chosen, progress, 0.25, how, reading)
    except UnknownEncoding as e:
        return Draft((), Columns(), 0, refused=str(e), encodings=e.offered)
    except WhichSheet as e:
        return Draft((), Columns(), 0, refused=str(e), sheets=e.offered)
    require_room(workspace, path, name, reading.bytes)
    columns = replace(with_part(seen, chosen) if chosen else guess(seen), system_prompt=system_prompt.strip())
    why = "" if chosen else doubt(seen, columns)
    values = {column: seen.examples(column) for column in seen.columns}
    draft = Draft(seen.columns, columns, seen.rows, doubt=why, values=values, variants=variants(seen, columns))
    draft = replace(draft, sample=[telling.sample(row, seen.columns) for row in seen.first[:3]])
    first: list[Example] = []
    checks = Checks(remarks(seen, columns))
    given = 0
    try:
        for batch in _batches(path, name, seen, columns, progress, 0.25, 1, how):
            checks.add(batch)
            given += batch.tally.given_system
            first = first if len(first) == 3 else first + to_examples(batch.table.slice(0, 3 - len(first)))
        checked = checks.finish()
        telling.of_given(given, reading)
    except UserError as e:
        return replace(draft, refused=str(e), problems=reading.notices, problem_count=len(reading.notices))
    return replace(
        draft,
        rows=int(checked.kept.sum()),
        first=first[0],
        others=first[1:],
        problems=[*reading.notices, *checked.problems],
        problem_count=len(reading.notices) + checked.total,
        unused=checked.unused,
    )


@_without_collector()
def import_file(
    workspace: Workspace,
    project_id: str,
    path: Path,
    chosen: Columns | None = None,
    name: str = "",
    one_label: bool = False,
    part: str | None = None,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    progress: Progress = _silent,
    encoding: str = "",
    group: str = "",
    sheet: str = "",
    origin: dict[str, Any] | None = None,
) -> tuple[DatasetVersion, list[Problem]]:
    """Import a file as the project's next dataset version, with a frozen split. The problems are the first 1,000.

    `chosen`: how its columns are read; guessed where nobody says so. `one_label`: labels that are written in several
    ways count as one, also where the columns are guessed. `part`: the column in which the file names the parts of its
    rows, which are kept; empty where they are drawn all the same, None to guess. `group`: a column beside the rows;
    rows with the same value (customer, document) stand in one part. `sheet`: of a workbook. `origin`: from where the
    file was fetched, for the manifest. Rows that bring no system message get the project's. Raises UserError where the
    guess is in doubt.
    """
    file_name = name or path.name
    title = clean_name(Path(file_name).stem[:80], "dataset")
    how, given_prompt = How(encoding, sheet), prompts.system_prompt(workspace, project_id)
    require_room(workspace, path, file_name)
    problems: list[Problem] = []
    earlier = known_rows.of_project(workspace, project_id)

    def tables(reading: Reading, start: float, end: float) -> Iterator[Table]:
        return files.batches(_source(path, file_name, progress, start, end, how, reading))

    def choose(seen: Survey) -> Columns:
        return replace(_columns(seen, chosen, file_name, one_label, part), system_prompt=given_prompt)

    def write(rows: Path) -> tuple[Written, dict[str, Any]]:
        waits = rows.with_name("waiting.arrow")
        done = converting.converted(
            *(waits, tables, file_name, choose, group, _labels_kept(chosen)),
            size=path.stat().st_size if path.is_file() else 0,
            looked=lambda reading: require_room(workspace, path, file_name, reading.bytes),
        )
        reading, seen, columns, checks = done.reading, done.seen, done.columns, done.checks
        telling.of_given(done.given, reading)
        with ThreadPoolExecutor(1) as threads:
            finding = threads.submit(done.reworded.groups, checks.column("asks"))
            checked = checks.finish()
            groups = finding.result().of(checked.kept)
        asked = parting.Shares(validation, test, seed, group)
        drawn = parting.draw(checks, checked, groups, done.noted, earlier, columns, asked, reading)
        written = waiting.freeze(waits, rows, drawn.kept, drawn.parts, drawn.groups, progress)
        waits.unlink()
        for problem in (Problem(**raw) for raw in (origin or {}).get("problems", [])):
            reading.tell(problem.level, problem.what, problem.fix)  # of values, while they were fetched
        problems.extend([*reading.notices, *checked.problems])
        if path.is_dir():
            archives.packed_copy(path, rows.with_name("source.zip"))
        checks.unanswered.write(rows)
        more: dict[str, Any] = {"similar": drawn.similar, **({"sheet": sheet} if sheet else {})}
        more |= {"origin": origin, "file": origin["title"]} if origin else {}
        more |= {"system_prompt": {"text": given_prompt, "rows": done.given}} if given_prompt else {}
        return written, {**manifest.of_import(file_name, seen, columns, drawn.split, checked, reading), **more}

    version = workspace.add_written(project_id, title, write, source=None if path.is_dir() else path)
    progress(1, "Imported")
    return version, problems


def examples_of(path: Path) -> list[Example]:
    """The examples of a small file as they would be imported, but unchecked and all in one part."""
    seen = _survey(path, path.name, None, _silent, 1, How(), Reading())
    batches = _batches(path, path.name, seen, guess(seen), _silent, 0, 1)
    return [example for batch in batches for example in to_examples(batch.table)]


def require_room(workspace: Workspace, path: Path, name: str = "", unpacked: int = 0) -> None:
    """Raises UserError for a file that is larger than the disk, or what a Space takes, allows.

    `unpacked`: the bytes that are in it, where they were read.
    """
    size, name = max(archives.size_of(path), unpacked), name or path.name
    limit = workspace.settings.limits.upload_mb
    if workspace.settings.shared and size > limit * 1_000_000:
        raise UserError(
            f"“{name}” has {size / 1e6:,.0f} MB; the limit of this Space is {limit} MB. Split it into parts, or import "
            "it into Tunewright on a machine of your own."
        )
    workspace.require_room(2 * size, f"Importing “{name}”")  # the rows, and the file beside them
    free = disk.free_bytes(workspace.settings.home)
    if size * NEEDED > free:
        raise UserError(
            f"“{name}” has {size / 1e6:,.0f} MB, and importing it takes {size * NEEDED / 1e6:,.0f} MB of disk; "
            f"{free / 1e6:,.0f} MB are free in {workspace.settings.home}. {disk.what_could_go(workspace.settings.home)}"
        )


def _source(path: Path, name: str, progress: Progress, start: float, end: float, how: How, reading: Reading) -> Source:
    what = "Reading the file …" if start == 0 else "Converting and checking its rows …"
    tick = lambda share: progress(start + share * (end - start), what)  # noqa: E731
    return Source(path, name or path.name, tick, how.encoding, reading, how.sheet)


def _survey(
    path: Path, name: str, chosen: Columns | None, progress: Progress, end: float, how: How, reading: Reading
) -> Survey:
    tables = files.batches(_source(path, name, progress, 0, end, how, reading))
    return survey(tables, name or path.name, _labels_kept(chosen))


def _labels_kept(chosen: Columns | None) -> str | None:
    """The column whose values are kept however long they are."""
    return chosen.answer if chosen and chosen.label_task else None


def _require_known(seen: Survey, columns: Columns, name: str) -> None:
    """Raises UserError, with what people need to choose, where the guess of the columns is in doubt."""
    why = doubt(seen, columns)
    if not why:
        return
    shown = [
        f"  {column}: {', '.join(f'“{v}”' for v in seen.examples(column)) or '(empty)'}" for column in seen.columns
    ]
    more = [f"  … and {len(shown) - MOST_SHOWN:,} more"] if len(shown) > MOST_SHOWN else []
    likely = f" Likely: {columns.flags()}" if columns.flags() else ""
    raise UserError(
        "\n".join(
            [
                f"“{name}”: which columns are trained? {why} Nothing was imported. Columns and their first values:",
                *shown[:MOST_SHOWN],
                *more,
                f"Say which are meant: --prompt COLUMN --answer COLUMN (or --text, --messages).{likely}",
            ]
        )
    )


def _columns(seen: Survey, chosen: Columns | None, name: str, one_label: bool, part: str | None) -> Columns:
    """How the rows are read: as they were chosen, or guessed. Raises UserError where the guess is in doubt."""
    columns = chosen or guess(seen)
    if not chosen:
        _require_known(seen, columns, name)
    if one_label:
        columns = replace(columns, one_label=True)
    return with_part(seen, columns if part is None else replace(columns, part=part))


def _batches(
    path: Path,
    name: str,
    seen: Survey,
    columns: Columns,
    progress: Progress,
    start: float,
    end: float,
    how: How | None = None,
) -> Iterator[Batch]:
    check(seen.columns, columns)
    labels = labels_of(seen, columns)
    for table in files.batches(_source(path, name, progress, start, end, how or How(), Reading(counting=False))):
        yield convert(table, columns, labels)


def ensure_sample(workspace: Workspace) -> None:
    """An owner without any project finds the sample project, filled. On a Space it is one, lent to all."""
    if workspace.projects():
        return
    if not workspace.bounded:
        project = workspace.create_project(SAMPLE_PROJECT)
        import_file(workspace, project.id, SAMPLES / "marrowby.jsonl")
        return
    lender = workspace.as_owner(SAMPLE_OWNER)
    with workspace.locked():  # it is lent as soon as it has rows
        if not workspace.projects():
            project = (lender.projects() or [lender.create_project(SAMPLE_PROJECT)])[0]
            import_file(lender, project.id, SAMPLES / "marrowby.jsonl")
