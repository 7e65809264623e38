"""What a job left in its folder: the answers of base and tuned, and what the detectors say of them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from core.errors import UserError
from core.files import json_object
from core.jobs.status import status_of
from core.store.datasets import iterate
from core.store.queries import Rows
from core.store.workspace import Job, Workspace
from core.types import ERROR_LABELS, SIDES, Example, Generation, Split, Suggestion

T = TypeVar("T", Generation, Suggestion)
GENERATION_ID = re.compile(r"[0-9a-f]{16}")


class Answers:
    """The answers of a job, found in its files one example at a time: see `_index`."""

    def __init__(self, workspace: Workspace, evaluation: Job) -> None:
        self._workspace, self._job = workspace, evaluation
        self._generations = file_of(workspace, evaluation, "generations.jsonl")
        suggested = workspace.folder(evaluation) / "suggestions.jsonl"
        self._suggestions = suggested if suggested.is_file() else None
        generations, suggestions = (_state_of(path) for path in (self._generations, self._suggestions))
        self.state = (str(self._generations), *generations, *suggestions)
        """Changes when anything was answered, or flagged, since."""
        self._made = _index(self._generations, generations, "example_id")
        self._found = _index(self._suggestions, suggestions, "generation_id")
        self.damaged = self._made.damaged + self._found.damaged
        """Lines that cannot be read and are left out."""

    def of(self, example_id: str) -> dict[str, Generation]:
        """side → what that side answered; empty for an example that is not of this job."""
        lines = self._made.lines(self._generations, example_id)
        return {line["side"]: Generation.from_dict(line) for line in lines}

    def are_there(self, generation_ids: Iterable[str]) -> bool:
        """Are all of these what a side answered last? A label says by them of which texts it is."""
        there = self._made.newest
        for id_ in generation_ids:
            number = np.uint64(int(id_, 16)) if GENERATION_ID.fullmatch(id_) else None
            at = there.searchsorted(number) if number is not None else len(there)
            if at == len(there) or there[at] != number:
                return False
        return True

    def suggestions(self, generation: Generation) -> list[Suggestion]:
        """What the detectors say of an answer."""
        return [Suggestion.from_dict(s) for s in self._found.lines(self._suggestions, generation.id)]

    def texts(self) -> Iterator[tuple[str, str]]:
        """(example, what a side answered to it) of every answer, as they stand in the file: read once, none kept."""
        for generation in _nouns(self._generations, Generation):
            yield generation.example_id, generation.text

    def ids(self) -> list[str]:
        """The examples that both sides answered, in the order of the file."""
        both = self._made.keys_of_two
        if self._own is not None:
            known = np.array([int(e.id, 16) for e in self._own], dtype=np.uint64)
            return [f"{id_:016x}" for id_ in known[np.isin(known, both)].tolist()]
        rows = self._rows()
        known = rows.numbers("id")[rows.of_split(self._job.spec["split"])]
        return [f"{id_:016x}" for id_ in known[np.isin(known, both)].tolist()]

    def examples(self, ids: list[str]) -> list[Example]:
        """The examples of these ids that both sides answered, in the order of the file."""
        if self._own is not None:
            wanted = set(ids) & set(self.ids())
            return [e for e in self._own if e.id in wanted]
        rows = self._rows()
        numbers = np.array([int(id_, 16) for id_ in ids], dtype=np.uint64)
        both = self._made.keys_of_two
        at = both.searchsorted(numbers).clip(max=max(len(both) - 1, 0))
        numbers = numbers[both[at] == numbers] if len(both) else both
        places = rows.of_split(self._job.spec["split"])
        return rows.take(places[np.isin(rows.numbers("id")[places], numbers)])

    @property
    def _own(self) -> tuple[Example, ...] | None:
        """What was asked, where it is no row of a dataset; None where each is."""
        path = own_examples(self._workspace.folder(self._job))
        if path is None and self._job.kind == "chat":
            path = file_of(self._workspace, self._job, "examples.jsonl")  # says why it is not there
        return _saved_examples(path, _state_of(path)) if path else None

    def _rows(self) -> Rows:
        return Rows(_rows_file(self._workspace, self._job.spec["dataset_version"]))


@lru_cache(maxsize=64)  # a version stays where it is; where it is taken away, reading it says so
def _rows_file(workspace: Workspace, version_id: str) -> Path:
    return workspace.rows_file(version_id)


@dataclass(frozen=True)
class _Index:
    """Where in a file of JSON lines those with a key begin: the keys in order, 64 bits each."""

    keys: np.ndarray
    offsets: np.ndarray
    damaged: int
    """Lines that are no such noun."""
    newest: np.ndarray
    """Of generations: the ids, 64 bits each and in order, of those that stand last of their example and side."""

    def lines(self, path: Path | None, key: str) -> Iterator[dict[str, Any]]:
        number = np.uint64(int(key, 16))
        first, last = self.keys.searchsorted(number, "left"), self.keys.searchsorted(number, "right")
        if path is None or first == last:
            return
        with open(path, "rb") as file:
            for offset in self.offsets[first:last].tolist():
                file.seek(offset)
                yield json.loads(file.readline())

    @cached_property
    def keys_of_two(self) -> np.ndarray:
        """Keys of at least two lines, in order: base and tuned write one each."""
        keys, counts = np.unique(self.keys, return_counts=True)
        return keys[counts >= 2]


def _state_of(path: Path | None) -> tuple[int, int]:
    return (path.stat().st_size, path.stat().st_mtime_ns) if path else (0, 0)


@lru_cache(maxsize=8)
def _index(path: Path | None, state: tuple[int, int], key: str) -> _Index:
    """One pass over the file, 16 bytes kept of each line; made again when the file has grown."""
    keys, offsets, ids, sides = [], [], [], []
    at = damaged = 0
    if path is not None:
        with open(path, "rb") as file:
            for line in file:
                if line.strip():
                    noun = _noun(line, Generation) if key == "example_id" else _noun(line, Suggestion)
                    if noun is None:
                        damaged += 1
                    else:
                        keys.append(int(getattr(noun, key), 16))
                        offsets.append(at)
                        if isinstance(noun, Generation):
                            ids.append(int(noun.id, 16))
                            sides.append(SIDES.index(noun.side))
                at += len(line)
    numbers = np.array(keys, dtype=np.uint64)
    order = np.argsort(numbers, kind="stable")
    newest = _newest(numbers, np.array(sides, dtype=np.uint8), np.array(ids, dtype=np.uint64))
    return _Index(numbers[order], np.array(offsets, dtype=np.int64)[order], damaged, newest)


def _newest(examples: np.ndarray, sides: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The ids, in order, that stand last of their example and side."""
    if not len(ids):
        return ids
    order = np.lexsort((np.arange(len(ids)), sides, examples))
    example, side = examples[order], sides[order]
    last = np.append((example[1:] != example[:-1]) | (side[1:] != side[:-1]), True)
    return np.sort(ids[order][last])


