"""One act: a file becomes the project's next dataset version, or nothing happens and a sentence says why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from core.data import checks, columns, reading, splitting
from core.errors import Problem
from core.store.workspace import Workspace, clean_name
from core.types import DatasetVersion, Example

SAMPLES = Path(__file__).resolve().parents[2] / "assets" / "samples"
SAMPLE_PROJECT = "Marrowby sample"


@dataclass(frozen=True)
class Draft:
    """A file that was read and checked, but not imported yet."""

    table: reading.Table
    columns: columns.Columns
    examples: list[Example]
    problems: list[Problem]


def inspect(path: Path, workspace: Workspace, chosen: columns.Columns | None = None, name: str = "") -> Draft:
    """Read a file and say what importing it would give. Raises UserError where it cannot be imported at all."""
    limits = workspace.settings
    table = reading.read(path, limits.max_upload_mb, limits.max_rows, name)
    chosen = chosen or columns.guess(table)
    examples, problems = columns.to_examples(table, chosen)
    examples, copies = checks.without_repeats(examples)
    problems += copies
    checks.require_enough(examples, problems)
    problems += checks.look(examples)
    return Draft(table, chosen, examples, sorted(problems, key=lambda p: p.row or 0))


def import_file(
    workspace: Workspace,
    project_id: str,
    path: Path,
    chosen: columns.Columns | None = None,
    name: str = "",
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> tuple[DatasetVersion, list[Problem]]:
    """Import a file as the project's next dataset version, with a frozen split."""
    file_name = name or path.name
    draft = inspect(path, workspace, chosen, file_name)
    examples = splitting.split(draft.examples, validation, test, seed)
    manifest = {
        "schema": 1,
        "file": file_name,
        "rows_in_file": len(draft.table.rows),
        "columns": draft.columns.to_dict(),
        "split": {"validation": validation, "test": test, "seed": seed},
        "left_out": dict(Counter(p.what.split(" row ")[0] for p in draft.problems if "left out" in p.fix)),
        "problems": [asdict(p) for p in draft.problems[:1000]],
    }
    title = clean_name(Path(file_name).stem[:80], "dataset")
    version = workspace.add_version(project_id, title, examples, manifest, source=path)
    return version, draft.problems


def ensure_sample(workspace: Workspace) -> None:
    """An owner without any project finds the sample project, filled."""
    if workspace.projects():
        return
    project = workspace.create_project(SAMPLE_PROJECT)
    import_file(workspace, project.id, SAMPLES / "marrowby.jsonl")
