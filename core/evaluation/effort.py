"""What an evaluation will be able to show, and how long it will take: told before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.errors import UserError
from core.evaluation.benchmarks.tasks import BENCHMARKS, Benchmark, mmlu_subjects
from core.evaluation.report.measures import Value
from core.statistics.intervals import minimum_detectable_difference
from core.store.workspace import Job, Workspace

SIZES: dict[str, int | None] = {"quick": 100, "standard": 1000, "full": None}
"""Questions of each benchmark; None: all of them."""
AVAILABLE = {
    "arc_easy": 2376,
    "arc_challenge": 1172,
    "hellaswag": 10042,
    "mmlu": 14042,
    "mmlu_5_shots": 14042,
    "truthfulqa_mc1": 817,
    "truthfulqa_mc2": 817,
}
"""Questions that a benchmark has on the Hub."""
DISCORDANT = 0.1
"""Share of questions that change between right and wrong in a fine-tuning that is not extreme (EVALUATION, A3)."""


@dataclass(frozen=True)
class Effort:
    name: str
    questions: int | None
    """None where their number is not known here: all of another task, or of a folder whose files cannot be read."""
    smallest: float | None
    """The smallest difference (0 to 1) that so many questions usually show."""
    at_best: bool
    """Are the questions by subject? Then the subjects are what is random, and only larger differences may show."""
    seconds: float | None
    """At most, as `seconds_per_question`; None where nothing was measured yet to judge by."""


def plan(
    names: Iterable[str], limit: int | None, earlier: Sequence[Value] = (), folder: Path | None = None
) -> list[Effort]:
    """What each benchmark would take with at most `limit` questions (None: all of them), of the files in `folder` or,
    where that is None, of the Hub. `earlier`: reports of the same model, newest first, for the time."""
    found = []
    for name in names:
        ours = BENCHMARKS.get(name)
        if folder is not None and ours:  # other tasks always come from the Hub
            there = _in_folder(ours, folder)
            questions = there and min(limit or there, there)
        else:
            there = AVAILABLE.get(name)
            questions = min(limit, there) if limit and there else limit or there
        smallest = minimum_detectable_difference(DISCORDANT, questions) if questions else None
        pace = seconds_per_question(name, earlier)
        seconds = questions * pace if questions and pace is not None else None
        found.append(Effort(name, questions, smallest, bool(ours and ours.by_subject), seconds))
    return found


def _in_folder(benchmark: Benchmark, folder: Path) -> int | None:
    """Questions in the files that the benchmark would read; None where one is missing, empty or no text."""
    try:
        subjects = mmlu_subjects(folder) if benchmark.by_subject else [""]
        counts = {
            split: [_lines(folder / file.format(subject)) for subject in subjects]
            for split, file in benchmark.files.items()
        }
    except (UserError, OSError, UnicodeDecodeError):
        return None
    if not all(n for of_split in counts.values() for n in of_split):
        return None
    return sum(counts["test"] if "test" in counts else counts["validation"])


def _lines(path: Path) -> int:
    about = path.stat()
    return _counted(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=512)  # MMLU alone has 114 files
def _counted(path: Path, modified: int, size: int) -> int:
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8-sig").split("\n"))


def earlier_reports(workspace: Workspace, run: Job) -> list[Value]:
    """The five newest reports of the same model in the project of `run`, newest first."""
    from core.evaluation.result import evaluations_with_report, report_of

    jobs = evaluations_with_report(workspace, run.project_id)
    alike = [j for j in jobs if j.spec["model"] == run.spec["model"]]
    return [report_of(workspace, j) for j in alike[:5]]


def seconds_per_question(name: str, earlier: Sequence[Value]) -> float | None:
    """Of both sides, at most, by an earlier evaluation of this benchmark.

    Twice the slower side: a base that had answered before was hardly asked, and a report does not say which it was.
    """
    for report in earlier:
        task = (report.get("benchmarks") or {}).get(name) or {}
        if task.get("seconds") and task.get("n"):
            return 2 * max(task["seconds"].values()) / task["n"]
    return None


def seconds_for_rows(earlier: Sequence[Value], rows: int) -> float | None:
    """What loading, the loss and the answers took before, for so many test rows."""
    for report in earlier:
        took, n = report.get("seconds") or {}, (report.get("heldout") or {}).get("rows")
        if n and "generation" in took:
            return took.get("loading", 0) + (took.get("heldout", 0) + took["generation"]) * rows / n
    return None
