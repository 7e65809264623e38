"""Workbooks of Excel and LibreOffice (.xlsx, .xlsb, .xls, .ods): the sheet that is meant, or all, one after another."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.data.reading import archives, table
from core.data.reading.delimited import header
from core.data.reading.table import Source, Table
from core.errors import UserError
from core.wording import count

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

ALL = "all"
"""In place of a sheet's name: all that have rows."""
MOST_CELLS = 60_000_000
"""Of the rectangle that a sheet's cells span: all of it is held in memory, 30 bytes a cell."""
_CELL = re.compile(rb'<c(?=[ >])[^>]*? r="([A-Z]{1,3})\d')
_ROW = re.compile(rb'<row(?=[ >])[^>]*? r="(\d{1,7})"')
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


class WhichSheet(UserError):
    """The workbook has several sheets with rows, of which a person has to choose."""

    def __init__(self, message: str, offered: dict[str, str]) -> None:
        super().__init__(message)
        self.offered = offered
        """Sheet → what is in it, in words."""


def batches(source: Source) -> Iterator[Table]:
    with _opened(source) as book:
        sheets = _chosen(book, source)
        last = 0
        for sheet in sheets:
            for rows in _rows(book, sheet, source):
                if len(sheets) > 1:
                    for row in rows.rows:
                        row["sheet" if "sheet" not in row else "from sheet"] = sheet
                    rows = Table(rows.rows, list(range(last + 1, last + len(rows.rows) + 1)))
                    last = rows.numbers[-1]
                yield rows


@contextmanager
def _opened(source: Source) -> Iterator[CalamineWorkbook]:
    """The workbook. Raises UserError for one that is broken, locked or too large, whenever that shows."""
    import python_calamine

    _require_readable(source)
    try:
        with python_calamine.load_workbook(str(source.path)) as book:
            yield book
    except python_calamine.PasswordError as e:
        raise _locked(source.name) from e
    except (python_calamine.CalamineError, OSError, ValueError, OverflowError) as e:
        raise _broken(source.name, e) from e
    except BaseException as e:
        if type(e).__name__ != "PanicException":  # what the library makes of some broken files
            raise
        raise _broken(source.name, e) from e


def _locked(name: str) -> UserError:
    return UserError(
        f"“{name}” is protected by a password. Open it in Excel, save it without one (File, Info, Protect Workbook), "
        "and import that."
    )


def _broken(name: str, error: BaseException) -> UserError:
    why = " ".join(str(error).split())[:200]
    return UserError(
        f"“{name}” begins as a workbook, but cannot be read: {why}. Open it in Excel or LibreOffice and save it again, "
        "or save the sheet as “CSV UTF-8”."
    )


def _require_readable(source: Source) -> None:
    if not archives.is_archive(source.path):
        with open(source.path, "rb") as file:
            if _ENCRYPTED in file.read(1 << 20):
                raise _locked(source.name)
        return
    archives.require_honest(source.path, source.name)
    with archives.sentence(source.name), zipfile.ZipFile(source.path) as archive:
        for name in archive.namelist():
            # All is unpacked once: a part that is larger than it states has another checksum.
            with archive.open(name) as part:
                _require_small(source, name, part)


