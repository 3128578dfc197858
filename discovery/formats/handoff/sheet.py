"""A table as a spreadsheet saves it: any separator, any encoding it knows, blank rows and columns.

Only what a spreadsheet does by itself is forgiven; each row keeps the number it has on the
screen (the header is row 1), so that a fault can be found.
"""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from embeddings.errors import HandoffError

_SEPARATORS = (",", ";", "\t", "|")
_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",  # what Excel calls "Unicode text"
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The cells of a table as text.

    Attributes
    ----------
    name : str
        The file, for messages.
    columns : dict of str to list of str
        Each column's cells.
    numbers : list of int
        The number of each row on the screen.
    """

    name: str
    columns: dict[str, list[str]]
    numbers: list[int]

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> list[str]:
        """Return a column's cells; blank ones where the column is not there."""
        return self.columns.get(name, [""] * len(self))


def parse_sheet(data: bytes, name: str, *, required: Sequence[str]) -> Sheet:
    """Read the bytes of a CSV that went through a spreadsheet.

    Columns without a name are dropped where they are empty, those with a name nobody asked for
    are kept.

    Raises
    ------
    HandoffError
        The text is in an encoding that cannot be told, a required column is missing or there
        twice, or a row has more cells than there are columns.
    """
    text = _decode(data, name)
    if match := re.match(r"sep=(.)\r?\n", text):  # a line for Excel alone, which hides it
        text, separator = text[match.end() :], match.group(1)
    else:
        header = text.split("\n", 1)[0]
        separator = max(_SEPARATORS, key=header.count)
    try:
        # strict: a quotation mark that never closes must not swallow the rows after it
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise HandoffError(f"{name} is not a table ({error}): save it as CSV UTF-8") from error
    names = [cell.strip() for cell in records[0]] if records else []
    _check_names(names, name, required=required)
    rows: list[list[str]] = []
    numbers: list[int] = []
    for number, record in enumerate(records[1:], start=2):
        if any(cell.strip() for cell in record):
            rows.append(_fit_row(record, names, where=f"{name}: row {number}"))
            numbers.append(number)
    columns = {column: [row[place] for row in rows] for place, column in enumerate(names) if column}
    return Sheet(name=name, columns=columns, numbers=numbers)


def _decode(data: bytes, name: str) -> str:
    encoding = next((kind for bom, kind in _BOMS.items() if data.startswith(bom)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise HandoffError(
            f"{name}: row {number} is not UTF-8, so its letters cannot be told: "
            "save it as CSV UTF-8 or as Unicode text"
        ) from error
    if "\0" in text:
        raise HandoffError(f"{name} holds binary data: save it as CSV UTF-8")
    return text


def _check_names(names: list[str], name: str, *, required: Sequence[str]) -> None:
    missing = [column for column in required if column not in names]
    if missing:
        came = ", ".join(filter(None, names)) or "nothing"
        raise HandoffError(
            f"{name}: row 1 lacks the column {', '.join(missing)} (it has {came[:200]}): "
            "keep the header as it was written"
        )
    doubled = [column for column in names if column and names.count(column) > 1]
    if doubled:
        raise HandoffError(f"{name}: row 1 has the column {doubled[0]} twice: delete one")


def _fit_row(record: list[str], names: list[str], *, where: str) -> list[str]:
    """Give a row as many cells as there are columns; spreadsheets drop and add blank ones."""
    extra = record[len(names) :]
    beyond = next((cell for cell in extra if cell.strip()), "")
    nameless = next(
        (cell for cell, column in zip(record, names, strict=False) if not column and cell.strip()),
        "",
    )
    if beyond or nameless:
        raise HandoffError(
            f"{where}, column {len(names) + 1 if beyond else names.index('') + 1}: "
            f"{beyond or nameless!r} stands in a column without a name: delete or name it"
        )
    return record[: len(names)] + [""] * (len(names) - len(record))
