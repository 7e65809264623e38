"""In which order outputs are read: what looks wrong first, and a random sample among it.

A person who reads only what detectors point at learns nothing about how often errors happen. So every 5th place is
taken from a random stratum: examples drawn by the seed alone, whatever the detectors say and whatever is labelled.
**Rates may be estimated from the random stratum only**; the others are a choice of bad cases.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from core.types import Example, Generation, Suggestion, content_hash

EVERY = 5
WORDS = re.compile(r"\w+")
LIMIT = 20_000
"""Characters of an output that are compared with the other side's."""


class Queue(NamedTuple):
    ids: list[str]
    """Example ids in the order to read them."""
    random: frozenset[str]
    """Those of the random stratum, labelled or not."""


def order(
    examples: Sequence[Example],
    generations: Iterable[Generation],
    suggestions: Iterable[Suggestion],
    labelled_ids: Collection[str],
    seed: int,
) -> Queue:
    """Unlabelled examples first, the most interesting ones ahead; every 5th place is one of the random stratum.

    Places are given before labelled examples move to the end: otherwise somebody who always labels the first example
    would never reach a 5th one. Whatever part of the stratum is labelled in order is itself a random sample.
    """
    ids = list(dict.fromkeys(e.id for e in examples))
    drawn = sorted(ids, key=lambda i: content_hash([seed, i]))[: len(ids) // EVERY]
    worth = _interest(generations, suggestions)
    chosen = set(drawn)
    rest = sorted((i for i in ids if i not in chosen), key=lambda i: -worth.get(i, 0.0))
    places = _interleave(rest, drawn)
    labelled = set(labelled_ids)
    return Queue([i for i in places if i not in labelled] + [i for i in places if i in labelled], frozenset(drawn))


def _interleave(rest: list[str], drawn: list[str]) -> list[str]:
    """`rest` with one of `drawn` at every 5th place."""
    ahead, sample = iter(rest), iter(drawn)
    total = len(rest) + len(drawn)
    return [next(sample) if place % EVERY == 0 else next(ahead) for place in range(1, total + 1)]


def _interest(generations: Iterable[Generation], suggestions: Iterable[Suggestion]) -> dict[str, float]:
    """By example: labels flagged on the tuned side, half of those on the base side, and the difference of both."""
    flags: dict[str, int] = {}
    for suggestion in suggestions:
        flags[suggestion.generation_id] = flags.get(suggestion.generation_id, 0) + suggestion.flagged
    sides: dict[str, dict[str, Generation]] = {}
    for generation in generations:
        sides.setdefault(generation.example_id, {})[generation.side] = generation
    worth = {}
    for example_id, pair in sides.items():
        weighed = sum(flags.get(g.id, 0) * (1.0 if side == "tuned" else 0.5) for side, g in pair.items())
        worth[example_id] = weighed + (difference(pair["base"].text, pair["tuned"].text) if len(pair) == 2 else 0.0)
    return worth


def difference(a: str, b: str) -> float:
    """Share of the words of two texts that only one of them has (Jaccard 1912): 0 for the same words, 1 for none."""
    first, second = (set(WORDS.findall(text[:LIMIT].lower())) for text in (a, b))
    either = first | second
    return 1 - len(first & second) / len(either) if either else 0.0