def _require_small(source: Source, name: str, part: Any) -> None:
    """Raises UserError where a sheet's cells span more than can be held; a single one in the last corner does."""
    is_sheet = name.startswith("xl/worksheets/")
    columns: set[bytes] = set()
    last, rest = 1, b""
    while data := part.read(1 << 20):
        if is_sheet:
            data = rest + data
            columns.update(_CELL.findall(data))
            if found := _ROW.findall(data):
                last = max(last, int(found[-1]))
            rest = data[-200:]
    widest = max((_column(letters) for letters in columns), default=1)
    if last * widest > MOST_CELLS:
        raise UserError(
            f"“{source.name}”: the cells of a sheet reach to row {last:,} and column {widest:,}, most of them empty. "
            "Delete the empty rows and columns behind the table, or save the sheet as “CSV UTF-8”."
        )


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _chosen(book: CalamineWorkbook, source: Source) -> list[str]:
    """The sheets that are read. Raises WhichSheet where a person should say which."""
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    about = [meta for meta in book.sheets_metadata if meta.typ == SheetTypeEnum.WorkSheet]
    names = [meta.name for meta in about]
    if source.sheet in names:
        return [source.sheet]
    filled: dict[str, str] = {}
    for meta in about:
        sheet = book.get_sheet_by_name(meta.name)
        if sheet.height > 1:
            first = [str(value) for value in next(iter(sheet.to_python(nrows=1)), []) if value != ""]
            hidden = "" if meta.visible == SheetVisibleEnum.Visible else ", hidden"
            columns = table.shortened(", ".join(first), 80)
            filled[meta.name] = f"{count(sheet.height - 1, 'row')} of {columns}{hidden}"
    if not filled:
        raise UserError(f"“{source.name}” holds no sheet with a line of names and a row below it. Choose another file.")
    if source.sheet == ALL or len(filled) == 1:
        return list(filled)
    listed = "; ".join(f"“{name}” ({what})" for name, what in list(filled.items())[:20])
    if source.sheet:
        raise WhichSheet(f"“{source.name}” has no sheet “{source.sheet}”. It has: {listed}. Choose one.", filled)
    raise WhichSheet(
        f"“{source.name}” has {len(filled)} sheets with rows: {listed}. Choose one, or all (on the command line: "
        f"--sheet NAME, or --sheet {ALL}).",
        filled,
    )


def _rows(book: CalamineWorkbook, name: str, source: Source) -> Iterator[Table]:
    sheet = book.get_sheet_by_name(name)
    there = f"{source.name}, sheet {name}"
    if sheet.merged_cell_ranges:
        what = f"The sheet “{name}” has merged cells: what is in them counts for the first cell only."
        source.reading.tell("note", what, "Where each of them is meant, split them and fill the cells.")
    lines = _lines(sheet)
    columns = _columns(next(lines)[1], source, there)
    rows, numbers, size = [], [], 0
    for number, values in lines:
        row = {column: _plain(value) for column, value in zip(columns, values, strict=False)}
        _name_further(row, values, columns, source)
        rows.append(row)
        numbers.append(number)
        size += sum(len(value) if isinstance(value, str) else 8 for value in values)
        if size >= table.PIECE:
            source.reading.bytes += size
            yield Table(rows, numbers)
            rows, numbers, size = [], [], 0
            source.tick(min(1.0, number / max(1, sheet.total_height)))
    source.reading.bytes += size
    yield Table(rows, numbers)


def _lines(sheet: CalamineSheet) -> Iterator[tuple[int, list[Any]]]:
    """(number as the program shows it, values) of each row that is not empty."""
    for number, values in enumerate(sheet.iter_rows(), start=1):
        if any(value != "" and not (isinstance(value, str) and not value.strip()) for value in values):
            yield number, values


def _columns(values: list[Any], source: Source, there: str) -> list[str]:
    """The names in the first row; a column without one is called by its number."""
    names = ["" if value is None else str(_plain(value) or "").strip() for value in values]
    while len(names) > 1 and not names[-1]:
        names.pop()
    unnamed = [i for i, name in enumerate(names, start=1) if not name]
    named = [name or f"column {i}" for i, name in enumerate(names, start=1)]
    if unnamed and len(unnamed) < len(names):
        what = f"Columns without a name in the first row are called “column {unnamed[0]}” and so on."
        source.reading.tell("note", what)
    return header(named, Source(source.path, there, reading=source.reading))


def _name_further(row: dict[str, Any], values: list[Any], columns: list[str], source: Source) -> None:
    """Values to the right of all names are columns, too."""
    for i, value in enumerate(values[len(columns) :], start=len(columns) + 1):
        if value != "":
            row[f"column {i}"] = _plain(value)
            source.reading.tell("note", "Columns without a name in the first row are called by their numbers.")


def _plain(value: Any) -> Any:
    """A cell as JSON would hold it. Excel knows no whole numbers: 3.0 is 3."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53:
        return int(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat(*([" "] if isinstance(value, datetime.datetime) else []))
    return str(value) if isinstance(value, datetime.timedelta) else value
