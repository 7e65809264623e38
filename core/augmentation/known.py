"""The rows that drafts are made of and compared with: seeds come from the training rows alone.

Of all rows a few numbers are held; of the training rows at most POOL whole ones, drawn by the seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from core.augmentation.asking import SHOWN, Request, sizes
from core.augmentation.spec import AugmentSpec
from core.data.similar.groups import Reworded
from core.errors import UserError
from core.questions import asks_hash
from core.store.datasets import KINDS, SPLITS
from core.store.queries import Rows
from core.types import Example

POOL = 20_000
"""Training rows, at most, that drafts are made of and whose wording they are compared with."""
STYLE = 3
"""Rows that show how answers are to be, where prompts are answered."""
AT_ONCE = 2_000
"""Rows that are read at a time."""


class Known:
    """What is known of a version's rows."""

    def __init__(self, path: Path, seed: int, texts: bool = False, judged: bool = False) -> None:
        """`texts`: seeds are rows of plain text, instead of prompts with answers. `judged`: also those that people
        judged, which a paraphrase leaves as they are.
        """
        rows = Rows(path)
        asks, splits = rows.numbers("asks"), rows.splits
        train = splits == SPLITS.index("train")
        self._rows, self._measured_places = rows, np.flatnonzero(~train)
        self._trained, self._measured = np.sort(asks[train]), np.sort(asks[~train])
        self.pool = list(self._drawn(rows, train, seed, texts, judged))
        """The seeds, in the order in which they are taken."""

    @staticmethod
    def _drawn(rows: Rows, train: np.ndarray, seed: int, texts: bool, judged: bool) -> Iterator[Example]:
        text = rows.kinds == KINDS.index("text")
        places = np.random.default_rng(seed).permutation(np.flatnonzero(train & (text if texts else ~text)))
        n = 0
        for at in range(0, len(places), AT_ONCE):
            for example in rows.take(places[at : at + AT_ONCE]):
                if n < POOL and (texts or (is_seed(example) and (judged or example.kind == "answer"))):
                    n += 1
                    yield example
            if n == POOL:
                return

    def is_trained(self, example: Example) -> bool:
        """Does a training row ask the same?"""
        return _holds(self._trained, example)

    def is_measured(self, example: Example) -> bool:
        """Does a test or validation row ask the same?"""
        return _holds(self._measured, example)

    def near_measured(self, drafts: Sequence[Example], most: int = POOL) -> dict[int, int]:
        """Of the drafts that ask what a test or validation row asks, in the same or in other words: place among the
        drafts → number of that row.

        At most so many rows that measure are compared word by word; those that ask the same are all found.
        """
        if not drafts or not len(self._measured_places):
            return {}
        found: dict[int, int] = {}
        hashes = self._rows.numbers("asks")[self._measured_places]
        for i, draft in enumerate(drafts):
            same = np.flatnonzero(hashes == asks_hash(draft.asks))
            if len(same):
                found[i] = int(self._rows.numbers("row")[self._measured_places[same[0]]])
        texts, asks, numbers = self._wording(most)
        # The seeds stand among them, so that a word weighs what it weighs among all rows.
        others = self.pool[:AT_ONCE]
        everything = [*(_asked(e) for e in drafts), *texts, *(_asked(e) for e in others)]
        reworded = Reworded(len(everything))
        with reworded:
            reworded.add(everything)
        of_examples = [[asks_hash(e.asks) for e in part] for part in (drafts, others)]
        groups = reworded.groups(np.array([*of_examples[0], *asks, *of_examples[1]], np.int64))
        questions = groups.asks.tolist()
        measured = dict(zip(questions[len(drafts) : len(drafts) + len(texts)], numbers, strict=True))
        near = groups.pairs.near
        beside: dict[int, list[int]] = {}
        for a, b in zip(groups.pairs.first[near].tolist(), groups.pairs.second[near].tolist(), strict=True):
            beside.setdefault(a, []).append(b)
            beside.setdefault(b, []).append(a)
        for i, question in enumerate(questions[: len(drafts)]):
            row = next((measured[other] for other in beside.get(question, ()) if other in measured), None)
            if row is not None:
                found.setdefault(i, row)
        return found

    @cache  # noqa: B019 (lives as long as its worker)
    def _wording(self, most: int) -> tuple[list[str], list[int], list[int]]:
        """(what it asks, the hash of that, its number) of the rows that measure."""
        measured = self._rows.take(self._measured_places[:most])
        return [_asked(e) for e in measured], [asks_hash(e.asks) for e in measured], [e.row for e in measured]


def _asked(example: Example) -> str:
    return " ".join(example.asks)


def is_seed(example: Example) -> bool:
    """Is it a row that a model may take for an example: asked by a person, answered well, by nobody's tools, and no
    model's own?"""
    calls = example.tools or example.answer.get("tool_calls") or any(m.get("tool_calls") for m in example.messages)
    asked = bool(example.messages) and example.messages[-1]["role"] == "user"
    return asked and not calls and bool(example.target) and example.good is not False and not example.synthetic


def _holds(hashes: np.ndarray, example: Example) -> bool:
    value = asks_hash(example.asks)
    at = int(hashes.searchsorted(value))
    return at < len(hashes) and int(hashes[at]) == value


def requests(spec: AugmentSpec, pool: Sequence[Example], material: Sequence[str]) -> list[Request]:
    """All requests, the same each time. Raises UserError where there is nothing to make rows of."""
    if spec.kind in ("answer", "document"):
        return _of_material(spec, pool, material)
    if not pool:
        raise UserError(
            "No training row has a prompt and an answer that more could be made of (rows with tools, rows marked bad, "
            "plain text and synthetic rows are not taken). Import such rows, or make questions from texts."
        )
    if spec.kind != "new":
        return [Request(i, n, (pool[i % len(pool)],)) for i, n in enumerate(sizes(spec.kind, spec.rows))]
    made = []
    for i, n in enumerate(sizes(spec.kind, spec.rows)):
        drawn = np.random.default_rng([spec.seed, i]).choice(len(pool), min(SHOWN, len(pool)), replace=False)
        made.append(Request(i, n, tuple(pool[place] for place in drawn.tolist())))
    return made


def _of_material(spec: AugmentSpec, pool: Sequence[Example], material: Sequence[str]) -> list[Request]:
    if spec.kind == "document":
        texts = list(material) or [e.target for e in pool]
        if not texts:
            raise UserError(
                "There are no texts to ask about. Bring them, with empty lines between their parts, or import rows of "
                "plain text."
            )
        return [Request(i, n, (), texts[i % len(texts)]) for i, n in enumerate(sizes(spec.kind, spec.rows))]
    if not material:
        raise UserError("There are no prompts to answer. Bring them, one a line.")
    style = tuple(pool[:STYLE])
    rows = min(spec.rows, len(material))  # a prompt is answered once
    return [Request(i, 1, style, text) for i, text in enumerate(material[:rows])]


def languages(examples: Sequence[Example]) -> Counter[str]:
    """Code of each language → rows in it, of those whose language is beyond doubt."""
    from core.review.detectors.languages import language_of

    return Counter(code for e in examples if (code := language_of(f"{e.prompt}\n{e.target}")))
