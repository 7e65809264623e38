"""The rows of a file become columns that wait in a file, with a few numbers a row of what must be known of all of them.

How its columns are read is decided by all of the file. Most files show it at their beginning: a large one is converted
while it is surveyed, and converted once more where its end tells otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from core.data import waiting as waiting_rows
from core.data.checks import Checks
from core.data.columns.batches import Batch, convert
from core.data.columns.choice import Columns, check, listed
from core.data.columns.labels import labels_of, remarks
from core.data.columns.survey import Survey, Surveying, survey
from core.data.parting import Beside
from core.data.reading.table import PIECE, Reading, Table
from core.data.similar.groups import MOST_ROWS, Reworded
from core.errors import Problem, UserError

AT_ONCE = 16 << 20
"""Bytes from which a file is converted while it is surveyed."""
WRITTEN_BY = "synthetic"
"""The column that says of rows that a model wrote them."""

Tables = Callable[[Reading, float, float], Iterator[Table]]
"""The file, read from its beginning, of (what becomes known of it, share of the progress where it begins, and ends)."""
Choose = Callable[[Survey], Columns]
"""How columns are read. Raises UserError where a person has to say it."""


@dataclass(frozen=True)
class Converted:
    """What is known of a file's rows, which wait in a file of Arrow's own."""

    reading: Reading
    """What became known of the file while it was read."""
    seen: Survey
    columns: Columns
    checks: Checks
    reworded: Reworded
    given: int
    """Rows that got the project's system prompt."""
    noted: Beside
    """What was noted of the columns beside the rows."""


class _Otherwise(Exception):
    """The beginning of the file does not say how all of it is read."""


def converted(
    waiting: Path,
    tables: Tables,
    name: str,
    choose: Choose,
    group: str = "",
    labels: str | None = None,
    size: int = 0,
    looked: Callable[[Reading], None] = lambda reading: None,
) -> Converted:
    """Survey and convert a file. Raises UserError for what cannot be read, and where a person has to say how.

    `group`: a column by which rows are grouped, or nothing. `labels`: a column whose values are kept however long they
    are. `size`: bytes of the file, where they are known. `looked`: called once all of it was read, before anything is
    written of a packed file.
    """
    if size >= AT_ONCE:
        with suppress(_Otherwise):
            done = _at_once(waiting, tables, Surveying(name, labels), choose, group, size)
            looked(done.reading)
            return done
    reading = Reading()
    seen = survey(tables(reading, 0, 0.15), name, labels)
    looked(reading)
    columns = choose(seen)
    check(seen.columns, columns)
    _require_beside(group, seen, columns)
    of_labels = labels_of(seen, columns)
    batches = (convert(table, columns, of_labels) for table in tables(Reading(counting=False), 0.15, 0.6))
    return _kept(waiting, batches, reading, seen, columns, group, remarks(seen, columns), seen.rows)


def _at_once(waiting: Path, tables: Tables, surveying: Surveying, choose: Choose, group: str, size: int) -> Converted:
    """Converted as its beginning says. Raises _Otherwise where that does not hold for all of it."""
    reading = Reading()
    ahead = tables(reading, 0, 0.6)
    first = next(ahead)
    surveying.take(first)
    begun = surveying.finished()
    columns = _chosen(choose, begun, group)

    def batches() -> Iterator[Batch]:
        for table in chain([first], ahead):
            if table is not first:
                surveying.take(table)
            if reading.bytes > 1.1 * size + PIECE:  # packed: how large it is has to be known first
                raise _Otherwise
            try:
                yield convert(table, columns)
            except UserError as e:  # it may be right for other columns
                raise _Otherwise from e

    expected = int(begun.rows * size / max(reading.bytes, 1))
    done = _kept(waiting, batches(), reading, begun, columns, group, [], expected)
    seen = surveying.finished()
    if done.reworded.too_many and seen.rows <= MOST_ROWS:
        raise _Otherwise
    written_by = [WRITTEN_BY in survey.columns for survey in (begun, seen)]
    if choose(seen) != columns or remarks(seen, columns) or written_by[0] != written_by[1]:
        raise _Otherwise
    return replace(done, seen=seen)


def _chosen(choose: Choose, begun: Survey, group: str) -> Columns:
    """How the columns are read, as far as the beginning of the file shows it. Labels are named in each prompt: all of
    them have to be known first.
    """
    try:
        columns = choose(begun)
        check(begun.columns, columns)
        _require_beside(group, begun, columns)
    except UserError as e:
        raise _Otherwise from e
    if columns.label_task or remarks(begun, columns):
        raise _Otherwise
    return columns


def _require_beside(group: str, seen: Survey, columns: Columns) -> None:
    if group and (group not in seen.columns or group in columns.named()):
        left = [column for column in seen.columns if column not in columns.named()]
        raise UserError(f"There is no column “{group}” beside the rows. There is: {listed(left) or 'none'}.")


def _kept(
    waiting: Path,
    batches: Iterator[Batch],
    reading: Reading,
    seen: Survey,
    columns: Columns,
    group: str,
    of_file: list[Problem],
    expected: int,
) -> Converted:
    noted = Beside(columns, seen.columns, group)
    checks, reworded = Checks(of_file), Reworded(expected)
    given = waiting_rows.keep(waiting, noted.noting(batches), checks, reworded)
    return Converted(reading, seen, columns, checks, reworded, given, noted)
