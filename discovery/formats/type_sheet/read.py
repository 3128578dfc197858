"""A filled sheet comes back, as CSV or as a workbook: its cells by column, and its rows' numbers.

Of a workbook, the first sheet with the columns is read, whatever it is called; how a number or a
truth value was shown is not known, so it is read as its shortest text.
"""

import datetime
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from discovery.formats.filled_sheet import FilledSheet, fit_row, parse_sheet
from embeddings.cells import unguard_text
from embeddings.errors import HandoffError
from embeddings.tables.sheet import Record

_REQUIRED = ("proposal_id", "label")
_WORKBOOK = b"PK\x03\x04"  # an .xlsx is a zip


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledTypes:
    """What came back: the cells, and how errors name where they are from."""

    sheet: FilledSheet
    name: str


def is_type_sheet(path: Path) -> bool:
    """Tell whether a file is a sheet of types and no handoff: a workbook, or by its columns."""
    if not path.is_file() or path.suffix.lower() == ".json":
        return False
    data = path.read_bytes()
    if path.suffix.lower() == ".xlsx" or data.startswith(_WORKBOOK):
        return True
    try:
        columns = parse_sheet(data, str(path), required=_REQUIRED).columns
    except HandoffError:
        return False
    return "verdict" in columns and "image_id" not in columns


def read_type_sheet(path: Path) -> FilledTypes:
    """Read types.csv or types.xlsx, filled or not.

    Raises
    ------
    HandoffError
        The file cannot be read, or lacks a column.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise HandoffError(f"{path} cannot be read: {error.strerror}") from error
    if data.startswith(_WORKBOOK):
        return _read_workbook(data, path)
    if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise HandoffError(f"{path} is no .xlsx workbook: save it as .xlsx or as CSV UTF-8")
    sheet = parse_sheet(data, str(path), required=_REQUIRED)
    return FilledTypes(sheet=sheet, name=str(path))


def _read_workbook(data: bytes, path: Path) -> FilledTypes:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        # Formulas as they are typed, not what they last came to: neither is a label.
        book = load_workbook(io.BytesIO(data), read_only=True)
        tables = {sheet.title: _list_records(sheet) for sheet in book.worksheets}
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise HandoffError(
            f"{path} is no .xlsx workbook ({error}): save it as .xlsx or as CSV UTF-8"
        ) from error
    for title, records in tables.items():
        names = [cell.strip() for cell in records[0].cells] if records else []
        if set(_REQUIRED) <= set(names):
            name = f"{path}, sheet {title}"
            rows = [fit_row(record, names, name) for record in records[1:]]
            columns = {one: [row[i] for row in rows] for i, one in enumerate(names) if one}
            sheet = FilledSheet(columns=columns, numbers=[record.row for record in records[1:]])
            return FilledTypes(sheet=sheet, name=name)
    raise HandoffError(
        f"{path} has no sheet with the columns {', '.join(_REQUIRED)} in its first row "
        f"(its sheets are {', '.join(tables)}): keep the header as it was written"
    )


def _list_records(sheet: Any) -> list[Record]:
    """Return the rows of a sheet that are not blank, as text."""
    records = []
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = [_read_cell(cell) for cell in row]
        if any(cell.strip() for cell in cells):
            records.append(Record(cells=cells, row=number, line=number))
    return records


def _read_cell(cell: Any) -> str:
    """Return a cell as text, without the apostrophe of a types.csv that was saved as a workbook."""
    text = _write_value(cell.value)
    if not text.startswith("'"):
        return text
    # The spreadsheet's own mark of a text: the apostrophe that is in it is meant.
    return text if cell.style_array.quotePrefix else unguard_text(text)


def _write_value(value: Any) -> str:
    """Write a cell's value as the spreadsheet shows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    return str(value)
