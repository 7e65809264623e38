"""Label `off_topic`: an answer that says less about its own prompt than about others.

Two speak of it, and a suggestion says which. Where the base model is loaded, it says how likely the answer is after its
own prompt and after others (pointwise mutual information; Li et al. 2016, arXiv 1510.03055): see
`core/evaluation/heldout/relevance.py`. Always there are letters: sequences of three to five of them, weighed by their
rarity in the training rows (tf-idf), in the answer and in what was asked, the reference included.

What is short, or general enough to fit every prompt, is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.review.detectors import refusal
from core.review.detectors.text import Finding

if TYPE_CHECKING:
    import numpy as np

LETTERS, LIKELIHOOD = "off_topic-letters-1", "off_topic-likelihood-1"
THRESHOLD = 0.5
BUCKETS = 1 << 18
SIZES = (3, 4, 5)
MOST = 4_000
"""Characters of a text that are compared."""
OTHERS = 64
"""Prompts of the training rows that an answer is compared with."""
FEWEST_OTHERS = 8
GAIN = 1.0
"""Nats by which the own prompt makes an answer likelier than any other does."""
AHEAD, WIDTH = 0.02, 0.008
"""How much nearer (in cosines) an answer is to its own prompt than to nine of ten others, and what is in doubt."""
TELLING = 0.95
"""Share of the training answers that must be ahead of others by their prompt alone, before answers without a reference
are judged: in many data sets an answer shares no words with its question."""
LEAST_WORDS = 6
"""An answer of fewer words says too little."""


if TYPE_CHECKING:
    Vector = tuple[np.ndarray, np.ndarray]
    """(buckets in order, weights of length 1)."""


@dataclass(frozen=True)
class Letters:
    """What is known of the training rows: how rare sequences of letters are, and some prompts with their answers."""

    idf: np.ndarray
    """float32, one a bucket."""
    others: tuple[Vector, ...] = field(repr=False)
    """Prompts with their answers."""
    prompts: tuple[Vector, ...] = field(repr=False)
    telling: bool
    """Do answers of this data set share enough with their prompts alone?"""


def learn(pairs: Sequence[tuple[str, str]]) -> Letters | None:
    """Of (prompt, answer); None where there are fewer than FEWEST_OTHERS different prompts."""
    import numpy as np

    if len({prompt for prompt, _ in pairs}) < FEWEST_OTHERS:
        return None
    df = np.zeros(BUCKETS, np.int32)
    for pair in pairs:
        for text in pair:
            df[_counted(text)[0]] += 1
    idf = (np.log((1 + 2 * len(pairs)) / (1 + df)) + 1).astype(np.float32)
    n = min(OTHERS, len(pairs))
    some = [pairs[i * len(pairs) // n] for i in range(n)]
    others = tuple(_vector(f"{prompt}\n{answer}", idf) for prompt, answer in some)
    prompts = tuple(_vector(prompt, idf) for prompt, _ in some)
    ahead = [
        _ahead(_vector(answer, idf), prompts[i], [p for j, p in enumerate(prompts) if j != i])
        for i, (_, answer) in enumerate(some)
        if not is_short(answer)
    ]
    telling = len(ahead) >= FEWEST_OTHERS and sum(x >= AHEAD for x in ahead) >= TELLING * len(ahead)
    return Letters(idf, others, prompts, telling)


def check(
    text: str,
    prompt: str,
    reference: str,
    letters: Letters | None,
    threshold: float = THRESHOLD,
    relevance: float | None = None,
) -> Finding:
    """`relevance`: what the base model says, as a score; it counts alone where it was asked."""
    if is_short(text) or refusal.place(text, prompt):
        return Finding(0.0, (), "It says too little to tell what it is about.")
    unknown = letters is None or not (reference.strip() or letters.telling)
    if relevance is None and unknown:
        return Finding(0.0, (), "Not judged: answers here share too few words with their prompts, or prompts are few.")
    if relevance is not None:
        score, which = relevance, "It is hardly likelier after its own prompt than after others, says the base model."
    else:
        assert letters is not None
        score = score_of(ahead(text, prompt, reference, letters))
        which = "Its wording has no more in common with its prompt than with others."
    return Finding(score, ((0, len(text)),), which) if score >= threshold else Finding(score, (), "It fits its prompt.")


def is_short(text: str) -> bool:
    """Does it say too little to tell what it is about? Signs without spaces count two a word; a word counts once."""
    text = text[:MOST]
    return len(set(text.lower().split())) + sum(ch > "\u3040" for ch in text) // 2 < LEAST_WORDS


def of_likelihoods(own: float, others: Sequence[float], tokens: int) -> float:
    """From log-probabilities (nats, over `tokens` of the answer) after its own prompt and after others, 0 to 1.

    An answer to its prompt is likelier there than after the best of the others, by GAIN nats at least.
    """
    best = max(others)
    return round(1 / (1 + math.exp(max(-30.0, min(30.0, own - best - GAIN)))), 3)


def score_of(ahead: float) -> float:
    return round(1 / (1 + math.exp(max(-30.0, min(30.0, (ahead - AHEAD) / WIDTH)))), 3)


def ahead(text: str, prompt: str, reference: str, letters: Letters) -> float:
    """How much nearer the answer is to its own prompt (and reference) than to nine of ten others, in cosines."""
    own = f"{prompt}\n{reference}" if reference.strip() else prompt
    others = letters.others if reference.strip() else letters.prompts
    return _ahead(_vector(text, letters.idf), _vector(own, letters.idf), others)


def _ahead(answer: Vector, own: Vector, others: Sequence[Vector]) -> float:
    import numpy as np

    return _cosine(answer, own) - float(np.quantile([_cosine(answer, other) for other in others], 0.9))


def _counted(text: str) -> tuple[np.ndarray, np.ndarray]:
    """(buckets of the letter sequences of a text in order, how often each)."""
    import numpy as np

    text = " ".join(text[:MOST].lower().split())
    codes = np.frombuffer(f" {text} ".encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    hashed = []
    for size in SIZES:
        if len(codes) < size:
            break
        rolled = np.zeros(len(codes) - size + 1, np.uint64)
        for i in range(size):
            rolled = rolled * np.uint64(0x9E3779B97F4A7C15) + codes[i : len(codes) - size + 1 + i] + np.uint64(size)
        hashed.append((rolled ^ (rolled >> np.uint64(29))) % np.uint64(BUCKETS))
    if not hashed:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    buckets, counts = np.unique(np.concatenate(hashed).astype(np.int64), return_counts=True)
    return buckets, counts


def _vector(text: str, idf: np.ndarray) -> Vector:
    import numpy as np

    buckets, counts = _counted(text)
    weights = (1 + np.log(counts)) * idf[buckets]
    return buckets, (weights / max(float(np.linalg.norm(weights)), 1e-9)).astype(np.float32)


def _cosine(a: Vector, b: Vector) -> float:
    import numpy as np

    _, in_a, in_b = np.intersect1d(a[0], b[0], assume_unique=True, return_indices=True)
    return float(a[1][in_a] @ b[1][in_b])
