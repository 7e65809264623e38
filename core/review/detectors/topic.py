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
UNLIKE = 1.5
"""Standard deviations above other prompts from which on an answer belongs to its own."""
LEAST_WORDS = 6
"""An answer of fewer words says too little."""


@dataclass(frozen=True)
class Letters:
    """What is known of the training rows: how rare sequences of letters are, and some prompts with their answers."""

    idf: np.ndarray
    """float32, one a bucket."""
    others: tuple[tuple[np.ndarray, np.ndarray], ...] = field(repr=False)
    """(buckets in order, weights of length 1) of each prompt with its answer."""


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
    return Letters(idf, tuple(_vector(f"{prompt}\n{answer}", idf) for prompt, answer in some))


def check(
    text: str,
    prompt: str,
    reference: str,
    letters: Letters | None,
    threshold: float = THRESHOLD,
    relevance: float | None = None,
) -> Finding:
    """`relevance`: what the base model says, as a score; it counts alone where it was asked."""
    if is_short(text) or (letters is None and relevance is None):
        return Finding(0.0, (), "Too short, or too few other prompts, to tell what it is about.")
    if relevance is not None:
        score, which = relevance, "It is hardly likelier after its own prompt than after others, says the base model."
    else:
        assert letters is not None
        score = score_of(*likeness(text, prompt, reference, letters))
        which = "Its wording has no more in common with its prompt than with others."
    return Finding(score, ((0, len(text)),), which) if score >= threshold else Finding(score, (), "It fits its prompt.")


def is_short(text: str) -> bool:
    """Does it say too little to tell what it is about? Signs without spaces count two a word."""
    return len(text[:MOST].split()) + sum(ch > "\u3040" for ch in text[:MOST]) // 2 < LEAST_WORDS


def of_likelihoods(own: float, others: Sequence[float], tokens: int) -> float:
    """From log-probabilities (nats, over `tokens` of the answer) after its own prompt and after others, 0 to 1.

    An answer to its prompt is likelier there than after the best of the others, by GAIN nats at least.
    """
    best = max(others)
    return round(1 / (1 + math.exp(max(-30.0, min(30.0, own - best - GAIN)))), 3)


def score_of(own: float, others: Sequence[float]) -> float:
    """From how like the answer is to its own prompt and to others, 0 to 1."""
    mean = sum(others) / len(others)
    spread = math.sqrt(sum((x - mean) ** 2 for x in others) / len(others)) + 0.005
    return round(1 / (1 + math.exp(1.5 * ((own - mean) / spread - UNLIKE))), 3)


def likeness(text: str, prompt: str, reference: str, letters: Letters) -> tuple[float, list[float]]:
    answer = _vector(text, letters.idf)
    own = _vector(f"{prompt}\n{reference}", letters.idf)
    return _cosine(answer, own), [_cosine(answer, other) for other in letters.others]


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


def _vector(text: str, idf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    buckets, counts = _counted(text)
    weights = (1 + np.log(counts)) * idf[buckets]
    return buckets, (weights / max(float(np.linalg.norm(weights)), 1e-9)).astype(np.float32)


def _cosine(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    import numpy as np

    _, in_a, in_b = np.intersect1d(a[0], b[0], assume_unique=True, return_indices=True)
    return float(a[1][in_a] @ b[1][in_b])
