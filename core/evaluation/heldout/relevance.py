"""How much likelier the base model finds an answer after its own prompt than after others: is it off its topic?

The same few prompts serve all answers, so that they are computed once each, and only the first tokens of an answer are
scored. Asked is only of answers that their wording leaves in doubt (`core/review/detectors/topic.py`), at most MOST.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.engine.packing import Row
from core.engine.rendering import Refused, render
from core.engine.scoring import Progress, ShouldStop, score
from core.files import write_atomically
from core.models.sides import Sides
from core.reasoning import answer_of
from core.review.detectors import suggesting, topic
from core.types import Example, Generation

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

OTHERS = 8
"""Prompts that an answer is compared with besides its own."""
TOKENS = 48
"""Tokens of an answer that are scored."""
PROMPT_TOKENS = 512
"""A longer prompt is not compared with: it would cost more than it tells."""
MOST = 200
"""Answers that the model is asked about; of more, those whose wording is farthest from their prompt's."""
DOUBTFUL = 0.02
"""Score of `topic.check` from which on the model is asked."""


FILE = "relevance.json"
"""In the folder of an evaluation: id of a generation → score."""


def read(folder: Path) -> dict[str, float]:
    """What `write` left; empty where the model was not asked."""
    path = folder / FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def write(folder: Path, scores: dict[str, float]) -> None:
    write_atomically(folder / FILE, json.dumps(scores))


def measure(
    sides: Sides,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    generations: Sequence[Generation],
    train: Sequence[Example],
    packed: bool | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> dict[str, float]:
    """Id of a generation → its score, of those that were asked about; see `topic.of_likelihoods`.

    Raises `Stopped` when asked to stop.
    """
    by_id = {e.id: e for e in examples}
    doubtful = _doubtful(by_id, generations, train)
    others = _others(examples, tokenizer)
    if len(others) < 2 or not doubtful:
        return {}
    rows: list[Row] = []
    places: list[tuple[str, int]] = []
    for generation in doubtful:
        answer = answer_of(generation.text)
        own = by_id[generation.example_id]
        asked = [own, *(o for o in others if o.id != own.id and o.prompt != own.prompt)][: OTHERS + 1]
        mine = [row for example in asked if (row := _row(example, answer, tokenizer))]
        if len(mine) == len(asked) > 1:
            rows += mine
            places.append((generation.id, len(mine)))
    with sides.use("base") as model:
        scores = score(model, rows, packed=packed, progress=progress, should_stop=should_stop)
    found, at = {}, 0
    for name, count in places:
        own_score, *rest = scores[at : at + count]
        found[name] = topic.of_likelihoods(own_score.logprob_sum, [s.logprob_sum for s in rest], own_score.tokens)
        at += count
    return found


def _doubtful(
    by_id: Mapping[str, Example], generations: Sequence[Generation], train: Sequence[Example]
) -> list[Generation]:
    """Whose wording does not settle it; the least like their prompts first."""
    letters = suggesting.topics(train)
    scored: list[tuple[float, int, Generation]] = []
    for generation in {g.id: g for g in generations}.values():
        example, answer = by_id[generation.example_id], answer_of(generation.text)
        if example.messages and not topic.is_short(answer):
            found = topic.check(answer, suggesting.shown(example), answer_of(example.target), letters)
            if letters is None or found.score >= DOUBTFUL:
                scored.append((-found.score, len(scored), generation))
    return [generation for *_, generation in sorted(scored)[:MOST]]


def _others(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> list[Example]:
    """A few examples at equal distances with different prompts that are not long; one more than are needed."""
    found: dict[str, Example] = {}
    for example in suggesting.spread([e for e in examples if e.messages], 4 * OTHERS):
        if len(found) <= OTHERS and (row := _row(example, "x", tokenizer)) and len(row[0]) <= PROMPT_TOKENS:
            found.setdefault(example.prompt, example)
    return list(found.values())


def _row(example: Example, answer: str, tokenizer: PreTrainedTokenizerBase) -> Row | None:
    """The prompt with the answer's first TOKENS tokens, of which alone the mask is true; None where it has no form."""
    plain = Example(example.messages, answer, example.row, example.split, tools=example.tools)
    try:
        rendered = render(plain, tokenizer, last_only=True)
    except Refused:
        return None
    if not any(rendered.trained):
        return None
    first = rendered.trained.index(True)
    ids, mask = rendered.ids[: first + TOKENS], rendered.trained[: first + TOKENS]
    return (ids, mask) if len(ids) > first else None
