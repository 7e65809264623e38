"""Real outputs, misspellings and rows where they are at hand, and makers of examples and generations."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.jobs.answers import Answers
from core.review import actions
from core.types import Example, Generation, LabelEvent, Suggestion

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"


def example(prompt: str = "Say something.", target: str = "", row: int = 1) -> Example:
    return Example(({"role": "user", "content": prompt},), target, row)


def generation(text: str, of: Example | None = None, side: str = "tuned", finish: str = "stop") -> Generation:
    return Generation((of or example()).id, side, text, len(text.split()), finish, 0.1)


@pytest.fixture(scope="session")
def make_example():
    return example


@pytest.fixture(scope="session")
def make_generation():
    return generation


def _shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not at hand")
    return path


@pytest.fixture(scope="session")
def predictions() -> list[dict[str, str]]:
    """126 prompts with the reference, a base model's output and a tuned model's."""
    return [json.loads(line) for line in _shared("review/predictions.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def instruct_rows() -> list[Example]:
    rows = json.loads(_shared("instruct/instruction-data.json").read_text(encoding="utf-8"))
    return [example(f"{r['instruction']}\n{r['input']}".strip(), r["output"], n) for n, r in enumerate(rows, 1)]


@pytest.fixture(scope="session")
def questions() -> list[str]:
    """Exam questions by people who are not the detectors' authors, and not used to choose any threshold."""
    lines = _shared("benchmarks/arc_easy/test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


@pytest.fixture(scope="session")
def typos() -> dict[str, list[str]]:
    """Right word → misspellings one letter away, lower-case letters only."""
    found: dict[str, list[str]] = {}
    with open(_shared("review/misspellings.tsv"), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            plain = all(
                row[k].isascii() and row[k].isalpha() and row[k].islower() for k in ("misspelling", "correction")
            )
            if row["distance"] == "1" and plain:
                found.setdefault(row["correction"], []).append(row["misspelling"])
    return found


@pytest.fixture
def workspace(workspace_on_both):
    """On SQLite and on PostgreSQL."""
    return workspace_on_both


@pytest.fixture
def review(workspace):
    """A finished evaluation of twenty rows whose tuned answers are right, and whose base answers repeat themselves."""
    return make_review(workspace)


def make_review(workspace, rows: int = 20, name: str = "Garden", seed: int = 0):
    """An evaluation of `rows` test rows with both answers, and what a detector says of them."""
    project = workspace.create_project(name)
    asked = [
        Example(({"role": "user", "content": f"Name {n}?"},), f"It is {n}.", n, "test") for n in range(1, rows + 1)
    ]
    version = workspace.add_version(project.id, "rows", asked, {})
    spec = {"dataset_version": version.id, "split": "test", "seed": seed}
    job = workspace.add_job(project.id, "evaluate", "of run 1", spec, state="ended")
    answer(workspace, job, asked)
    return job


def answer(workspace, job, asked, tuned: str = "It is {}.") -> None:
    """Write the answers of a review, and its suggestions: anew where it has some."""
    folder = workspace.folder(job)
    with open(folder / "generations.jsonl", "w") as made, open(folder / "suggestions.jsonl", "w") as found:
        for e in asked:
            for side, text in (("base", f"no no no {e.row} 🌿"), ("tuned", tuned.format(e.row))):
                g = Generation(e.id, side, text, 3, "stop", 0.1)
                made.write(json.dumps(g.to_dict()) + "\n")
                flagged = side == "base" and e.row % 2 == 0
                s = Suggestion(
                    g.id, "repetition", 0.9 if flagged else 0.1, flagged, ((0, 8),), "So.", "repetition-1", 0.5
                )
                found.write(json.dumps(s.to_dict()) + "\n")


@pytest.fixture
def say(workspace):
    """Stores what somebody says of an item of a review, as the page does: say(job, id, annotator, **changes)."""

    def store(job, example_id, annotator="local", **changes):
        ids = {side: g.id for side, g in Answers(workspace, job).of(example_id).items()}
        event = LabelEvent(job.id, example_id, annotator, "tuned", {}, "", "", ids, ("base", "tuned"), True)
        return actions.store(workspace, job, replace(event, **changes))

    return store
