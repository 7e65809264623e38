"""What no person needs to read: drafts in another form, too long, refusing, repeating, in another language, or copies.

Each draft is told by one filter, the first that holds it, with the value; nothing is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.augmentation.asking import REMNANTS, Request
from core.augmentation.known import Known, languages
from core.augmentation.result import LONGEST, Draft, Filter, Replied, Source
from core.augmentation.rouge import NEAR, Prompts
from core.augmentation.spec import AugmentSpec
from core.questions import asks_hash
from core.types import Example

LOOKED_AT = 300
"""Training rows by which the language of all is told."""
MAJORITY = 0.8
"""Share of the rows from which on theirs is the language of the rows."""
TIMES = 2
"""So many times the length of 99 in 100 training rows is too long; half of the shortest is too short."""
FLOOR = 400
"""Characters that are never too many."""


@dataclass(frozen=True)
class _Bounds:
    """Characters that a text may have."""

    least: float
    most: float

    def odd(self, text: str) -> bool:
        return not self.least <= len(text) <= self.most


def _bounds(texts: Sequence[str], times: float) -> _Bounds:
    if not texts:
        return _Bounds(1, float("inf"))
    lengths = np.array([len(text) for text in texts])
    return _Bounds(max(1, lengths.min() / 2), max(FLOOR, times * float(np.quantile(lengths, 0.99))))


class Filters:
    """Told of each draft in the order in which they come: a copy of an earlier one is a copy, too."""

    def __init__(self, spec: AugmentSpec, known: Known) -> None:
        self._spec, self._known = spec, known
        seeds = [e for e in known.pool if e.messages]
        self._prompts = _bounds([e.prompt for e in seeds], TIMES)
        # Answers of harder prompts are longer, and a text's are as its questions want them.
        self._answers = _bounds([e.target for e in seeds], 2 * TIMES)
        counts = languages(seeds[:LOOKED_AT])
        code, n = counts.most_common(1)[0] if counts else ("", 0)
        self._language = code if n >= max(3, MAJORITY * counts.total()) else ""
        self._asked: set[int] = set()
        """Hashes of what the drafts ask that passed."""
        self._wording = Prompts()
        for seed in seeds:
            self._wording.add(seed.prompt, f"row {seed.row:,}")

    def take(self, earlier: Sequence[Replied]) -> None:
        """What came before this process."""
        for draft in (draft for reply in earlier for draft in reply.drafts):
            if not draft.filter and draft.example:
                self._keep(draft.id, draft.row)

    def _keep(self, draft_id: str, example: Example) -> None:
        self._asked.add(asks_hash(example.asks))
        if self._spec.kind != "answer":
            self._wording.add(example.prompt, f"draft {draft_id}")

    def judged(self, drafts: Sequence[tuple[Draft, Request]]) -> list[Draft]:
        """The drafts, each with the filter that holds it."""
        left = [i for i, (draft, _) in enumerate(drafts) if not draft.filter and draft.example]
        measured = self._known.near_measured([drafts[i][0].row for i in left])
        near = {left[i]: row for i, row in measured.items()}
        judged = []
        for i, (draft, request) in enumerate(drafts):
            if not draft.filter and draft.example:
                name, why = self._of(draft.row, request, near.get(i))
                draft = replace(draft, filter=name, why=why)
                if not name:
                    self._keep(draft.id, draft.row)
            judged.append(draft)
        return judged

    def _of(self, row: Example, request: Request, measured: int | None) -> tuple[Filter, str]:
        for name, why in (
            ("format", _remnant(row)),
            ("length", self._length(row)),
            ("refusal", refusal(row.target) or refusal(row.prompt)),  # the prompt, where it refuses to rewrite one
            ("repeats", _repeats(row)),
            ("language", self._other_language(row, request)),
            ("measured", f"It asks what row {measured:,} asks, which measures." if measured is not None else ""),
            ("copy", self._copy(row)),
            ("similar", self._similar(row)),
        ):
            if why:
                return name, why  # type: ignore[return-value]  # each is a Filter
        return "", ""

    def _length(self, row: Example) -> str:
        if not row.prompt.strip() or not row.target.strip():
            return f"The {'answer' if row.prompt.strip() else 'prompt'} is empty."
        own = self._spec.kind == "answer"  # a person's own prompt is as long as it is
        if not own and self._prompts.odd(row.prompt):
            return f"The prompt has {len(row.prompt):,} characters; your rows' have {_span(self._prompts)}."
        if self._spec.kind != "paraphrase" and len(row.target) > self._answers.most:
            return f"The answer has {len(row.target):,} characters; from your rows up to {self._answers.most:,.0f} fit."
        return ""

    def _other_language(self, row: Example, request: Request) -> str:
        from core.review.detectors.languages import ALIKE, NAMES, is_about, language_of

        seed = request.first
        text = f"{row.prompt}\n{row.target}"
        if is_about(text):
            return ""
        if self._spec.kind in ("paraphrase", "harder") and seed is not None:
            wanted, found = language_of(f"{seed.prompt}\n{seed.target}"), language_of(text)
            if self._spec.kind == "paraphrase":
                wanted, found = language_of(seed.prompt), language_of(row.prompt)
        elif self._spec.kind in ("answer", "document"):
            wanted, found = language_of(request.text), language_of(row.target)
        else:
            wanted, found = self._language, language_of(text)
        alike = any(wanted in group and found in group for group in ALIKE)
        if not wanted or not found or wanted == found or alike:
            return ""
        return f"It is {NAMES.get(found, found)}; {NAMES.get(wanted, wanted)} was expected."

    def _copy(self, row: Example) -> str:
        if self._known.is_trained(row):
            return "A training row asks the same."
        return "An earlier draft asks the same." if asks_hash(row.asks) in self._asked else ""

    def _similar(self, row: Example) -> str:
        if self._spec.kind == "answer":
            return ""
        near = self._wording.nearest(row.prompt, NEAR)
        return f"ROUGE-L {near[0]:.2f} to {near[1]}." if near else ""


def _span(bounds: _Bounds) -> str:
    return f"{bounds.least:,.0f} to {bounds.most:,.0f} at most"


def _remnant(row: Example) -> str:
    lowered = row.prompt.lower()
    found = next((text for text in REMNANTS if text in lowered), None)
    return f"The prompt speaks of the request: “{found}”." if found else ""


def refusal(text: str) -> str:
    """Where a text refuses, with its words; else empty."""
    from core.checking.answers import refused

    row = Example(({"role": "user", "content": ""},), text, 0)
    found = next(iter(refused(row)), None)
    return f"It says “{found.evidence}”." if found else ""


def _repeats(row: Example) -> str:
    from core.checking.answers import repeating

    found = next(iter(repeating(row)), None)
    return found.evidence if found else ""


def source_of(request: Request) -> Source:
    """What a draft is shown beside."""
    seed = request.first
    if request.text:
        return Source(None, request.text[:LONGEST])
    return Source(seed.row, seed.prompt[:LONGEST], seed.target[:LONGEST]) if seed else Source(None, "")
