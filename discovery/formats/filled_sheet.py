"""A table that went through a spreadsheet: its cells to the letter, and what is wrong with them.

Only what a spreadsheet does by itself is forgiven. Each row keeps the number it has on the screen.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from discovery.records import FORMULA_MARKS
from embeddings.cells import unguard_cell
from embeddings.console import get_logger
from embeddings.errors import HandoffError, TableError
from embeddings.tables.csv_rows import Record
from embeddings.tables.sheet import split_records

_MOST_FAULTS = 20  # named in the one line; the rest are counted
_MOST_ROWS = 3  # named of those that have one fault


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """One thing wrong with one row; row 1 is the header, 0 means the file as a whole."""

    row: int
    column: str
    text: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column}: {self.text}" if self.row else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSheet:
    """The cells of a table that went through a spreadsheet, to the letter.

    Attributes
    ----------
    columns : dict of str to list of str
        Each column's cells.
    numbers : list of int
        The number of each row on the screen; the header is row 1.
    """

    columns: dict[str, list[str]]
    numbers: list[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> list[str]:
        """Return a column's cells; blank ones where the column is not there."""
        return self.columns.get(name, [""] * len(self))


def parse_sheet(data: bytes, name: str, *, required: Sequence[str]) -> FilledSheet:
    """Read the bytes of a table that went through a spreadsheet; `name` is the file, in messages.

    Columns without a name are dropped where they are empty, those with a name nobody asked for
    are kept.

    Raises
    ------
    HandoffError
        The text is in an encoding that cannot be told, a required column is missing or there
        twice, or a row has more cells than there are columns.
    """
    try:
        records = split_records(data, name, required=required)
    except TableError as error:
        raise HandoffError(str(error)) from error
    names = [cell.strip() for cell in records[0].cells] if records else []
    _check_names(names, f"{name}: row {records[0].row if records else 1}", required=required)
    rows = [fit_row(record, names, name) for record in records[1:]]
    columns = {
        column: [_read_cell(row[place], column) for row in rows]
        for place, column in enumerate(names)
        if column
    }
    return FilledSheet(columns=columns, numbers=[record.row for record in records[1:]])


def _read_cell(text: str, column: str) -> str:
    plain = unguard_cell(text, column)
    # No label begins with a formula's mark: the apostrophe before one was never put there by a
    # writer of this project, it is the label's own.
    own = column == "label" and plain.lstrip().startswith(FORMULA_MARKS)
    return text if own else plain


def raise_faults(name: str, faults: Sequence[RowFault]) -> None:
    """Raise a HandoffError of all faults, alike ones once, in one line; without any do nothing."""
    if not faults:
        return
    alike: defaultdict[tuple[str, str], list[RowFault]] = defaultdict(list)
    for fault in dict.fromkeys(faults):
        alike[fault.column, fault.text].append(fault)
    lines = [line for group in alike.values() for line in _name_rows(group)]
    listed = "; ".join(line for line, _ in lines[:_MOST_FAULTS])
    more = sum(count for _, count in lines[_MOST_FAULTS:])
    raise HandoffError(f"{name}: {listed}" + (f"; and {more} more faults" if more > 0 else ""))


def tell_other_labels(sheet: FilledSheet, name: str) -> None:
    """Tell of a filled column that is called nearly as the one that is read; `name` is the file."""
    for column, cells in sheet.columns.items():
        filled = sum(bool(cell.strip()) for cell in cells)
        if column != "label" and column.casefold() in ("label", "labels") and filled:
            get_logger().warning(
                "WARNING: %s: the column %s, %d cells, is not read; labels are those of the column "
                "label", name, column, filled,
            )  # fmt: skip


def _name_rows(alike: Sequence[RowFault]) -> list[tuple[str, int]]:
    """Say one fault of many rows in a line, with their number; of a few rows each by itself."""
    if len(alike) <= _MOST_ROWS:
        return [(str(fault), 1) for fault in alike]
    named = ", ".join(str(fault.row) for fault in alike[:_MOST_ROWS])
    rows = f"rows {named} and {len(alike) - _MOST_ROWS} more"
    return [(f"{rows}, column {alike[0].column}: {alike[0].text}", len(alike))]


def _check_names(names: list[str], where: str, *, required: Sequence[str]) -> None:
    missing = [column for column in required if column not in names]
    if missing:
        came = ", ".join(filter(None, names)) or "nothing"
        raise HandoffError(
            f"{where} lacks the column {', '.join(missing)} (it has {came[:200]}): "
            "keep the header as it was written"
        )
    doubled = [column for column in names if column and names.count(column) > 1]
    if doubled:
        raise HandoffError(f"{where} has the column {doubled[0]} twice: delete one")


def fit_row(record: Record, names: list[str], name: str) -> list[str]:
    """Give a row as many cells as there are columns; spreadsheets drop and add blank ones."""
    for place, cell in enumerate(record.cells):
        if cell.strip() and (place >= len(names) or not names[place]):
            raise HandoffError(
                f"{name}: row {record.row}, column {place + 1}: "
                f"{cell!r} stands in a column without a name: delete or name it"
            )
    return record.cells[: len(names)] + [""] * (len(names) - len(record.cells))
