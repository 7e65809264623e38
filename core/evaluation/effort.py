"""What an evaluation will be able to show, and how long it will take: told before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.evaluation.measures import Value
from core.evaluation.statistics import minimum_detectable_difference

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
"""Questions that a benchmark has on the Hub; a folder may hold fewer."""
DISCORDANT = 0.1
"""Share of questions that change between right and wrong in a fine-tuning that is not extreme (EVALUATION, A3)."""


@dataclass(frozen=True)
class Effort:
    name: str
    questions: int | None
    """None where the task's number of questions is not known here and all are asked."""
    smallest: float | None
    """The smallest difference (0 to 1) that so many questions usually show."""
    seconds: float | None
    """None where nothing was measured yet to judge by."""


def plan(names: Iterable[str], size: str, earlier: Sequence[Value] = ()) -> list[Effort]:
    """What each benchmark would take at `size`. `earlier`: reports of the same model, newest first, for the time."""
    found = []
    for name in names:
        limit, available = SIZES[size], AVAILABLE.get(name)
        questions = min(limit, available) if limit and available else limit or available
        smallest = minimum_detectable_difference(DISCORDANT, questions) if questions else None
        pace = seconds_per_question(name, earlier)
        seconds = questions * pace if questions and pace is not None else None
        found.append(Effort(name, questions, smallest, seconds))
    return found


def seconds_per_question(name: str, earlier: Sequence[Value]) -> float | None:
    """Of both sides, as an earlier evaluation took for this benchmark."""
    for report in earlier:
        task = (report.get("benchmarks") or {}).get(name) or {}
        if task.get("seconds") and task.get("n"):
            return sum(task["seconds"].values()) / task["n"]
    return None


def seconds_for_rows(earlier: Sequence[Value], rows: int) -> float | None:
    """What loading, the loss and the answers took before, for so many test rows."""
    for report in earlier:
        took, n = report.get("seconds") or {}, (report.get("heldout") or {}).get("rows")
        if n and "generation" in took:
            return took.get("loading", 0) + (took.get("heldout", 0) + took["generation"]) * rows / n
    return None
