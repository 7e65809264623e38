"""Tasks whose answer is one of a few labels: accuracy, macro F1 and a confusion matrix, from generated text.

Knows texts, nothing of models or files.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np

from core.evaluation.heldout import turns
from core.evaluation.heldout.metrics import words
from core.evaluation.heldout.result import Labels
from core.statistics import intervals, tests
from core.statistics.bounds import LEVEL, NONE, Bounds
from core.statistics.intervals import Compared, Why
from core.types import SIDES, Example

MOST_LABELS = 20
LONGEST_LABEL = 40
"""Characters."""
ROWS_PER_LABEL = 5
OTHER = "other"
FEWEST_ROWS, FEWEST_OF_A_LABEL = 50, 10
"""With fewer, macro F1 has no interval."""


def label_names(examples: Sequence[Example]) -> list[str] | None:
    """The labels, sorted, where the rows are a label task; else None.

    They are one where the rows were imported as one (each row's `label` is its answer), or where 2 to 20 different
    answers occur, each one line of at most 40 characters, over at least five rows per label on average.
    """
    names = sorted({e.target.strip() for e in examples})
    if not examples or not all(e.messages for e in examples) or len(names) < 2:
        return None
    if all(e.meta.get("label") == e.target for e in examples):
        return names
    short = all(0 < len(name) <= LONGEST_LABEL and "\n" not in name for name in names)
    few = len(names) <= MOST_LABELS and len(examples) >= ROWS_PER_LABEL * len(names)
    return names if short and few else None


def parse(text: str, names: Sequence[str]) -> tuple[int, str]:
    """Which label a text is, as an index into `names`, and how it was read.

    `exact`: the label itself, but for white space around it. `normalised`: the same words, apart from case and
    punctuation, where only one label has them. `other`: anything else, with the index len(names).
    """
    text = text.strip()
    if text in names:
        return list(names).index(text), "exact"
    same = [i for i, name in enumerate(names) if words(name) and words(name) == words(text)]
    return (same[0], "normalised") if len(same) == 1 else (len(names), OTHER)


def report(
    names: Sequence[str],
    targets: Sequence[str],
    base: Sequence[str],
    tuned: Sequence[str],
    seed: int = 0,
    of: Sequence[str] | None = None,
) -> Labels:
    """Both sides' answers against the true labels `targets`, row by row.

    Accuracy has the intervals of rates, macro F1 those of a paired bootstrap over rows. Where several answers are of a
    conversation (`of`, see turns.py), the conversations are what is random, and McNemar's test has no place.
    """
    truth = np.array([list(names).index(target.strip()) for target in targets])
    parsed = {side: [parse(text, names) for text in texts] for side, texts in zip(SIDES, (base, tuned), strict=True)}
    answers = {side: np.array([i for i, _ in readings]) for side, readings in parsed.items()}
    right = {side: (labels == truth).astype(float) for side, labels in answers.items()}
    k = len(names)
    return Labels(
        names=tuple(names),
        accuracy=turns.compared(right["base"], right["tuned"], of),
        macro_f1=macro_f1_difference(truth, answers["base"], answers["tuned"], k, seed, of=of),
        confusion={side: tuple(map(tuple, confusion(truth, answers[side], k).tolist())) for side in SIDES},
        mcnemar=tests.mcnemar_exact(right["base"], right["tuned"]) if of is None else None,
        read={
            side: {how: sum(h == how for _, h in readings) for how in ("exact", "normalised", OTHER)}
            for side, readings in parsed.items()
        },
        rows=len(truth),
    )


def differences(
    names: Sequence[str],
    targets: Sequence[str],
    base: Sequence[str],
    tuned: Sequence[str],
    seed: int = 0,
    of: Sequence[str] | None = None,
) -> dict[str, Callable[[float], intervals.Interval]]:
    """Measure → its difference with the interval of a level, as `report` has it at 95 %."""
    truth = np.array([list(names).index(target.strip()) for target in targets])
    before, after = (np.array([parse(text, names)[0] for text in texts]) for texts in (base, tuned))
    first, then = ((answers == truth).astype(float).tolist() for answers in (before, after))
    return {
        "labels.accuracy": lambda level: turns.paired_difference(first, then, of, level),
        "labels.macro_f1": lambda level: (
            macro_f1_difference(truth, before, after, len(names), seed, of=of, level=level).difference
        ),
    }


def confusion(truth: np.ndarray, answers: np.ndarray, k: int) -> np.ndarray:
    """int64 [k, k + 1]: rows of each true label, by answer; the last column is `other`."""
    return np.bincount(truth * (k + 1) + answers, minlength=k * (k + 1)).reshape(k, k + 1)


def macro_f1(truth: np.ndarray, answers: np.ndarray, k: int, axis: int = -1) -> np.ndarray:
    """The mean of the labels' F1 over those that are the true label of some row; reduces `axis`.

    An answer that is no label misses its row and counts against no other label.
    """
    truth, answers = np.moveaxis(truth, axis, -1), np.moveaxis(answers, axis, -1)
    support, given = _counts(truth, k), _counts(answers, k)
    both = _counts(np.where(truth == answers, truth, k), k)
    scores = 2 * both / np.maximum(support + given, 1)
    here = support > 0
    return (scores * here).sum(-1) / np.maximum(here.sum(-1), 1)


def _counts(labels: np.ndarray, k: int) -> np.ndarray:
    """How often each label of 0 to k - 1 occurs along the last axis: [..., n] → [..., k]; k itself is not counted."""
    flat = labels.reshape(-1, labels.shape[-1])
    numbered = flat + (k + 1) * np.arange(len(flat))[:, None]
    counts = np.bincount(numbered.ravel(), minlength=(k + 1) * len(flat))
    return counts.reshape(*labels.shape[:-1], k + 1)[..., :k]


def macro_f1_difference(
    truth: np.ndarray,
    base: np.ndarray,
    tuned: np.ndarray,
    k: int,
    seed: int = 0,
    resamples: int = 2000,
    of: Sequence[str] | None = None,
    level: float = LEVEL,
) -> Compared:
    """Macro F1 of both sides and their difference, with intervals of a bootstrap over rows, or conversations.

    Answers are indices of labels, k for none; `level` is that of the difference. In simulation it covers 93 to 97 %
    from about 50 rows with 10 of each label on; with fewer it tends to cover less, and there is no interval, nor where
    fewer than 10 answers changed.
    """
    # A conversation's answers side by side; what fills up the shorter ones is the label of no answer, and not counted.
    there = np.unique(truth)
    truth, base, tuned = _side_by_side([truth, base, tuned], of or range(len(truth)), k)
    n, changed = len(truth), int((base != tuned).any(axis=1).sum())
    few = n < FEWEST_ROWS or min((truth == label).any(axis=1).sum() for label in there) < FEWEST_OF_A_LABEL
    why: Why | None = "few rows" if few else "few changed" if changed < FEWEST_OF_A_LABEL else None

    def f1(rows: np.ndarray, *sides: np.ndarray, axis: int = -1) -> list[np.ndarray]:
        rows = np.moveaxis(rows, axis, -1)
        drawn = [a[rows].reshape(*rows.shape[:-1], -1) for a in (truth, *sides)]
        return [macro_f1(drawn[0], labels, k) for labels in drawn[1:]]

    def bounds(none: object, statistic: Callable[..., np.ndarray], level: float = LEVEL) -> Bounds:
        if none:
            return NONE
        return intervals.bootstrap_bounds(statistic, np.arange(n), seed=seed, resamples=resamples, confidence=level)

    before, after = (float(value) for value in f1(np.arange(n), base, tuned))
    around = bounds(why, lambda rows, axis: np.subtract(*reversed(f1(rows, base, tuned, axis=axis))), level)
    return Compared(
        intervals.Estimate(before, *bounds(few, lambda rows, axis: f1(rows, base, axis=axis)[0]), n),
        intervals.Estimate(after, *bounds(few, lambda rows, axis: f1(rows, tuned, axis=axis)[0]), n),
        intervals.Interval(before, after, after - before, *around, n, level, changed, why),
    )


def _side_by_side(columns: Sequence[np.ndarray], of: Sequence[Hashable], filling: int) -> list[np.ndarray]:
    """int64 [n] each → [conversations, most answers of one]; `of` names each answer's conversation."""
    numbers: dict[Hashable, int] = {}
    row = np.array([numbers.setdefault(c, len(numbers)) for c in of])
    order = np.argsort(row, kind="stable")
    counts = np.bincount(row)
    place = np.empty(len(row), dtype=np.int64)
    place[order] = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    wide = [np.full((len(counts), int(counts.max())), filling) for _ in columns]
    for made, values in zip(wide, columns, strict=True):
        made[row, place] = values
    return wide
