"""Rows changed, added, deleted, restored and moved by hand; what is kept waits in the draft (core/data/drafts.py).

A changed row keeps its part and its number. No change may make a row a copy of another, nor put what a row of another
part asks into its own: a test row is never trained in a second writing. core/data/revising.py makes the version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from core.data import drafts, exchanges
from core.data.drafts import Draft
from core.data.row_texts import with_texts
from core.errors import UserError
from core.questions import asks_hash
from core.store.datasets import SPLITS
from core.store.keys import among
from core.store.workspace import Workspace
from core.types import Example, Message, Split
from core.wording import count

LONGEST = 200_000
"""Characters of one text."""
MOST_HERE = 2_000
"""Rows that are changed or added one by one in one draft: each of its pages reads them all."""


class Conflict(UserError):
    """Somebody else changed the row meanwhile. Nothing was kept, and nothing of either is lost."""

    def __init__(self, sentence: str, version_id: str, place: int, now: Example | None) -> None:
        super().__init__(sentence)
        self.version_id = version_id
        """The version in which the row is now."""
        self.place = place
        self.now = now
        """The row as it is there; None where it is gone."""


@contextmanager
def one_at_a_time(workspace: Workspace, size: int = 0) -> Iterator[None]:
    """One at a time. What is changed belongs to whoever changes it, also where it was lent before."""
    workspace.take_sample()
    workspace.require_room(size, "Another change")
    with workspace.locked():
        yield


def change(
    workspace: Workspace,
    version_id: str,
    place: int,
    seen: str,
    new: Mapping[str, str],
    turns: Sequence[exchanges.Act] = (),
) -> Draft:
    """Give a row other texts. `seen`: its id when the person began. `turns`: what is done with its exchanges first.

    Raises UserError for what no row may be, and Conflict where somebody else changed it meanwhile.
    """
    with one_at_a_time(workspace, sum(map(len, new.values()))):
        draft, place = _found(workspace, version_id, place, seen)
        old = draft.row(place)
        assert old is not None
        row = with_texts(exchanges.changed(old, turns), {name: _clean(name, text) for name, text in new.items()})
        if row == old:
            return draft
        if turns:
            exchanges.require_said(row)
        require_fit(draft, place, row, row.asks != old.asks)
        _require_few(draft)
        drafts.append(workspace, draft.version, "edit", [place], row=row.to_dict())
        return drafts.read(workspace, draft.version.id)


def add(
    workspace: Workspace, version_id: str, prompt: str, answer: str, part: Split = "train", system: str = ""
) -> Draft:
    """Add a row behind the last; without a prompt it is plain text. Raises UserError for what no row may be."""
    prompt, answer, system = _clean("prompt", prompt), _clean("answer", answer), _clean("system prompt", system)
    messages: list[Message] = [{"role": "system", "content": system}] if system.strip() else []
    messages += [{"role": "user", "content": prompt}] if prompt.strip() else []
    with one_at_a_time(workspace):
        draft = newest_draft(workspace, version_id)
        row = Example(tuple(messages), answer, next_number(draft), part)
        return put_behind(workspace, draft, row)


def bring_back(workspace: Workspace, version_id: str, from_version_id: str, number: int) -> Draft:
    """Add a row that an earlier version has, in its part and with its number. Raises UserError where it is there."""
    with one_at_a_time(workspace):
        draft = newest_draft(workspace, version_id)
        source = workspace.version(from_version_id)
        if source.project_id != draft.version.project_id:
            raise UserError("This version belongs to another project. Choose one of this project.")
        row = workspace.rows(source.id).at_row(number)
        if row is None:
            raise UserError(f"Version {source.number} has no row {number}. Choose a row that it has.")
        there = np.flatnonzero((draft.rows.numbers("id") == np.uint64(int(row.id, 16))) & draft.gone)
        if len(there):  # it was only deleted in the draft
            drafts.append(workspace, draft.version, "restore", there[:1])
            return drafts.read(workspace, draft.version.id)
        if number in set(draft.rows.numbers("row")[~draft.gone].tolist()) or _has(draft.added.values(), number):
            row = replace(row, row=next_number(draft))
        return put_behind(workspace, draft, row)


def delete(workspace: Workspace, version_id: str, places: np.ndarray | list[int], why: str = "") -> Draft:
    """Take rows out. Raises UserError where a part would be left without any."""
    return _act(workspace, version_id, "delete", places, why=why)


def restore(workspace: Workspace, version_id: str, places: np.ndarray | list[int]) -> Draft:
    """Take back that rows are deleted."""
    return _act(workspace, version_id, "restore", places)


def move(workspace: Workspace, version_id: str, places: np.ndarray | list[int], to: Split, why: str = "") -> Draft:
    """Put rows into a part, and with them all that ask the same, or nearly.

    Raises UserError as `delete` does, and for rows that a model wrote: they are only trained.
    """
    return _act(workspace, version_id, "move", places, to=to, why=why)


def undo(workspace: Workspace, version_id: str) -> Draft:
    """Take the last act back. Raises UserError where there is none."""
    with one_at_a_time(workspace):
        draft = drafts.read(workspace, version_id)
        if not draft.acts:
            raise UserError("There is no change to take back.")
        drafts.append(workspace, draft.version, "undo", [])
        return drafts.read(workspace, version_id)


def discard(workspace: Workspace, version_id: str) -> Draft:
    """Take all acts back at once; undo brings them again."""
    with one_at_a_time(workspace):
        draft = drafts.read(workspace, version_id)
        if draft.count:
            drafts.append(workspace, draft.version, "discard", [])
        return drafts.read(workspace, version_id)


def _act(workspace: Workspace, version_id: str, act: str, places: np.ndarray | list[int], **more: Any) -> Draft:
    numbers = np.unique(np.asarray(places, np.int64))
    with one_at_a_time(workspace):
        draft = newest_draft(workspace, version_id)
        known = (numbers >= 0) & (numbers < draft.size)
        if not all(int(place) in draft.added for place in numbers[~known]):
            raise UserError("One of these rows is not there any more. Look again, then choose anew.")
        if act == "move":
            numbers = _together(draft, numbers)
            if more["to"] != "train" and (n := _synthetic(draft, numbers)):
                raise UserError(
                    f"{count(n, 'row')} among these or asking the same {'was' if n == 1 else 'were'} written by a "
                    "model, and what a model wrote never measures. Choose others, or delete them first."
                )
        if not len(numbers):
            raise UserError("No row is chosen. Choose rows, or change the search.")
        drafts.append(workspace, draft.version, act, numbers, **more)
        after = drafts.read(workspace, version_id)
        before = draft.version.counts
        if gone := [name for name in SPLITS if before[name] and not after.counts()[name]]:
            drafts.append(workspace, draft.version, "undo", [])
            raise UserError(
                f"No {gone[0]} row would be left. Keep some of the {before[gone[0]]:,}, or import more rows first. "
                "Nothing was changed."
            )
        return after


def _synthetic(draft: Draft, places: np.ndarray) -> int:
    """How many of the rows at these places a model wrote."""
    of_version = places[places < draft.size]
    return int(draft.rows.synthetic[of_version].sum()) + sum(
        draft.added[int(place)].synthetic for place in places[places >= draft.size]
    )


def _together(draft: Draft, places: np.ndarray) -> np.ndarray:
    """The places, and those of all rows that must stand in one part with them."""
    wanted = np.zeros(draft.size, bool)
    wanted[places[places < draft.size]] = True
    for column in ("asks", "group"):
        numbers = draft.rows.numbers(column)
        wanted |= among(numbers, numbers[wanted])
    asked = {asks_hash(draft.added[int(p)].asks) for p in places[places >= draft.size]}
    asked |= {asks_hash(row.asks) for place, row in draft.changed.items() if wanted[place]}
    wanted |= among(draft.rows.numbers("asks"), np.array(sorted(asked), np.int64))
    of = set(draft.rows.numbers("asks")[wanted].tolist()) | asked
    behind = [place for place, row in draft.added.items() if asks_hash(row.asks) in of]
    return np.concatenate([np.flatnonzero(wanted), np.array(behind, np.int64)])


def next_number(draft: Draft) -> int:
    """The number of a new row: above all that the file had and that rows were given since."""
    known = (draft.version.manifest.get("last_row", 0), draft.version.manifest.get("rows_in_file", 0))
    last = max(int(draft.rows.numbers("row").max(initial=0)), *known)
    return max([last, *(row.row for row in draft.added.values())]) + 1


def put_behind(workspace: Workspace, draft: Draft, row: Example) -> Draft:
    place = max([draft.size - 1, *draft.added]) + 1
    require_fit(draft, place, row, True)
    _require_few(draft)
    drafts.append(workspace, draft.version, "add", [place], row=row.to_dict())
    return drafts.read(workspace, draft.version.id)


def newest_draft(workspace: Workspace, version_id: str) -> Draft:
    version = workspace.version(version_id)
    newest = workspace.versions(version.project_id)[-1]
    if newest.id != version.id:
        raise UserError(
            f"Version {newest.number} came after version {version.number}. What is changed here would leave out what "
            f"it changed. Choose version {newest.number}."
        )
    return drafts.read(workspace, version_id)


def _found(workspace: Workspace, version_id: str, place: int, seen: str) -> tuple[Draft, int]:
    """The row that a person saw, as it is now: also in a version that came since, if nobody changed it there."""
    version = workspace.version(version_id)
    newest = workspace.versions(version.project_id)[-1]
    draft = drafts.read(workspace, newest.id)
    if newest.id != version_id:
        place = _place_in(draft, drafts.read(workspace, version_id), place, seen)
    now = draft.row(place)
    deleted = place < draft.size and place >= 0 and bool(draft.gone[place])
    if now is None or deleted:
        was = f"Row {now.row} was" if now else "The row was"
        raise Conflict(
            f"{was} deleted meanwhile, in another window. Your text is still here: restore the row, or copy the text "
            "into a new one.",
            *(newest.id, place, None),
        )
    if now.id != seen:
        raise Conflict(
            f"Row {now.row} was changed meanwhile, in another window. Your text is still here; below is what stands "
            "there now. Keep once more to put yours in its place.",
            *(newest.id, place, now),
        )
    return draft, place


def _place_in(newest: Draft, before: Draft, place: int, seen: str) -> int:
    """Where the row of an earlier version stands now; -1 where it is gone."""
    same = np.flatnonzero(newest.rows.numbers("id") == np.uint64(int(seen, 16)))
    old = before.row(place)
    if len(same) or old is None:
        return int(same[0]) if len(same) else -1
    numbered = np.flatnonzero(newest.rows.numbers("row") == old.row)
    return int(numbered[0]) if len(numbered) else -1


def _clean(name: str, text: str) -> str:
    """A text as it can be kept. Raises UserError for one that is too long."""
    if len(text) > LONGEST:
        raise UserError(f"“{name}” has {len(text):,} characters. Shorten it to {LONGEST:,}.")
    return text.replace("\0", "").replace("\r\n", "\n").encode("utf-8", "replace").decode()


def _require_few(draft: Draft) -> None:
    if len(draft.changed) + len(draft.added) >= MOST_HERE:
        raise UserError(f"{MOST_HERE:,} changes wait already. Make a version of them first, then go on.")


def _has(rows: Iterable[Example], number: int) -> bool:
    return any(row.row == number for row in rows)


def require_fit(draft: Draft, place: int, row: Example, asks_anew: bool) -> None:
    """Raises UserError for a row that says nothing, copies another, or asks what a row of another part asks."""
    if not row.messages and not row.target.strip():
        raise UserError("The row is empty. Write something, or delete the row.")
    if row.messages and not any(m["content"].strip() or m.get("tool_calls") for m in row.messages):
        raise UserError("The prompt is empty. Write what the model is asked.")
    if row.messages and not row.target.strip() and not row.answer:
        raise UserError("The answer is empty. Write what the model should say, or delete the row.")
    if row.rejected and row.rejected == row.target:
        raise UserError("The answer and the rejected one are the same. Change one of them.")
    standing = ~draft.gone
    standing[list(draft.changed)] = False
    if place < draft.size:
        standing[place] = False
    others = [(p, r) for p, r in (*draft.changed.items(), *draft.added.items()) if p != place and not is_gone(draft, p)]
    same = np.flatnonzero((draft.rows.numbers("id") == np.uint64(int(row.id, 16))) & standing)
    copies = [*(int(draft.rows.numbers("row")[p]) for p in same[:1]), *(r.row for _, r in others if r.id == row.id)]
    if copies:
        raise UserError(
            f"That is what row {copies[0]} says, word for word. A copy is trained twice; change or delete one."
        )
    if not asks_anew:
        return
    here, parts = asks_hash(row.asks), draft.splits
    part = SPLITS.index(row.split)
    apart = np.flatnonzero((draft.rows.numbers("asks") == here) & standing & (parts != part))
    found = [(int(draft.rows.numbers("row")[p]), SPLITS[int(parts[p])]) for p in apart[:1]]
    found += [
        (r.row, part_of(draft, p, r)) for p, r in others if r.asks == row.asks and part_of(draft, p, r) != row.split
    ]
    if found:
        number, where = found[0]
        raise UserError(
            f"Row {number}, a {where} row, asks the same, and this is a {row.split} row. Rows that ask the same stand "
            "in one part, or the test would measure what was learnt by heart. Ask something else, or make it a "
            f"{where} row."
        )


def is_gone(draft: Draft, place: int) -> bool:
    return place < draft.size and bool(draft.gone[place])


def part_of(draft: Draft, place: int, row: Example) -> Split:
    return draft.in_part(place, row).split if place < draft.size else row.split
