"""In which order outputs are read: what looks wrong first, and a random sample among it.

A person who reads only what detectors point at learns nothing about how often errors happen. So every 5th place is
taken from a random stratum: examples drawn by the seed alone, whatever the detectors say and whatever is labelled.
**Rates may be estimated from the random stratum only**; the others are a choice of bad cases.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from core.types import Generation, content_hash

EVERY = 5
WORDS = re.compile(r"\w+")
LIMIT = 20_000
"""Characters of an output that are compared with the other side's."""


class Queue(NamedTuple):
    ids: list[str]
    """Example ids in the order to read them."""
    random: frozenset[str]
    """Those of the random stratum, labelled or not."""


def order(examples: Iterable[str], worth: Mapping[str, float], labelled_ids: Collection[str], seed: int) -> Queue:
    """Unlabelled examples first, the most interesting ones ahead; every 5th place is one of the random stratum.

    `examples`: ids; `worth`: how interesting each is, see `interest`. Places are given before labelled examples move to
    the end: otherwise somebody who always labels the first example would never reach a 5th one. Whatever part of the
    stratum is labelled in order is itself a random sample.
    """
    ids = list(dict.fromkeys(examples))
    drawn = sorted(ids, key=lambda i: content_hash([seed, i]))[: len(ids) // EVERY]
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


def interest(sides: Mapping[str, Generation], flags: Mapping[str, int]) -> float:
    """Labels flagged on the tuned side, half of those on the base side, and the difference of both texts.

    `flags`: side → labels that a detector flagged.
    """
    weighed = sum(n * (1.0 if side == "tuned" else 0.5) for side, n in flags.items())
    return weighed + (difference(sides["base"].text, sides["tuned"].text) if len(sides) == 2 else 0.0)


def difference(a: str, b: str) -> float:
    """Share of the words of two texts that only one of them has (Jaccard 1912): 0 for the same words, 1 for none."""
    first, second = (set(WORDS.findall(text[:LIMIT].lower())) for text in (a, b))
    either = first | second
    return 1 - len(first & second) / len(either) if either else 0.0
