"""Rows in another language than the others, and answers in another language than their question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.checking.finding import Check, Finding
from core.reasoning import answer_of
from core.review.detectors import languages
from core.types import Example

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MAJORITY = 0.8
"""Share of the rows from which on theirs is the language of the rows."""


def foreign(example: Example) -> Iterator[Finding]:
    """The language of the row as a candidate, or that its answer is in another one than its question."""
    asked = example.prompt
    everything = "\n".join([*(m["content"] for m in example.messages), example.target[: languages.MOST]])
    if not example.target or languages.is_about(everything):
        return
    answer = languages.language_of(answer_of(example.target))
    if not answer:
        return
    prompt = languages.language_of(asked) if len(asked) >= languages.LEAST_LETTERS // 3 else ""
    if prompt and not languages.same(prompt, answer):
        yield Finding("answer", 0, len(example.target), f"{languages.name(answer)} after {languages.name(prompt)}")
    else:
        yield Finding("answer", 0, len(example.target), languages.name(answer))


def not_as_most(candidates: pa.Table, rows: int) -> np.ndarray:
    """Rows in another language than most, where most are in one; and answers in another than their question."""
    import numpy as np

    evidence = candidates["evidence"].combine_chunks().dictionary_encode()
    kinds, which = evidence.dictionary.to_pylist(), evidence.indices.to_numpy()
    sizes = np.bincount(which, minlength=len(kinds)).tolist()
    counts = Counter({kind: n for kind, n in zip(kinds, sizes, strict=True) if " after " not in kind})
    usual, n = counts.most_common(1)[0] if counts else ("", 0)
    one = n >= max(5, MAJORITY * len(evidence))
    alike = {
        languages.name(code) for group in languages.ALIKE if usual in map(languages.name, group) for code in group
    } | {usual}
    return np.array([" after " in kind or (one and kind not in alike) for kind in kinds], bool)[which]


CHECKS = (
    Check(
        *("language", 1, "Another language"),
        "A few rows in another language make a model change languages where nobody asked for it.",
        look=foreign,
        settle=not_as_most,
    ),
)
