"""Real outputs, misspellings and rows where they are at hand, and makers of examples and generations."""

import csv
import json
from pathlib import Path

import pytest

from core.types import Example, Generation

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