def _noun(line: bytes, noun: type[T]) -> T | None:
    """A line as what it should be; None for a damaged one."""
    import orjson

    try:
        read = noun.from_dict(orjson.loads(line))
        texts = (read.example_id, read.text) if isinstance(read, Generation) else (read.generation_id, read.reason)
        int(texts[0], 16)
        sound = read.side in SIDES if isinstance(read, Generation) else read.label in ERROR_LABELS
        return read if sound and all(isinstance(text, str) for text in texts) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def generations(workspace: Workspace, evaluation: Job) -> dict[str, dict[str, Generation]]:
    """example id → side → what that side answered. All of them: for commands and workers, as all below."""
    by_example: dict[str, dict[str, Generation]] = {}
    for generation in _nouns(file_of(workspace, evaluation, "generations.jsonl"), Generation):
        by_example.setdefault(generation.example_id, {})[generation.side] = generation
    return by_example


def suggestions(workspace: Workspace, evaluation: Job) -> dict[str, list[Suggestion]]:
    """generation id → what the detectors say of it."""
    by_generation: dict[str, list[Suggestion]] = {}
    for suggestion in _nouns(file_of(workspace, evaluation, "suggestions.jsonl"), Suggestion):
        by_generation.setdefault(suggestion.generation_id, []).append(suggestion)
    return by_generation


