"""What an evaluation will be able to show, and how long it will take: told before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.errors import UserError
from core.evaluation.benchmarks.table import BENCHMARKS, Benchmark
from core.evaluation.benchmarks.tasks import mmlu_subjects
from core.evaluation.result import Report, evaluations_with_report, report_of
from core.statistics.intervals import minimum_detectable_difference
from core.store.workspace import Job, Workspace

SIZES: dict[str, int | None] = {"quick": 100, "standard": 1000, "full": None}
"""Questions of each benchmark; None: all of them."""
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
    names: Iterable[str], limit: int | None, earlier: Sequence[Report] = (), folder: Path | None = None
) -> list[Effort]:
    """What each benchmark would take with at most `limit` questions (None: all of them), of the files in `folder` or,
    where that is None, of the Hub. `earlier`: reports of the same model, newest first, for the time."""
    efforts = []
    for name in names:
        ours = BENCHMARKS.get(name)
        if folder is not None and ours:  # other tasks always come from the Hub
            available = _in_folder(ours, folder)
            questions = available and min(limit or available, available)
        else:
            available = ours.questions if ours else None
            questions = min(limit, available) if limit and available else limit or available
        smallest = minimum_detectable_difference(DISCORDANT, questions) if questions else None
        pace = seconds_per_question(name, earlier)
        seconds = questions * pace if questions and pace is not None else None
        efforts.append(Effort(name, questions, smallest, bool(ours and ours.by_subject), seconds))
    return efforts


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


def earlier_reports(workspace: Workspace, run: Job) -> list[Report]:
    """The five newest reports of the same model in the project of `run`, newest first."""
    jobs = evaluations_with_report(workspace, run.project_id)
    alike = [j for j in jobs if j.spec["model"] == run.spec["model"]]
    return [report_of(workspace, j) for j in alike[:5]]


def seconds_per_question(name: str, earlier: Sequence[Report]) -> float | None:
    """Of both sides, at most, by an earlier evaluation of this benchmark.

    Twice the slower side: a base that had answered before was hardly asked, and a report does not say which it was.
    """
    for report in earlier:
        result = report.benchmarks.get(name)
        if result and result.seconds and result.n:
            return 2 * max(result.seconds.values()) / result.n
    return None


def seconds_for_rows(earlier: Sequence[Report], asked: int, longest: int) -> float | None:
    """What loading, the loss and the answers took before, for so many answers of at most `longest` tokens.

    Where answers were cut, a longer limit makes them longer; where none was, they are as long as before.
    """
    for report in earlier:
        seconds, heldout = report.seconds, report.heldout
        if heldout and heldout.rows and "generation" in seconds:
            measured = heldout.asked or heldout.rows
            cut = any((heldout.cut or {"base": 1}).values())  # a report of before may not say
            longer = longest / report.spec.decoding.max_new_tokens if cut else 1.0
            answers = seconds["generation"] * longer * asked / (heldout.answered or measured)
            return seconds.get("loading", 0) + seconds.get("heldout", 0) * asked / measured + answers
    return None
