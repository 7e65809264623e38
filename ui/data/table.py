"""The rows a page at a time: what is asked for, joined with what checks found and what waits; and how they look."""

from __future__ import annotations

from typing import Any

from core.checking import beside as checked_rows
from core.checking.checks import CHECKS
from core.data import drafts
from core.store.queries import BY_COLUMN, Marks, Query
from core.store.workspace import Workspace
from ui import html
from ui.data import editor

MOST_FOUND = ("Most findings first", "marked")
WAITING = "waiting"
"""Instead of a check: the rows that were changed by hand and are not a version yet."""


def query(
    workspace: Workspace,
    version_id: str | None,
    part: Any,
    search: str | None,
    order: str | None,
    found: str | None,
    column: str | None,
    value: str | None,
) -> Query:
    """What is asked for, joined with what the checks found and what waits."""
    path, among = workspace.rows_file(version_id or ""), None
    if found == WAITING:
        draft = drafts.read(workspace, version_id or "")
        last = draft.acts[-1]["at"] if draft.acts else ""
        among = Marks(f"{WAITING} {len(draft.acts)} {last}", draft.touched)
    elif found:
        among = checked_rows.of_check(path, found)
    marks = checked_rows.all_checks(path) if order == MOST_FOUND[1] else None
    wanted = column or ""
    return Query(part or "", search or "", order or "file", wanted, (value or "") if wanted else "", among, marks)


def table_of(
    draft: drafts.Draft, places: list[int], found: dict[int, list[tuple[str, str]]], asked: tuple[Any, ...]
) -> str:
    """The rows as they would be, each with what was done with it and what checks found in it."""
    order = asked[2] or ""
    by = asked[4] or (order.removeprefix(BY_COLUMN) if order.startswith(BY_COLUMN) else "")
    there = [place for place in places if place < draft.size]
    old = dict(zip(there, draft.rows.take(there), strict=True))
    rows, states = [], []
    for place in places:
        row, done = editor.state_of(draft, place, old.get(place))
        if row is None:
            continue
        titles = [(CHECKS[name].title, evidence) for name, evidence in found.get(place, [])]
        value = f"{by}: {row.meta[by]}" if by and by in row.meta else ""
        rows.append(row)
        states.append(html.RowState(place, done, titles, value))
    return html.rows(rows, states=states)
