"""In which order answers are reviewed: what looks wrong first, and a random sample among it.

A person who reads only what detectors point at learns nothing about how often errors happen. So every 5th place is
taken from a random stratum: examples drawn by the seed alone, whatever the detectors say and whatever is labelled.
**Rates may be estimated from the random stratum only**; the others are a choice of bad cases.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from core.types import SIDES, Generation, content_hash

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

    `examples`: ids; `worth`: how interesting each is, see `interest`.
    """
    there = places(examples, worth, seed)
    return Queue(unlabelled_first(there, labelled_ids), frozenset(drawn(there)))


def places(examples: Iterable[str], worth: Mapping[str, float], seed: int) -> list[str]:
    """The order while nothing is labelled.

    Places are given before labelled examples move to the end: otherwise somebody who always labels the first example
    would never reach a 5th one. Whatever part of the stratum is labelled in order is itself a random sample.
    """
    ids = list(dict.fromkeys(examples))
    sample = sorted(ids, key=lambda i: content_hash([seed, i]))[: len(ids) // EVERY]
    chosen = set(sample)
    ahead = iter(sorted((i for i in ids if i not in chosen), key=lambda i: -worth.get(i, 0.0)))
    behind = iter(sample)
    return [next(behind) if place % EVERY == 0 else next(ahead) for place in range(1, len(ids) + 1)]


def drawn(there: list[str]) -> list[str]:
    """Of `places`, the random stratum, in the order in which it was drawn."""
    return there[EVERY - 1 :: EVERY]


def unlabelled_first(there: Iterable[str], labelled_ids: Collection[str]) -> list[str]:
    ids, labelled = list(there), set(labelled_ids)
    return [i for i in ids if i not in labelled] + [i for i in ids if i in labelled]


def interest(sides: Mapping[str, Generation], flags: Mapping[str, Collection[str]]) -> float:
    """How much there is to see: what detectors found, on what they tell the sides apart, how different the texts are.

    `flags`: side → labels that a detector flagged. Each counts 1 on the tuned side and 0.5 on the base side, and 0.25
    more where it is flagged on one side alone.
    """
    found = {side: set(flags.get(side, ())) for side in SIDES}
    apart = len(found["base"] ^ found["tuned"])
    weighed = len(found["tuned"]) + 0.5 * len(found["base"]) + 0.25 * apart
    return weighed + (difference(sides["base"].text, sides["tuned"].text) if len(sides) == 2 else 0.0)


def difference(a: str, b: str) -> float:
    """Share of the words of two texts that only one of them has (Jaccard 1912): 0 for the same words, 1 for none."""
    first, second = (set(WORDS.findall(text[:LIMIT].lower())) for text in (a, b))
    either = first | second
    return 1 - len(first & second) / len(either) if either else 0.0
