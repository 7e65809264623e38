"""What a job left in its folder: the answers of base and tuned, and what the detectors say of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.jobs.status import status_of
from core.store.workspace import Job, Workspace
from core.types import Example, Generation, Suggestion


def generations(workspace: Workspace, evaluation: Job) -> dict[str, dict[str, Generation]]:
    """example id → side → what that side answered."""
    by_example: dict[str, dict[str, Generation]] = {}
    for line in _lines(file_of(workspace, evaluation, "generations.jsonl")):
        generation = Generation.from_dict(line)
        by_example.setdefault(generation.example_id, {})[generation.side] = generation
    return by_example


def suggestions(workspace: Workspace, evaluation: Job) -> dict[str, list[Suggestion]]:
    """generation id → what the detectors say of it."""
    by_generation: dict[str, list[Suggestion]] = {}
    for line in _lines(file_of(workspace, evaluation, "suggestions.jsonl")):
        by_generation.setdefault(line["generation_id"], []).append(Suggestion.from_dict(line))
    return by_generation


def reviewed_examples(workspace: Workspace, evaluation: Job) -> list[Example]:
    """The examples that both sides answered, in the order of the file."""
    answered = {id_ for id_, sides in generations(workspace, evaluation).items() if len(sides) == 2}
    if evaluation.kind == "chat":
        saved = [Example.from_dict(line) for line in _lines(file_of(workspace, evaluation, "examples.jsonl"))]
        return [e for e in saved if e.id in answered]
    version = workspace.version(evaluation.spec["dataset_version"])
    return [e for e in workspace.examples(version.id, evaluation.spec["split"]) if e.id in answered]


def flag_counts(workspace: Workspace, evaluation: Job) -> dict[str, dict[str, int]]:
    """side → label → number of outputs that a detector flagged."""
    by_id = suggestions(workspace, evaluation)
    counts: dict[str, Counter] = {"base": Counter(), "tuned": Counter()}
    for sides in generations(workspace, evaluation).values():
        for side, generation in sides.items():
            counts[side].update({s.label: int(s.flagged) for s in by_id.get(generation.id, [])})
    return {side: dict(counter) for side, counter in counts.items()}


def samples(workspace: Workspace, evaluation: Job, n: int) -> list[dict[str, str]]:
    """The first n test rows with what both sides answered."""
    answers = generations(workspace, evaluation)
    return [
        {
            "prompt": e.prompt,
            "reference": e.target,
            "base": answers[e.id]["base"].text,
            "tuned": answers[e.id]["tuned"].text,
        }
        for e in reviewed_examples(workspace, evaluation)[:n]
    ]


def file_of(workspace: Workspace, job: Job, name: str) -> Path:
    path = workspace.folder(job) / name
    if not path.is_file():
        now = status_of(workspace, job)
        raise UserError(f"{job.title} has no {name.split('.')[0]} yet; it is {now.state}. {now.message}".strip())
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    # Only "\n" ends a line: generated text may hold U+2028 and the like.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
