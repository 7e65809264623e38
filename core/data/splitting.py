"""A frozen train / validation / test split. Rows with the same prompt always stand on the same side."""

from __future__ import annotations

import random
from dataclasses import replace

from core.errors import UserError
from core.types import Example


def split(examples: list[Example], validation: float = 0.1, test: float = 0.1, seed: int = 0) -> list[Example]:
    """The same examples, in the same order, each with its split. Shares are of the rows; no part stays empty.

    Raises UserError for fewer than three distinct prompts, or shares that leave nothing to train on.
    """
    if not (0 < validation < 1 and 0 < test < 1 and validation + test <= 0.8):
        raise UserError(
            f"Validation {validation:.0%} and test {test:.0%} leave too little to train on. Together at most "
            "80 %, each more than 0."
        )
    by_prompt: dict[tuple[str, ...], list[int]] = {}
    for i, e in enumerate(examples):
        texts = [m["content"] for m in e.messages] or [e.target]  # plain text stands for itself
        by_prompt.setdefault(tuple(t.strip().casefold() for t in texts), []).append(i)
    if len(by_prompt) < 3 and not any(e.messages for e in examples):
        raise UserError(
            f"The file has {len(by_prompt)} distinct text{'s' if len(by_prompt) != 1 else ''}; training, validation "
            "and test need at least one each. Part long text into several rows (in a .txt file, by empty lines)."
        )
    if len(by_prompt) < 3:
        raise UserError(
            f"The file has {len(by_prompt)} distinct prompt{'s' if len(by_prompt) != 1 else ''}; training, validation "
            "and test need at least one each. Add rows."
        )
    groups = list(by_prompt.values())
    random.Random(seed).shuffle(groups)
    wanted = {"test": max(1, round(test * len(examples))), "validation": max(1, round(validation * len(examples)))}
    splits: dict[int, str] = {}
    for name, rows in wanted.items():
        taken = 0
        # One group must be left for each part that is still to be filled.
        while taken < rows and len(groups) > (2 if name == "test" else 1):
            group = groups.pop()
            splits.update((i, name) for i in group)
            taken += len(group)
    return [replace(e, split=splits.get(i, "train")) for i, e in enumerate(examples)]
