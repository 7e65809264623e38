"""Which questions of a benchmark stand in the training rows: their scores say what was learnt by heart.

As for GPT-3 (Brown et al., Language models are few-shot learners, 2020, appendix C) and in lm-evaluation-harness's
decontamination, a question counts where 13 of its words stand in a row, in their order, without case and marks. One of
8 to 12 words must stand there whole; a shorter one must be all that a message, or a line of it, asks
(core/questions.py). What is only worded differently is not seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from core.data.similar.words import Words, words_of
from core.evaluation.benchmarks.paired import Sample, difference_of
from core.evaluation.benchmarks.result import Overlap, OverlapExample
from core.questions import asks_hash, canonical, canonical_all
from core.types import Example

if TYPE_CHECKING:
    from core.evaluation.benchmarks.tasks import Loaded

MOST, LEAST = 13, 8
"""Words in a row that count; of a shorter question all, where it has LEAST."""
ENOUGH = 20
"""Questions without overlap of which a score is told."""
MOST_EXAMPLES = 20
_ROWS = 1000
_LABELS = ("question:", "q:")


def overlap_of(one: Loaded, base: list[Sample], tuned: list[Sample], training: Iterable[Example]) -> Overlap:
    """Of the questions that were asked, how many stand in training rows, and the difference on the others."""
    questions = [question_of(one, sample) for sample in base]
    rows, places = find(questions, training)
    others = [i for i in range(len(base)) if i not in places]
    without = None
    if places and len(others) >= ENOUGH:
        without = difference_of(one, [base[i] for i in others], [tuned[i] for i in others])
    examples = (
        OverlapExample(base[i]["doc_id"], questions[i], *row) for i, row in islice(places.items(), MOST_EXAMPLES)
    )
    return Overlap(rows, len(places), without, tuple(examples))


def question_of(one: Loaded, sample: Sample) -> str:
    """What the item asks, as text."""
    text = sample["doc"].get(one.benchmark.question) if one.benchmark.question else None
    return str(text if text is not None else one.tasks[sample["task"]].doc_to_text(sample["doc"]))


def find(questions: Sequence[str], training: Iterable[Example]) -> tuple[int, dict[int, tuple[int, str]]]:
    """(rows that were looked at, index of each question that stands in one → (that row's number, its text))."""
    asked = words_of(canonical_all(questions), stemmed=False)
    windows, whole = _windows_of(asked), _short(questions, asked)
    rows, overlapping = 0, dict[int, tuple[int, str]]()
    for batch in _batches(training):
        rows += len(batch)
        texts = [(e, text) for e in batch for text in _texts(e)]
        for question, place in [*_in_words(windows, [text for _, text in texts]), *_as_a_whole(whole, texts)]:
            example, text = texts[place]
            overlapping.setdefault(question, (example.row, text))
    return rows, dict(sorted(overlapping.items()))


def _batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
    examples = iter(examples)
    while batch := list(islice(examples, _ROWS)):
        yield batch


def _texts(example: Example) -> Iterator[str]:
    """All that is trained or shown with it."""
    yield from (m["content"] for m in example.messages)
    yield from filter(None, (example.target, example.rejected))


Windows = dict[int, tuple[np.ndarray, np.ndarray]]
"""Number of words → (hashes of so many words in a row, ascending; the question that each is of)."""


def _windows_of(asked: Words) -> Windows:
    of_size = np.minimum(asked.counts, MOST)
    windows = {}
    for size in range(LEAST, MOST + 1):
        hashes, texts = _in_a_row(asked, size)
        wanted = of_size[texts] == size
        order = np.argsort(hashes[wanted], kind="stable")
        if len(order):
            windows[size] = hashes[wanted][order], texts[wanted][order]
    return windows


def _in_a_row(words: Words, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(hash of each `size` words in a row, the text that they stand in)."""
    texts = np.repeat(np.arange(len(words.counts)), words.counts)
    n = len(texts) - size + 1
    if n <= 0:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    hashes = np.zeros(n, np.uint64)
    for place in range(size):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + words.hashes[place : place + n]
    within = texts[:n] == texts[size - 1 :]
    return hashes[within], texts[:n][within]


def _in_words(windows: Windows, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(question, place of the text that holds its words)."""
    if not windows:
        return
    words = words_of(canonical_all(texts), stemmed=False)
    for size, (hashes, questions) in windows.items():
        here, places = _in_a_row(words, size)
        for i in np.flatnonzero(np.isin(here, hashes)).tolist():
            first, last = hashes.searchsorted(here[i], "left"), hashes.searchsorted(here[i], "right")
            yield from ((question, int(places[i])) for question in questions[first:last].tolist())


def _short(questions: Sequence[str], asked: Words) -> dict[int, list[int]]:
    """Hash of what each short question asks → the questions."""
    short = defaultdict(list)
    for i in np.flatnonzero(asked.counts < LEAST).tolist():
        short[asks_hash([canonical(questions[i])])].append(i)
    return short


def _as_a_whole(short: dict[int, list[int]], texts: Sequence[tuple[Example, str]]) -> Iterator[tuple[int, int]]:
    """(question, place of the text of which it is all, or a line)."""
    if not short:
        return
    for place, (_, text) in enumerate(texts):
        for line in {text, *text.splitlines()}:
            line_asked = canonical(line)
            for label in _LABELS:
                line_asked = line_asked.removeprefix(label).lstrip()
            yield from ((question, place) for question in short.get(asks_hash([line_asked]), ()))
