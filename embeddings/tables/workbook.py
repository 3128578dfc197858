"""The rows of the sheets of an .xlsx workbook, as text.

A number is its shortest text with a decimal point, a day is 2026-11-24, a moment
2026-11-24T10:00:00: what a cell holds, not how the spreadsheet shows it. Texts that a spreadsheet
would run are guarded as in a CSV (`embeddings.cells`).
"""

import datetime
import io
import zipfile
from typing import Any
from xml.etree.ElementTree import ParseError  # nosec B405 # the name of an error of openpyxl

from embeddings.bounded import ZIP_DAMAGE
from embeddings.cells import guard_text
from embeddings.errors import TableError
from embeddings.tables.csv_rows import Record

_ZIP = b"PK\x03\x04"
_MOST_BYTES = 1 << 30  # of all parts, unpacked: a bomb is a thousand times its own size
# What openpyxl raises on a workbook that is none, or damaged.
_DAMAGE = (*ZIP_DAMAGE, ParseError, KeyError, ValueError, TypeError, AttributeError, IndexError)


def is_workbook(data: bytes) -> bool:
    """Tell whether the bytes of a file are a workbook, or another zip."""
    return data.startswith(_ZIP)


def read_workbook(
    data: bytes, source: str, *, has_formulas: bool = False
) -> dict[str, list[Record]]:
    """Return the rows that are not blank of each sheet, by its title.

    Parameters
    ----------
    data : bytes
    source : str
        The file, as errors name it.
    has_formulas : bool
        Return a formula as it was typed; by default what it last came to.

    Raises
    ------
    TableError
        The file is no .xlsx, damaged or too large, or a formula was never worked out.
    """
    _check_zip(data, source)
    typed = _load(data, source, values=False)
    if has_formulas:
        return typed
    formula = next(
        (
            (title, record.row)
            for title, records in typed.items()
            for record in records
            if any(cell.startswith("=") for cell in record.cells)
        ),
        None,
    )
    if formula is None:
        return typed
    values = _load(data, source, values=True)
    _check_worked_out(typed, values, source=source)
    return values


def _check_zip(data: bytes, source: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            size = sum(part.file_size for part in archive.infolist())
            kind = archive.read("mimetype")[:64] if "mimetype" in names else b""
    except ZIP_DAMAGE as error:
        raise _damaged(source, error) from error
    if b"opendocument" in kind:
        raise TableError(f"{source} is an OpenDocument file: save it as .xlsx or as CSV UTF-8")
    if not any(name.startswith("xl/") for name in names):
        raise TableError(f"{source} is a zip and no workbook: give an .xlsx or a CSV UTF-8")
    if any(name.endswith(".bin") and name.startswith("xl/workbook") for name in names):
        raise TableError(f"{source} is a binary workbook (.xlsb): save it as .xlsx or CSV UTF-8")
    if size > _MOST_BYTES:
        raise TableError(
            f"{source} holds {size >> 20} MiB unpacked, expected {_MOST_BYTES >> 20} at most: "
            "save it as CSV UTF-8"
        )


def _load(data: bytes, source: str, *, values: bool) -> dict[str, list[Record]]:
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=values)
        return {sheet.title: _list_records(sheet) for sheet in book.worksheets}
    except _DAMAGE as error:
        raise _damaged(source, error) from error


def _damaged(source: str, error: Exception) -> TableError:
    return TableError(
        f"{source} is no .xlsx workbook that can be read ({error}): save it as .xlsx or as CSV "
        "UTF-8"
    )


def _list_records(sheet: Any) -> list[Record]:
    # What a file says of its own size is often wrong, and cells beyond would be left out.
    sheet.reset_dimensions()
    records = []
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells = [_read_cell(cell) for cell in row]
        if any(cell.strip() for cell in cells):
            records.append(Record(cells=cells, row=number, line=number))
    return records


def _check_worked_out(
    typed: dict[str, list[Record]], values: dict[str, list[Record]], *, source: str
) -> None:
    """Refuse formulas without a value: a program wrote them, and no spreadsheet saw them yet."""
    for title, records in typed.items():
        known = {record.row: record.cells for record in values[title]}
        for record in records:
            cells = known.get(record.row, [])
            for place, cell in enumerate(record.cells):
                if cell.startswith("=") and not (place < len(cells) and cells[place]):
                    raise TableError(
                        f"{source}, sheet {title}, row {record.row}: {cell[:40]!r} was never "
                        "worked out: open it in a spreadsheet and save it, or save it as CSV UTF-8"
                    )


def _read_cell(cell: Any) -> str:
    """Return a cell as a CSV has it: a text that would be run has an apostrophe before it."""
    text = _write_value(cell.value)
    if not isinstance(cell.value, str) or cell.data_type == "f":
        return text
    # The spreadsheet's own mark of a text, which it does not count to it.
    is_marked = cell.style_array.quotePrefix or text.startswith("=")
    return guard_text(text) if is_marked else text


def _write_value(value: Any) -> str:
    if value is None:
        return ""
    formula = getattr(value, "text", None)  # of an array of cells
    if isinstance(formula, str):
        return formula
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat()
    return str(value)
