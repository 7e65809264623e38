"""Which questions of a benchmark stand in the training rows: their scores say what was learnt by heart.

When a question counts, core/data/similar/overlap.py says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from core.data.similar.overlap import Questions
from core.evaluation.benchmarks.paired import Sample, difference_of
from core.evaluation.benchmarks.result import Overlap, OverlapExample
from core.types import Example

if TYPE_CHECKING:
    from core.evaluation.benchmarks.tasks import Loaded

ENOUGH = 20
"""Questions without overlap of which a score is told."""
MOST_EXAMPLES = 20
_ROWS = 1000


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
    wanted = Questions(questions)
    rows, overlapping = 0, dict[int, tuple[int, str]]()
    for batch in _batches(training):
        rows += len(batch)
        texts = [(e, text) for e in batch for text in _texts(e)]
        for question, place in wanted.found([text for _, text in texts]):
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
