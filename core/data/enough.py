"""Are the rows enough? What they give for their task, in words, and what the rows that measure can show.

Only columns of numbers are read, and the answers' lengths: nothing here knows a tokenizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.data.resplitting import few_answers
from core.statistics.intervals import minimum_detectable_difference
from core.store.datasets import KINDS, SPLITS, opened
from core.store.keys import distinct
from core.store.queries import Rows
from core.store.workspace import Workspace
from core.wording import count

DISCORDANT = 0.1
"""Share of rows that change between right and wrong in a fine-tuning that is not extreme (EVALUATION, A3)."""
FEW_PROMPTS = 50
SOME_PROMPTS = 500
FEW_TEST = 100
FEW_OF_A_LABEL = 20
MOST_LABELS = 200
"""Different answers up to which they are counted one by one."""


@dataclass(frozen=True)
class Remark:
    level: str
    """note or warning."""
    text: str


@dataclass(frozen=True)
class Enough:
    """What the rows give."""

    rows: dict[str, int]
    """By part."""
    characters: int
    """Of the answers that are trained."""
    prompts: int
    """Different questions to train on, however often they are asked."""
    groups: int
    """Of the test: rows that ask nearly the same count once, for they are no independent evidence."""
    labels: dict[str, int]
    """Training rows of each answer, the most frequent first, where the answer is one of a few labels."""
    remarks: list[Remark]

    @property
    def smallest(self) -> float | None:
        """The smallest difference of two rates that the test rows usually show, 0 to 1; None where there is none."""
        return minimum_detectable_difference(DISCORDANT, self.groups) if self.groups else None


def look(workspace: Workspace, version_id: str) -> Enough:
    """What the rows of a version of this owner are enough for."""
    version = workspace.version(version_id)
    rows = workspace.rows(version.id)
    parts = rows.splits
    train, test = parts == SPLITS.index("train"), parts == SPLITS.index("test")
    prompts = len(distinct(rows.numbers("asks")[train]))
    groups = len(distinct(rows.numbers("group")[test]))
    labels = _labels(rows.path) if few_answers(workspace, version) else {}
    characters = int(rows.answer_characters()[train].sum())
    found = Enough(dict(version.counts), characters, prompts, groups, labels, [])
    found.remarks.extend(_remarks(found, rows, train))
    return found


@lru_cache(maxsize=4)  # a version's rows never change
def _labels(path: Path) -> dict[str, int]:
    """Training rows of each answer; empty where there are too many to be labels."""
    import pyarrow.compute as pc

    counts: dict[str, int] = {}
    with opened(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, ["target", "split"])
            table = table.filter(pc.equal(table["split"], "train"))
            for line in pc.value_counts(table["target"]).to_pylist():
                counts[line["values"]] = counts.get(line["values"], 0) + line["counts"]
            if len(counts) > MOST_LABELS:
                return {}
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _remarks(found: Enough, rows: Rows, train: np.ndarray) -> list[Remark]:
    n, remarks = found.rows["train"], []
    kinds = np.bincount(rows.kinds[train], minlength=len(KINDS)) if n else np.zeros(len(KINDS))
    text = bool(n) and int(kinds[KINDS.index("text")]) == n
    what = "text" if text else "question"
    told = f"{count(n, 'row')} {'is' if n == 1 else 'are'} trained, with {found.characters:,} characters of "
    told += "text" if text else "answers"
    remarks.append(Remark("note", f"{told}. How many tokens these are depends on the model: see the Tokens tab."))
    alike = (
        f"They ask {count(found.prompts, f'different {what}')}." if found.prompts < n else f"Each asks another {what}."
    )
    if text:
        alike = f"They are {count(found.prompts, 'different text')}."
    if found.prompts < FEW_PROMPTS:
        tells = "Few: a model learns a tone or a format from them, hardly anything to know, and soon repeats them. "
        remarks.append(Remark("warning", f"{alike} {tells}Add rows that differ, and watch the validation loss."))
    elif found.prompts < SOME_PROMPTS:
        remarks.append(Remark("note", f"{alike} Usually enough for a format, a tone or a narrow task."))
    else:
        remarks.append(Remark("note", f"{alike} Enough to begin with for most tasks."))
    remarks += _balance(found)
    remarks.append(_measured(found))
    if 0 < found.rows["validation"] < 10:
        remarks.append(
            Remark("warning", f"{count(found.rows['validation'], 'validation row')}: its loss jumps with each of them.")
        )
    remarks.append(
        Remark(
            "note",
            "Whether more rows would help is told by a trial: train on a quarter of the rows and on all of them, and "
            "compare both on the same test rows. Where the quarter does nearly as well, more of the same helps little.",
        )
    )
    return remarks


def _balance(found: Enough) -> list[Remark]:
    if not found.labels:
        return []
    n = sum(found.labels.values())
    most, share = next(iter(found.labels.items()))
    rare = [(label, k) for label, k in found.labels.items() if k < FEW_OF_A_LABEL]
    said = f"{count(len(found.labels), 'label')}; “{_short(most)}” is the answer of {share / n:.0%}."
    if len(found.labels) > 1 and share / n > 0.8:
        said += " Who always says it is right as often: look at each label by itself in the evaluation."
    if rare:
        named = ", ".join(f"“{_short(label)}” {k:,}" for label, k in rare[-5:])
        more = f" and {len(rare) - 5:,} more" if len(rare) > 5 else ""
        said += f" Fewer than {FEW_OF_A_LABEL} rows to learn from have: {named}{more}. Add rows of these."
    return [Remark("warning" if rare or share / n > 0.8 else "note", said)]


def _measured(found: Enough) -> Remark:
    smallest = found.smallest
    if smallest is None:
        return Remark("warning", "There is no test row: nothing can be measured. Split the rows.")
    test = count(found.rows["test"], "test row")
    if found.groups < found.rows["test"]:
        test += f" with {count(found.groups, 'different question')}"
    if smallest >= 1:
        return Remark("warning", f"{test}: too few to show any difference. Split off more.")
    show = "usually shows" if found.rows["test"] == 1 else "usually show"
    said = f"{test} {show} a difference of {100 * smallest:.0f} points or more, where one answer in ten changes."
    if found.groups < FEW_TEST:
        need = math.ceil(found.groups * (smallest / 0.05) ** 2)
        said += f" Smaller ones look like luck. For 5 points it takes about {need:,}."
    return Remark("warning" if found.groups < FEW_TEST else "note", said)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
