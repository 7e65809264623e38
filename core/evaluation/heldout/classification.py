"""Tasks whose answer is one of a few labels: accuracy, macro F1 and a confusion matrix, from generated text.

Knows texts, nothing of models or files.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.evaluation.heldout.metrics import words
from core.evaluation.heldout.result import Labels
from core.statistics import intervals, tests
from core.statistics.bounds import NONE
from core.statistics.intervals import Compared, Why
from core.types import SIDES, Example, Side

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
    names: Sequence[str], targets: Sequence[str], base: Sequence[str], tuned: Sequence[str], seed: int = 0
) -> Labels:
    """Both sides' answers against the true labels `targets`, row by row.

    Accuracy has the intervals of rates, macro F1 those of a paired bootstrap over rows.
    """
    truth = np.array([list(names).index(target.strip()) for target in targets])
    parsed = {side: [parse(text, names) for text in texts] for side, texts in zip(SIDES, (base, tuned), strict=True)}
    answers = {side: np.array([i for i, _ in readings]) for side, readings in parsed.items()}
    right = {side: (labels == truth).astype(float) for side, labels in answers.items()}
    k = len(names)
    return Labels(
        names=tuple(names),
        accuracy=Compared(
            intervals.mean(right["base"]),
            intervals.mean(right["tuned"]),
            intervals.paired_difference(right["base"], right["tuned"]),
        ),
        macro_f1=macro_f1_difference(truth, answers["base"], answers["tuned"], k, seed),
        confusion={side: tuple(map(tuple, confusion(truth, answers[side], k).tolist())) for side in SIDES},
        mcnemar=tests.mcnemar_exact(right["base"], right["tuned"]),
        read={
            side: {how: sum(h == how for _, h in readings) for how in ("exact", "normalised", OTHER)}
            for side, readings in parsed.items()
        },
        rows=len(truth),
    )


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
    truth: np.ndarray, base: np.ndarray, tuned: np.ndarray, k: int, seed: int = 0, resamples: int = 2000
) -> Compared:
    """Macro F1 of both sides and their difference, with intervals of a bootstrap over rows.

    Answers are indices of labels, k for none. In simulation it covers 93 to 97 % from about 50 rows with 10 of each
    label on; with fewer it tends to cover less, and there is no interval, nor where fewer than 10 answers changed.
    """
    n, changed = len(truth), int(np.count_nonzero(base != tuned))
    few = n < FEWEST_ROWS or min(np.bincount(truth, minlength=k)[np.unique(truth)]) < FEWEST_OF_A_LABEL
    answers: dict[Side, np.ndarray] = {"base": base, "tuned": tuned}
    estimates = {}
    for side, labels in answers.items():
        bounds = NONE
        if not few:
            bounds = intervals.bootstrap_bounds(
                lambda t, a, axis: macro_f1(t, a, k, axis), truth, labels, seed=seed, resamples=resamples
            )
        estimates[side] = intervals.Estimate(float(macro_f1(truth, labels, k)), *bounds, n)
    means = estimates["base"].mean, estimates["tuned"].mean
    why: Why | None = "few rows" if few else "few changed" if changed < FEWEST_OF_A_LABEL else None
    bounds = NONE
    if why is None:
        bounds = intervals.bootstrap_bounds(
            lambda t, b, a, axis: macro_f1(t, a, k, axis) - macro_f1(t, b, k, axis),
            *(truth, base, tuned),
            seed=seed,
            resamples=resamples,
        )
    difference = intervals.Interval(*means, means[1] - means[0], *bounds, n, changed=changed, why=why)
    return Compared(estimates["base"], estimates["tuned"], difference)
