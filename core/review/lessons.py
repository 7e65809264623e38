"""The way back of the loop: what people wrote in the Error review becomes rows of the next version."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from core.errors import UserError
from core.jobs.answers import reviewed_examples
from core.store.workspace import Job, Workspace
from core.types import DatasetVersion, Example


@dataclass(frozen=True)
class Lessons:
    """A dataset version's rows with corrections in them, before they are frozen."""

    parent: DatasetVersion
    examples: list[Example]
    corrected: tuple[Example, ...]
    """Rows whose answer is now the corrected one; all of them are trained."""
    moved: int
    """Rows that left validation or test: the corrected ones, and those that ask the same."""
    counts: dict[str, int]
    """Rows by split, as they would be."""

    @property
    def sentence(self) -> str:
        n, before, left = len(self.corrected), self.parent.counts["test"], self.counts.get("test", 0)
        answers = "1 corrected answer is" if n == 1 else f"{n:,} corrected answers are"
        them = "it" if n == 1 else "them"
        rest = f"{left:,} of {before:,} test rows remain." if left < before else f"The {left:,} test rows stay."
        return f"{answers} not trained yet. With {them}, {self.counts['train']:,} rows are trained. {rest}"


def look(workspace: Workspace, evaluation: Job) -> Lessons | None:
    """What `learn` would make of the newest corrections of an evaluation; None where there is nothing new to learn."""
    from core.review import labels

    newest = labels.current(workspace.engine, workspace.job(evaluation.id).id)
    written = {id_: event.correction.strip() for id_, event in newest.items() if event.correction.strip()}
    if not written:
        return None
    corrections = [(e, written[e.id]) for e in reviewed_examples(workspace, evaluation) if e.id in written]
    parent = workspace.versions(evaluation.project_id)[-1]
    return merged(parent, workspace.examples(parent.id), corrections)


def learn(workspace: Workspace, evaluation: Job) -> tuple[DatasetVersion, Lessons]:
    """Freeze the project's next version: its newest one, with the corrected rows among the training rows.

    A corrected row is no longer fit to test: whoever wrote its answer saw what the model said. So it leaves the test
    rows, and every row that asks the same goes with it. Raises UserError where nothing new was corrected, or where no
    row would be left to test or to validate with.
    """
    with workspace.locked():
        made = look(workspace, evaluation)
        if made is None:
            raise UserError(
                f"{evaluation.title} has no correction that the newest rows lack. Write one under “The answer as it "
                "should have been” in Error review."
            )
        if gone := [
            split for split in ("test", "validation") if made.parent.counts[split] and not made.counts.get(split)
        ]:
            raise UserError(
                f"All {made.parent.counts[gone[0]]:,} {gone[0]} rows would become training rows, and nothing would be "
                "left to measure with. Import more rows first."
            )
        change = {
            "corrected": [e.id for e in made.corrected],
            "moved_to_train": made.moved,
            "why": f"corrected in the review of {evaluation.title}",
        }
        manifest = {**made.parent.manifest, "changes": [*made.parent.manifest.get("changes", []), change]}
        name, parent = made.parent.name, made.parent.id
        version = workspace.add_version(evaluation.project_id, name, made.examples, manifest, parent_id=parent)
        return version, made


def merged(parent: DatasetVersion, rows: list[Example], corrections: list[tuple[Example, str]]) -> Lessons | None:
    """`rows` with each (reviewed row, its corrected answer) in the reviewed row's place, or at the end for a new row.

    None where the rows train all of these answers already.
    """
    rows, before, corrected = list(rows), len(rows), []
    by_id = {e.id: i for i, e in enumerate(rows)}
    places: dict[tuple[str, ...], list[int]] = {}
    for i, e in enumerate(rows):
        places.setdefault(e.asks, []).append(i)
    for reviewed, answer in corrections:
        asking = places.get(reviewed.asks, [])
        if any(rows[i].target == answer and rows[i].split == "train" for i in asking):
            continue
        # A row that was corrected before has another id: it is found by what it asks.
        at = by_id.get(reviewed.id, asking[0] if asking else len(rows))
        if at == len(rows):
            rows.append(replace(reviewed, row=max((e.row for e in rows), default=0) + 1))
        marked = rows[at].good is not None
        corrected.append(at)
        rows[at] = replace(rows[at], target=answer, good=True if marked else None)
    if not corrected:
        return None
    asked = {rows[i].asks for i in corrected}
    moved = sum(e.asks in asked and e.split != "train" for e in rows[:before])
    rows = [replace(e, split="train") if e.asks in asked else e for e in rows]
    return Lessons(parent, rows, tuple(rows[i] for i in corrected), moved, dict(Counter(e.split for e in rows)))