def reviewed_examples(workspace: Workspace, evaluation: Job) -> list[Example]:
    """The examples that both sides answered, in the order of the file."""
    answered = {id_ for id_, sides in generations(workspace, evaluation).items() if len(sides) == 2}
    folder = workspace.folder(evaluation)
    if evaluation.kind == "chat":
        file_of(workspace, evaluation, "examples.jsonl")
        return [e for e in asked_of(folder, folder, "test") if e.id in answered]
    rows_file = workspace.rows_file(workspace.version(evaluation.spec["dataset_version"]).id)
    return [e for e in asked_of(folder, rows_file, evaluation.spec["split"]) if e.id in answered]


def own_examples(folder: Path) -> Path | None:
    """The file of what a job asked, where no row of a dataset stands for it: a chat's questions, and earlier answers of
    conversations."""
    path = folder / "examples.jsonl"
    return path if path.is_file() else None


def asked_of(folder: Path, rows_file: Path, split: Split) -> Iterable[Example]:
    """What a job asked: its own examples, or the rows of a split."""
    path = own_examples(folder)
    return _saved_examples(path, _state_of(path)) if path else iterate(rows_file, split)


def flag_counts(workspace: Workspace, evaluation: Job) -> dict[str, dict[str, int]]:
    """side → label → number of outputs that a detector flagged."""
    paths = [file_of(workspace, evaluation, f"{name}.jsonl") for name in ("generations", "suggestions")]
    return {side: dict(counter) for side, counter in _flag_counts(*paths, *map(_state_of, paths)).items()}


@lru_cache(maxsize=32)
def _flag_counts(generations: Path, suggestions: Path, *_state: tuple[int, int]) -> dict[str, Counter[str]]:
    side_of = {}
    with open(generations, "rb") as file:
        for line in file:
            if generation := _noun(line, Generation):
                side_of[int(generation.id, 16)] = generation.side
    counts: dict[str, Counter[str]] = {"base": Counter(), "tuned": Counter()}
    with open(suggestions, "rb") as file:
        for line in file:
            suggestion = _noun(line, Suggestion)
            if suggestion and (side := side_of.get(int(suggestion.generation_id, 16))):
                counts[side][suggestion.label] += int(suggestion.flagged)
    return counts


def samples(workspace: Workspace, evaluation: Job, n: int) -> list[dict[str, str]]:
    """The first n test rows with what both sides answered."""
    answers = Answers(workspace, evaluation)
    rows = []
    for example in answers.examples(answers.ids()[:n]):
        generations = answers.of(example.id)
        texts = {"base": generations["base"].text, "tuned": generations["tuned"].text}
        rows.append({"prompt": example.prompt, "reference": example.target, **texts})
    return rows


def file_of(workspace: Workspace, job: Job, name: str) -> Path:
    """A file of a job. Raises UserError where it is not there."""
    path = workspace.folder(job) / name
    if not path.is_file():
        now = status_of(workspace, job)
        raise UserError(f"{job.title} has no {name.split('.')[0]} yet; it is {now.state}. {now.message}".strip())
    return path


@lru_cache(maxsize=8)
def _saved_examples(path: Path, state: tuple[int, int]) -> tuple[Example, ...]:
    """Those that can be read; read again when the file has grown."""
    # Only "\n" ends a line: text may hold U+2028 and the like.
    lines = (json_object(line) for line in path.read_bytes().split(b"\n") if line)
    examples = []
    for line in lines:
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            examples.append(Example.from_dict(line or {}))
    return tuple(examples)


def _nouns(path: Path, noun: type[T]) -> Iterator[T]:
    """Those of a file's lines that can be read."""
    with open(path, "rb") as file:
        for line in file:
            if (read := _noun(line, noun)) is not None:
                yield read
