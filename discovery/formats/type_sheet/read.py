"""A filled sheet comes back, as CSV or as a workbook: its cells by column, and its rows' numbers.

Of a workbook, the first sheet with the columns is read, whatever it is called; how a number or a
truth value was shown is not known, so it is read as its shortest text.
"""

from dataclasses import dataclass
from pathlib import Path

from discovery.formats.filled_sheet import FilledSheet, fit_row, parse_sheet
from embeddings.cells import unguard_text
from embeddings.errors import HandoffError, TableError
from embeddings.tables.workbook import is_workbook, read_workbook

_REQUIRED = ("proposal_id", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledTypes:
    """What came back: the cells, and how errors name where they are from."""

    sheet: FilledSheet
    name: str


def is_type_sheet(path: Path) -> bool:
    """Tell whether a file is a sheet of types and no handoff, by its columns."""
    if not path.is_file() or path.suffix.lower() == ".json":
        return False
    data = path.read_bytes()
    try:
        if is_workbook(data):
            columns = set(_read_workbook(data, path).sheet.columns)
        else:
            columns = set(parse_sheet(data, str(path), required=_REQUIRED).columns)
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
    if is_workbook(data):
        return _read_workbook(data, path)
    if path.suffix.lower() in (".xlsx", ".xls", ".ods"):
        raise HandoffError(f"{path} is no .xlsx workbook: save it as .xlsx or as CSV UTF-8")
    sheet = parse_sheet(data, str(path), required=_REQUIRED)
    return FilledTypes(sheet=sheet, name=str(path))


def _read_workbook(data: bytes, path: Path) -> FilledTypes:
    try:
        # Formulas as they are typed, not what they last came to: neither is a label.
        tables = read_workbook(data, str(path), has_formulas=True)
    except TableError as error:
        raise HandoffError(str(error)) from error
    for title, records in tables.items():
        names = [cell.strip() for cell in records[0].cells] if records else []
        if set(_REQUIRED) <= set(names):
            name = f"{path}, sheet {title}"
            rows = [fit_row(record, names, name) for record in records[1:]]
            columns = {
                one: [unguard_text(row[i]) for row in rows] for i, one in enumerate(names) if one
            }
            sheet = FilledSheet(columns=columns, numbers=[record.row for record in records[1:]])
            return FilledTypes(sheet=sheet, name=name)
    raise HandoffError(
        f"{path} has no sheet with the columns {', '.join(_REQUIRED)} in its first row "
        f"(its sheets are {', '.join(tables)}): keep the header as it was written"
    )
